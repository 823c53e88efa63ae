from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from datamill_infra.kubernetes.forwarding import Forwards
from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.model.connections import Connection
from datamill_infra.model.errors import UnhealthyError


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that gives back in capitals what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            with one:
                while data := one.recv(1000):
                    one.sendall(data.upper())

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def cluster_with(port: int, **pod: object) -> MemoryCluster:
    cluster = MemoryCluster()
    ports = [{"port": 9092, "targetPort": "broker"}]
    cluster.put(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kafka", "namespace": "mill"},
            "spec": {"selector": {"app": "kafka"}, "ports": ports},
        }
    )
    cluster.put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "kafka-0", "namespace": "mill", "labels": {"app": "kafka"}},
            "spec": {"containers": [{"name": "kafka", "ports": [{"name": "broker", "containerPort": 19092}]}]},
            "status": {"phase": "Running"},
            **pod,
        }
    )
    cluster.ports["kafka-0", 19092] = port
    return cluster


KAFKA = Connection("kafka", "kafka", {"servers": "kafka.mill.svc:9092", "tls": False}, {"password": "kafka.password"})


def talk(address: str, text: bytes) -> bytes:
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as one:
        one.sendall(text)
        return one.recv(1000)


def test_a_services_address_becomes_a_local_one_that_works(echo: int) -> None:
    with Forwards(cluster_with(echo)) as forwards:
        here = forwards.here(KAFKA)
        assert b"HELLO" == talk(str(here.fields["servers"]), b"hello")
        assert (False, {"password": "kafka.password"}) == (here.fields["tls"], here.secrets)


def test_two_streams_do_not_disturb_each_other(echo: int) -> None:
    with Forwards(cluster_with(echo)) as forwards:
        address = str(forwards.here(KAFKA).fields["servers"])
        assert [b"A", b"B"] == [talk(address, b"a"), talk(address, b"b")]


def test_the_port_is_closed_with_the_context(echo: int) -> None:
    with Forwards(cluster_with(echo)) as forwards:
        address = str(forwards.here(KAFKA).fields["servers"])
        talk(address, b"a")
    with pytest.raises(ConnectionRefusedError):
        talk(address, b"a")


def test_messages_name_the_service_again(echo: int) -> None:
    with Forwards(cluster_with(echo)) as forwards:
        address = forwards.here(KAFKA).fields["servers"]
        assert "no answer from kafka.mill.svc:9092." == forwards.spoken(f"no answer from {address}.")


def test_a_pod_that_does_not_run_is_told_with_its_cause(echo: int) -> None:
    waiting = {"name": "kafka", "state": {"waiting": {"reason": "ErrImageNeverPull", "message": "not here"}}}
    cluster = cluster_with(echo, status={"phase": "Pending", "containerStatuses": [waiting]})
    with Forwards(cluster) as forwards, pytest.raises(UnhealthyError, match=r"ErrImageNeverPull \(not here\)"):
        forwards.here(KAFKA)


def test_a_service_that_is_not_there_is_told(echo: int) -> None:
    other = Connection("kafka", "kafka", {"servers": "gone.mill.svc:9092"})
    with Forwards(cluster_with(echo)) as forwards, pytest.raises(UnhealthyError, match="there is no service gone"):
        forwards.here(other)


def test_host_and_port_in_fields_of_their_own_are_forwarded_together(echo: int) -> None:
    broker = Connection("mqtt", "rabbitmq", {"host": "kafka.mill.svc", "port": 9092, "username": "me"})
    with Forwards(cluster_with(echo)) as forwards:
        here = forwards.here(broker)
        assert b"HELLO" == talk(f"{here.fields['host']}:{here.fields['port']}", b"hello")
        assert isinstance(here.fields["port"], int)
        assert "me" == here.fields["username"]


def test_a_host_elsewhere_stays_as_it_is(echo: int) -> None:
    broker = Connection("mqtt", "mosquitto", {"host": "mqtt.example.org", "port": 1883})
    with Forwards(cluster_with(echo)) as forwards:
        assert broker == forwards.here(broker)
