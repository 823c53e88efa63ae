"""Kills at random instants, again and again, until so many have struck a sink at work."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

from faults.bench import Case, Log
from faults.landing import Place, open_place
from faults.soundness import check_sound
from faults.workshop import Workshop

COUNTS = [6_000, 3_000]
LONGEST = 0.5
"""Seconds until a kill; an undisturbed run takes about five times as long."""


def cases(seed: int, kills: int) -> Iterator[Case]:
    """Rounds of ten kills each."""
    return ({"seed": seed + number, "kills": min(10, kills)} for number in range(-(-kills // 10)))


def strike(
    workshop: Workshop,
    case: Case,
    log: Log,
    new_place: Callable[[], Place],
    start: Callable[[Place], int],
    check: Callable[[Place], None],
    longest: float = LONGEST,
) -> None:
    """Kill a sink until so many were struck at work; when one has landed all, check it and take a new store."""
    chance, struck, here = random.Random(case["seed"]), 0, new_place()
    while struck < case["kills"]:
        delay = chance.uniform(0, longest)
        process = start(here)
        time.sleep(delay)
        if workshop.kill(process):
            struck += 1
            log("SIGKILL", after=delay)
            check_sound(open_place(here))
        else:
            log("it was done before", after=delay)
            check(here)
            here = new_place()
    check(here)
