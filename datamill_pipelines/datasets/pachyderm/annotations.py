"""What Data Mill says about a commit beyond Pachyderm's own words: one JSON value in the commit's metadata."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from datamill_pipelines.datasets.commits import Provenance
from datamill_pipelines.datasets.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "datamill"
"""The key in the commit's metadata."""

VERSION = 1

OPENING = "Data Mill is writing this commit."
"""The description of a commit that is still open. Who finds it there, and unchanged for long, knows its writer died."""

NO_MESSAGE = "Written by Data Mill."
"""The description of a finished commit without a message: an empty one would leave :data:`OPENING`."""


@dataclass(frozen=True)
class Annotation:
    """The value.

    Attributes:
        branch: the branch it was made on.
        base: id of the commit it follows; ``""`` for the first one.
        tree: digest of the tree.
        files: in the tree.
        size: bytes of the tree's files.
        message: why.
        author: who.
        run_id: of the orchestrator.
        code_version: of the code that made it.
        metadata: anything else; JSON.
        reads: everything that was read to make it, as it was asked for.
    """

    branch: str
    base: str
    tree: str
    files: int
    size: int
    message: str = ""
    author: str = ""
    run_id: str = ""
    code_version: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[Provenance, ...] = ()

    def encoded(self) -> dict[str, str]:
        """As the metadata of a commit."""
        return {KEY: orjson.dumps({"version": VERSION} | asdict(self), option=orjson.OPT_SORT_KEYS).decode()}


def annotation_of(metadata: Mapping[str, str], ref: str) -> Annotation | None:
    """The annotation in a commit's metadata; ``None`` when Data Mill has not written the commit.

    Args:
        metadata: the commit's.
        ref: the commit, for messages.

    Raises:
        FormatError: it was written in another version, or by hand.
    """
    if KEY not in metadata:
        return None
    try:
        content = orjson.loads(metadata[KEY])
        version = content.pop("version")
        if version == VERSION:
            reads = tuple(Provenance(**each) for each in content.pop("reads"))
            return Annotation(**content, reads=reads)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise FormatError(
            f"The metadata {KEY!r} of {ref} is not what Data Mill wrote there: {error}.",
            instruction=f"Restore it, or remove it with `pachctl edit metadata commit {ref} delete {KEY}`.",
        ) from error
    raise FormatError(
        f"The metadata {KEY!r} of {ref} has version {version}; this Data Mill reads {VERSION}.",
        instruction="Read the store with the version of Data Mill that wrote it.",
    )
