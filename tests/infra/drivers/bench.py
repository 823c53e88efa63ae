"""A deployment of two small servers, ``parrot`` depending on ``echo``, as tests handle it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

from datamill_infra.drivers.embedded.driver import EmbeddedDriver
from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.passes import Event, Outcome
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import UnhealthyError
from datamill_infra.model.published import published_connection

CATALOGUE = Path(__file__).parent / "catalogue"


def eventually(condition: Callable[[], object], what: str, seconds: float = 20.0) -> object:
    """The first true value of ``condition``; a budget for a broken machine, not a promise about speed."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return value


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@dataclass
class Bench:
    """One deployment under test."""

    home: Path

    def write(self, **components: dict[str, object]) -> None:
        """What the user says about components."""
        text = yaml.safe_dump({"flavour": "birds", "components": components})
        (self.home / "deployment.yaml").write_text(text, encoding="utf-8")

    @property
    def rollout(self) -> Rollout:
        return Rollout(Deployment.load(self.home))

    @property
    def driver(self) -> EmbeddedDriver:
        return cast("EmbeddedDriver", self.rollout.drivers["embedded"])

    def up(self, *names: str, on_event: Callable[[Event], None] = lambda _: None) -> dict[str, Outcome]:
        rollout = self.rollout
        with writer_lock(rollout.deployment, "a test"):
            return rollout.up(names or None, on_event=on_event)

    def down(self, *names: str, delete_data: bool = False) -> dict[str, Outcome]:
        rollout = self.rollout
        with writer_lock(rollout.deployment, "a test"):
            return rollout.down(names or None, delete_data=delete_data)

    def statuses(self, *names: str) -> dict[str, str]:
        return {name: outcome.status for name, outcome in self.up(*names).items()}

    def pid(self, component: str) -> int:
        """Of the server that answers to the published connection."""
        observations = self.driver.probe(component)
        return int(observations[component].facts["pid"])

    def answering(self, component: str) -> int | None:
        """The same, or ``None`` when nobody answers."""
        try:
            return self.pid(component)
        except UnhealthyError:
            return None

    def greeting(self, component: str) -> str:
        return self.driver.probe(component)[component].summary

    def starts(self, component: str) -> int:
        return int((self.home / "components" / component / "data" / "starts").read_text(encoding="utf-8"))

    def connection(self, component: str) -> ResolvedConnection:
        return published_connection(Deployment.load(self.home), component)

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
