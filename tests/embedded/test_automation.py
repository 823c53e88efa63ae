"""What happens by itself while ``datamill ui`` runs: a schedule and a sensor land what came, and output is kept.

On a deployment of its own: what lands here would change what tests on the shared one find, and brokers, object store
and datasets are all that it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg
import pyarrow.compute as pc
import pytest
from embedded.room import Platform, running
from infra.cli.running_ui import serving, until

from datamill_infra.capabilities import s3
from datamill_infra.cli.project import link_dagster_yaml
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import UnknownNameError
from datamill_pipelines.datasets import NotFoundError
from datamill_pipelines.ingestion.flight_replay import FlightReplay
from datamill_pipelines.ingestion.nycflights import weather
from datamill_pipelines.ingestion.weather_publisher import WeatherPublisher, open_outlet
from datamill_pipelines.stream.sinks import session_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.cli.running_ui import Ui

    from datamill_pipelines.datasets import Commit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

MONTH = "2013-03"
BUCKET = "dagster-logs"
TALKING = '''
"""A step that prints."""

import sys

import dagster as dg

from datamill_pipelines.jobs import pipeline_job


@dg.asset(key=["talk", "show"])
def talk_show() -> None:
    print("good evening")
    print("is this on?", file=sys.stderr)


def build() -> dg.Definitions:
    job = pipeline_job("talk", dg.AssetSelection.assets(talk_show), description="Something was said.")
    return dg.Definitions(assets=[talk_show], jobs=[job])
'''


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The flavour ``streaming``, with a pipeline that talks."""
    deployment = Deployment.write_default(tmp_path_factory.mktemp("automation") / ".datamill", "streaming")
    link_dagster_yaml(deployment.home)
    folder = deployment.pipeline_dir / "talking"
    folder.mkdir(parents=True)
    (folder / "definitions.py").write_text(TALKING, encoding="utf-8")
    with running(deployment) as outcomes:
        yield Platform(deployment.home, outcomes)


@pytest.fixture(scope="module")
def ui(brokers: Platform) -> Iterator[Ui]:
    with serving(brokers.home) as ui:
        yield ui


@pytest.fixture
def instance(brokers: Platform) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(brokers.home)) as instance:
        yield instance


def landed(brokers: Platform, repo: str) -> tuple[int, Commit | None]:
    """Rows of the month, and the newest commit."""
    with brokers.connections.store() as store:
        try:
            view = store.commit_view(f"{repo}@main")
        except (NotFoundError, UnknownNameError):  # nothing is landed yet
            return 0, None
        return view.table(columns=["month"]).filter(pc.field("month") == int(MONTH[-2:])).num_rows, view.commit


def when_landed(brokers: Platform, repo: str, expected: int, explain: Callable[[], object]) -> tuple[int, Commit]:
    """Rows and newest commit, once there are as many as expected."""
    found: tuple[int, Commit | None] = (0, None)

    def complete() -> bool:
        nonlocal found
        found = landed(brokers, repo)
        return found[0] >= expected

    try:
        until(complete, f"{expected} rows of {MONTH} in {repo}")
    except AssertionError as late:
        late.add_note(f"landed: {found[0]}; daemons: {explain()}")
        raise
    rows, commit = found
    assert commit is not None
    return rows, commit


def check_made_by(run_id: str, ui: Ui, instance: dg.DagsterInstance, tag: str, automation: str) -> None:
    """The run that made a commit was launched by ``automation``, and ends well."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.tags[tag] == automation
    assert ui.ended(run_id) == "SUCCESS"


def test_the_schedule_lands_weather_that_was_published(brokers: Platform, ui: Ui, instance: dg.DagsterInstance) -> None:
    owner = session_lock(brokers.connections.directory())
    expected = WeatherPublisher(open_outlet(brokers.connection("mqtt"), owner)).run([MONTH])[MONTH]
    assert expected == weather([MONTH]).height
    rows, commit = when_landed(brokers, "raw/weather", expected, ui.daemons)
    assert expected == rows
    check_made_by(commit.run_id, ui, instance, "dagster/schedule_name", "weather_regularly")


def test_the_sensor_on_the_topics_lag_lands_flights_that_were_published(
    brokers: Platform, ui: Ui, instance: dg.DagsterInstance
) -> None:
    expected = FlightReplay(brokers.connection("kafka")).run([MONTH]).sent[MONTH]
    assert expected > 20_000
    rows, commit = when_landed(brokers, "raw/flights", expected, ui.daemons)
    assert expected == rows
    check_made_by(commit.run_id, ui, instance, "dagster/sensor_name", "flights_lag")


def test_what_a_step_prints_is_moved_to_the_object_store_and_read_from_there(
    brokers: Platform, ui: Ui, instance: dg.DagsterInstance
) -> None:
    # Not launched in the UI: on a slow machine it would queue behind the schedule's runs.
    run = str(brokers.run("talk")["run_id"])
    (captured,) = instance.get_records_for_run(run, of_type=dg.DagsterEventType.LOGS_CAPTURED).records
    event = captured.event_log_entry.dagster_event
    assert event is not None
    key = [run, "compute_logs", event.logs_captured_data.file_key]
    assert not list((brokers.home / "storage").rglob(f"{key[-1]}.out"))
    store = s3.open_client(brokers.connection("s3"), 60)
    listed = store.list_objects_v2(Bucket=BUCKET, Prefix=f"runs/storage/{run}")["Contents"]
    kept = {item["Key"][item["Key"].rindex(".") :]: item["Key"] for item in listed}
    assert {".out", ".err"} == set(kept)
    assert store.get_object(Bucket=BUCKET, Key=kept[".out"])["Body"].read() == b"good evening\n"
    store.close()
    told = ui.ask("query($k: [String!]!) { capturedLogs(logKey: $k) { stdout stderr } }", k=key)["capturedLogs"]
    assert told["stdout"] == "good evening\n"
    assert "is this on?" in told["stderr"]
