"""Records of a branch's (or tag's) log.

===========  ================================================================================================
kind         meaning
===========  ================================================================================================
``start``    the branch begins here: from a commit, or with nothing
``commit``   a commit, whole, with the tree nodes that are new in it (unless they fill a pack)
``move``     the branch points to another commit from here on (a rollback)
``fence``    a collection of garbage began: writers verify again what they reuse
``delete``   the branch ends here; the next log of this name is another incarnation
``gone``     what a deleted branch's record is replaced by when nothing needs it: the number stays taken
===========  ================================================================================================

Each names repo, reference, incarnation and number, so one that was copied over another is found out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from datamill_pipelines.datasets.framing import damaged, pack_record, unpack_record

if TYPE_CHECKING:
    from datamill_pipelines.datasets.framing import Json
    from datamill_pipelines.datasets.objects import ObjectStore

KIND = "entry"


@dataclass(frozen=True)
class Head:
    """A commit, and where its record is.

    Attributes:
        id: the commit's.
        at: key of the record that holds it.
    """

    id: str
    at: str


@dataclass(frozen=True)
class Record:
    """One record of a log.

    Attributes:
        key: where it is kept.
        kind: see the module.
        nonce: made by its writer.
        head: what the branch points to from here on; ``None`` while it has no commit.
        content: everything it says.
    """

    key: str
    kind: str
    nonce: str
    head: Head | None
    content: Json = field(compare=False)


def record_key(folder: str, incarnation: int, number: int) -> str:
    """Where a record is kept."""
    return f"{folder}/{incarnation:08d}/{number:012d}"


def encode_record(key: str, kind: str, nonce: str, content: dict[str, Any], body: bytes = b"") -> bytes:
    """The bytes of a record at ``key``."""
    return pack_record(KIND, content | {"at": key, "kind": kind, "nonce": nonce}, body)


def read_record(objects: ObjectStore, key: str) -> Record:
    """The record at ``key``.

    Raises:
        MissingObjectError: there is none.
        DamagedObjectError: it is not what was written there.
    """
    return decode_record(objects.get(key), key, objects.url)


def decode_record(data: bytes, key: str, where: str) -> Record:
    """A record from its bytes."""
    content, _ = _unpack(data, key, where)
    if content["kind"] == "commit":
        head: Head | None = Head(content["id"], key)
    else:
        head = Head(**content["head"]) if content.get("head") else None
    return Record(key, content["kind"], content["nonce"], head, content)


def read_record_body(objects: ObjectStore, key: str) -> bytes:
    """The tree nodes in the record at ``key``."""
    return _unpack(objects.get(key), key, objects.url)[1]


def _unpack(data: bytes, key: str, where: str) -> tuple[Json, bytes]:
    content, body = unpack_record(KIND, data, key=key, where=where)
    if content["at"] != key:
        raise damaged(key, where, f"it is the record of {content['at']}")
    return content, body
