"""Where reading continues, decided from the dataset's positions and the topic as it is.

A position is kept per (cluster id, topic id, partition), so the same offset of another topic of the same name is
another position. Three things can be wrong, each an error with a name: the topic was deleted and created again, records
were deleted before they were landed, or the topic ends before what was landed. To *adopt* the topic as it is, is a
decision of the user; it is recorded in the commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_pipelines.stream.errors import RecreatedTopicError, RetentionGapError, TruncatedTopicError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from datamill_pipelines.stream.kafka_client import TopicFacts

RECORDS = "records/{partition}"
"""Key of the number of records landed of a partition, whatever topic they came from."""


@dataclass(frozen=True)
class Resumption:
    """Where each partition continues.

    Attributes:
        positions: offset by partition.
        adopted: what was accepted as it is, one sentence each.
    """

    positions: Mapping[int, int]
    adopted: tuple[str, ...] = ()


def resume(
    facts: TopicFacts,
    landed: Mapping[str, int],
    *,
    dataset: str,
    partitions: Iterable[int] | None = None,
    adopt: bool = False,
) -> Resumption:
    """Decide where to continue.

    Args:
        facts: the topic as it is.
        landed: end of each position of the dataset's branch, by key.
        dataset: repo and branch, for messages.
        partitions: those that are read; all when ``None``.
        adopt: accept the topic as it is.

    Raises:
        RecreatedTopicError: what was landed came from another topic of this name.
        RetentionGapError: records after a landed position no longer exist.
        TruncatedTopicError: a partition ends before its landed position.
    """
    adopted: list[str] = []
    command = (
        f"`datamill run sink {dataset.partition('@')[0]} --adopt` accepts the topic as it is, and records that in the"
        " commit."
    )
    own = {partition: facts.position_key(partition) for partition in facts.earliest}
    others = {key for key in landed if _is_of(key, facts.topic) and key not in own.values()}
    if others and not any(key in landed for key in own.values()):
        origin = ", ".join(sorted({"/".join(key.split("/")[1:4:2]) for key in others}))
        reason = (
            f"{dataset} was landed from another topic {facts.topic!r} (cluster and topic id {origin}) than the one that"
            f" exists now ({facts.cluster_id}/{facts.topic_id}): it was deleted and created again, or the broker is"
            " another."
        )
        if not adopt:
            raise RecreatedTopicError(
                reason,
                instruction=f"Land the new topic in another dataset, or continue with it: {command}",
            )
        adopted.append(reason)
    positions: dict[int, int] = {}
    for partition in facts.earliest if partitions is None else partitions:
        first, end = facts.earliest[partition], facts.latest[partition]
        at = landed.get(own[partition])
        positions[partition] = first if at is None else at
        if at is not None and at < first:
            reason = (
                f"Records {at} to {first - 1} of {facts.topic}/{partition} were deleted before they were landed in"
                f" {dataset}."
            )
            if not adopt:
                raise RetentionGapError(
                    reason,
                    instruction=f"They are gone unless you have them elsewhere. Lengthen the retention. {command}",
                )
            adopted.append(reason)
            positions[partition] = first
        elif at is not None and at > end:
            reason = (
                f"{facts.topic}/{partition} ends at {end}, but {dataset} has landed it up to {at}: the topic has lost"
                " records."
            )
            if not adopt:
                raise TruncatedTopicError(
                    reason,
                    instruction=f"Records written since then would have positions that count as landed. {command}",
                )
            adopted.append(reason)
            positions[partition] = end
    return Resumption(positions, tuple(adopted))


def _is_of(key: str, topic: str) -> bool:
    parts = key.split("/")
    return parts[0] == "kafka" and len(parts) == 5 and parts[2] == topic  # noqa: PLR2004 - the parts of a position's key
