"""A deployment of two tiny servers, with everything else as it is in real ones."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from datamill_infra.cli.project import link_dagster_yaml
from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CAPABILITY = """
import urllib.request

from datamill_infra.capabilities import Observation
from datamill_infra.model.errors import UnhealthyError


def probe(connection, *, timeout):
    try:
        with urllib.request.urlopen(connection.text("url"), timeout=timeout) as answer:
            return Observation(f"answers {answer.status}", {"status": answer.status}, 0.0)
    except OSError as error:
        raise UnhealthyError(f"{connection.component} is silent: {error}.", instruction="Start it.") from error


def environment(connection):
    return {connection.component.upper() + "_URL": connection.text("url")}
"""

PROGRAMS = """
from datamill_infra.drivers.embedded.program import Program


def programs(context):
    port = str(context.ports["http"])
    argv = (str(context.python), "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(context.paths.data))
    return [Program(context.name, (*argv, port) if context.values["works"] else ("/bin/false",))]
"""


MARSH = "title: Marsh\nsummary: Two servers.\ncomponents: [frog, pond]\n"


def write_component(catalogue: Path, name: str, *, needs: str = "{}") -> None:
    folder = catalogue / name
    folder.mkdir(parents=True)
    (folder / "component.yaml").write_text(
        f"title: {name.title()}\nsummary: A small web server.\nhomepage: https://example.org\nlicence: Apache-2.0\n"
        f"provides: [{name}]\nneeds: {needs}\n"
        "embedded:\n  ports: [http]\n  values: {works: true}\n"
        f'connection:\n  {name}:\n    fields: {{url: "http://${{host}}:${{ports.http}}"}}\n'
        "health: {start_seconds: 10}\n",
        encoding="utf-8",
    )
    (folder / "embedded.py").write_text(PROGRAMS, encoding="utf-8")
    (folder / f"capability_{name}.py").write_text(CAPABILITY, encoding="utf-8")


@contextlib.contextmanager
def _marsh(home: Path) -> Iterator[Path]:
    """``frog`` needs ``pond``; both are one process. Nothing runs yet; everything is taken down afterwards."""
    write_component(home / "catalogue", "pond")
    write_component(home / "catalogue", "frog", needs="{pond: {}}")
    (home / "flavours").mkdir()
    (home / "flavours" / "marsh.yaml").write_text(MARSH, encoding="utf-8")
    (home / "flavours" / "puddle.yaml").write_text(
        "title: Puddle\nsummary: One server.\ncomponents: [pond]\n", encoding="utf-8"
    )
    (home / "deployment.yaml").write_text("flavour: marsh\n", encoding="utf-8")
    link_dagster_yaml(home)
    try:
        yield home
    finally:
        # Whatever a test did to it, this takes down everything that was ever applied.
        (home / "flavours" / "marsh.yaml").write_text(MARSH, encoding="utf-8")
        (home / "deployment.yaml").write_text("flavour: marsh\n", encoding="utf-8")
        deployment = Deployment.load(home)
        with writer_lock(deployment, "test", wait_seconds=30):
            outcomes = Rollout(deployment).down(delete_data=True)
        assert all(outcome.succeeded for outcome in outcomes.values()), outcomes


@pytest.fixture
def marsh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A deployment of two tiny servers, not yet up."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    with _marsh(tmp_path / "home") as home:
        yield home


@pytest.fixture(scope="module")
def shared_marsh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same for all tests of a module, which leave it as they found it."""
    with _marsh(tmp_path_factory.mktemp("shared") / "home") as home:
        yield home
