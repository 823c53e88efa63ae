"""The whole example on real servers: every flight arrives, and every prediction knows where it came from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pytest
from mlflow import MlflowClient

from datamill_pipelines.ingestion import nycflights
from datamill_pipelines.ingestion.replayed_rows import rows_in_topic
from datamill_pipelines.serving.predictions import recorded
from datamill_pipelines.stream.kafka_client import describe_topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedded.room import Platform

# The first test that asks for it waits for the whole run.
pytestmark = pytest.mark.timeout(600)

MONTHS = ["2013-01", "2013-02"]
FLIGHTS = 51_955
Report = dict[str, Any]


def step_of(report: Report, asset: str) -> Report:
    (found,) = (step for step in report["steps"] if asset in step["assets"])
    return dict(found)


def walk(node: Report) -> Iterator[Report]:
    yield node
    for child in node["children"]:
        yield from walk(child)


def names(tree: Report, kind: str) -> set[str]:
    return {node["name"] for node in walk(tree) if node["kind"] == kind}


@pytest.fixture(scope="module")
def predicted(platform: Platform, flight_delay: Report) -> str:
    """The id of one of the run's predictions."""
    assert flight_delay["status"] == "success"
    with platform.connections.store() as store:
        return min(recorded(store))


def test_topic_raw_commits_and_features_have_every_flight_once(platform: Platform, flight_delay: Report) -> None:
    rows, foreign = rows_in_topic(platform.connection("kafka"), "flights")
    months = set(nycflights.flights(MONTHS)["row"])
    replayed = [row for row in rows if row in months]
    with platform.connections.store() as store:
        raw = store.commit_view("raw/flights@main").table(columns=["month"])
        features = store.commit_view("features/flight_delay@main").table().column("flight_id")
    landed = raw.filter(pc.field("month") <= 2).num_rows
    assert FLIGHTS == len(months) == len(replayed) == len(set(replayed))
    assert foreign == 0
    assert FLIGHTS == landed
    assert FLIGHTS == len(features) == len(features.unique())
    assert FLIGHTS == step_of(flight_delay, "features/flight_delay")["rows"]


def test_every_check_on_data_passes_but_the_warning_about_the_sources_one_odd_wind(flight_delay: Report) -> None:
    (failed,) = [failed for step in flight_delay["steps"] for failed in step["checks_failed"]]
    assert (failed["asset"], failed["check"], failed["severity"]) == ("raw/weather", "weather_ranges", "WARN")
    assert "wind_speed" in failed["message"]
    assert sum(step["checks_passed"] for step in flight_delay["steps"]) >= 12


def test_a_prediction_leads_to_its_model_its_features_and_the_offsets_of_every_partition(
    platform: Platform, flight_delay: Report, predicted: str
) -> None:
    tree = platform.read("lineage", predicted)["up"]
    assert {"model:flight_delay@1"} == names(tree, "model")
    commits = {name.partition("@")[0] for name in names(tree, "commit")}
    assert {"features/flight_delay", "raw/flights", "raw/weather", "raw/planes", "raw/airports"} <= commits
    topic = describe_topic(platform.connection("kafka"), "flights")
    partitions = {node["name"].split()[0]: node["facts"] for node in walk(tree) if node["kind"] == "topic"}
    assert {f"flights/{number}" for number in topic.latest} == set(partitions)
    assert {(0, topic.topic_id, topic.cluster_id)} == {
        (facts["start"], facts["topic_id"], facts["cluster"]) for facts in partitions.values()
    }
    made = {node["facts"]["run"] for node in walk(tree) if node["kind"] in ("commit", "prediction")}
    assert {flight_delay["run_id"]} == made
    assert all(node["facts"]["code_version"] for node in walk(tree) if node["kind"] == "commit")


def test_the_raw_flights_lead_down_to_the_prediction(platform: Platform, predicted: str) -> None:
    tree = platform.read("lineage", "raw/flights@main")["down"]
    assert predicted in names(tree, "prediction")


def test_the_registry_carries_the_same_facts(platform: Platform, flight_delay: Report, predicted: str) -> None:
    client = MlflowClient(platform.connection("mlflow").text("url"))
    tags = client.get_model_version("flight_delay", "1").tags
    tree = platform.read("lineage", predicted)["up"]
    assert tags["datamill.run_id"] == flight_delay["run_id"]
    assert tags["datamill.features"] in names(tree, "commit")
    assert set(json.loads(tags["datamill.raw"])) <= names(tree, "commit")
    assert {"raw/flights", "raw/weather", "raw/planes", "raw/airports"} == {
        ref.partition("@")[0] for ref in json.loads(tags["datamill.raw"])
    }
