"""The contract of the door, for the cluster in memory and for the official client over the stand-in."""

from __future__ import annotations

import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from infra.kubernetes.standin import StandIn
from websocket import WebSocketBadStatusException

from datamill_infra.kubernetes import api
from datamill_infra.kubernetes.api import ApiServer
from datamill_infra.kubernetes.cluster import Cluster, Kind
from datamill_infra.kubernetes.errors import (
    ClusterError,
    ConflictError,
    InvalidObjectError,
    RefusedError,
    UnreachableError,
)
from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.kubernetes.objects import Object, Ref
from datamill_infra.model.errors import ConfigurationError, UnknownNameError

COLOURS = Ref("v1", "ConfigMap", "mill", "colours")


def colours(**data: str) -> Object:
    metadata = {"name": "colours", "namespace": "mill", "labels": {"a": "1"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with StandIn(MemoryCluster(), tmp_path) as serving:
        monkeypatch.setenv("KUBECONFIG", str(serving.kubeconfig))
        yield serving


@pytest.fixture(params=["memory", "official client"])
def both(request: pytest.FixtureRequest, standin: StandIn) -> tuple[Cluster, MemoryCluster]:
    """A door, and what is behind it."""
    door = ApiServer("stand-in") if request.param == "official client" else standin.cluster
    return door, standin.cluster


Both = tuple[Cluster, MemoryCluster]


def test_an_object_is_made_read_found_and_deleted(both: Both) -> None:
    door, _ = both
    assert door.get(COLOURS) is None
    door.create(colours(sky="blue"))
    found = door.get(COLOURS)
    assert found is not None
    assert {"sky": "blue"} == found["data"]
    assert ["colours"] == [item["metadata"]["name"] for item in door.find("v1", "ConfigMap", "mill", "a=1")]
    assert [] == door.find("v1", "ConfigMap", "mill", "a=2")
    assert [("v1", "ConfigMap")] == [(item["apiVersion"], item["kind"]) for item in door.find("v1", "ConfigMap")]
    door.delete(COLOURS)
    door.delete(COLOURS)
    assert door.get(COLOURS) is None


def test_kinds_that_can_be_listed_are_known(both: Both) -> None:
    door, behind = both
    door.create(colours())
    behind.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mill"}})
    assert {Kind("v1", "ConfigMap", True), Kind("v1", "Namespace", False)} <= set(door.kinds())


def test_what_is_there_is_not_made_again(both: Both) -> None:
    door, _ = both
    door.create(colours())
    with pytest.raises(ConflictError):
        door.create(colours())


def test_an_object_is_replaced_only_as_it_was_read(both: Both) -> None:
    door, _ = both
    read = door.create(colours(sky="blue"))
    door.replace({**read, "data": {"sky": "grey"}})
    with pytest.raises(ConflictError):
        door.replace({**read, "data": {"sky": "red"}})


def test_applying_sets_fields_and_leaves_the_others(both: Both) -> None:
    door, _ = both
    door.create(colours(sky="blue"))
    door.apply(colours(grass="green"))
    found = door.get(COLOURS)
    assert found is not None
    assert {"sky": "blue", "grass": "green"} == found["data"]


def test_a_patch_removes_a_field_and_refuses_one_that_is_not_there(both: Both) -> None:
    door, _ = both
    door.create(colours(sky="blue", grass="green"))
    door.patch(COLOURS, [{"op": "remove", "path": "/data/sky"}])
    found = door.get(COLOURS)
    assert found is not None
    assert {"grass": "green"} == found["data"]
    with pytest.raises(InvalidObjectError):
        door.patch(COLOURS, [{"op": "remove", "path": "/data/sky"}])


def test_a_kind_that_is_not_served_has_no_objects(both: Both) -> None:
    door, behind = both
    behind.unserved.add("Unicorn")
    assert door.resource("v1", "Unicorn") is None
    assert door.get(Ref("v1", "Unicorn", "mill", "a")) is None
    assert [] == door.find("v1", "Unicorn")


def test_the_last_lines_of_a_log_are_read(both: Both) -> None:
    door, behind = both
    behind.logs["kafka-0", "kafka"] = ["one", "two", "three"]
    behind.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kafka-0", "namespace": "mill"}})
    assert ["two", "three"] == door.log("mill", "kafka-0", "kafka", lines=2)


def test_a_stream_reaches_a_pods_port_and_ends_with_it(both: Both) -> None:
    door, behind = both
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        one, _ = listener.accept()
        with one:
            one.sendall(one.recv(100).upper())

    thread = threading.Thread(target=serve)
    thread.start()
    behind.ports["kafka-0", 9092] = listener.getsockname()[1]
    stream = door.connect("mill", "kafka-0", 9092)
    stream.sendall(b"hello")
    assert b"HELLO" == stream.recv(100)
    assert b"" == stream.recv(100)
    stream.close()
    thread.join()
    listener.close()


def test_a_stream_carries_much_in_both_directions_at_once(both: Both) -> None:
    door, behind = both
    down, up = random.Random(1).randbytes(64 << 20), random.Random(2).randbytes(8 << 20)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            one, _ = listener.accept()
            with one:
                saying = threading.Thread(target=one.sendall, args=(down,))
                saying.start()
                heard.append(_all(one, len(up)))
                saying.join()

        thread = threading.Thread(target=serve)
        thread.start()
        behind.ports["kafka-0", 9092] = listener.getsockname()[1]
        with door.connect("mill", "kafka-0", 9092) as stream:
            asking = threading.Thread(target=stream.sendall, args=(up,))
            asking.start()
            assert down == _all(stream, len(down))
            asking.join()
            thread.join()
            assert b"" == stream.recv(1)
    assert [up] == heard


def test_a_stream_to_a_port_where_nobody_listens_ends(standin: StandIn, unused_port: Callable[[], int]) -> None:
    standin.cluster.ports["kafka-0", 9092] = unused_port()
    with ApiServer("stand-in").connect("mill", "kafka-0", 9092) as stream:
        assert b"" == stream.recv(1)


def _all(stream: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size and (part := stream.recv(1 << 20)):
        found += part
    return bytes(found)


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (ssl.SSLEOFError("EOF occurred in violation of protocol"), UnreachableError, "EOF occurred"),
        (WebSocketBadStatusException("Handshake: %d %s", 403, "Forbidden"), RefusedError, "pod kafka-0, port 9092"),
    ],
)
def test_a_stream_that_cannot_be_opened_is_an_error_of_ours(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[ClusterError], told: str
) -> None:
    del standin

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(api, "open_channels", refuse)
    with pytest.raises(kind, match=told):
        ApiServer("stand-in").connect("mill", "kafka-0", 9092)


def test_what_we_may_do_is_asked_and_what_we_may_not_is_told(standin: StandIn) -> None:
    standin.refused = {("create", "configmaps"), ("post", "configmaps")}
    door = ApiServer("stand-in")
    assert (True, False) == tuple(door.allowed(verb, "v1", "ConfigMap", "mill") for verb in ("get", "create"))
    with pytest.raises(RefusedError, match="tester may not POST configmaps"):
        door.create(colours())


def test_a_context_that_is_not_there_is_refused_with_the_nearest(standin: StandIn) -> None:
    del standin
    with pytest.raises(UnknownNameError, match="no context in the kubeconfig 'stand-on'") as caught:
        ApiServer("stand-on")
    assert "stand-in" == caught.value.nearest


def test_without_a_kubeconfig_the_message_says_where_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        ApiServer("mill")
    assert "KUBECONFIG" in caught.value.instruction


def test_a_server_that_is_not_there_is_told_at_once(standin: StandIn, unused_port: Callable[[], int]) -> None:
    text = standin.kubeconfig.read_text()
    port = text.partition("http://127.0.0.1:")[2].split()[0]
    standin.kubeconfig.write_text(text.replace(port, str(unused_port())))
    with pytest.raises(UnreachableError, match="cannot be reached at http"):
        ApiServer("stand-in").get(COLOURS)


@pytest.fixture
def unused_port() -> Callable[[], int]:
    def find() -> int:
        with socket.create_server(("127.0.0.1", 0)) as one:
            return int(one.getsockname()[1])

    return find
