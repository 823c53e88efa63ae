"""The bench as part of pytest: its options, its table at the end, and the services that some rows need."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from embedded.room import HOLDER, Platform
from faults.bench import Bench, History, Result
from faults.report import table, uncontrolled
from faults.workshop import Workshop
from s3_server import BUCKET, s3_server

from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.deployment import Deployment

SEED = 20130101
PROPERTY = "fault bench"
HISTORIES = Path("build/faults")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fault bench")
    group.addoption("--history", type=Path, help="try one failed trial again, from its history file")
    group.addoption("--fault-seed", type=int, default=SEED, help=f"of what is drawn by chance (default {SEED})")
    group.addoption("--histories", type=Path, default=HISTORIES, help="where histories and the table go")


def _option(config: pytest.Config, name: str) -> Any:
    """An option, or its default in a run of all tests, whose beginning does not know this folder's options yet."""
    defaults = {"--history": None, "--fault-seed": SEED, "--histories": HISTORIES}
    return config.getoption(name, defaults[name])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    path = _option(config, "--history")
    if path is not None:
        node = History.load(path).node
        others = [item for item in items if item.nodeid != node]
        items[:] = [item for item in items if item.nodeid == node]
        config.hook.pytest_deselected(items=others)


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Tries cases; what it counts goes into the table."""
    config = request.config
    history = _option(config, "--history")
    replay = None if history is None else History.load(history)
    made = Bench(request.node.nodeid, _option(config, "--histories"), _option(config, "--fault-seed"), replay)
    yield made
    request.node.user_properties += [(PROPERTY, vars(result)) for result in made.results.values()]


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Forks children that have everything loaded."""
    made = Workshop(tmp_path_factory.mktemp("workshop") / "errors.log")
    yield made
    made.close()


@pytest.fixture(scope="session")
def s3_connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResolvedConnection]:
    """The catalogue's S3 server, with an empty bucket."""
    with s3_server(tmp_path_factory.mktemp("s3proxy")) as connection:
        yield connection


@pytest.fixture
def s3_place(s3_connection: ResolvedConnection) -> dict[str, Any]:
    """An empty store on S3, in words that a child understands."""
    return {"fields": dict(s3_connection.values), "bucket": BUCKET, "prefix": secrets.token_hex(6)}


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Kafka and the broker for MQTT and AMQP, supervised; taken down at the end."""
    deployment = Deployment.write_default(tmp_path_factory.mktemp("platform") / ".datamill", "demo")
    rollout = Rollout(deployment)
    try:
        with writer_lock(deployment, HOLDER):
            outcomes = rollout.up(("kafka", "artemis"))
        failed = [f"{name}: {outcome.message}" for name, outcome in outcomes.items() if not outcome.succeeded]
        assert not failed, "\n".join(failed)
        yield Platform(deployment.home, outcomes)
    finally:
        with writer_lock(deployment, HOLDER):
            Rollout(deployment).down(delete_data=True)


@pytest.fixture
def kafka(platform: Platform) -> ResolvedConnection:
    return platform.connection("kafka")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    results = _results(terminalreporter)
    if results:
        lines = table(results)
        terminalreporter.section("faults")
        terminalreporter.write_line("\n".join(lines))
        folder: Path = _option(config, "--histories")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A bench whose checkers were not seen to catch anything proves nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    whole = session.config.option.markexpr == "faults or control" and not session.config.option.keyword
    if reporter is not None and whole and uncontrolled(_results(reporter)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _results(reporter: pytest.TerminalReporter) -> list[Result]:
    """What the tests told; their last report, of the teardown, says it all."""
    reports = [each for found in reporter.stats.values() for each in found if getattr(each, "when", "") == "teardown"]
    return [Result(**value) for each in reports for name, value in each.user_properties if name == PROPERTY]
