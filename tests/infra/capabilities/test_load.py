"""Where a capability's module comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from datamill_infra import capabilities
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import ConfigurationError, UnknownNameError

MODULES = ("kafka", "s3", "mqtt", "amqp", "mlflow", "inference", "dask", "datasets", "postgres", "dagster")
BROUGHT = """
from datamill_infra.capabilities import Observation

created = []

def probe(connection, *, timeout):
    return Observation("{answer}")

def environment(connection):
    return {{"REDIS_URL": connection.text("url")}}

def provision(connection, claim):
    created.append(dict(claim))
"""


def bring(folder: Path, component: str, capability: str, text: str) -> None:
    (folder / component).mkdir(parents=True)
    (folder / component / f"capability_{capability}.py").write_text(text, encoding="utf-8")


def test_every_capability_of_the_design_has_a_probe_and_an_environment() -> None:
    for name in (
        "kafka",
        "s3",
        "mqtt",
        "amqp",
        "mlflow",
        "inference",
        "dask",
        "spark",
        "datasets",
        "postgres",
        "dagster",
    ):
        module = capabilities.load(name)
        assert callable(module.probe)
        assert callable(module.environment)


def test_a_component_brings_a_capability_in_its_folder(tmp_path: Path) -> None:
    bring(tmp_path, "redis", "key_value", BROUGHT.format(answer="PONG"))
    connection = ResolvedConnection("key-value", "redis", {"url": "redis://127.0.0.1"})
    module = capabilities.load("key-value", [tmp_path])
    assert module.probe(connection, timeout=1).summary == "PONG"
    assert module.environment(connection) == {"REDIS_URL": "redis://127.0.0.1"}


def test_the_first_folder_that_has_it_wins(tmp_path: Path) -> None:
    bring(tmp_path / "own", "redis", "cache", BROUGHT.format(answer="own"))
    bring(tmp_path / "packaged", "redis", "cache", BROUGHT.format(answer="packaged"))
    connection = ResolvedConnection("cache", "redis", {})
    module = capabilities.load("cache", [tmp_path / "own", tmp_path / "packaged"])
    assert module.probe(connection, timeout=1).summary == "own"


def test_an_unknown_capability_offers_the_nearest(tmp_path: Path) -> None:
    bring(tmp_path, "redis", "cache", BROUGHT.format(answer=""))
    with pytest.raises(UnknownNameError) as caught:
        capabilities.load("cahce", [tmp_path])
    assert caught.value.nearest == "cache"


def test_modules_that_serve_the_probes_are_not_capabilities() -> None:
    for name in ("attempt", "rest", "__main__"):
        with pytest.raises(UnknownNameError):
            capabilities.load(name)


def test_a_module_without_a_probe_is_refused_with_its_path(tmp_path: Path) -> None:
    bring(tmp_path, "redis", "cache", "def environment(connection): return {}\n")
    with pytest.raises(ConfigurationError, match=r"capability_cache\.py has no function probe"):
        capabilities.load("cache", [tmp_path])


@pytest.mark.parametrize(("claim", "created"), [({"database": "x"}, [{"database": "x"}]), ({}, [])])
def test_a_claim_that_asks_for_something_is_provisioned(
    tmp_path: Path, claim: Mapping[str, object], created: list[Mapping[str, object]]
) -> None:
    bring(tmp_path, "redis", "store", BROUGHT.format(answer=""))
    module = capabilities.load("store", [tmp_path])
    capabilities.provision(module, ResolvedConnection("store", "redis", {}), claim)
    assert vars(module)["created"] == created


def test_a_capability_that_has_nothing_to_create_takes_any_claim() -> None:
    capabilities.provision(capabilities.load("mlflow"), ResolvedConnection("mlflow", "mlflow", {}), {"anything": 1})


def test_what_a_claimant_cannot_do_is_done_as_the_owner(tmp_path: Path) -> None:
    text = (
        BROUGHT.format(answer="") + "\ndef admit(owner, connection, claim):\n    created.append((owner, connection))\n"
    )
    bring(tmp_path, "base", "base", text)
    module = capabilities.load("base", [tmp_path])
    owner, claimant = ResolvedConnection("base", "base", {"user": "root"}), ResolvedConnection("base", "base", {})
    capabilities.provision(module, claimant, {"database": "x"}, owner=owner)
    assert [{"database": "x"}, (owner, claimant)] == vars(module)["created"]
