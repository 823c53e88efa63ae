"""What was deployed from outside, told to the Dagster of the cluster, so that its graph has the platform in it.

A deploy from a person's machine is a run of the Dagster there, of which the one in the cluster knows nothing. So what
the deploy yields (materialisations, and the checks ``healthy`` and ``in_sync``) is reported to it as events without a
run. Only news is: what was reported last is remembered, and an ``up`` that changes nothing reports nothing.

A deployment that nobody could be told of is deployed nevertheless: the reason is a warning in the run, and the next
``up`` reports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from datamill_infra.drivers.reported import CAPABILITY, Reported
from datamill_infra.model.errors import DatamillError
from datamill_infra.model.told import CHANGED
from datamill_infra.orchestration import facts
from datamill_infra.orchestration.web import DagsterWeb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from datamill_infra.drivers.rollout import Rollout

    Result = dg.MaterializeResult[None] | dg.AssetCheckResult


class ClusterReport:
    """Collects what a pass yields, and reports it at the end.

    Args:
        rollout: of the deployment.
        warn: hears why something could not be reported.
    """

    def __init__(self, rollout: Rollout, warn: Callable[[str], None]) -> None:
        self._rollout, self._warn = rollout, warn
        self._materialised: dict[dg.AssetKey, dg.MaterializeResult[None]] = {}
        self._checked: dict[tuple[dg.AssetKey, str], dg.AssetCheckResult] = {}

    def add(self, result: Result) -> None:
        """Something that the pass has yielded."""
        if isinstance(result, dg.AssetCheckResult):
            self._checked[_key(result), str(result.check_name)] = result
            return
        if result.asset_key is not None:
            self._materialised[dg.AssetKey.from_coercible(result.asset_key)] = result
        for check in result.check_results or ():
            self.add(check)

    def send(self) -> bool:
        """Report what is news; nothing where the cluster has no Dagster, or this runs in it.

        Returns:
            Whether nothing is left to be told.
        """
        reported = Reported(self._rollout.deployment)
        if (component := reported.listener) is None:
            return True
        # A Dagster that has just been made may have a new database, and knows nothing of what others were told.
        before = {} if self._changed(facts.asset_key(component)) else reported.read()
        changed = {key.to_user_string() for key in self._materialised if self._changed(key)}
        news = {name: fact for name, fact in self._facts().items() if name in changed or before.get(name) != fact}
        if not news:
            return True
        try:
            driver = self._rollout.driver(component)
            if driver.inside or not driver.observe(component).exists:
                return True
            with self._rollout.door(CAPABILITY) as connection:
                self._send(DagsterWeb(connection), news)
            reported.write({**before, **news})
        except DatamillError as error:
            self._warn(f"The Dagster in the cluster has not been told: {error.reason} The next `datamill up` does it.")
            return False
        return True

    def _send(self, web: DagsterWeb, news: Mapping[str, object]) -> None:
        for key, result in self._materialised.items():
            if key.to_user_string() in news:
                version = result.data_version.value if result.data_version else None
                web.report_materialization(key, result.metadata or {}, version)
        for (key, name), check in self._checked.items():
            if f"{key.to_user_string()}:{name}" in news:
                told = {"told": check.description} if check.description else {}
                web.report_check(key, name, {**told, **(check.metadata or {})}, passed=check.passed)

    def _changed(self, key: dg.AssetKey) -> bool:
        """Whether this pass has changed a component."""
        result = self._materialised.get(key)
        return result is not None and bool((result.metadata or {}).get(CHANGED))

    def _facts(self) -> dict[str, object]:
        """What is reported, in as much as it can be news."""
        versions = {
            key.to_user_string(): result.data_version.value if result.data_version else ""
            for key, result in self._materialised.items()
        }
        checks = {f"{key.to_user_string()}:{name}": one.passed for (key, name), one in self._checked.items()}
        return {**versions, **checks}


def forget_reported(rollout: Rollout, components: Iterable[str]) -> None:
    """Have everything reported again, after the Dagster in the cluster has gone."""
    reported = Reported(rollout.deployment)
    if reported.listener in set(components):
        reported.forget()


def _key(result: dg.AssetCheckResult) -> dg.AssetKey:
    return dg.AssetKey.from_coercible(result.asset_key) if result.asset_key else dg.AssetKey([])
