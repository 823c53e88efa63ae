"""Components that somebody else runs: probed like all others, never started, stopped or removed.

What this driver does on ``apply`` is to fetch the secrets that ``deployment.yaml`` names (an environment variable, a
file) into the deployment's secret file, where everybody finds them later.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.drivers.driver import Driver, Report, unheard
from datamill_infra.drivers.health import probe_all, wait_healthy
from datamill_infra.drivers.releases import UNFINISHED, Release, Releases, now
from datamill_infra.drivers.secrets import SecretStore
from datamill_infra.model.errors import ConfigurationError
from datamill_infra.model.states import Observed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from datamill_infra.capabilities import Observation
    from datamill_infra.drivers.driver import Notify
    from datamill_infra.model.deployment import Deployment
    from datamill_infra.model.deployment_file import SecretSource
    from datamill_infra.model.states import Desired


class ExternalDriver(Driver):
    """Addresses that the user gave.

    Args:
        deployment: whose components.
        releases: what was applied.
        environment: where secrets given by ``env`` are read; by default that of this process.
    """

    def __init__(
        self, deployment: Deployment, releases: Releases, environment: Mapping[str, str] | None = None
    ) -> None:
        self.deployment = deployment
        self.releases = releases
        self.environment = os.environ if environment is None else environment
        self.secret_store = SecretStore(deployment.secrets_file)

    def desired(self, component: str) -> Desired:
        """See :meth:`Driver.desired`."""
        return self.deployment.desired(component, {})

    def observe(self, component: str) -> Observed:
        """See :meth:`Driver.observe`."""
        release = self.releases.get(component)
        if release is None:
            return Observed(component)
        wanted = component in self.deployment.resolution.components
        drift = tuple(
            f"{self._origin(name)} has another value than when it was read." for name in self._changed(component)
        )
        return Observed(
            component,
            exists=True,
            managed=True,
            digest=release.digest,
            facts=release.facts,
            drift=drift if wanted else (),
            failure=release.failure,
        )

    def apply(self, component: str, notify: Notify = unheard) -> None:
        """See :meth:`Driver.apply`.

        Raises:
            ConfigurationError: a secret cannot be read where ``deployment.yaml`` says.
        """
        notify("reading", "")
        desired = self.desired(component)
        given = {name: self._read(name, source) for name, source in self._sources(component).items()}
        self.secret_store.put(given)
        self.releases.put(
            component,
            Release(
                provider="external",
                digest=desired.digest,
                facts=desired.facts,
                applied_at=now(),
                failure=UNFINISHED,
            ),
        )

    def probe(self, component: str) -> dict[str, Observation]:
        """See :meth:`Driver.probe`."""
        connections = self.deployment.rendered(component, {}).connections
        timeout = self.deployment.spec(component).health.timeout_seconds
        return probe_all(self.deployment, connections, self.secret_store.read(), timeout)

    def starting(self, component: str) -> bool:
        """Not to our knowledge."""
        del component
        return False

    def wait(
        self, component: str, notify: Notify = unheard, *, cancelled: Callable[[], bool]
    ) -> dict[str, Observation]:
        """See :meth:`Driver.wait`. Nothing is being started, so a single attempt decides."""
        return wait_healthy(
            component,
            lambda: self.probe(component),
            self.deployment.spec(component).health,
            notify=notify,
            cancelled=cancelled,
            hopeless=lambda: "it runs elsewhere and is not started from here",
            explain=lambda: "",
        )

    def settled(self, component: str, failure: str | None) -> None:
        """See :meth:`Driver.settled`."""
        self.releases.settle(component, failure)

    def remove(self, component: str, *, delete_data: bool, notify: Notify = unheard) -> Sequence[str]:
        """Forget what was read for it; the component itself is not ours, and neither is its data."""
        del delete_data
        notify("forgetting", "")
        own = {secret for secret in self.secret_store.read() if secret.startswith(f"{component}.")}
        self.secret_store.forget(own)
        self.releases.drop(component)
        return ()

    def revive(self) -> frozenset[str]:
        """Nothing is kept running from here."""
        return frozenset()

    def report(self, component: str) -> Report:
        """See :meth:`Driver.report`."""
        release = self.releases.get(component)
        addresses = {
            f"{capability}.{name}": str(value)
            for capability, connection in self.deployment.rendered(component, {}).connections.items()
            for name, value in connection.fields.items()
        }
        return Report(addresses=addresses, applied_at=datetime.fromisoformat(release.applied_at) if release else None)

    def logs(self, component: str, lines: int) -> list[str]:
        """None: they are where the component runs."""
        del component, lines
        return []

    def close(self) -> None:
        """Nothing to do."""

    def _sources(self, component: str) -> dict[str, SecretSource]:
        return self.deployment.secret_sources(component)

    def _changed(self, component: str) -> list[str]:
        """Secrets whose source can be read now and has another value; a source that is gone says nothing."""
        if component not in self.deployment.resolution.components:
            return []
        known = self.secret_store.read()
        return [
            name
            for name, source in self._sources(component).items()
            if (value := self._value(source)) is not None and value != known.get(name)
        ]

    def _origin(self, name: str) -> str:
        component, _, _ = name.partition(".")
        source = self._sources(component)[name]
        return f"${source.env}" if source.env else str(source.file)

    def _value(self, source: SecretSource) -> str | None:
        if source.env:
            return self.environment.get(source.env)
        try:
            return Path(str(source.file)).expanduser().read_text(encoding="utf-8").rstrip("\n")
        except OSError:
            return None

    def _read(self, name: str, source: SecretSource) -> str:
        value = self._value(source)
        if value is None:
            value = self.secret_store.read().get(name)  # read by an earlier command, from an environment that had it
        if value is None:
            place = f"the environment variable {source.env}" if source.env else f"the file {source.file}"
            raise ConfigurationError(
                f"The secret {name} is to be read from {place}, which is not there.",
                instruction=f"Provide it, or correct `secrets` in {self.deployment.deployment_file}.",
            )
        return value
