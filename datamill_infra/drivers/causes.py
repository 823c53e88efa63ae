"""From a component that does not work to the first cause: everything it needs is looked at, side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from datamill_infra.drivers.inspection import inspect
from datamill_infra.drivers.releases import UNFINISHED
from datamill_infra.model.causes import CauseKind, Condition, Finding, causes_first, walk
from datamill_infra.model.states import ReleaseState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_infra.drivers.inspection import Inspection
    from datamill_infra.drivers.rollout import Rollout
    from datamill_infra.model.causes import Trail


def trail(rollout: Rollout, component: str) -> Trail:
    """The way from a component of the deployment to the first cause of its trouble. Changes nothing.

    Args:
        rollout: of the deployment.
        component: which.

    Raises:
        DatamillError: the cluster, or a file of the deployment, cannot be read.
    """
    resolution = rollout.deployment.resolution
    names = [name for name in resolution.sequence() if name in resolution.closure([component])]
    looks = inspect(rollout, names)
    with ThreadPoolExecutor(max(1, len(names)), thread_name_prefix="causes") as pool:
        found = pool.map(lambda name: _condition(rollout, looks[name]), names)
    return walk(
        component, dict(zip(names, found, strict=True)), {name: resolution.dependencies(name) for name in names}
    )


def _condition(rollout: Rollout, look: Inspection) -> Condition:
    state = look.change.state.value
    if look.healthy:
        return Condition(look.component, state, healthy=True)
    return Condition(look.component, state, healthy=False, findings=causes_first(_findings(rollout, look)))


def _findings(rollout: Rollout, look: Inspection) -> Iterator[Finding]:
    name, driver = look.component, rollout.driver(look.component)
    if look.change.state is ReleaseState.ABSENT:
        yield Finding(CauseKind.ABSENT, name, "nothing of it is there", f"Run `datamill up -c {name}`.")
    else:
        yield from driver.findings(name, driver.observe(name))
    release = rollout.releases.get(name)
    if release and release.failure:
        failure = "it was interrupted" if release.failure == UNFINISHED else release.failure.splitlines()[0]
        says = f"the last attempt to apply it failed ({release.failed_since or release.applied_at}): {failure}"
        yield Finding(CauseKind.RELEASE, name, says, f"When the cause is gone: `datamill up -c {name}`.")
    if look.error is not None:
        yield Finding(CauseKind.HEALTH, name, look.error.reason, look.error.instruction)
