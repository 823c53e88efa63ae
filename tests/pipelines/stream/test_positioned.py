"""Landing by position: the dataset is a pure function of the records landed."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from datamill_pipelines.datasets import DatasetStore, open_store
from datamill_pipelines.datasets.errors import InvalidNameError
from datamill_pipelines.stream.cutting import Cutting
from datamill_pipelines.stream.draft import Draft
from datamill_pipelines.stream.errors import BadMessageError, IncompatibleSinkError
from datamill_pipelines.stream.landing import Counts
from datamill_pipelines.stream.positioned import PositionedLanding
from datamill_pipelines.stream.schema import Column, MessageSchema
from datamill_pipelines.stream.sink import Landed, Limits, Sink, Target
from datamill_pipelines.stream.testing import MemoryFeed, MemoryTopic

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = MessageSchema((Column("n", "int64", required=True), Column("s", "string")))
CUTTING = Cutting(window=64, fan_in=4, grain=4)


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return open_store(tmp_path.as_uri())


def record(source: random.Random, number: int) -> bytes | None:
    kind = source.random()
    if kind < 0.05:
        return None
    if kind < 0.1:
        return b"garbage %d" % number
    row: dict[str, object] = {"n": number, "s": source.choice(["x", "y", None])}
    if kind < 0.2:
        row["later"] = source.choice([1, 2, 3.5])
    if 0.2 < kind < 0.25:
        row["rare"] = "r"
    return json.dumps(row).encode()


def topic(seed: int, *counts: int) -> MemoryTopic:
    source = random.Random(seed)
    return MemoryTopic([[record(source, number) for number in range(count)] for count in counts])


def land(store: DatasetStore, topic: MemoryTopic, repo: str, batch: int = 100, **settings: object) -> Landed:
    name = f"{repo}@main"
    landing = PositionedLanding(SCHEMA, dataset=name, cutting=CUTTING, **settings)  # type: ignore[arg-type]
    return Sink(MemoryFeed(topic, batch), landing, Target(store, repo), limits=Limits(memory=1 << 20)).run()


@pytest.mark.parametrize("seed", range(6))
def test_the_tree_does_not_depend_on_batches_or_commits(store: DatasetStore, seed: int) -> None:
    source = random.Random(seed)
    whole = topic(seed, 150, 61)
    land(store, whole, "whole")

    growing = MemoryTopic([[], []])
    while growing.partitions != whole.partitions:
        for grown, full in zip(growing.partitions, whole.partitions, strict=True):
            grown.extend(full[len(grown) : len(grown) + source.randrange(0, 40)])
        land(store, growing, "growing", batch=source.randrange(1, 50))

    assert store.commit_view("whole@main").tree_digest == store.commit_view("growing@main").tree_digest


def test_every_record_is_landed_once_as_a_row_or_as_a_dead_letter(store: DatasetStore) -> None:
    source = topic(7, 300, 40)

    landed = land(store, source, "raw/x", batch=33)

    view = store.commit_view("raw/x@main")
    letters = view.table("_dead_letters/")
    for partition, values in enumerate(source.partitions):
        rows = view.table(f"{partition:05d}/").to_pylist()
        bad = {row["record"]: row for row in letters.to_pylist() if row["place"] == f"memory/{partition}"}
        good = [json.loads(value) for number, value in enumerate(values) if number not in bad and value is not None]
        assert [row["n"] for row in good] == [row["n"] for row in rows]
        assert [row.get("later") for row in good] == [row.get("later") for row in rows]
        assert {number: values[number] for number in bad} == {number: row["value"] for number, row in bad.items()}
        assert all(row["reason"] and row["offset"] == number for number, row in bad.items())
    assert landed.counts.rows + landed.counts.dead_letters == sum(map(len, source.partitions))
    assert landed.counts.dead_letters == letters.num_rows


def test_a_new_column_is_accepted_recorded_and_kept(store: DatasetStore) -> None:
    records: list[bytes | None] = [b'{"n":0}', b'{"n":1,"later":1}']
    land(store, MemoryTopic([records]), "raw/x")
    records += [b'{"n":2,"later":"text"}', b'{"n":3,"later":4}']

    landed = land(store, MemoryTopic([records]), "raw/x")

    assert store.commit_view("raw/x@main").table().to_pydict() == {
        "n": [0, 1, 3],
        "s": [None] * 3,
        "later": [None, 1, 4],
    }
    assert 1 == landed.counts.dead_letters
    first = store.commit_view("raw/x@main~1").commit
    assert {"later": "int64"} == first.metadata["accepted_columns"]


def test_a_column_that_no_record_of_a_block_has_is_not_in_its_file(store: DatasetStore) -> None:
    records: list[bytes | None] = [b'{"n":%d}' % number for number in range(64)] + [b'{"n":64,"later":1}']
    land(store, MemoryTopic([records]), "raw/x")

    files = {file.path: file.schema for file in store.commit_view("raw/x@main").files()}

    assert ["n", "s"] == [name for name, *_ in files["00000/000000000000-000000000064.parquet"] or ()]
    assert ["n", "s", "later"] == [name for name, *_ in files["00000/000000000064-000000000065.parquet"] or ()]


def test_a_bad_message_stops_the_sink_where_the_policy_says_so(store: DatasetStore) -> None:
    with pytest.raises(BadMessageError, match="memory/0 at offset 1: not JSON"):
        land(store, MemoryTopic([[b'{"n":0}', b"garbage"]]), "raw/x", bad_messages="stop")

    assert not store.repo("raw/x").branches


def test_nothing_new_makes_no_commit(store: DatasetStore) -> None:
    source = topic(1, 10)
    land(store, source, "raw/x")

    assert [] == land(store, source, "raw/x").commits


def test_acknowledged_is_what_is_committed(store: DatasetStore) -> None:
    source = topic(1, 10, 5)

    land(store, source, "raw/x")

    assert {0: 10, 1: 5} == source.acknowledged
    positions = store.commit_view("raw/x@main").commit.positions
    assert {0: 10, 1: 5} == {each: positions[f"memory/memory/{each}"].end for each in (0, 1)}
    assert {0: 10, 1: 5} == {each: positions[f"records/{each}"].end for each in (0, 1)}


def test_a_dataset_keeps_the_rules_it_was_begun_with(store: DatasetStore) -> None:
    source = topic(1, 10)
    land(store, source, "raw/x")
    other = PositionedLanding(SCHEMA, dataset="raw/x@main", cutting=Cutting(128, 2, 4))
    with pytest.raises(IncompatibleSinkError, match="was landed with the rules"):
        Sink(MemoryFeed(source), other, Target(store, "raw/x")).run()

    retyped = MessageSchema((Column("n", "string", required=True),))
    with pytest.raises(IncompatibleSinkError, match=r"n \(int64, now string\)"):
        Sink(
            MemoryFeed(source),
            PositionedLanding(retyped, dataset="raw/x@main", cutting=CUTTING),
            Target(store, "raw/x"),
        ).run()


def test_of_two_sinks_one_wins_and_the_other_begins_again_behind_it(store: DatasetStore) -> None:
    source = topic(3, 90, 30)
    late = Sink(
        MemoryFeed(source), PositionedLanding(SCHEMA, dataset="raw/x@main", cutting=CUTTING), Target(store, "raw/x")
    )
    late.begin(late.head())

    # The other one lands everything after this one has begun.
    land(store, source, "raw/x")
    before = store.commit_view("raw/x@main").id
    landed = late.run()

    assert [] == landed.commits
    assert before == store.commit_view("raw/x@main").id


def test_a_sink_that_slept_between_reading_and_committing_is_refused(store: DatasetStore) -> None:
    source = topic(3, 90, 30)

    class Sleepy(MemoryFeed):
        slept = False

        def finished(self) -> bool:
            if super().finished() and not self.slept:
                self.slept = True
                land(store, source, "raw/x")  # while this one sleeps, all read and nothing committed
            return super().finished()

    landed = Sink(
        Sleepy(source), PositionedLanding(SCHEMA, dataset="raw/x@main", cutting=CUTTING), Target(store, "raw/x")
    ).run()

    assert 1 == landed.refused
    assert [] == landed.commits
    land(store, source, "once")
    assert store.commit_view("once@main").tree_digest == store.commit_view("raw/x@main").tree_digest


@pytest.mark.parametrize(("format_", "continued"), [(1, True), (2, True), (3, False)])
def test_rules_of_an_older_format_are_continued_and_those_of_a_newer_one_refused(
    store: DatasetStore, format_: int, continued: bool
) -> None:
    source = topic(3, 40)
    more = MemoryTopic([[*source.partitions[0], b'{"n":1}']])
    land(store, source, "raw/x")
    rules = json.loads(store.commit_view("raw/x@main").read_bytes("_sink.json"))
    with store.repo("raw/x").commit("main") as commit:
        commit.put("_sink.json", json.dumps(rules | {"format": format_}).encode())

    if continued:
        land(store, more, "raw/x")
        assert 2 == json.loads(store.commit_view("raw/x@main").read_bytes("_sink.json"))["format"]
    else:
        with pytest.raises(IncompatibleSinkError, match="was landed with the rules"):
            land(store, more, "raw/x")


def test_what_writing_raised_ends_the_run_and_leaves_the_branch_as_it_was(store: DatasetStore) -> None:
    land(store, topic(3, 40), "raw/x")
    before = store.commit_view("raw/x@main").id

    class Broken(PositionedLanding):
        def write_all(self, draft: Draft) -> Counts:
            counts = super().write_all(draft)
            draft.put_table("not//a/path", pa.table({}))
            return counts

    landing = Broken(SCHEMA, dataset="raw/x@main", cutting=CUTTING)
    with pytest.raises(InvalidNameError, match="not//a/path"):
        Sink(MemoryFeed(topic(3, 90)), landing, Target(store, "raw/x")).run()
    assert before == store.commit_view("raw/x@main").id
