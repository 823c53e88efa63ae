"""Looking at a deployment without touching it: state, health and story of each component, probed side by side.

What was seen is noted (:mod:`.sightings`), so that the next look can say since when.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from datamill_infra.drivers.sightings import note
from datamill_infra.model.errors import DatamillError
from datamill_infra.model.plan import plan
from datamill_infra.model.states import ReleaseState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from datamill_infra.capabilities import Observation
    from datamill_infra.drivers.driver import Report
    from datamill_infra.drivers.rollout import Rollout
    from datamill_infra.model.plan import Change
    from datamill_infra.model.states import Observed


@dataclass(frozen=True)
class Inspection:
    """All there is to say about one component.

    Attributes:
        component: its name.
        provider: how it is obtained.
        change: its state, and what a deploy would do.
        report: addresses, processes and their past.
        observations: what the probes saw, by capability; empty when it is not healthy, or absent.
        error: why it is not healthy; ``None`` when it is, or when it is absent.
        failing_since: when the trouble began, as far as it was recorded.
    """

    component: str
    provider: str
    change: Change
    report: Report
    observations: Mapping[str, Observation] = field(default_factory=dict)
    error: DatamillError | None = None
    failing_since: datetime | None = None

    @property
    def healthy(self) -> bool:
        """Whether it is there and every probe succeeded."""
        return self.error is None and self.change.state is not ReleaseState.ABSENT


def inspect(rollout: Rollout, components: Iterable[str] | None = None) -> dict[str, Inspection]:
    """Inspect components, side by side.

    Args:
        rollout: of the deployment.
        components: which; ``None`` for all of the deployment.

    Raises:
        ConfigurationError: a state file, or a component's definition, is wrong.
    """
    names = list(components) if components is not None else rollout.deployment.resolution.sequence()
    observed = rollout.observe(names)
    with ThreadPoolExecutor(max_workers=max(1, len(names)), thread_name_prefix="inspect") as pool:
        looks = dict(zip(names, pool.map(lambda name: _inspect(rollout, name, observed[name]), names), strict=True))
    seen = {name: one.healthy for name, one in looks.items() if observed[name].exists}
    sightings = note(rollout.deployment, seen) if seen else {}
    return {
        name: replace(one, failing_since=sightings[name].trouble_since(one.failing_since)) if one.error else one
        for name, one in looks.items()
    }


def _inspect(rollout: Rollout, name: str, observed: Observed) -> Inspection:
    driver = rollout.driver(name)
    change = plan({name: driver.desired(name)}, {name: observed})[name]
    provider, report = rollout.deployment.provider(name), driver.report(name)
    if not observed.exists:
        return Inspection(name, provider, change, report)
    try:
        return Inspection(name, provider, change, report, observations=driver.probe(name))
    except DatamillError as error:
        return Inspection(name, provider, change, report, error=error, failing_since=_since(rollout, name, report))


def _since(rollout: Rollout, name: str, report: Report) -> datetime | None:
    release = rollout.releases.get(name)
    if release and release.failed_since:
        return datetime.fromisoformat(release.failed_since)
    ends = [process.last_end for process in report.processes if process.last_end]
    return max(ends, default=None)
