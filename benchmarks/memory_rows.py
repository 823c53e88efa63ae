"""Whether the sink lands a large backlog in little memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.bench import HERE, Row
from benchmarks.cgroup import memory_group
from benchmarks.measure import ContestantFailedError, Figures, run_once

if TYPE_CHECKING:
    from benchmarks.bench import Bench

LIMIT = 512 << 20
BACKLOG = 15_000_000
OURS = "Data Mill"


def memory(bench: Bench) -> list[Row]:
    """A backlog of 2 GB, in a control group with 512 MiB."""
    servers = bench.servers()
    total = bench.count(BACKLOG, least=1_000)
    topic = f"backlog-{total}"
    if servers.size(topic) != total:
        bench.say(f"  filling {topic}")
        servers.fill(topic, total)
    environment = servers.environment() | {
        "BENCH_TOPIC": topic,
        "BENCH_TOTAL": str(total),
        "BENCH_PREFIX": bench.fresh().name,
    }
    script = HERE / "ours_sink.py"
    what = f"peak memory of the sink, {total:,} messages of 134 B to land, 512 MiB allowed"
    try:
        with memory_group(LIMIT) as group:
            limited = bench.ours(OURS, "limited.py", group.processes, sys.executable, script, environment=environment)
            try:
                sample = run_once(limited)
            except ContestantFailedError as error:
                return [Row(what, f"killed {group.kills()} times: {error}", "completes", met=False)]
            peak, version, kills = group.peak(), group.version, group.kills()
    except (PermissionError, FileNotFoundError) as error:
        return [Row(what, f"not tried: {error}", "completes", met=None)]
    return [
        Row(
            what,
            f"completes in {sample.wall:.0f} s; {sample.peak_mib:.0f} MiB resident at most",
            "completes",
            kills == 0,
            (Figures(OURS, (sample,)),),
            f"A control group of version {version} with {LIMIT >> 20} MiB and no swap; its own highest figure, which"
            f" includes cached files, was {peak >> 20} MiB. One run.",
        )
    ]
