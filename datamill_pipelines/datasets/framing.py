r"""How small records are kept: one line of canonical JSON, an optional body, a digest of it all.

::

    DM1 <kind> <length of the JSON> <length of the body>\n
    <canonical JSON>\n
    <body>
    <32 bytes: blake3 of everything before>

The digest makes any flipped or missing byte an error on read. What record it is (repo, branch, number, name) is in
the JSON and compared with the key it was read from, which finds swapped objects.
"""

from __future__ import annotations

import secrets
from typing import Any

import orjson
from blake3 import blake3

from datamill_pipelines.datasets.errors import DamagedObjectError

DIGEST_BYTES = 32

Json = dict[str, Any]


def digest_of(data: bytes | memoryview) -> str:
    """The digest used everywhere: blake3, 64 hexadecimal digits."""
    return blake3(data).hexdigest()


def canonical(value: object) -> bytes:
    """The one JSON of a value: sorted keys, no spaces, UTF-8."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def new_nonce() -> str:
    """A name nobody else makes: 24 hexadecimal digits."""
    return secrets.token_hex(12)


def pack_record(kind: str, content: Json, body: bytes = b"") -> bytes:
    """Encode a record."""
    head = canonical(content)
    data = b"DM1 %s %d %d\n%b\n%b" % (kind.encode(), len(head), len(body), head, body)
    return data + blake3(data).digest()


def unpack_record(kind: str, data: bytes, *, key: str, where: str) -> tuple[Json, bytes]:
    """Decode a record.

    Args:
        kind: the kind it must have.
        data: the object's bytes.
        key: the object's key, for the message.
        where: the store's address, for the message.

    Raises:
        DamagedObjectError: it is not what was written.
    """
    if len(data) < DIGEST_BYTES or blake3(data[:-DIGEST_BYTES]).digest() != data[-DIGEST_BYTES:]:
        raise damaged(key, where, "its bytes do not have the digest they were written with")
    line, _, rest = data[:-DIGEST_BYTES].partition(b"\n")
    magic, found, head, body = line.decode().split(" ")
    if magic != "DM1" or found != kind:
        raise damaged(key, where, f"it is a {magic} {found!r} where a {kind!r} is expected")
    length = int(head)
    return orjson.loads(rest[:length]), rest[length + 1 : length + 1 + int(body)]


def damaged(key: str, where: str, what: str) -> DamagedObjectError:
    """The error for an object that is not what was written."""
    return DamagedObjectError(
        f"{key} in {where} is damaged: {what}.",
        instruction="Run `datamill data fsck` for the whole extent, and repair with `--from` another store.",
        key=key,
    )
