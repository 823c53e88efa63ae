"""Kafka JSON to committed Parquet on S3: against what people use, and against ourselves with less promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.bench import Row
from benchmarks.measure import ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.bench import Bench
    from benchmarks.measure import Contestant, Figures

MESSAGES = 2_000_000
OURS = "Data Mill"
LOOSE = "Data Mill, exactly once off"
FLOOR = "floor (at least once)"
PLAIN = "plain loop"
BYTEWAX = "bytewax"
FLOOR_GOAL, SPEED_GOAL, CPU_GOAL, PRICE_GOAL = 1.3, 1.8, 2.0, 1.15


def sink(bench: Bench) -> list[Row]:
    """The comparison with bytewax, the plain loop and the floor."""
    sides = _contestants(bench)
    chosen = [sides[OURS]]
    needs = {FLOOR: ("polars", "boto3"), PLAIN: ("confluent-kafka", "boto3"), BYTEWAX: ("bytewax", "boto3")}
    chosen += [sides[name] for name, packages in needs.items() if bench.has(*packages)]
    return sink_table(bench, bench.run(chosen))


def sink_table(bench: Bench, figures: Mapping[str, Figures]) -> list[Row]:
    """The rows of the comparison, from the figures of its sides."""
    ours, all_sides = figures[OURS], tuple(figures.values())
    rows = [_within_floor(bench, ours, figures.get(FLOOR), all_sides)]
    for name in (PLAIN, BYTEWAX):
        theirs = figures.get(name)
        speed = None if theirs is None else ratio(ours, theirs)
        rows.append(
            Row(
                f"sink, speed against {name}",
                "not installed" if speed is None else f"{speed:.2f} times as fast",
                f"at least {SPEED_GOAL}",
                None if speed is None else speed >= SPEED_GOAL,
            )
        )
    theirs = figures.get(BYTEWAX)
    saved = None if theirs is None else ratio(ours, theirs, "cpu")
    rows.append(
        Row(
            "sink, processor time against bytewax",
            "not installed" if saved is None else f"{100 / saved:.0f} % of it",
            "under 50 %",
            None if saved is None else saved > CPU_GOAL,
        )
    )
    return rows


def exactly_once(bench: Bench) -> list[Row]:
    """The price of exactly once: the same engine with and without."""
    sides = _contestants(bench)
    figures = bench.run([sides[OURS], sides[LOOSE]])
    price = 1 / ratio(figures[OURS], figures[LOOSE])
    return [
        Row(
            "exactly once on against off",
            f"{price:.2f} times the wall time",
            f"at most {PRICE_GOAL}",
            price <= PRICE_GOAL,
            tuple(figures.values()),
            "Off: the same client, decoder, cutting and Parquet writer, with plain files and the offsets in the"
            " consumer group; no positions, fences, digests, tree or commit.",
        )
    ]


def _within_floor(bench: Bench, ours: Figures, floor: Figures | None, sides: tuple[Figures, ...]) -> Row:
    behind = None if floor is None else 1 / ratio(ours, floor)
    messages = bench.count(MESSAGES, least=1_000)
    return Row(
        f"sink, {messages:,} JSON messages of about 134 B to Parquet on S3, against the floor",
        "not installed" if behind is None else f"{behind:.2f} times its wall time",
        f"at most {FLOOR_GOAL}",
        None if behind is None else behind <= FLOOR_GOAL,
        sides,
        "Whole processes, each with a fresh prefix and a fresh consumer group; four partitions. Broker and S3 server"
        " run on the same machine, and their processor time is nobody's.",
    )


def _contestants(bench: Bench) -> dict[str, Contestant]:
    servers = bench.servers()
    total = bench.count(MESSAGES, least=1_000)
    topic = f"bench-{total}"
    if servers.size(topic) != total:
        bench.say(f"  filling {topic}")
        servers.fill(topic, total)
    common = servers.environment() | {"BENCH_TOPIC": topic, "BENCH_TOTAL": str(total)}

    def before() -> Mapping[str, str]:
        return {"BENCH_PREFIX": bench.fresh().name}

    settings = {"environment": common, "before": before}
    return {
        OURS: bench.ours(OURS, "ours_sink.py", **settings),
        LOOSE: bench.ours(LOOSE, "loose_sink.py", **settings),
        FLOOR: bench.peer(FLOOR, "sink_floor.py", **settings),
        PLAIN: bench.peer(PLAIN, "sink_plain.py", **settings),
        BYTEWAX: bench.peer(BYTEWAX, "sink_bytewax.py", **settings),
    }
