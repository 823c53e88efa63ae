"""The benchmarks of the sink run against real servers, at a small size. Speed is not tested here."""

from __future__ import annotations

from pathlib import Path

import pytest
from embedded.room import Platform

from benchmarks.__main__ import BENCHMARKS
from benchmarks.bench import Bench
from benchmarks.servers import Servers
from datamill_pipelines.datasets.store import open_objects


@pytest.mark.long
def test_all_sinks_of_the_comparison_land_the_same_topic(platform: Platform, tmp_path: Path) -> None:
    servers = Servers(platform.connection("kafka"), platform.connection("datasets"))
    bench = Bench(tmp_path, lambda: servers, rounds=1, scale=0.001, say=lambda _: None)

    sink, price, memory = BENCHMARKS["sink"](bench), BENCHMARKS["exactly-once"](bench), BENCHMARKS["memory"](bench)

    assert 2_000 == servers.size("bench-2000")
    assert {"Data Mill", "floor (at least once)", "plain loop"} <= {side.name for side in sink[0].sides}
    assert ["Data Mill", "Data Mill, exactly once off"] == [side.name for side in price[0].sides]
    # Who may not make control groups is told so; who may sees the sink end within its memory.
    assert memory[0].met is not False
    written = {info.key.split("/")[0] for info in open_objects(servers.datasets).scan("") if ".parquet" in info.key}
    assert 2 * (len(sink[0].sides) + len(price[0].sides)) + (memory[0].met is True) == len(
        {each for each in written if each.isdigit()}
    )
