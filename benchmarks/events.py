"""The messages of the sink benchmark: JSON of about 134 bytes, the same for every run and every side."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = 20130101
KINDS = ("view", "click", "order", "refund")


def messages(count: int) -> Iterator[bytes]:
    """``count`` messages, in order, from a fixed seed."""
    source = random.Random(SEED)
    for number in range(count):
        yield (
            b'{"id":%d,"user":"u%06d","kind":"%s","amount":%.2f,"at":"2013-01-%02dT%02d:%02d:%02dZ","session":"%016x","ok":true}'
            % (
                number,
                source.randrange(1_000_000),
                KINDS[source.randrange(4)].encode(),
                source.randrange(1_000_000) / 100,
                source.randrange(31) + 1,
                source.randrange(24),
                source.randrange(60),
                source.randrange(60),
                source.getrandbits(64),
            )
        )
