"""A store is trusted only after it was seen to decide races: concurrent conditional writes, of which one may win.

Some servers check the condition and write in two steps. Asked one request at a time they look right, so they are asked
several at once.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.errors import StoreError, UnsafeStoreError
from datamill_pipelines.datasets.framing import new_nonce

if TYPE_CHECKING:
    from datamill_pipelines.datasets.objects import ObjectStore

WRITERS = 8
ROUNDS = 3

_safe: set[str] = set()


def probe_store(objects: ObjectStore) -> None:
    """Race conditional writes against each other, once per process and store.

    Raises:
        UnsafeStoreError: not exactly one of the concurrent writes won, or the content is not the winner's.
    """
    if objects.is_trusted or objects.url in _safe:
        return
    keys = [f"probe/{new_nonce()}" for _ in range(ROUNDS)]
    try:
        with ThreadPoolExecutor(WRITERS) as pool:
            for key in keys:
                _race(objects, key, pool)
    finally:
        # What cannot be removed now a collection removes; the verdict must not be hidden behind it.
        with contextlib.suppress(StoreError):
            objects.delete(keys)
    _safe.add(objects.url)


def _race(objects: ObjectStore, key: str, pool: ThreadPoolExecutor) -> None:
    gate = threading.Barrier(WRITERS)

    def write(number: int) -> tuple[bool, bytes]:
        data = f"{number} {new_nonce()}".encode()
        gate.wait()
        return objects.put_new(key, data), data

    winners = [data for won, data in pool.map(write, range(WRITERS)) if won]
    late = objects.put_new(key, b"late")
    kept = objects.get(key)
    if len(winners) != 1 or late or kept != winners[0]:
        raise UnsafeStoreError(
            f"{objects.url} lets {len(winners) + late} of {WRITERS + 1} conditional writes to one key succeed;"
            " exactly one may. Two commits could overwrite each other there.",
            instruction="Use a server that enforces If-None-Match (S3, S3Proxy, SeaweedFS), or a local directory.",
            key=key,
        )
