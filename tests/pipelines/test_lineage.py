"""Lineage follows recorded facts from a prediction to the topic, and back down."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from datamill_infra.model.errors import UnknownNameError
from datamill_pipelines.datasets import NotFoundError, open_store
from datamill_pipelines.lineage import Lineage, Node
from datamill_pipelines.registry import ModelVersion, Registry
from datamill_pipelines.serving.predictions import Prediction, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datamill_pipelines.datasets import DatasetStore

KEY = "kafka/c1/flights/t1/0"
RUN = "11111111-2222-3333-4444-555555555555"


class FixedRegistry(Registry):
    """A registry that answers from memory."""

    def __init__(self, versions: list[ModelVersion]) -> None:
        super().__init__("http://nowhere")
        self._fixed = versions

    def versions(self) -> list[ModelVersion]:
        return self._fixed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DatasetStore]:
    with open_store(tmp_path.as_uri()) as store:
        yield store


@pytest.fixture
def world(store: DatasetStore) -> Lineage:
    """Two batches of flights, features of them, a model of those, two predictions."""
    table = pa.table({"x": [1, 2]})
    raw = store.create_repo("raw/flights")
    for start, end in ((0, 10), (10, 30)):
        with raw.commit(run_id=RUN, code_version="0.1.0+aaa") as commit:
            commit.put_table(f"{start}.parquet", table)
            commit.advance(KEY, start, end)
            commit.advance("records/0", start, end)
    weather = store.create_repo("raw/weather")
    for number, (source, window) in enumerate(
        [("mqtt w/+", "2013-01"), ("mqtt w/+", "2013-02"), ("amqp w", "2013-02")]
    ):
        told = {"source": source, "protocol": source[:4], "windows": [window], "ids_unique_per": "month"}
        with weather.commit(metadata={**told, "rows_landed": 5}) as commit:
            commit.put("w", f"{number}".encode())
            commit.advance("messages", 5 * number, 5 * number + 5)
    with store.create_repo("features/flight_delay").commit(run_id=RUN) as commit:
        commit.read("raw/flights@main")
        commit.read("raw/weather@main")
        commit.put_table("f.parquet", table)
    features = commit.commit
    assert features is not None
    predictions = [
        Prediction(
            prediction_id=f"{number}0000000-0000-0000-0000-000000000000",
            model="flight_delay",
            model_version="3",
            flight_id=f"F{number}",
            probability=0.25,
            inputs="{}",
            predicted_at=datetime(2026, 1, 1, tzinfo=UTC),
            features=features.ref,
            run_id=RUN,
        )
        for number in (1, 2)
    ]
    record(store, predictions, features=features.ref, run_id=RUN, code_version="0.1.0+aaa")
    version = ModelVersion(
        "flight_delay",
        "3",
        tags={"datamill.features": features.ref, "datamill.run_id": RUN},
        aliases=("champion",),
    )
    return Lineage(store, FixedRegistry([version, ModelVersion("flight_delay", "2")]))


def kinds(node: Node) -> list[str]:
    return [node.kind, *(kind for child in node.children for kind in kinds(child))]


def find(node: Node, kind: str) -> list[Node]:
    return ([node] if node.kind == kind else []) + [one for child in node.children for one in find(child, kind)]


def test_a_prediction_goes_back_to_model_features_raw_and_offsets(world: Lineage) -> None:
    tree = world.up("1")
    assert tree.kind == "prediction"
    assert [node.name for node in find(tree, "model")] == ["model:flight_delay@3"]
    assert {"features/flight_delay", "raw/flights", "raw/weather"} == {
        node.name.partition("@")[0] for node in find(tree, "commit")
    }
    assert [node.name for node in find(tree, "topic")] == ["flights/0 offsets 0 to 29"]
    assert {"amqp w", "mqtt w/+"} == {node.name for node in find(tree, "source")}


def test_brokers_without_positions_are_sources_with_their_messages_and_windows(world: Lineage) -> None:
    amqp, mqtt = sorted(find(world.up("raw/weather@main"), "source"), key=lambda node: node.name)
    assert mqtt.facts == {
        "protocol": "mqtt",
        "ids_unique_per": "month",
        "messages": 10,
        "windows": ["2013-01", "2013-02"],
    }
    assert (amqp.facts["messages"], amqp.facts["windows"]) == (5, ["2013-02"])
    assert find(world.up("raw/flights@main"), "source") == []


def test_what_was_shown_is_not_shown_twice(world: Lineage) -> None:
    features = [node for node in find(world.up("1"), "commit") if node.name.startswith("features/")]
    assert [node.repeated for node in features] == [False, True]
    assert features[1].children == []


def test_every_commit_carries_run_and_code_version(world: Lineage) -> None:
    (raw,) = (node for node in find(world.up("1"), "commit") if node.name.startswith("raw/flights"))
    assert (raw.facts["run"], raw.facts["code_version"]) == (RUN, "0.1.0+aaa")


def test_a_raw_commit_goes_down_to_features_model_and_predictions(world: Lineage) -> None:
    tree = world.down("raw/flights@main")
    assert [node.name for node in find(tree, "model")] == ["model:flight_delay@3"]
    assert len(find(tree, "prediction")) == 2


def test_what_was_made_from_an_earlier_commit_is_not_made_from_a_later_one(world: Lineage) -> None:
    assert world.down("raw/flights@main~1").children == []


def test_a_model_is_named_by_version_or_alias(world: Lineage) -> None:
    assert world.up("model:flight_delay@champion").name == world.up("model:flight_delay@3").name


def test_a_run_shows_everything_it_made(world: Lineage) -> None:
    made = world.up(f"run:{RUN[:8]}")
    assert {"commit", "model"} <= {child.kind for child in made.children}


def test_a_rolled_back_commit_keeps_its_lineage(world: Lineage, store: DatasetStore) -> None:
    later = store.commit_view("raw/flights@main").id
    store.repo("raw/flights").rollback("main", "main~1")
    assert len(find(world.down(f"raw/flights@{later}"), "prediction")) == 2


@pytest.mark.parametrize("subject", ["9", "raw/flights@deadbeef", "run:none"])
def test_what_was_never_recorded_is_not_found(world: Lineage, subject: str) -> None:
    with pytest.raises(NotFoundError):
        world.up(subject)


def test_an_unknown_model_version_is_refused_with_the_nearest(world: Lineage) -> None:
    with pytest.raises(UnknownNameError) as refused:
        world.up("model:flight_dely@3")
    assert refused.value.nearest == "flight_delay@3"
