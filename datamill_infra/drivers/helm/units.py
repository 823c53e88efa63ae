"""A component's units, rendered: what each release consists of before anything is applied."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from datamill_infra.drivers.helm.charts import charts_folder, image_files, stage
from datamill_infra.kubernetes.objects import Ref
from datamill_infra.model.errors import ConfigurationError
from datamill_infra.model.units import ChartUnit, RolloutReady

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from datamill_infra.drivers.helm.door import Helm
    from datamill_infra.kubernetes.objects import Object
    from datamill_infra.model.deployment import Deployment
    from datamill_infra.model.units import Unit

OWN = "own:"


@dataclass(frozen=True, eq=False)
class RenderedUnit:
    """One release as it should be.

    Attributes:
        component: whose.
        unit: what the catalogue says.
        release: its name.
        namespace: where.
        chart: name of the chart.
        values: name and text of each values file, later ones win.
        objects: what the chart renders.
    """

    component: str
    unit: ChartUnit
    release: str
    namespace: str
    chart: str
    values: tuple[tuple[str, str], ...]
    objects: tuple[Object, ...]

    @property
    def by_ref(self) -> dict[Ref, Object]:
        """The objects by name."""
        return {Ref.of(item, self.namespace): item for item in self.objects}

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

    def __init__(self, deployment: Deployment, helm: Helm, folder: Path | None = None) -> None:
        self.deployment = deployment
        self.helm = helm
        self.folder = folder or charts_folder()
        self._done: dict[str, list[RenderedUnit]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._mutex = threading.Lock()

    def units(self, component: str) -> list[RenderedUnit]:
        """The releases of a component, in order.

        Raises:
            ConfigurationError: it has a unit that this version cannot apply.
            HelmError: a chart or its values are wrong.
        """
        with self._mutex:
            lock = self._locks.setdefault(component, threading.Lock())
        with lock:
            if component not in self._done:
                self._done[component] = [self._render(component, unit) for unit in self._chart_units(component)]
            return self._done[component]

    @contextlib.contextmanager
    def staged(self, rendered: RenderedUnit) -> Iterator[tuple[Path, list[Path]]]:
        """The chart and its values files on disk, for as long as Helm needs them."""
        with self._on_disk(rendered.chart, rendered.values) as found:
            yield found

    @contextlib.contextmanager
    def _on_disk(self, chart: str, values: tuple[tuple[str, str], ...]) -> Iterator[tuple[Path, list[Path]]]:
        with tempfile.TemporaryDirectory(prefix="datamill-helm-") as scratch:
            folder = Path(scratch)
            staged = stage(self.folder, chart, folder)
            files = [folder / f"{index}-{name}" for index, (name, _) in enumerate(values)]
            for file, (_, text) in zip(files, values, strict=True):
                file.write_text(text, encoding="utf-8")
            yield staged, files

    def _render(self, component: str, unit: ChartUnit) -> RenderedUnit:
        release, chart = unit.release or unit.name, unit.source.removeprefix(OWN)
        namespace = unit.namespace or self.deployment.definition.file.namespaces.system
        values = self._values(component, unit)
        with self._on_disk(chart, values) as (staged, files):
            said = yaml.safe_load((staged / "Chart.yaml").read_text(encoding="utf-8"))["version"]
            if said != unit.version:
                raise ConfigurationError(
                    f"{component}: the unit {unit.name!r} wants version {unit.version} of the chart {chart!r},"
                    f" which is {said} here.",
                    instruction="Correct `version` in the component's component.yaml.",
                )
            objects = self.helm.template(release, namespace, staged, files)
        return RenderedUnit(component, unit, release, namespace, chart, values, tuple(objects))

    def _values(self, component: str, unit: ChartUnit) -> tuple[tuple[str, str], ...]:
        images = image_files(self.folder, self.deployment.target)
        merged = self.deployment.rendered(component).units[unit.name].tree()
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
            "providers": self._charts(providers),
            "outside": any(self.deployment.provider(name) == "external" for name in providers),
            "runs": self.deployment.definition.file.namespaces.runs,
            "runsOutside": any(
                self.deployment.provider(name) == "external" for name in self.deployment.resolution.bound.values()
            ),
        }

    def _charts(self, components: Iterable[str]) -> list[str]:
        """What the pods of components are called, in the label ``app.kubernetes.io/name``."""
        return sorted(
            {
                unit.source.removeprefix(OWN)
                for name in components
                for unit in _units(self.deployment, name)
                if isinstance(unit, ChartUnit)
            }
        )

    def _chart_units(self, component: str) -> Iterator[ChartUnit]:
        for unit in _units(self.deployment, component):
            if (reason := _unsupported(unit)) is not None or not isinstance(unit, ChartUnit):
                raise ConfigurationError(
                    f"{component}: the unit {unit.name!r} {reason}, which this version cannot apply.",
                    instruction="Choose another variant of the component, or use one that runs already"
                    f" (`components: {{{component}: {{provider: external, ...}}}}`).",
                )
            yield unit


def _units(deployment: Deployment, component: str) -> tuple[Unit, ...]:
    member = deployment.resolution.members[component]
    if member.provider != "helm" or member.spec.helm is None:
        return ()
    return member.spec.helm.selected(member.variant).units


def _unsupported(unit: Unit) -> str | None:
    """Why a unit cannot be applied yet, or ``None``."""
    if not isinstance(unit, ChartUnit):
        return f"is of the kind {unit.kind!r}"
    if not unit.source.startswith(OWN):
        return f"is a chart from {unit.source}"
    if unit.crds != "none":
        return f"brings custom resource definitions (`crds: {unit.crds}`)"
    if unit.scope == "cluster":
        return "is shared by all deployments of a cluster"
    if other := [one for one in unit.ready if not isinstance(one, RolloutReady)]:
        return f"is ready by a condition of another kind than a rollout ({type(other[0]).__name__})"
    return None
