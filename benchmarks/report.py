"""The figures as a page: docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.bench import Bench, Row

OWN = ("pyarrow", "polars", "confluent-kafka", "obstore", "blake3")
PEERS = ("bytewax", "deltalake", "pyiceberg", "pylance", "dvc", "pyarrow", "polars", "confluent-kafka", "boto3")
MARKS = {True: "yes", False: "**no**", None: "not compared"}

HEAD = """\
# Benchmarks

`make bench` runs these and writes this page.
Both sides of a comparison run in turn on one machine, A B A B, each as a process of its own;
a ratio is the median over the pairs of one round, a time the median over the rounds.
Peers live in an environment of their own, with the versions of `benchmarks/peers.lock`.
Repeat one with `python -m benchmarks --peers .venv-peers/bin/python --only NAME`.
"""


def save(folder: Path, name: str, rows: Sequence[Row], bench: Bench) -> None:
    """Keep the rows of one benchmark, so that the page can be written from several runs."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "rounds": bench.rounds,
        "scale": bench.scale,
        "note": bench.note,
        "load": round(os.getloadavg()[0], 1),
        "machine": _machine(),
        "peers": bench.versions(*PEERS),
        "own": _own_versions(),
        "rows": [_plain(row) for row in rows],
    }
    (folder / f"{name}.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")


def page(folder: Path, names: Sequence[str]) -> str:
    """The page, from what is kept of these benchmarks, in this order."""
    kept = {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in names
        if (folder / f"{name}.json").exists()
    }
    lines = [HEAD, "| what | figure | goal | met |", "|---|---|---|---|"]
    for run in kept.values():
        lines += [f"| {row['what']} | {row['figure']} | {row['goal']} | {MARKS[row['met']]} |" for row in run["rows"]]
    lines += [f"| {name} | not run | | |" for name in names if name not in kept]
    for name, run in kept.items():
        lines += ["", *_details(name, run)]
    return "\n".join(lines) + "\n"


def _details(name: str, run: Mapping[str, Any]) -> list[str]:
    size = "" if run["scale"] == 1 else f", at {run['scale']:g} of the full size: not to be quoted"
    lines = [f"## {name}", "", f"{run['at']}, {run['rounds']} rounds{size}; {run['machine']}, load {run['load']}."]
    if run["note"]:
        lines.append(run["note"])
    lines.append("Data Mill with " + _named(run["own"]) + "; peers: " + _named(run["peers"]) + ".")
    for number, row in enumerate(run["rows"]):
        if row["note"] and row["note"] not in [before["note"] for before in run["rows"][:number]]:
            lines.append(row["note"])
        if row["sides"]:
            lines += ["", "| side | work, s | whole process, s | CPU, s | peak memory, MiB |", "|---|---|---|---|---|"]
            for side in row["sides"]:
                seconds = f"{side['work']:.3f} | {side['wall']:.2f} | {side['cpu']:.2f}"
                lines.append(f"| {side['name']} | {seconds} | {side['peak']:.0f} |")
            lines.append("")
    return lines


def _plain(row: Row) -> dict[str, Any]:
    sides = [
        {"name": each.name, "work": each.work, "wall": each.wall, "cpu": each.cpu, "peak": each.peak_mib}
        | {"samples": [asdict(sample) for sample in each.samples]}
        for each in row.sides
    ]
    return {"what": row.what, "figure": row.figure, "goal": row.goal, "met": row.met, "note": row.note, "sides": sides}


def _machine() -> str:
    return f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


def _own_versions() -> dict[str, str]:
    from importlib.metadata import version  # noqa: PLC0415 - next to its one use

    return {name: version(name) for name in OWN}


def _named(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version != "-")
