"""Where a sink continues, and what it refuses to continue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamill_pipelines.stream.errors import RecreatedTopicError, RetentionGapError, TruncatedTopicError
from datamill_pipelines.stream.kafka_client import TopicFacts
from datamill_pipelines.stream.positions import resume


def topic(earliest: int = 0, latest: int = 100, topic_id: str = "id1", cluster: str = "c1") -> TopicFacts:
    return TopicFacts(cluster, "flights", topic_id, {0: earliest, 1: earliest}, {0: latest, 1: latest})


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_a_landed_position_is_continued_or_refused_and_never_changed_silently(
    at: int, earliest: int, more: int
) -> None:
    facts = topic(earliest, earliest + more)
    landed = {facts.position_key(0): at}
    try:
        resumption = resume(facts, landed, dataset="raw/flights@main")
    except RetentionGapError:
        assert at < earliest
    except TruncatedTopicError:
        assert at > earliest + more
    else:
        assert {0: at, 1: earliest} == resumption.positions
        assert () == resumption.adopted


def test_a_first_run_begins_with_the_first_record_that_exists() -> None:
    assert {0: 7, 1: 7} == resume(topic(7), {}, dataset="d").positions


def test_a_recreated_topic_is_refused_by_name_with_the_command_that_adopts_it() -> None:
    old, new = topic(topic_id="id1"), topic(topic_id="id2")

    with pytest.raises(RecreatedTopicError) as caught:
        resume(new, {old.position_key(0): 50}, dataset="raw/flights@main")

    assert "id1" in caught.value.reason
    assert "id2" in caught.value.reason
    assert "`datamill run sink raw/flights --adopt`" in caught.value.instruction


def test_the_same_topic_on_another_cluster_is_another_topic() -> None:
    with pytest.raises(RecreatedTopicError):
        resume(topic(cluster="c2"), {topic().position_key(0): 50}, dataset="d")


def test_an_adopted_topic_is_read_from_its_beginning_and_said_to_be_adopted() -> None:
    resumption = resume(topic(topic_id="id2"), {topic().position_key(0): 50}, dataset="d", adopt=True)

    assert {0: 0, 1: 0} == resumption.positions
    assert 1 == len(resumption.adopted)


def test_an_adopted_topic_stays_adopted() -> None:
    old, new = topic(topic_id="id1"), topic(topic_id="id2")

    resumption = resume(new, {old.position_key(0): 50, new.position_key(0): 3}, dataset="d")

    assert {0: 3, 1: 0} == resumption.positions


def test_an_adopted_gap_continues_with_the_first_record_that_exists() -> None:
    facts = topic(earliest=20)

    resumption = resume(facts, {facts.position_key(0): 5, facts.position_key(1): 30}, dataset="d", adopt=True)

    assert {0: 20, 1: 30} == resumption.positions
    assert "Records 5 to 19 of flights/0" in resumption.adopted[0]


def test_an_adopted_truncation_continues_at_the_end() -> None:
    facts = topic(latest=10)

    assert {
        0: 10,
        1: 4,
    } == resume(facts, {facts.position_key(0): 50, facts.position_key(1): 4}, dataset="d", adopt=True).positions


def test_positions_of_other_topics_are_of_no_concern() -> None:
    other = TopicFacts("c1", "others", "id9", {0: 0}, {0: 9})

    assert {0: 0, 1: 0} == resume(topic(), {other.position_key(0): 9, "records/0": 5}, dataset="d").positions
