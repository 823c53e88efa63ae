"""From a flavour to a closed set of components: who provides what to whom, and in which order.

A flavour must be closed: a need that nothing in it provides is an error that names who could. Components asked for in
addition (``datamill up -c NAME``) bring what they need, when there is exactly one way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datamill_infra.model.binding import Binder
from datamill_infra.model.errors import UnknownNameError
from datamill_infra.model.graph import levels, reachable
from datamill_infra.model.members import Choice, Substitution, select
from datamill_infra.model.targets import TARGET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from datamill_infra.model.catalogue import Catalogue
    from datamill_infra.model.components import ComponentSpec
    from datamill_infra.model.flavours import FlatFlavour
    from datamill_infra.model.members import Member
    from datamill_infra.model.targets import Target


@dataclass(frozen=True)
class Resolution:
    """A closed set of components.

    Attributes:
        flavour: its name.
        target: where it is to run.
        components: name to spec.
        members: name to how it is obtained, and why it is here.
        bindings: (consumer, capability) to the component that provides it, or ``"target"``; needs and present uses.
        bound: capability to the component that pipelines get it from.
        order: levels; each depends on earlier ones only.
        substitutions: legacy components that the flavour names, and what stands in for them.
    """

    flavour: str
    target: Target
    components: Mapping[str, ComponentSpec]
    members: Mapping[str, Member]
    bindings: Mapping[tuple[str, str], str]
    bound: Mapping[str, str]
    order: list[list[str]]
    substitutions: tuple[Substitution, ...] = field(default=())

    def sequence(self) -> list[str]:
        """All components, dependencies first."""
        return [name for level in self.order for name in level]

    def dependencies(self, name: str) -> set[str]:
        """The components that ``name`` needs or uses directly."""
        self._known(name)
        return {
            provider for (consumer, _), provider in self.bindings.items() if consumer == name and provider != TARGET
        }

    def dependants(self, name: str) -> set[str]:
        """The components that need or use ``name`` directly."""
        self._known(name)
        return {consumer for (consumer, _), provider in self.bindings.items() if provider == name}

    def closure(self, names: Iterable[str]) -> set[str]:
        """``names`` and everything they depend on, directly or not."""
        return reachable([self._known(name) for name in names], self._edges())

    def dependants_closure(self, names: Iterable[str]) -> set[str]:
        """``names`` and everything that depends on them, directly or not."""
        backwards = {name: self.dependants(name) for name in self.components}
        return reachable([self._known(name) for name in names], backwards)

    def capability(self, name: str) -> str:
        """The component that provides a capability to pipelines.

        Raises:
            UnknownNameError: nothing in the deployment provides it.
        """
        if name not in self.bound:
            raise UnknownNameError("capability in this deployment", name, self.bound)
        return self.bound[name]

    def replacements(self) -> tuple[Substitution, ...]:
        """What is not as flavour and target would have it: stand-ins of legacy components, and what runs already."""
        own = tuple(
            Substitution(name, ("external",), "one that runs already is used; it is checked, never started or stopped")
            for name, member in self.members.items()
            if member.provider != self.target.provider
        )
        return (*self.substitutions, *own)

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "flavour": self.flavour,
            "target": self.target.kind,
            "components": {
                name: {
                    "provider": member.provider,
                    "variant": member.variant,
                    "why": member.why,
                    "provides": list(self.components[name].provides),
                    "needs": {
                        capability: provider
                        for (consumer, capability), provider in sorted(self.bindings.items())
                        if consumer == name
                    },
                }
                for name, member in sorted(self.members.items())
            },
            "capabilities": dict(sorted(self.bound.items())),
            "order": self.order,
            "substitutions": [item.to_dict() for item in self.substitutions],
        }

    def _edges(self) -> dict[str, set[str]]:
        return {name: self.dependencies(name) for name in self.components}

    def _known(self, name: str) -> str:
        if name not in self.components:
            raise UnknownNameError("component in this deployment", name, self.components)
        return name


def resolve(
    flavour: FlatFlavour,
    catalogue: Catalogue,
    *,
    target: Target,
    extra: Iterable[str] = (),
    choices: Mapping[str, Choice] | None = None,
    bind: Mapping[str, tuple[str, str]] | None = None,
) -> Resolution:
    """Close a flavour over capabilities.

    Args:
        flavour: flattened.
        catalogue: where components are found.
        target: where it is to run.
        extra: components in addition, which bring what they need.
        choices: component to the user's choice of provider, variant and bindings.
        bind: the user's choice for capabilities that several components provide: capability to component and place.

    Raises:
        UnknownNameError: a component, variant or capability that does not exist is named.
        ConfigurationError: something is said about a component that is not here, a need is not met or not
            unambiguous, a component cannot run on the target, or components need each other in a circle.
    """
    selection = select(flavour, catalogue, target=target, extra=list(extra), choices=dict(choices or {}))
    binder = Binder(flavour, catalogue, selection, target, dict(bind or {}))
    bindings = binder.bind()
    for name, choice in (choices or {}).items():
        if name not in selection.members:
            raise selection.not_a_member(name, choice.where)
    edges: dict[str, dict[str, str]] = {name: {} for name in selection.members}
    for (consumer, capability), provider in bindings.items():
        if provider != TARGET:
            edges[consumer].setdefault(provider, capability)
    return Resolution(
        flavour=flavour.name,
        target=target,
        components={name: member.spec for name, member in selection.members.items()},
        members=dict(selection.members),
        bindings=bindings,
        bound=binder.bound(),
        order=levels(edges),
        substitutions=tuple(selection.substitutions),
    )
