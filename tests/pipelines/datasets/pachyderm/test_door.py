"""The door: addresses, tokens, budgets, and the server's refusals in Data Mill's words."""

from __future__ import annotations

import socket
import threading

import pytest
from pipelines.datasets.pachyderm.standin.server import StandIn

from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import ConfigurationError
from datamill_pipelines.datasets import open_store
from datamill_pipelines.datasets.errors import DatasetError, StoreUnreachableError
from datamill_pipelines.datasets.pachyderm.door import AccessError, Door
from datamill_pipelines.datasets.pachyderm.store import PachydermStore

NEVER_SHOWN = "s3cr3t-token-of-the-server"


def connection(url: str, token: str = "") -> ResolvedConnection:
    fields = {"provider": "pachyderm", "url": url, "token": token}
    return ResolvedConnection("datasets", "pachyderm", fields, frozenset({"token"}))


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:30650", "http://127.0.0.1:30650", "grpc://", "grpc://host/path", "grpc://user:word@host:1"]
)
def test_an_address_that_is_none_is_a_configuration_error_that_shows_how_it_should_be(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_store(connection(url))
    assert "grpc://host:port" in caught.value.reason
    assert "word" not in str(caught.value)


def test_a_server_that_is_not_there_is_unreachable_and_the_address_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(StoreUnreachableError) as caught:
        open_store(connection(f"grpc://127.0.0.1:{port}"))
    assert f"grpc://127.0.0.1:{port}" in caught.value.reason


def test_the_token_is_sent_with_every_call_and_shown_in_no_error() -> None:
    with StandIn(token=NEVER_SHOWN) as server:
        store = open_store(connection(server.address, NEVER_SHOWN))
        with store.create_repo("raw/flights").commit() as txn:
            txn.put("a", b"1")
        assert store.commit_view("raw/flights@main").read_bytes("a") == b"1"
        assert NEVER_SHOWN not in repr(store) + repr(store.door) + str(vars(store.door))
        store.close()
        for wrong in ("", NEVER_SHOWN + "x"):
            with pytest.raises(AccessError) as caught:
                open_store(connection(server.address, wrong))
            assert NEVER_SHOWN not in str(caught.value)
            assert "token" in caught.value.instruction


def test_credentials_of_the_environment_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACH_PYTHON_AUTH_NEVER_SHOWN", NEVER_SHOWN)
    monkeypatch.setenv("PACH_PYTHON_OIDC_NEVER_SHOWN", NEVER_SHOWN)
    with StandIn(token=NEVER_SHOWN) as server, pytest.raises(AccessError):
        open_store(connection(server.address))


def test_a_server_that_stops_answering_is_given_up_when_the_budget_is_over(server: StandIn) -> None:
    release = threading.Event()
    store = PachydermStore(Door(server.address, call_seconds=0.3, bulk_seconds=0.3))
    store.create_repo("raw/flights")
    server.before = lambda _: release.wait() and None
    try:
        for ask in (store.repos, lambda: store.create_repo("raw/x"), lambda: store.commit_view("raw/flights@main")):
            with pytest.raises(StoreUnreachableError) as caught:
                ask()
            assert "Deadline" in caught.value.reason
    finally:
        release.set()
        store.close()


def test_every_error_of_the_server_is_a_dataset_error_with_reason_and_instruction(store: PachydermStore) -> None:
    with pytest.raises(DatasetError) as caught, store.door.asking("walk from somewhere"):
        list(store.door.pfs.list_repo(type="meta"))
    assert caught.value.reason.startswith("Pachyderm refuses to walk from somewhere: ")
    assert caught.value.instruction
