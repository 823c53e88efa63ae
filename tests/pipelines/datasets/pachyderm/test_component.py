"""The component: found in the catalogue, probed by its protocol."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipelines.datasets.pachyderm.standin.server import StandIn
from pipelines.datasets.pachyderm.standin.state import RefusedError as Refusal

import datamill_infra
from datamill_infra.capabilities import datasets
from datamill_infra.model.catalogue import Catalogue
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import UnhealthyError

NEVER_SHOWN = "s3cr3t-token-of-the-server"


def connection(url: str, token: str = "") -> ResolvedConnection:
    fields = {"provider": "pachyderm", "url": url, "token": token}
    return ResolvedConnection("datasets", "pachyderm", fields, frozenset({"token"}))


def test_the_component_provides_datasets_and_asks_for_an_address_and_a_token() -> None:
    component = Catalogue.load([Path(datamill_infra.__file__).parent / "catalogue"])["pachyderm"]
    assert component.provides == ("datasets",)
    external = component.external["datasets"]
    assert set(external.fields) == {"provider", "url"}
    assert external.fields["provider"].default == "pachyderm"
    assert set(external.secrets) == {"token"}


def test_a_probe_says_which_server_answers_and_leaves_nothing() -> None:
    with StandIn(token=NEVER_SHOWN) as server:
        seen = datasets.probe(connection(server.address, NEVER_SHOWN), timeout=10)
        assert server.calls == ["GetVersion", "ListProject"]
    assert seen.facts == {"version": "2.12.0-stand-in", "projects": 1}


def test_a_probe_tells_a_wrong_token_a_wrong_address_and_a_broken_server_apart(server: StandIn) -> None:
    with StandIn(token=NEVER_SHOWN) as locked, pytest.raises(UnhealthyError, match="refused the credentials"):
        datasets.probe(connection(locked.address, NEVER_SHOWN + "x"), timeout=10)
    with pytest.raises(UnhealthyError, match="nothing listens there"):
        datasets.probe(connection("grpc://127.0.0.1:1"), timeout=10)
    with pytest.raises(UnhealthyError, match="not that of a Pachyderm server"):
        datasets.probe(connection("http://127.0.0.1:1"), timeout=10)

    def broken(_: str) -> None:
        raise Refusal("database is down")

    server.before = broken
    with pytest.raises(UnhealthyError, match="database is down"):
        datasets.probe(connection(server.address), timeout=10)


def test_a_probe_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datamill_infra.capabilities.pachyderm_server.find_spec", lambda _: None)
    with pytest.raises(UnhealthyError) as caught:
        datasets.probe(connection("grpc://127.0.0.1:1"), timeout=10)
    assert "datamill[pachyderm]" in caught.value.instruction
