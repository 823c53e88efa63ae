"""The layers of a component's values: where each is written, in the order in which they are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.model.documents import load_document
from datamill_infra.model.errors import UnknownNameError
from datamill_infra.model.merging import Layer, merge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from datamill_infra.model.components import ComponentSpec
    from datamill_infra.model.definition import Definition
    from datamill_infra.model.documents import Document, Location
    from datamill_infra.model.merging import LayerName, Merged, Path
    from datamill_infra.model.units import ChartUnit, Unit


def component_values(definition: Definition, component: str) -> Merged:
    """The merged values of one component, templates not yet resolved.

    Raises:
        ConfigurationError: a layer sets a value that is not declared, or of another kind.
    """
    member = definition.resolution.members[component]
    spec = member.spec
    present = _present_uses(definition, component)
    defaults = [*_defaults(spec, member.provider, member.variant), *_used(spec, present)]
    elsewhere = [
        merge(_defaults(spec, provider, variant))
        for provider, variant in _ways(spec)
        if (provider, variant) != (member.provider, member.variant)
    ]
    return merge([*defaults, *_changes(definition, spec, None)], subject=component, elsewhere=elsewhere)


def chart_values(definition: Definition, component: str, unit: ChartUnit) -> Merged:
    """The merged values of one chart, templates not yet resolved."""
    member = definition.resolution.members[component]
    spec = member.spec
    index = [other.name for other in _units(spec, member.variant)].index(unit.name)
    at: Location = ("helm", "units", index, "values")
    name: LayerName = "base"
    if member.variant:
        at, name = ("helm", "variants", member.variant, "units", index, "values"), "variant"
    layers = [*_files(spec, unit.values_files, name), Layer(name, unit.values, _place(spec.document, at))]
    for capability in _present_uses(definition, component):
        values = spec.uses[capability].units.get(unit.name, {})
        layers.append(Layer("base", values, _place(spec.document, ("uses", capability, "units", unit.name))))
    return merge([*layers, *_changes(definition, spec, unit.name)], subject=component, closed=False)


def check_units(definition: Definition, component: str) -> None:
    """Refuse values for units that the component does not have.

    Raises:
        UnknownNameError: a layer names such a unit.
    """
    spec = definition.resolution.members[component].spec
    valid = {unit.name for provider, variant in _ways(spec) if provider == "helm" for unit in _units(spec, variant)}
    named: list[tuple[str, str]] = []
    for key in ("uses", "targets"):
        for name, part in getattr(spec, key).items():
            named += [(unit, spec.document.where((key, name, "units", unit))) for unit in part.units]
    for document, parts in definition.flavour.overrides:
        if component in parts:
            named += [(u, document.where(("override", component, "units", u))) for u in parts[component].units]
    named += [
        (unit, definition.document.where(("components", component, "units", unit)))
        for unit in definition.choice(component).units
    ]
    for unit, where in named:
        if unit not in valid:
            raise UnknownNameError(f"unit of {component}", unit, valid, where=where)


def _defaults(spec: ComponentSpec, provider: str, variant: str | None) -> list[Layer]:
    """What the component itself declares for one way of obtaining it."""
    if provider == "embedded" and spec.embedded:
        where = _place(spec.document, ("embedded", "values"))
        return [Layer("base", spec.embedded.values, where, defaults=True)]
    if provider == "helm" and spec.helm:
        where = _place(spec.document, ("helm", "values"))
        layers = [*_files(spec, spec.helm.values_files, "base"), Layer("base", spec.helm.values, where, defaults=True)]
        if variant:
            part = spec.helm.variants[variant]
            where = _place(spec.document, ("helm", "variants", variant, "values"))
            layers += [*_files(spec, part.values_files, "variant"), Layer("variant", part.values, where, defaults=True)]
        return layers
    return []


def _used(spec: ComponentSpec, present: Iterable[str]) -> list[Layer]:
    return [
        Layer("base", spec.uses[name].values, _place(spec.document, ("uses", name, "values")), defaults=True)
        for name in present
    ]


def _changes(definition: Definition, spec: ComponentSpec, unit: str | None) -> list[Layer]:
    """What flavour, target and user say, for the component's values or one unit's."""
    key: Location = ("values",) if unit is None else ("units", unit)

    def values(part: object) -> Mapping[str, object]:
        found: Mapping[str, object] = part.values if unit is None else part.units.get(unit, {})  # type: ignore[attr-defined]
        return found

    layers = [
        Layer("flavour", values(parts[spec.name]), _place(document, ("override", spec.name, *key)))
        for document, parts in definition.flavour.overrides
        if spec.name in parts
    ]
    kind = definition.resolution.target.kind
    if kind in spec.targets:
        layers.append(Layer("target", values(spec.targets[kind]), _place(spec.document, ("targets", kind, *key))))
    user = definition.choice(spec.name)
    layers.append(Layer("user", values(user), _place(definition.document, ("components", spec.name, *key))))
    return layers


def _files(spec: ComponentSpec, files: Iterable[str], name: LayerName) -> list[Layer]:
    documents = [load_document(spec.folder / file) for file in files]
    return [Layer(name, document.data, _place(document, ()), defaults=True) for document in documents]


def _place(document: Document, at: Location) -> Callable[[Path], str]:
    return lambda path: document.where((*at, *path))


def _ways(spec: ComponentSpec) -> list[tuple[str, str | None]]:
    """Every (provider, variant)."""
    ways: list[tuple[str, str | None]] = [(name, None) for name in spec.providers if name != "helm"]
    if spec.helm:
        ways += [("helm", variant) for variant in (spec.helm.variants or [None])]
    return ways


def _units(spec: ComponentSpec, variant: str | None) -> tuple[Unit, ...]:
    return spec.helm.selected(variant).units if spec.helm else ()


def _present_uses(definition: Definition, component: str) -> list[str]:
    spec = definition.resolution.members[component].spec
    return [name for name in spec.uses if (component, name) in definition.resolution.bindings]
