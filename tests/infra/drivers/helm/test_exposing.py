from __future__ import annotations

import socket
import urllib.request

import pytest
from infra.drivers.helm.pond import Pond

from datamill_infra.model.errors import ConfigurationError, PortTakenError, UnhealthyError

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def status(address: str) -> int:
    with OPENER.open(f"http://{address}/", timeout=10) as answer:
        return int(answer.status)


def test_a_port_is_reached_where_it_was_asked_for_and_says_what_it_is(pond: Pond) -> None:
    pond.up()
    port = free_port()
    with pond.driver.forwarded("frog", {80: port}) as opened:
        assert [("http", "frog.datamill.svc:80", f"127.0.0.1:{port}")] == [
            (one.name, one.address, one.local) for one in opened
        ]
        assert 204 == status(opened[0].local)
    with pytest.raises(OSError, match="refused"):
        status(opened[0].local)


def test_a_pod_that_takes_the_place_of_another_is_reached_too(pond: Pond) -> None:
    pond.up()
    with pond.driver.forwarded("frog", {80: 0}) as opened:
        assert 204 == status(opened[0].local)
        pod = pond.cluster.objects.pop(pond.ref("Pod", "frog-0"))
        pod["metadata"]["name"] = "frog-1"
        pond.cluster.ports["frog-1", 8080] = pond.cluster.ports.pop(("frog-0", 8080))
        pond.cluster.put(pod)
        assert 204 == status(opened[0].local)


def test_a_component_without_units_is_reached_where_its_connection_says(pond: Pond) -> None:
    pond.write("extra: [echo]\n")
    pond.up()
    with pond.driver.forwarded("echo", {80: 0}) as opened:
        assert 204 == status(opened[0].local)


def test_a_port_that_is_taken_is_named_with_who_has_it(pond: Pond) -> None:
    pond.up()
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(PortTakenError, match=rf"Port {other.getsockname()[1]} on 127.0.0.1 is taken by process \d+"),
        pond.driver.forwarded("frog", {80: other.getsockname()[1]}),
    ):
        pass


def test_a_port_that_it_does_not_have_is_refused_with_those_that_it_has(pond: Pond) -> None:
    pond.up()
    with pytest.raises(ConfigurationError) as caught, pond.driver.forwarded("frog", {81: 0}):
        pass
    assert "Its ports: 80 (http)." == caught.value.instruction


def test_what_does_not_run_is_not_forwarded(pond: Pond) -> None:
    pond.up()
    pond.cluster.objects.pop(pond.ref("Pod", "frog-0"))
    with pytest.raises(UnhealthyError, match="no pod of the service frog runs"), pond.driver.forwarded("frog", {80: 0}):
        pass
