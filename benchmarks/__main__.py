"""``python -m benchmarks``: run the benchmarks, and write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import commit_rows, memory_rows, sink_rows, tree_rows
from benchmarks.bench import HERE, Bench
from benchmarks.report import page, save
from benchmarks.servers import Platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Row

BENCHMARKS: dict[str, Callable[[Bench], list[Row]]] = {
    "sink": sink_rows.sink,
    "exactly-once": sink_rows.exactly_once,
    "commits": commit_rows.commits,
    "growth": commit_rows.growth,
    "tree": tree_rows.tree,
    "contended": commit_rows.contended,
    "snapshot": tree_rows.snapshot,
    "memory": memory_rows.memory,
}
"""In the order of the page."""

ROOT = HERE.parent


def main(arguments: list[str] | None = None) -> int:
    """Run them; 0 when every goal was met that could be compared."""
    options = _parser().parse_args(arguments)
    names = options.only or list(BENCHMARKS)
    scratch = Path(tempfile.mkdtemp(prefix="datamill-bench-", dir=options.scratch))
    platform = Platform(scratch / "platform")
    bench = Bench(scratch, platform.servers, options.peers, options.rounds, options.scale, options.note)
    rows = []
    try:
        for name in names:
            print(f"{name}:", flush=True)
            found = BENCHMARKS[name](bench)
            for row in found:
                print(f"  {row.what}: {row.figure} (goal: {row.goal}; met: {row.met})", flush=True)
            save(options.results, name, found, bench)
            rows += found
    finally:
        platform.close()
        shutil.rmtree(scratch, ignore_errors=True)
    if options.page:
        options.page.write_text(page(options.results, list(BENCHMARKS)), encoding="utf-8")
    return 0 if all(row.met is not False for row in rows) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peers", type=Path, help="interpreter that has the peers (benchmarks/peers.lock)")
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="run this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each side, after one that is not counted")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full sizes, to try something out")
    parser.add_argument("--note", default="", help="what a reader has to know of this run; it goes on the page")
    parser.add_argument("--scratch", type=Path, help="where to write; a temporary directory otherwise")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "benchmarks", help="where figures are kept")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md", help="the page to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
