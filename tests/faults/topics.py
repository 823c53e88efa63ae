"""Topics drawn by chance, and what a dataset made of one must hold: judged here by other means than the sink's."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from faults.bench import expect, must_work

from datamill_pipelines.datasets import CommitView
from datamill_pipelines.stream.cutting import Cutting
from datamill_pipelines.stream.schema import Column, MessageSchema

SCHEMA = MessageSchema((Column("n", "int64", required=True), Column("s", "string")))
CUTTING = Cutting(window=128, fan_in=4, grain=8)
Partitions = Sequence[Sequence[bytes | None]]


def draw_topic(seed: int, *counts: int) -> list[list[bytes | None]]:
    """Values by partition: good ones, some with a column that nobody declared, and bad ones.

    A longer topic of one seed begins with what a shorter one holds.
    """
    chances = [random.Random(f"{seed} {number}") for number in range(len(counts))]
    return [[_draw(chance, at) for at in range(count)] for chance, count in zip(chances, counts, strict=True)]


def _draw(chance: random.Random, number: int) -> bytes | None:
    kind = chance.random()
    if kind < 0.03:
        return None
    if kind < 0.06:
        return b"garbage %d" % number
    row: dict[str, object] = {"n": number, "s": chance.choice(["x", "y", None])}
    if kind < 0.2:
        row["later"] = chance.randrange(3)
    return json.dumps(row).encode()


def check_landed(view: CommitView | None, partitions: Partitions) -> None:
    """Every record is in the dataset once, in the order of its partition: as a row, or kept with its bytes.

    Raises:
        Violation: it is not so.
    """
    with must_work("reading what was landed"):
        files = {} if view is None else {file.path: view.read_bytes(file.path) for file in view.files()}
        letters = {} if view is None else {f.path: view.read_bytes(f.path) for f in view.files("_dead_letters/")}
    for number, values in enumerate(partitions):
        good = [row for row in map(_row, values) if row is not None]
        bad = {at: value for at, value in enumerate(values) if _row(value) is None}
        _compare(f"partition {number}", good, [_tidy(row) for row in _rows(files, f"{number:05d}/")])
        kept = [(row["record"], row["value"]) for row in _rows(letters, f"_dead_letters/{number:05d}/")]
        expect(kept == list(bad.items()), f"bad messages of partition {number}: {kept[:5]} and not {[*bad][:5]}")


def _row(value: bytes | None) -> dict[str, Any] | None:
    try:
        row = json.loads(value or b"")
    except ValueError:
        return None
    return _tidy(row) if isinstance(row, dict) else None


def _tidy(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sorted(row.items()) if value is not None}


def _rows(files: dict[str, bytes], folder: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted(files):
        if path.startswith(folder):
            found += pq.read_table(pa.BufferReader(files[path])).to_pylist()
    return found


def _compare(what: str, expected: list[dict[str, Any]], landed: list[dict[str, Any]]) -> None:
    if expected == landed:
        return
    sent, found = (Counter(json.dumps(row, sort_keys=True) for row in rows) for rows in (expected, landed))
    lost, more = sent - found, found - sent
    expect(
        False,
        f"{what} has {len(landed)} rows and not {len(expected)}: {lost.total()} lost {[*lost][:3]},"
        f" {more.total()} too many {[*more][:3]}" + ("" if lost or more else ", all there and out of order"),
    )
