"""A component's units, rendered: what each release consists of before anything is applied."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import yaml

from datamill_infra.drivers.helm import manifests
from datamill_infra.drivers.helm.charts import charts_folder, image_files
from datamill_infra.drivers.helm.packages import ArchiveChart, FolderChart, OwnChart, Wrapped
from datamill_infra.drivers.helm.records import COMPONENT_LABEL
from datamill_infra.drivers.helm.rights import location, rights
from datamill_infra.drivers.helm.sources import Sources
from datamill_infra.kubernetes.definitions import is_definition
from datamill_infra.kubernetes.objects import MANAGED_BY_LABEL, Ref, labels_of
from datamill_infra.model.errors import ConfigurationError
from datamill_infra.model.units import ChartUnit, KustomizeUnit, ManifestsUnit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from datamill_infra.drivers.helm.door import Helm
    from datamill_infra.drivers.helm.packages import Package
    from datamill_infra.drivers.helm.rights import Right
    from datamill_infra.kubernetes.objects import Object
    from datamill_infra.model.deployment import Deployment
    from datamill_infra.model.units import Unit

OWN = "own:"
OCI = "oci://"
ANY_RIGHTS = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
SHARED = "datamill-shared"
"""Namespace of units that all deployments of a cluster share, unless they have one of their own."""


@dataclass(frozen=True, eq=False)
class RenderedUnit:
    """One release as it should be.

    Attributes:
        component: whose.
        unit: what the catalogue says.
        release: its name.
        namespace: where.
        package: what Helm is given.
        values: name and text of each values file, later ones win.
        objects: what the release consists of.
        definitions: custom resource definitions, which are applied before the release and are no part of it.
        labels: of its namespace, where the unit says so.
    """

    component: str
    unit: Unit
    release: str
    namespace: str
    package: Package
    values: tuple[tuple[str, str], ...]
    objects: tuple[Object, ...]
    definitions: tuple[Object, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def by_ref(self) -> dict[Ref, Object]:
        """Definitions and objects by name."""
        return {self.ref(item): item for item in (*self.definitions, *self.objects)}

    def ref(self, item: Object) -> Ref:
        """The name of an object of this unit, rendered or live. Of the whole cluster's, only definitions are known."""
        return Ref.of(item) if is_definition(item) else Ref.of(item, self.namespace)

    @property
    def shared(self) -> bool:
        """Whether there is one for all deployments of a cluster."""
        return self.unit.scope == "cluster"

    def told(self, ref: Ref) -> str:
        """What an object is called, for people and in digests: with its namespace when that is not the release's."""
        return str(ref) if ref.namespace in (self.namespace, "") else f"{ref} in {ref.namespace}"


class UnitRenderer:
    """Renders the components of a deployment, each once.

    Args:
        deployment: whose.
        helm: the door.
        folder: of charts; by default this project's.
    """

    def __init__(
        self, deployment: Deployment, helm: Helm, folder: Path | None = None, sources: Sources | None = None
    ) -> None:
        self.deployment = deployment
        self.helm = helm
        self.folder = folder or charts_folder()
        self.sources = sources or Sources(helm)
        self._done: dict[str, list[RenderedUnit]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._mutex = threading.Lock()

    def units(self, component: str) -> list[RenderedUnit]:
        """The releases of a component, in order.

        Raises:
            ConfigurationError: a unit is not what the catalogue says, or may not be applied.
            HelmError: a chart or its values are wrong.
            PlatformError: what a unit is made from cannot be fetched.
        """
        with self._mutex:
            lock = self._locks.setdefault(component, threading.Lock())
        with lock:
            if component not in self._done:
                wanted = _units(self.deployment, component)
                self._done[component] = [self._render(component, unit) for unit in wanted]
            return self._done[component]

    @contextlib.contextmanager
    def staged(self, rendered: RenderedUnit) -> Iterator[tuple[Path, list[Path]]]:
        """The chart and its values files on disk, for as long as Helm needs them."""
        with _on_disk(rendered.package, rendered.values) as found:
            yield found

    def _render(self, component: str, unit: Unit) -> RenderedUnit:
        system = self.deployment.definition.file.namespaces.system
        namespace = unit.namespace or (SHARED if unit.scope == "cluster" else system)
        if unit.scope == "cluster" and namespace == system:
            raise ConfigurationError(
                f"{component}: the unit {unit.name!r} is shared by all deployments, and its namespace {namespace!r} is"
                " that of this one.",
                instruction=f"Choose another `namespaces.system` in {self.deployment.deployment_file}.",
            )
        if not isinstance(unit, ChartUnit):
            rendered = self._wrapped(component, unit, namespace)
        elif component == location(self.deployment):
            # Which objects it renders does not depend on what the rights are, so they follow from any.
            first = self._chart(component, unit, namespace, {"rules": ANY_RIGHTS, "runRules": ANY_RIGHTS})
            rendered = self._chart(component, unit, namespace, self._granted([first]))
        else:
            rendered = self._chart(component, unit, namespace)
        if rendered.definitions and not rendered.shared:
            raise ConfigurationError(
                f"{component}: the unit {unit.name!r} brings custom resource definitions"
                f" ({rendered.definitions[0]['metadata']['name']}), which all deployments of a cluster share.",
                instruction="Give the unit `scope: cluster`, or leave them to another one (`crds: separate`).",
            )
        return rendered

    def rights(self, own: Sequence[RenderedUnit] | None = None) -> list[Right]:
        """What the platform's own code location may do in the cluster; nothing where there is none.

        Args:
            own: rendered releases of its component, while they are being rendered.
        """
        found = location(self.deployment)
        if found is None:
            return []
        units = [unit for name in self.deployment.resolution.sequence() if name != found for unit in self.units(name)]
        namespaces = self.deployment.definition.file.namespaces
        return rights([*units, *(own or self.units(found))], namespaces.system, namespaces.runs, found)

    def _granted(self, own: Sequence[RenderedUnit]) -> dict[str, object]:
        """Values of the chart that brings the location."""
        system = self.deployment.definition.file.namespaces.system
        found = self.rights(own)
        return {
            "context": self.deployment.context,
            "rules": [right.rule() for right in found if right.namespace == system],
            "runRules": [right.rule() for right in found if right.namespace != system],
        }

    def _chart(
        self, component: str, unit: ChartUnit, namespace: str, infrastructure: Mapping[str, object] | None = None
    ) -> RenderedUnit:
        package, release = self._package(component, unit), _release(component, unit)
        values = self._values(component, unit)
        if infrastructure is not None:
            values = (*values, ("rights.yaml", yaml.safe_dump({"infrastructure": dict(infrastructure)})))
        with _on_disk(package, values) as (staged, files):
            if (said := package.version(staged)) != unit.version:
                raise ConfigurationError(
                    f"{component}: the unit {unit.name!r} wants version {unit.version} of the chart {package.name!r},"
                    f" which is {said} here.",
                    instruction="Correct `version` in the component's component.yaml.",
                )
            objects = self.helm.template(release, namespace, staged, files)
            # Charts of our own have none, and each call of Helm takes its time.
            brought = () if isinstance(package, OwnChart) else tuple(self.helm.definitions(staged))
        _refuse_templated(component, unit, objects)
        if brought and unit.crds == "none":
            raise ConfigurationError(
                f"{component}: the unit {unit.name!r} says `crds: none`, and its chart brings"
                f" {', '.join(str(item['metadata']['name']) for item in brought)}.",
                instruction="Say `crds: upgrade` (applied each time), `install` (once) or `separate` (another unit's).",
            )
        definitions = () if unit.crds == "separate" else _own(brought, component)
        return RenderedUnit(component, unit, release, namespace, package, values, tuple(objects), definitions)

    def _wrapped(self, component: str, unit: Unit, namespace: str) -> RenderedUnit:
        items = self._objects(component, unit)
        release = _release(component, unit)
        home = [item for item in items if item["kind"] == "Namespace" and item["metadata"]["name"] == namespace]
        definitions = _own([item for item in items if is_definition(item)], component)
        # The namespace would go with the release, and everything in it.
        objects = [manifests.labelled(item, release) for item in items if not is_definition(item) and item not in home]
        version = getattr(unit, "version", "0.0.0").removeprefix("v")
        package = Wrapped(release, version, tuple(objects))
        labels = labels_of(home[0]) if home else {}
        return RenderedUnit(component, unit, release, namespace, package, (), tuple(objects), definitions, labels)

    def _objects(self, component: str, unit: Unit) -> Sequence[Object]:
        folder = self.deployment.spec(component).folder
        if isinstance(unit, ManifestsUnit):
            return manifests.read(self.sources.manifests(unit).read_text(encoding="utf-8"), unit.source)
        if isinstance(unit, KustomizeUnit):
            overlay = folder / unit.overlay if unit.overlay else None
            return manifests.kustomized(self.sources.tree(unit), unit.path, overlay)
        return manifests.checked(
            self.deployment.rendered(component).resources[unit.name], f"{component}: the unit {unit.name!r}"
        )

    def _package(self, component: str, unit: ChartUnit) -> Package:
        if _is_own(unit):
            return OwnChart(self.folder, unit.source.removeprefix(OWN))
        if unit.local:
            return FolderChart(self.deployment.spec(component).folder / unit.local)
        name = unit.chart or unit.source.removeprefix(OCI).rpartition("/")[2]
        return ArchiveChart(name, self.sources.chart(unit))

    def _values(self, component: str, unit: ChartUnit) -> tuple[tuple[str, str], ...]:
        merged = self.deployment.rendered(component).units[unit.name].tree()
        if not _is_own(unit):  # what only our own charts know of would be refused by a strict schema
            return (("values.yaml", yaml.safe_dump(merged, allow_unicode=True)),)
        images = image_files(self.folder, self.deployment.target)
        return (
            *((file.name, file.read_text(encoding="utf-8")) for file in images),
            ("graph.yaml", yaml.safe_dump({"global": self._graph(component)})),
            ("values.yaml", yaml.safe_dump(merged, allow_unicode=True)),
        )

    def _graph(self, component: str) -> dict[str, object]:
        """Who may connect to the component's pods, and where they may connect to, from who is bound to whom."""
        consumers = {consumer for consumer, _, _ in self.deployment.claims(component)}
        providers = {connection.component for connection in self.deployment.needs(component, {}).values()}
        return {
            "clients": self._charts(consumers),
            "clientReleases": self._releases(consumers),
            "providers": self._charts(providers),
            "providerReleases": self._releases(providers),
            "outside": any(self.deployment.provider(name) == "external" for name in providers),
            "infrastructure": location(self.deployment) is not None,
            "runs": self.deployment.definition.file.namespaces.runs,
            "runsOutside": any(
                self.deployment.provider(name) == "external" for name in self.deployment.resolution.bound.values()
            ),
        }

    def _charts(self, components: Iterable[str]) -> list[str]:
        """What pods of charts of our own are called, in the label ``app.kubernetes.io/name``."""
        units = [unit for name in components for unit in _units(self.deployment, name) if _is_own(unit)]
        return sorted({unit.source.removeprefix(OWN) for unit in units})

    def _releases(self, components: Iterable[str]) -> list[str]:
        """The releases of all else, in the label ``app.kubernetes.io/instance`` of their pods."""
        units = [(name, unit) for name in components for unit in _units(self.deployment, name)]
        return sorted({_release(name, unit) for name, unit in units if not _is_own(unit)})


@contextlib.contextmanager
def _on_disk(package: Package, values: tuple[tuple[str, str], ...]) -> Iterator[tuple[Path, list[Path]]]:
    with tempfile.TemporaryDirectory(prefix="datamill-helm-") as scratch:
        folder = Path(scratch)
        staged = package.stage(folder)
        files = [folder / f"{index}-{name}" for index, (name, _) in enumerate(values)]
        for file, (_, text) in zip(files, values, strict=True):
            file.write_text(text, encoding="utf-8")
        yield staged, files


def _units(deployment: Deployment, component: str) -> tuple[Unit, ...]:
    member = deployment.resolution.members[component]
    if member.provider != "helm" or member.spec.helm is None:
        return ()
    return member.spec.helm.selected(member.variant).units


def _is_own(unit: Unit) -> TypeGuard[ChartUnit]:
    return isinstance(unit, ChartUnit) and unit.source.startswith(OWN)


def _release(component: str, unit: Unit) -> str:
    """What Helm calls a unit."""
    if isinstance(unit, ChartUnit):
        return unit.release or unit.name
    return unit.name if unit.name.startswith(component) else f"{component}-{unit.name}"


def _own(definitions: Iterable[Object], component: str) -> tuple[Object, ...]:
    """Definitions with the labels by which ours are known."""
    ours = {MANAGED_BY_LABEL: "datamill", COMPONENT_LABEL: component}
    return tuple(
        {**item, "metadata": {**item["metadata"], "labels": {**labels_of(item), **ours}}} for item in definitions
    )


def _refuse_templated(component: str, unit: ChartUnit, objects: Iterable[Object]) -> None:
    for item in objects:
        if is_definition(item):
            raise ConfigurationError(
                f"{component}: the chart of the unit {unit.name!r} has {item['metadata']['name']} among its templates,"
                " so Helm would delete it with the release, and every object of that kind.",
                instruction="Set the chart's value that leaves definitions out, and bring them by a unit of manifests"
                " before it (`crds: separate`).",
            )
