"""Landing by message id: the dataset is the set of messages."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from datamill_infra.model.errors import ConfigurationError, UnhealthyError
from datamill_pipelines.datasets import DatasetStore, open_store
from datamill_pipelines.stream.feeds import MessageFeed
from datamill_pipelines.stream.identified import REUSED, IdentifiedLanding
from datamill_pipelines.stream.messages import Message, MessageRecords, MessageSource
from datamill_pipelines.stream.schema import Column, MessageSchema
from datamill_pipelines.stream.sink import Landed, Sink, Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datamill_pipelines.stream.draft import Draft

SCHEMA = MessageSchema((Column("at", "timestamp[us, tz=UTC]", required=True), Column("v", "int64")))


class Broker(MessageSource):
    """Delivers messages again that were not acknowledged, as brokers do."""

    def __init__(self, messages: Sequence[Message], batch: int = 7) -> None:
        self.queue = list(messages)
        self.batch = batch
        self.now = 0.0
        self._taken = 0

    def open(self) -> None:
        self._taken = 0

    def poll(self, seconds: float) -> list[MessageRecords]:
        del seconds
        taken = self.queue[self._taken : self._taken + self.batch]
        self._taken += len(taken)
        self.now += not taken  # time passes only while nothing comes
        return [MessageRecords(taken)] if taken else []

    def acknowledge(self) -> None:
        del self.queue[: self._taken]
        self._taken = 0

    def close(self) -> None:
        self._taken = 0


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return open_store(tmp_path.as_uri())


def message(number: int, *, hour: int | None = None, message_id: str | None = "", value: object = None) -> Message:
    hour = number if hour is None else hour
    body = {"at": f"2013-01-{1 + hour // 24:02d}T{hour % 24:02d}:30:00Z", "v": number if value is None else value}
    return Message(json.dumps(body).encode(), "weather/EWR", f"m-{number:03d}" if message_id == "" else message_id)


def land(store: DatasetStore, broker: Broker, repo: str = "raw/w", **settings: object) -> Landed:
    name = f"{repo}@main"
    landing = IdentifiedLanding(SCHEMA, event_time="at", window="day", dataset=name, **settings)  # type: ignore[arg-type]
    feed = MessageFeed(broker, "weather", idle_seconds=0.5, clock=lambda: broker.now)
    return Sink(feed, landing, Target(store, repo)).run()


def test_messages_delivered_again_are_landed_once(store: DatasetStore) -> None:
    messages = [message(number) for number in range(60)]
    land(store, Broker(messages))

    landed = land(store, Broker([*messages, *messages]))

    assert [] == landed.commits
    assert 60 == store.commit_view("raw/w@main").table().num_rows


@pytest.mark.parametrize("seed", range(5))
def test_the_tree_is_a_function_of_the_set_of_messages(store: DatasetStore, seed: int) -> None:
    source = random.Random(seed)
    messages = [message(number) for number in range(50)]
    messages += [message(number, message_id=None) for number in range(50, 60)]
    messages += [Message(b"garbage %d" % number, "weather/EWR", f"bad-{number}") for number in range(5)]
    land(store, Broker(messages), "whole")

    shuffled = messages + [each for each in source.sample(messages, 30) if each.message_id]
    source.shuffle(shuffled)
    while shuffled:
        part = [shuffled.pop() for _ in range(min(len(shuffled), source.randrange(1, 30)))]
        land(store, Broker(part, batch=source.randrange(1, 10)), "parts")

    assert store.commit_view("whole@main").tree_digest == store.commit_view("parts@main").tree_digest


def test_a_file_holds_a_window_of_event_time_in_utc_sorted_by_id(store: DatasetStore) -> None:
    land(store, Broker([message(number) for number in (30, 1, 25, 0)]))

    view = store.commit_view("raw/w@main")

    assert {"2013-01-01.parquet": 2, "2013-01-02.parquet": 2} == {file.path: file.rows for file in view.files()}
    assert ["m-000", "m-001"] == view.table("2013-01-01")["message_id"].to_pylist()


def test_a_message_without_id_is_landed_each_time_it_comes(store: DatasetStore) -> None:
    land(store, Broker([message(1, message_id=None), message(1, message_id=None)]))

    assert [1, 1] == store.commit_view("raw/w@main").table()["v"].to_pylist()


def test_another_message_with_a_known_id_is_kept_as_a_dead_letter(store: DatasetStore) -> None:
    land(store, Broker([message(1)]))

    landed = land(store, Broker([message(1, value=99)]))

    letters = store.commit_view("raw/w@main").table("_dead_letters/").to_pylist()
    assert 1 == landed.counts.dead_letters
    assert [(row["message_id"], row["reason"]) for row in letters] == [("m-001", REUSED)]
    assert 99 == json.loads(letters[0]["value"])["v"]
    assert [1] == store.commit_view("raw/w@main").table()["v"].to_pylist()


def test_a_bad_message_is_kept_once_with_its_bytes_place_and_reason(store: DatasetStore) -> None:
    bad = Message(b"garbage", "weather/JFK", "bad-1")
    land(store, Broker([bad, message(2), bad]))
    land(store, Broker([bad]))

    letters = store.commit_view("raw/w@main").table("_dead_letters/").to_pylist()

    assert [("weather/JFK", "bad-1", b"garbage")] == [
        (row["place"], row["message_id"], row["value"]) for row in letters
    ]
    assert letters[0]["reason"].startswith("not JSON")


def test_what_was_not_committed_is_not_acknowledged(store: DatasetStore) -> None:
    broker = Broker([message(1), Message(b"garbage", "weather/JFK", "bad-1")])
    with pytest.raises(Exception, match="A bad message in weather/JFK with id bad-1"):
        land(store, broker, bad_messages="stop")

    assert 2 == len(broker.queue)


def test_a_refused_commit_takes_the_messages_again(store: DatasetStore) -> None:
    broker = Broker([message(number) for number in range(20)])

    class Raced(MessageFeed):
        others: Sequence[Message] = [message(number) for number in range(15, 30)]

        def advance(self, draft: Draft) -> dict[str, str]:
            others, self.others = self.others, []
            land(store, Broker(others))  # lands while this one's commit is being made
            return super().advance(draft)

    landing = IdentifiedLanding(SCHEMA, event_time="at", window="day", dataset="raw/w@main")
    feed = Raced(broker, "weather", idle_seconds=0.5, clock=lambda: broker.now)
    landed = Sink(feed, landing, Target(store, "raw/w")).run()

    assert 1 == landed.refused

    assert [*range(30)] == sorted(store.commit_view("raw/w@main").table()["v"].to_pylist())
    assert [] == broker.queue


def test_messages_that_are_expected_and_do_not_come_are_an_error(store: DatasetStore) -> None:
    landing = IdentifiedLanding(SCHEMA, event_time="at", window="day", dataset="raw/w@main")
    broker = Broker([message(1)])
    feed = MessageFeed(broker, "weather", expected=2, patience_seconds=5.0, clock=lambda: broker.now)

    with pytest.raises(UnhealthyError, match="Of 2 messages that weather should have, 1 have come"):
        Sink(feed, landing, Target(store, "raw/w")).run()


def test_the_event_time_must_be_a_required_timestamp() -> None:
    with pytest.raises(ConfigurationError, match="not a required timestamp"):
        IdentifiedLanding(SCHEMA, event_time="v", window="day", dataset="d")


def test_the_id_column_is_the_sinks_own() -> None:
    schema = MessageSchema((*SCHEMA.declared, Column("message_id", "string")))
    with pytest.raises(ConfigurationError, match="declares 'message_id'"):
        IdentifiedLanding(schema, event_time="at", window="day", dataset="d")
