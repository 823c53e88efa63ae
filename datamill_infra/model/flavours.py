"""Flavours: named sets of components, and how one extends another."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, InstanceOf, model_validator

from datamill_infra.model.documents import Document, load_document
from datamill_infra.model.errors import ConfigurationError, UnknownNameError
from datamill_infra.model.resolution import Resolution, resolve
from datamill_infra.model.targets import Target
from datamill_infra.model.units import Values
from datamill_infra.model.validation import Line, Name, Names, Part, validate, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from datamill_infra.model.catalogue import Catalogue

__all__ = ["FlatFlavour", "Flavour", "Flavours", "Resolution", "default_flavour_folders", "resolve_flavour"]

_PACKAGE = Path(__file__).parent.parent


class OverridePart(Part):
    """What a flavour changes about one component.

    Attributes:
        variant: of the helm provider.
        values: merged above the component's defaults.
        units: values of single units, by unit name.
        bind: capability to the component that this one gets it from.
    """

    variant: Name | None = None
    values: Values = Field(default_factory=dict)
    units: dict[Name, Values] = Field(default_factory=dict)
    bind: dict[Name, Name] = Field(default_factory=dict)


class Flavour(Part):
    """One flavour file.

    Attributes:
        name: the file's name without ``.yaml``.
        extends: the flavour this one starts from.
        components: what a flavour that extends nothing consists of.
        by_provider: components in addition, where the target obtains components this way.
        by_target: kind of target to what stands in the place of components there.
        add: components added to the extended flavour.
        drop: components of the extended flavour that are left out, with what it said about them.
        override: component to changes.
        bind: capability to the component that is meant, where several provide it.
    """

    name: Name
    document: InstanceOf[Document] = Field(repr=False, exclude=True)
    title: Line
    summary: Line
    extends: Name | None = None
    components: Names = ()
    by_provider: dict[Literal["embedded", "helm"], Names] = Field(default_factory=dict)
    by_target: dict[Name, dict[Name, Name]] = Field(default_factory=dict)
    add: Names = ()
    drop: Names = ()
    override: dict[Name, Annotated[OverridePart, Field()]] = Field(default_factory=dict)
    bind: dict[Name, Name] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.extends is None and (self.add or self.drop):
            raise wrong("`add` and `drop` change a flavour that is extended", "Write `extends`, or use `components`.")
        if self.extends is not None and self.components:
            raise wrong("a flavour that extends another has no `components`", "Write `add` instead.")
        if self.extends is None and not self.components:
            raise wrong("the flavour is empty", "Add `components: [...]`, or `extends: FLAVOUR`.")
        named = {key: getattr(self, key) for key in ("components", "add", "drop")}
        named |= {f"by_provider.{provider}": (*self.components, *own) for provider, own in self.by_provider.items()}
        for key, names in named.items():
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise wrong(f"`{key}` has {twice[0]!r} twice", "Remove one of them.")
        return self


@dataclass(frozen=True)
class FlatFlavour:
    """A flavour with everything it extends written out.

    Attributes:
        name: of the flavour itself.
        lineage: the flavours it is made of, root first.
        components: component to the place (file, line, key) that names it.
        by_provider: the same for those that only a target's provider has.
        by_target: kind of target to component to what stands in its place there, with the place that says so.
        overrides: root first, each with the document that its lines refer to.
        bind: capability to component, with the place that says so.
    """

    name: str
    title: str
    summary: str
    lineage: tuple[str, ...]
    components: dict[str, str] = field(default_factory=dict)
    by_provider: dict[str, dict[str, str]] = field(default_factory=dict)
    by_target: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    overrides: tuple[tuple[Document, dict[str, OverridePart]], ...] = ()
    bind: dict[str, tuple[str, str]] = field(default_factory=dict)

    def on(self, target: Target) -> dict[str, str]:
        """Component to place, on one target."""
        found = {**self.components, **self.by_provider.get(target.provider, {})}
        instead = self.by_target.get(target.kind, {})
        return dict(instead.get(name, (name, place)) for name, place in found.items())

    def everywhere(self) -> set[str]:
        """All components that it has on some target."""
        instead = {name for places in self.by_target.values() for name, _ in places.values()}
        return set(self.components).union(instead, *self.by_provider.values())

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "lineage": list(self.lineage),
            "components": list(self.components),
            "by_provider": {provider: list(names) for provider, names in self.by_provider.items()},
            "by_target": {
                kind: {name: other for name, (other, _) in places.items()} for kind, places in self.by_target.items()
            },
            "bind": {capability: component for capability, (component, _) in self.bind.items()},
        }


class Flavours:
    """Flavours by name.

    Args:
        folders: each holds ``NAME.yaml`` files; the first that has a name wins. Folders that do not exist are empty.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._index = {file.stem: file for folder in reversed(self.folders) for file in sorted(folder.glob("*.yaml"))}
        self._read: dict[str, Flavour] = {}

    @classmethod
    def load(cls, folders: Sequence[Path] | None = None) -> Flavours:
        """The flavours of ``folders``, or of the package alone."""
        return cls(default_flavour_folders() if folders is None else folders)

    def names(self) -> list[str]:
        """All flavours, sorted."""
        return sorted(self._index)

    def __getitem__(self, name: str) -> Flavour:
        """One flavour as written.

        Raises:
            UnknownNameError: there is none of this name.
            ConfigurationError: its file is wrong.
        """
        return self.find(name)

    def find(self, name: str, *, where: str | None = None) -> Flavour:
        """One flavour as written; ``where`` is the file and key that named it, for the message.

        Raises:
            UnknownNameError: there is none of this name.
            ConfigurationError: its file is wrong.
        """
        if name not in self._read:
            if name not in self._index:
                raise UnknownNameError("flavour", name, self._index, where=where)
            document = load_document(self._index[name])
            self._read[name] = validate(Flavour, document, given={"name": name, "document": document})
        return self._read[name]

    def flatten(self, name: str, *, where: str | None = None) -> FlatFlavour:
        """A flavour with everything it extends.

        Raises:
            UnknownNameError: a flavour or component that does not exist is named.
            ConfigurationError: the flavours extend each other in a circle.
        """
        chain = [self.find(name, where=where)]
        while (parent := chain[-1].extends) is not None:
            place = chain[-1].document.where(("extends",))
            if parent in (path := [flavour.name for flavour in chain]):
                raise ConfigurationError(
                    f"{place}: the flavours extend each other: {' -> '.join([*path, parent])}.",
                    instruction="Let one of them stand on its own (`components` instead of `extends`).",
                )
            chain.append(self.find(parent, where=place))
        flat = FlatFlavour(name, chain[0].title, chain[0].summary, ())
        for flavour in reversed(chain):
            flat = _extend(flat, flavour)
        return flat


def _extend(base: FlatFlavour, flavour: Flavour) -> FlatFlavour:
    document = flavour.document
    for index, name in enumerate(flavour.drop):
        if name not in base.everywhere():
            place = document.where(("drop", index))
            raise UnknownNameError(f"component of {flavour.extends!r}", name, base.everywhere(), where=place)
    dropped = set(flavour.drop)
    components = {name: place for name, place in base.components.items() if name not in dropped}
    by_provider = {
        provider: {name: place for name, place in names.items() if name not in dropped}
        for provider, names in base.by_provider.items()
    }
    for provider, names in flavour.by_provider.items():
        places = {name: document.where(("by_provider", provider, index)) for index, name in enumerate(names)}
        by_provider[provider] = {**places, **by_provider.get(provider, {})}
    key = "components" if flavour.extends is None else "add"
    for index, name in enumerate(getattr(flavour, key)):
        components.setdefault(name, document.where((key, index)))
    kept = tuple(
        (source, {name: part for name, part in parts.items() if name not in dropped})
        for source, parts in base.overrides
    )
    bind = {capability: bound for capability, bound in base.bind.items() if bound[0] not in dropped}
    bind |= {capability: (name, document.where(("bind", capability))) for capability, name in flavour.bind.items()}
    return FlatFlavour(
        base.name,
        base.title,
        base.summary,
        (*base.lineage, flavour.name),
        components,
        by_provider,
        _instead(base, flavour, {*components, *(name for names in by_provider.values() for name in names)}),
        (*kept, (document, dict(flavour.override))),
        bind,
    )


def _instead(base: FlatFlavour, flavour: Flavour, known: set[str]) -> dict[str, dict[str, tuple[str, str]]]:
    """What stands in the place of ``known`` components, by kind of target."""
    dropped, document = set(flavour.drop), flavour.document
    found = {
        kind: {name: other for name, other in places.items() if not {name, other[0]} & dropped}
        for kind, places in base.by_target.items()
    }
    for kind, places in flavour.by_target.items():
        Target.of(kind, where=document.where(("by_target", kind)))
        for name, other in places.items():
            where = document.where(("by_target", kind, name))
            if name not in known:
                raise UnknownNameError(f"component of {flavour.name!r}", name, known, where=where)
            found.setdefault(kind, {})[name] = (other, where)
    return found


def default_flavour_folders(home: Path | None = None) -> list[Path]:
    """Where flavours are looked for: ``home/flavours``, then the package."""
    own = [home / "flavours"] if home else []
    return [*own, _PACKAGE / "flavours"]


def resolve_flavour(
    name: str, flavours: Flavours, catalogue: Catalogue, extra: Iterable[str] = (), *, target: Target | None = None
) -> Resolution:
    """A flavour on a target, without a deployment's own choices.

    Args:
        name: the flavour.
        flavours: where flavours are found.
        catalogue: where components are found.
        extra: components in addition, which bring what they need.
        target: where it is to run; this machine when absent.

    Raises:
        ConfigurationError: the flavour does not resolve.
    """
    return resolve(flavours.flatten(name), catalogue, target=target or Target.of("embedded"), extra=extra)
