"""Rendering: every value and connection of a deployment, computed without running anything.

Components are rendered in the order of their dependencies, because the values of one may refer to the declared
connections of others (``${s3.endpoint}``). All templates are resolved here, in the layer called ``connections``,
which lies above all the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datamill_infra.model.claims import consumer_view
from datamill_infra.model.connections import Connection, FieldValue
from datamill_infra.model.documents import load_documents
from datamill_infra.model.errors import ConfigurationError, UnknownNameError
from datamill_infra.model.external import external_connections
from datamill_infra.model.layers import chart_values, check_units, component_values
from datamill_infra.model.merging import Leaf
from datamill_infra.model.targets import TARGET
from datamill_infra.model.templates import Refused, references, resolve_value
from datamill_infra.model.units import ChartUnit, ResourcesUnit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from datamill_infra.model.components import ComponentSpec
    from datamill_infra.model.definition import Definition
    from datamill_infra.model.members import Member
    from datamill_infra.model.merging import Merged

CONNECTIONS = "connections"
"""Name of the layer in which templates are resolved."""

_OWN_VALUE = Refused(
    "stands in the component's own values, which cannot refer to each other",
    "Write the value out, or refer to the value from the connection or the units.",
)
_SECRET = Refused(
    "is a secret, and secrets never go into values",
    "Take it where it is used: from the context's connections (embedded), or from an existing Secret (helm).",
)


@dataclass(frozen=True)
class Rendered:
    """One component, with every template resolved.

    Attributes:
        component: its name.
        values: with origins.
        units: values of each chart, with origins.
        resources: the objects of each unit of resources.
        claims: capability to what the component claims.
        needs: capability to the connection as this component sees it, claims included.
        connections: capability to what the component yields.
    """

    component: str
    values: Merged
    units: Mapping[str, Merged]
    resources: Mapping[str, list[object]]
    claims: Mapping[str, Mapping[str, object]]
    needs: Mapping[str, Connection]
    connections: Mapping[str, Connection]

    def to_dict(self) -> dict[str, object]:
        """For ``--json``; secrets by name."""
        return {
            "component": self.component,
            "values": self.values.to_dict(),
            "units": {name: merged.to_dict() for name, merged in self.units.items()},
            "resources": dict(self.resources),
            "claims": {name: dict(claim) for name, claim in self.claims.items()},
            "needs": {name: connection.to_dict() for name, connection in self.needs.items()},
            "connections": {name: connection.to_dict() for name, connection in self.connections.items()},
        }


@dataclass
class Renderer:
    """Renders the components of a deployment, each once.

    Attributes:
        definition: what is to be rendered.
        ports: component to port names and numbers; without it, ports and paths stand in as ``<port of ...>``, so that
            the result is the same on every machine.
        paths: component to its directories by name.
    """

    definition: Definition
    ports: Mapping[str, Mapping[str, int]] | None = None
    paths: Callable[[str], Mapping[str, Path]] | None = None
    _done: dict[str, Rendered] = field(default_factory=dict)

    def __getitem__(self, component: str) -> Rendered:
        """One component, after everything it depends on.

        Raises:
            ConfigurationError: a value or template of it, or of what it depends on, is wrong.
        """
        if component not in self._done:
            self._done[component] = self._render(self.definition.resolution.members[component])
        return self._done[component]

    def _render(self, member: Member) -> Rendered:
        name, spec = member.spec.name, member.spec
        check_units(self.definition, name)
        raw = component_values(self.definition, name)
        own = self._own_facts(member)
        claims = self._claims(member, raw, own)
        needs = self._needs(member, claims)
        facts: dict[str, object] = {**own, **_connection_facts(needs, claims), "claims": claims, "values": _OWN_VALUE}
        values = raw.mapped(lambda leaf: _resolved(leaf, facts))
        facts["values"] = values.tree()
        units = {}
        resources = {}
        for unit in spec.helm.selected(member.variant).units if spec.helm and member.provider == "helm" else ():
            if isinstance(unit, ChartUnit):
                merged = chart_values(self.definition, name, unit)
                units[unit.name] = merged.mapped(lambda leaf: _resolved(leaf, facts))
            if isinstance(unit, ResourcesUnit):
                resources[unit.name] = _resources(spec, unit, facts)
        connections = (
            external_connections(self.definition, member)
            if member.provider == "external"
            else self._connections(member, facts, needs)
        )
        return Rendered(name, values, units, resources, claims, needs, connections)

    def _own_facts(self, member: Member) -> dict[str, object]:
        """What a component knows without any other."""
        name, file = member.spec.name, self.definition.file
        facts: dict[str, object] = {"deployment": {"flavour": file.flavour, "target": file.target}}
        if member.provider == "embedded" and member.spec.embedded:
            names = member.spec.embedded.ports
            facts |= {"host": "127.0.0.1", "ports": self._ports(name, names), "paths": self._paths(name)}
        if member.provider == "helm" and member.spec.helm:
            part = member.spec.helm.selected(member.variant)
            facts |= {"namespace": file.namespaces.system, "ports": dict(part.ports)}
            where = member.spec.document.where(("helm", "host"))
            facts["host"] = resolve_value(part.host, facts, where=where)
        return facts

    def _ports(self, component: str, names: tuple[str, ...]) -> dict[str, object]:
        if self.ports is None:
            return {name: f"<port {name} of {component}>" for name in names}
        allocated = self.ports.get(component, {})
        if missing := [name for name in names if name not in allocated]:
            raise ConfigurationError(
                f"{component} has no number yet for its port {missing[0]!r}.",
                instruction="Run `datamill up`, which allocates ports.",
            )
        return {name: allocated[name] for name in names}

    def _paths(self, component: str) -> dict[str, object]:
        if self.ports is None or self.paths is None:
            return {name: f"<{name} of {component}>" for name in ("data", "config", "logs")}
        return {name: str(path) for name, path in self.paths(component).items()}

    def _claims(self, member: Member, raw: Merged, own: Mapping[str, object]) -> dict[str, dict[str, object]]:
        """What is claimed; a claim may refer to values, but not to values that need a connection themselves."""
        spec, resolved = member.spec, {}
        leaves = raw.leaves
        used = {name: use.claim for name, use in spec.uses.items() if self._provider(spec.name, name)}
        for capability, claim in {**member.needs, **used}.items():
            where = spec.document.where(("needs" if capability in member.needs else "uses", capability))
            wanted = {
                reference.path[1:] for reference in references(claim, where=where) if reference.path[0] == "values"
            }
            values: dict[str, object] = {}
            for path in sorted(wanted & leaves.keys()):
                below = values
                for part in path[:-1]:
                    below = below.setdefault(part, {})  # type: ignore[assignment]  # a mapping by construction
                below[path[-1]] = resolve_value(leaves[path].value, own, where=leaves[path].source)
            facts = {**own, "values": values or raw.tree()}
            resolved[capability] = {
                key: resolve_value(value, facts, where=f"{where}.{key}") for key, value in claim.items()
            }
        return resolved

    def _provider(self, consumer: str, capability: str) -> str | None:
        return self.definition.resolution.bindings.get((consumer, capability))

    def _needs(self, member: Member, claims: Mapping[str, Mapping[str, object]]) -> dict[str, Connection]:
        views = {}
        for capability, claim in claims.items():
            provider = self._provider(member.spec.name, capability)
            if provider is None or provider == TARGET:
                continue
            other = self.definition.resolution.members[provider]
            entry = other.spec.connection_of(other.provider, other.variant)[capability]
            place = other.spec.document.where(("connection", capability, "claims", "fields"))
            connection = self[provider].connections[capability]
            views[capability] = consumer_view(connection, entry.claims, claim, member.spec.name, place)
        return views

    def _connections(
        self, member: Member, facts: Mapping[str, object], needs: Mapping[str, Connection]
    ) -> dict[str, Connection]:
        spec = member.spec
        connections = {}
        for capability, entry in spec.connection_of(member.provider, member.variant).items():
            where = spec.document.where(("connection", capability))
            fields: dict[str, FieldValue] = {}
            for name, value in entry.fields.items():
                place = f"{where}.fields.{name}"
                resolved = resolve_value(value, facts, where=place)
                if not isinstance(resolved, (str, int, bool)):
                    raise ConfigurationError(
                        f"{place}: {value!r} is not a single text, number, or true or false.",
                        instruction="Refer to a single value.",
                    )
                fields[name] = resolved
            secrets = {}
            for name, secret in entry.secrets.items():
                if (found := self._secret(member, secret, needs, f"{where}.secrets.{name}")) is not None:
                    secrets[name] = found
            connections[capability] = Connection(capability, spec.name, fields, secrets)
        return connections

    def _secret(self, member: Member, secret: str, needs: Mapping[str, Connection], where: str) -> str | None:
        """The full name of a secret; ``None`` when the needed connection has no such secret here."""
        if not secret.startswith("${"):
            return f"{member.spec.name}.{secret}"
        capability, name = references(secret)[0].path
        provider = self._provider(member.spec.name, capability)
        if capability not in needs or provider is None:
            raise UnknownNameError(f"connection that {member.spec.name} needs", capability, needs, where=where)
        if name in needs[capability].secrets:
            return needs[capability].secrets[name]
        other = self.definition.resolution.members[provider].spec
        known = {*other.connection_of("embedded")[capability].secrets}
        known |= set(other.external[capability].secrets) if other.external else set()
        if name not in known:
            raise UnknownNameError(f"secret of the connection {capability!r}", name, known, where=where)
        return None


def _connection_facts(
    needs: Mapping[str, Connection], claims: Mapping[str, Mapping[str, object]]
) -> dict[str, Mapping[str, object]]:
    facts: dict[str, Mapping[str, object]] = {capability: {} for capability in claims}
    for capability, connection in needs.items():
        facts[capability] = {**connection.fields, **dict.fromkeys(connection.secrets, _SECRET)}
    return facts


def _resources(spec: ComponentSpec, unit: ResourcesUnit, facts: Mapping[str, object]) -> list[object]:
    documents = [document for file in unit.files for document in load_documents(spec.folder / file)]
    found = [resolve_value(document.data, facts, where=document.where()) for document in documents]
    where = spec.document.where(("helm",))
    return [*found, *(resolve_value(item, facts, where=f"{where} ({unit.name})") for item in unit.objects)]


def _resolved(leaf: Leaf, facts: Mapping[str, object]) -> Leaf:
    found = references(leaf.value, where=leaf.source)
    value = resolve_value(leaf.value, facts, where=leaf.source)
    if not found:
        return Leaf(value, leaf.layer, leaf.source)
    written = ", ".join(str(reference) for reference in found)
    return Leaf(value, CONNECTIONS, f"{written}, written in {leaf.layer} {leaf.source}")
