"""Binding: which component provides a capability to which consumer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.model.errors import ConfigurationError, UnknownNameError, nearest
from datamill_infra.model.targets import TARGET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from datamill_infra.model.catalogue import Catalogue
    from datamill_infra.model.flavours import FlatFlavour
    from datamill_infra.model.members import Member, Selection
    from datamill_infra.model.targets import Target


class Binder:
    """Binds every need of every member, adding what components outside the flavour need.

    A consumer's own choice comes first, then the user's ``bind``, then the flavour's, then the only member that
    provides the capability (members of the flavour before added ones), then the target.
    """

    def __init__(
        self,
        flavour: FlatFlavour,
        catalogue: Catalogue,
        selection: Selection,
        target: Target,
        bind: Mapping[str, tuple[str, str]],
    ) -> None:
        self._flavour, self._catalogue, self._selection, self._target = flavour, catalogue, selection, target
        self._bind = {**flavour.bind, **bind}

    def bind(self) -> dict[tuple[str, str], str]:
        """Every need, and every use that somebody provides."""
        bindings: dict[tuple[str, str], str] = {}
        pending = list(self._selection.members)
        while pending:
            consumer = self._selection.members[pending.pop(0)]
            for capability, claim in consumer.needs.items():
                provider = self._provider(consumer, capability)
                if provider is None:
                    provider = self._brought(consumer, capability)
                    pending.append(provider)
                bindings[consumer.spec.name, capability] = provider
                self._check_claim(consumer, capability, claim, provider, "needs")
        for consumer in self._selection.members.values():
            if consumer.provider == "external":
                continue
            for capability, use in consumer.spec.uses.items():
                if (provider := self._provider(consumer, capability)) is not None:
                    bindings[consumer.spec.name, capability] = provider
                    self._check_claim(consumer, capability, use.claim, provider, "uses")
        self._check_bind_keys()
        return bindings

    def bound(self) -> dict[str, str]:
        """Capability to the component that pipelines get it from.

        Raises:
            ConfigurationError: several provide it, and neither flavour nor user says which is meant.
        """
        provided = sorted({name for member in self._selection.members.values() for name in member.spec.provides})
        result = {}
        for capability in provided:
            provider = self._chosen(capability, self._bind, consumer=None) or self._only(capability, consumer=None)
            if provider is not None and provider != TARGET:
                result[capability] = provider
        return result

    def _provider(self, consumer: Member, capability: str) -> str | None:
        name = consumer.spec.name
        return (
            self._chosen(capability, consumer.bind, consumer=name)
            or self._chosen(capability, self._bind, consumer=name)
            or self._only(capability, consumer=consumer)
            or (TARGET if capability in self._target.capabilities else None)
        )

    def _chosen(self, capability: str, bind: Mapping[str, tuple[str, str]], consumer: str | None) -> str | None:
        if capability not in bind:
            return None
        name, where = bind[capability]
        if name == TARGET:
            if capability not in self._target.capabilities:
                raise ConfigurationError(
                    f"{where}: the target {self._target.kind!r} does not give {capability!r}.",
                    instruction=f"Bind it to a component, or give `capabilities: [{capability}]` in deployment.yaml.",
                )
            return TARGET
        for substitution in self._selection.substitutions:
            if substitution.component == name and len(substitution.replaced_by) == 1:
                name = substitution.replaced_by[0]
        candidates = [member.spec.name for member in self._candidates(capability)]
        if name not in candidates:
            if name in self._catalogue and name not in self._selection.members:
                raise ConfigurationError(
                    f"{where}: {name} is not part of the deployment.",
                    instruction=f"Add it to the flavour, or bind {capability!r} to one of: {', '.join(candidates)}.",
                )
            raise UnknownNameError(f"component that provides {capability!r}", name, candidates, where=where)
        return None if name == consumer else name

    def _only(self, capability: str, consumer: Member | None) -> str | None:
        candidates = [member for member in self._candidates(capability) if member is not consumer]
        preferred = [member for member in candidates if member.own] or candidates
        if len(preferred) <= 1:
            return preferred[0].spec.name if preferred else None
        names = [member.spec.name for member in preferred]
        raise ConfigurationError(
            f"The flavour {self._flavour.name!r} has several components that provide {capability!r}:"
            f" {', '.join(names)}" + (f"; {consumer.spec.name} needs it." if consumer else "."),
            instruction=f"Say which is meant: `bind: {{{capability}: {names[0]}}}` in the flavour or deployment.yaml.",
        )

    def _brought(self, consumer: Member, capability: str) -> str:
        """Add the one component that provides what a component outside the flavour needs."""
        name = consumer.spec.name
        could = self._catalogue.providing(capability)
        if consumer.own:
            raise self._missing(consumer, capability)
        here = [spec for spec in could if self._selection.obtainable(spec) and spec.name != name]
        if not here:
            raise self._missing(consumer, capability)
        if len(here) > 1:
            names = [spec.name for spec in here]
            raise ConfigurationError(
                f"{name} needs {capability!r}, and several components could provide it: {', '.join(names)}.",
                instruction=f"Ask for one of them too: `datamill up -c {names[0]} -c {name}`.",
            )
        self._selection.add(here[0], why=f"{name} needs {capability}", where="", own=False)
        return here[0].name

    def _missing(self, consumer: Member, capability: str) -> ConfigurationError:
        name = consumer.spec.name
        head = f"The flavour {self._flavour.name!r} does not load: {name} needs {capability!r}, which nothing provides"
        could = self._catalogue.providing(capability)
        if not could:
            names = [*self._catalogue.capabilities(), *self._target.capabilities]
            near = nearest(capability, names)
            place = consumer.spec.document.where(("needs", capability))
            if near:
                return ConfigurationError(f"{head} ({place}).", instruction=f"Did you mean {near!r}?")
            return ConfigurationError(
                f"{head}; no component of the catalogue does, nor does the target {self._target.kind!r} ({place}).",
                instruction=f"Declare `capabilities: [{capability}]` in deployment.yaml if the target has it, or write"
                f" a component that provides it.",
            )
        offers = [f"{spec.name} ({', '.join(spec.providers)})" for spec in could]
        return ConfigurationError(
            f"{head} there.", instruction=f"Add one that does: {', '.join(offers)}; or drop {name}."
        )

    def _check_claim(
        self, consumer: Member, capability: str, claim: Mapping[str, object], provider: str, key: str
    ) -> None:
        if provider == TARGET:
            return
        member = self._selection.members[provider]
        part = member.spec.connection_of(member.provider, member.variant)[capability].claims
        if part is None:
            return
        for asked in claim:
            if asked not in part.asks:
                where = consumer.spec.document.where((key, capability, asked))
                raise UnknownNameError(f"{capability} claim (of {provider})", asked, part.asks, where=where)

    def _check_bind_keys(self) -> None:
        members = self._selection.members.values()
        provided = {name for member in members for name in member.spec.provides} | self._target.capabilities
        for capability, (_, where) in self._bind.items():
            if capability not in provided:
                raise UnknownNameError("capability in this flavour", capability, provided, where=where)
        for member in members:
            known = {*member.needs, *member.spec.uses}
            for capability, (_, where) in member.bind.items():
                if capability not in known:
                    raise UnknownNameError(f"capability that {member.spec.name} needs", capability, known, where=where)

    def _candidates(self, capability: str) -> Iterable[Member]:
        return [member for member in self._selection.members.values() if capability in member.spec.provides]
