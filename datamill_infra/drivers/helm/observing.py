"""What there is of a component on the cluster, compared with what is wanted of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.drivers.helm.records import COMPONENT_LABEL, latest_records, short
from datamill_infra.drivers.helm.sighting import look
from datamill_infra.drivers.helm.singletons import wanted_digest
from datamill_infra.drivers.releases import UNFINISHED
from datamill_infra.model.states import Observed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from datamill_infra.drivers.helm.credentials import Credentials
    from datamill_infra.drivers.helm.publication import Publication
    from datamill_infra.drivers.helm.shared import SharedUnits
    from datamill_infra.drivers.helm.sighting import Sighting
    from datamill_infra.drivers.helm.units import RenderedUnit, UnitRenderer
    from datamill_infra.drivers.releases import Releases
    from datamill_infra.kubernetes.cluster import Reader
    from datamill_infra.model.connections import Connection
    from datamill_infra.model.deployment import Deployment
    from datamill_infra.model.states import Desired


class Observer:
    """Looks at the components of one deployment; changes nothing.

    Args:
        deployment: which.
        releases: what was applied from this machine.
        renderer: of the deployment.
        credentials: its Secrets.
        publication: what those in the cluster know of it.
        shared: units that other deployments have, too.
        desired: what is wanted of a component.
        secrets: what those that connections name are.
    """

    def __init__(
        self,
        deployment: Deployment,
        releases: Releases,
        renderer: UnitRenderer,
        credentials: Credentials,
        publication: Publication,
        shared: SharedUnits,
        *,
        desired: Callable[[str], Desired],
        secrets: Callable[[Iterable[Connection]], Mapping[str, str]],
    ) -> None:
        self._deployment, self._releases, self._renderer = deployment, releases, renderer
        self._credentials, self._publication, self._shared = credentials, publication, shared
        self._desired, self._secrets = desired, secrets
        self._namespace = deployment.definition.file.namespaces.system

    def observe(self, component: str, reader: Reader) -> Observed:
        """See :meth:`datamill_infra.drivers.driver.Driver.observe`.

        Args:
            component: of the deployment, or one that has left it.
            reader: of the cluster.
        """
        release = self._releases.get(component)
        failure = release.failure if release and release.failure != UNFINISHED else None
        if component not in self._deployment.resolution.components:
            there = bool(latest_records(reader, self._namespace, {COMPONENT_LABEL: component}))
            return Observed(component, exists=there, managed=there, failure=failure if there else None)
        sightings = self.look(component, reader)
        if not sightings and release:
            return Observed(component, exists=True, managed=True, digest=release.digest, failure=failure)
        if not any(seen.exists and (not seen.unit.shared or self._shared.claimed(seen.unit)) for seen in sightings):
            return Observed(component)
        # What was adopted is not ours to change, so it has no drift.
        ours = [seen for seen in sightings if not (seen.unit.shared and self._shared.adopted(seen.unit))]
        wanted = self._desired(component).digest
        applied = all(seen.record is not None and seen.record.digest == self._digest(seen.unit) for seen in ours)
        failures = [seen.failure for seen in ours if seen.failure]
        return Observed(
            component,
            exists=True,
            managed=all(seen.managed for seen in ours if seen.exists and not seen.unit.shared),
            digest=wanted if applied else None,
            facts={"objects": {name: found for seen in sightings for name, found in seen.facts().items()}},
            drift=(
                *(sentence for seen in ours for sentence in seen.drift),
                *(told for seen in sightings if seen.unit.shared for told in self._shared.unclaimed(seen.unit)),
                *self._unpublished(component, reader),
            ),
            failure=" ".join(failures) or failure,
        )

    def look(self, component: str, reader: Reader) -> list[Sighting]:
        """Each of its releases."""
        units = self._renderer.units(component)
        records = {place: latest_records(reader, place) for place in {unit.namespace for unit in units}}
        return [look(reader, unit, records[unit.namespace].get(unit.release)) for unit in units]

    def _unpublished(self, component: str, reader: Reader) -> list[str]:
        """What is not in the Secrets and ConfigMaps that are ours to write; known on any machine."""
        secrets = self._secrets(self._publication.told(component))
        clauses = self._credentials.differences(component, secrets, reader)
        return [f"{clause}." for clause in [*clauses, *self._publication.differences(component, secrets, reader)]]

    def _digest(self, unit: RenderedUnit) -> str:
        """What Helm's record of a unit says when it is as wanted."""
        return short(wanted_digest(unit) if unit.shared else self._desired(unit.component).digest)
