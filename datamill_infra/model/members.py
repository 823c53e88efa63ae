"""The members of a deployment: which components, obtained how, and why they are there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datamill_infra.model.errors import ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.model.catalogue import Catalogue
    from datamill_infra.model.components import ComponentSpec
    from datamill_infra.model.flavours import FlatFlavour
    from datamill_infra.model.providers import Claims, ProviderName
    from datamill_infra.model.targets import Target


@dataclass(frozen=True)
class Choice:
    """What a user chose for one component.

    Attributes:
        provider: instead of the target's.
        variant: of the helm provider, instead of the flavour's.
        bind: capability to the component that this one gets it from.
        where: file, line and key, for messages.
    """

    provider: ProviderName | None = None
    variant: str | None = None
    bind: Mapping[str, str] = field(default_factory=dict)
    where: str = ""


@dataclass(frozen=True)
class Member:
    """One component of a deployment.

    Attributes:
        spec: what it is.
        provider: how it is obtained.
        variant: of the helm provider, or ``None``.
        why: who asked for it, e.g. ``flavour demo`` or ``mlflow needs s3``.
        where: file, line and key that names it; empty for a command line or a need.
        own: asked for by the flavour; the others were added by a user or a need.
        bind: this component's own choices, capability to (component, place).
    """

    spec: ComponentSpec
    provider: ProviderName
    variant: str | None
    why: str
    where: str
    own: bool
    bind: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def needs(self) -> Claims:
        """Capability to claim."""
        return self.spec.needs_of(self.provider, self.variant)

    @property
    def starts(self) -> bool:
        """Whether its provider starts anything; else it is only asked."""
        if self.provider == "helm":
            return bool(self.spec.helm and self.spec.helm.selected(self.variant).units)
        return self.provider == "embedded" and bool(self.spec.embedded and self.spec.embedded.entry)


@dataclass(frozen=True)
class Substitution:
    """A legacy component and what stands in for it."""

    component: str
    replaced_by: tuple[str, ...]
    reason: str

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {"component": self.component, "replaced_by": list(self.replaced_by), "reason": self.reason}


class Selection:
    """Members so far, and how to add one.

    Args:
        flavour: flattened; its overrides may choose variants and bindings.
        catalogue: where components are found.
        target: decides the provider, unless a choice does.
        choices: the user's, by component.
    """

    def __init__(
        self, flavour: FlatFlavour, catalogue: Catalogue, target: Target, choices: Mapping[str, Choice]
    ) -> None:
        self._flavour, self._catalogue, self._target, self._choices = flavour, catalogue, target, choices
        self.members: dict[str, Member] = {}
        self.substitutions: list[Substitution] = []

    def add(self, spec: ComponentSpec, *, why: str, where: str, own: bool) -> Member:
        """Make ``spec`` a member, unless it is one.

        Raises:
            ConfigurationError: it cannot be obtained on the target, or has no such variant.
        """
        if spec.name not in self.members:
            choice = self._choices.get(spec.name, Choice())
            bind: dict[str, tuple[str, str]] = {}
            for document, parts in self._flavour.overrides:
                if spec.name in parts:
                    bind |= {
                        capability: (bound, document.where(("override", spec.name, "bind", capability)))
                        for capability, bound in parts[spec.name].bind.items()
                    }
            bind |= {
                capability: (bound, f"{choice.where}.bind.{capability}") for capability, bound in choice.bind.items()
            }
            self.members[spec.name] = Member(
                spec, self._provider(spec, choice, where), self._variant(spec, choice), why, where, own, bind
            )
        return self.members[spec.name]

    def obtainable(self, spec: ComponentSpec) -> bool:
        """Whether the component can be had here with the user's choices."""
        return (self._choices.get(spec.name, Choice()).provider or self._target.provider) in spec.providers

    def not_a_member(self, name: str, where: str) -> ConfigurationError:
        """What to say when a file speaks of a component that is not here."""
        for substitution in self.substitutions:
            if substitution.component == name:
                instead = ", ".join(substitution.replaced_by)
                return ConfigurationError(
                    f"{where}: {name} is legacy ({substitution.reason}), and {instead} stands in for it.",
                    instruction=f"Say it about {instead}.",
                )
        if name in self._catalogue:
            return ConfigurationError(
                f"{where}: {name} is not part of the deployment (flavour {self._flavour.name!r}).",
                instruction="Add it to the flavour or to `extra` in deployment.yaml, or remove what is said about it.",
            )
        return UnknownNameError("component in this deployment", name, self.members, where=where)

    def _provider(self, spec: ComponentSpec, choice: Choice, where: str) -> ProviderName:
        provider = choice.provider or self._target.provider
        if provider not in (self._target.provider, "external"):
            raise ConfigurationError(
                f"{choice.where}: the provider {provider!r} does not work on the target {self._target.kind!r}.",
                instruction=f"Write `provider: {self._target.provider}` or `provider: external`, or leave it out.",
            )
        if provider in spec.providers:
            return provider
        offered = ", ".join(spec.providers) or "(none)"
        if choice.provider:
            raise ConfigurationError(
                f"{choice.where}: {spec.name} has no provider {provider!r}.", instruction=f"It has: {offered}."
            )
        place = f"{where}: " if where else ""
        external = (
            f", or use one that runs already: `components: {{{spec.name}: {{provider: external, connection: ...}}}}` in"
            " deployment.yaml"
            if "external" in spec.providers
            else ""
        )
        raise ConfigurationError(
            f"{place}{spec.name} cannot be had on the target {self._target.kind!r}: it has no provider {provider!r}"
            f" (it has: {offered}).",
            instruction=f"Drop it from the flavour, choose another target{external}.",
        )

    def _variant(self, spec: ComponentSpec, choice: Choice) -> str | None:
        variants = spec.helm.variants if spec.helm else {}
        chosen: tuple[str, str] | None = None
        for document, parts in self._flavour.overrides:
            if spec.name in parts and (variant := parts[spec.name].variant):
                chosen = (variant, document.where(("override", spec.name, "variant")))
        if choice.variant:
            chosen = (choice.variant, f"{choice.where}.variant")
        if chosen and chosen[0] not in variants:
            raise UnknownNameError(f"variant of {spec.name}", chosen[0], variants, where=chosen[1])
        if (choice.provider or self._target.provider) != "helm" or spec.helm is None:
            return None
        return chosen[0] if chosen else spec.helm.default_variant


def select(
    flavour: FlatFlavour,
    catalogue: Catalogue,
    *,
    target: Target,
    extra: list[str],
    choices: dict[str, Choice],
) -> Selection:
    """The members that the flavour and the user name; what they need is bound later.

    Raises:
        UnknownNameError: a component that does not exist is named.
        ConfigurationError: a component cannot be had on the target, or is legacy without a replacement.
    """
    selection = Selection(flavour, catalogue, target, choices)
    here = flavour.on(target)
    for name, where in here.items():
        spec = catalogue.find(name, where=where)
        if spec.legacy is None:
            selection.add(spec, why=f"flavour {flavour.name}", where=where, own=True)
            continue
        if not spec.legacy.replaced_by:
            raise ConfigurationError(
                f"{where}: {name} is legacy: {spec.legacy.reason}", instruction="Drop it; nothing replaces it."
            )
        selection.substitutions.append(Substitution(name, spec.legacy.replaced_by, spec.legacy.reason))
        for other in spec.legacy.replaced_by:
            replacement = catalogue.find(other, where=spec.document.where(("legacy", "replaced_by")))
            selection.add(replacement, why=f"in place of {name}, which is legacy", where=where, own=True)
    elsewhere = flavour.everywhere() - here.keys()
    for document, parts in flavour.overrides:
        for name in parts:
            if name not in selection.members and name not in elsewhere:
                raise selection.not_a_member(name, document.where(("override", name)))
    for name in extra:
        spec = catalogue.find(name)
        if spec.legacy is not None:
            instead = ", ".join(spec.legacy.replaced_by)
            raise ConfigurationError(
                f"{name} is legacy: {spec.legacy.reason}",
                instruction=f"Use {instead} instead." if instead else "Nothing replaces it.",
            )
        selection.add(spec, why="asked for in addition", where="", own=False)
    return selection
