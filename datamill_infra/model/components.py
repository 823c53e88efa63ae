"""Component specs: one folder of the catalogue, ``component.yaml`` and the files it names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, InstanceOf, model_validator

from datamill_infra.model.documents import Document, load_document
from datamill_infra.model.errors import ConfigurationError
from datamill_infra.model.providers import (
    PROVIDERS,
    Claims,
    ConnectionPart,
    EmbeddedPart,
    ExternalPart,
    HelmPart,
    ProviderName,
    UsePart,
    VariantPart,
)
from datamill_infra.model.targets import target_kinds
from datamill_infra.model.units import ChartUnit, KustomizeUnit, ResourcesUnit, Values
from datamill_infra.model.validation import Line, Name, Names, Part, validate, wrong

if TYPE_CHECKING:
    from datamill_infra.model.documents import Location

RESERVED = frozenset(
    {"claim", "claims", "consumer", "deployment", "host", "namespace", "paths", "ports", "target", "values"}
)
"""Words with a meaning of their own in templates or bindings; no capability may be called so."""

Budget = Annotated[float, Field(gt=0)]


class HealthPart(Part):
    """How long to wait for the protocol probes of the provided capabilities.

    Attributes:
        start_seconds: budget from start to the first success; where not all can start at once, what may take longer
            starts earlier.
        timeout_seconds: of a single probe.
        interval_seconds: pause between probes while starting.
    """

    start_seconds: Budget = 60.0
    timeout_seconds: Budget = 5.0
    interval_seconds: Budget = 0.2


class TargetPart(Part):
    """What one kind of target changes: values, and those of single units."""

    values: Values = Field(default_factory=dict)
    units: dict[Name, Values] = Field(default_factory=dict)


class LegacyPart(Part):
    """Why a component is only listed, and what does its job today."""

    reason: Line
    replaced_by: Names = ()


class ComponentSpec(Part):
    """One component of the catalogue; ``docs/components.md`` explains each key.

    Attributes:
        name: the folder's name.
        folder: where ``component.yaml`` was read.
        provides: capabilities.
        needs: capability to claim; always required, whatever the provider (``external`` needs nothing).
        uses: capability to optional wiring.
        connection: capability to what it yields.
        targets: kind of target to what it changes.
        document: the file as read, for the lines of its values.
    """

    name: Name
    folder: Path
    document: InstanceOf[Document] = Field(repr=False, exclude=True)
    title: Line
    summary: Line
    homepage: Annotated[str, Field(pattern=r"^https://\S+$")]
    licence: Line
    status: Literal["active", "legacy"] = "active"
    legacy: LegacyPart | None = None
    provides: Names = ()
    needs: Claims = Field(default_factory=dict)
    uses: dict[Name, UsePart] = Field(default_factory=dict)
    embedded: EmbeddedPart | None = None
    helm: HelmPart | None = None
    external: dict[Name, ExternalPart] | None = None
    connection: dict[Name, ConnectionPart] = Field(default_factory=dict)
    targets: dict[Name, Annotated[TargetPart, Field()]] = Field(default_factory=dict)
    health: HealthPart = HealthPart()

    @property
    def providers(self) -> tuple[ProviderName, ...]:
        """The ways to obtain it, most local first."""
        return tuple(name for name in PROVIDERS if getattr(self, name) is not None)

    def needs_of(self, provider: ProviderName, variant: str | None = None) -> Claims:
        """Capability to claim, for one provider."""
        if provider == "external":
            return {}
        if provider == "embedded" and self.embedded:
            return {**self.needs, **self.embedded.needs}
        if provider == "helm" and self.helm:
            return {**self.needs, **self.helm.selected(variant).needs}
        return dict(self.needs)

    def connection_of(self, provider: ProviderName, variant: str | None = None) -> dict[str, ConnectionPart]:
        """Capability to connection, for one provider; a capability without an entry has no fields."""
        entries = {name: ConnectionPart() for name in self.provides} | self.connection
        if provider == "embedded" and self.embedded:
            entries |= self.embedded.connection
        if provider == "helm" and self.helm:
            entries |= self.helm.selected(variant).connection
        return entries

    def to_dict(self) -> dict[str, object]:
        """For ``--json``: the file's content, with name, folder and providers."""
        shown = self.model_dump(mode="json", exclude_defaults=True)
        return {**shown, "status": self.status, "providers": list(self.providers)}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.status == "legacy") != (self.legacy is not None):
            raise wrong("`status: legacy` and `legacy: {reason, replaced_by}` belong together", "Give both or neither.")
        if self.status == "active" and not self.providers:
            raise wrong("the component has no provider", f"Add one of {', '.join(PROVIDERS)}.")
        needed = {*self.needs, *self.uses}
        for part in (self.embedded, self.helm, *(self.helm.variants.values() if self.helm else ())):
            needed |= set(part.needs) if part else set()
        for capability in sorted({*self.provides, *needed}):
            if capability in RESERVED:
                raise wrong(f"{capability!r} is a reserved word", "Choose another name for the capability.")
        if own := sorted(needed & set(self.provides)):
            raise wrong(f"the component needs {own[0]!r}, which it provides itself", "Remove one of the two.")
        if both := sorted(set(self.needs) & set(self.uses)):
            raise wrong(f"{both[0]!r} is in `needs` and in `uses`", "Keep one of the two.")
        if unknown := sorted(set(self.targets) - set(target_kinds())):
            raise wrong(f"`targets` has {unknown[0]!r}, which is no target", f"Valid: {', '.join(target_kinds())}.")
        self._check_connections()
        return self

    def _check_connections(self) -> None:
        for key, entries in self._connection_entries():
            if foreign := sorted(set(entries) - set(self.provides)):
                raise wrong(
                    f"`{key}` has {foreign[0]!r}, which the component does not provide",
                    f"Provided: {', '.join(self.provides) or '(nothing)'}.",
                )
        if self.embedded:
            generated = set(self.embedded.secrets)
            for capability, entry in self.connection_of("embedded").items():
                named = {secret for secret in entry.secrets.values() if not secret.startswith("$")}
                if unknown := sorted(named - generated):
                    raise wrong(
                        f"the connection {capability!r} carries the secret {unknown[0]!r}, which is not generated",
                        f"Add it to `embedded.secrets`; there: {', '.join(sorted(generated)) or '(none)'}.",
                    )
        if self.external is not None:
            self._check_external(self.external)

    def _check_external(self, external: dict[str, ExternalPart]) -> None:
        """Whoever needs a capability may rely on its fields, whatever the provider."""
        if foreign := sorted(set(external) - set(self.provides)):
            raise wrong(
                f"`external` has {foreign[0]!r}, which the component does not provide",
                f"Provided: {', '.join(self.provides) or '(nothing)'}.",
            )
        if missing := sorted(set(self.provides) - set(external)):
            raise wrong(f"`external` says nothing about {missing[0]!r}", "Add it, with its fields ({} for none).")
        for key, entries in self._connection_entries():
            for capability, entry in entries.items():
                given = {*external[capability].fields, *external[capability].secrets}
                if lacking := sorted({*entry.fields, *entry.secrets} - given):
                    raise wrong(
                        f"`external.{capability}` lacks {lacking[0]!r}, which `{key}.{capability}` has",
                        "Add it to its `fields` (with a `default` if it is optional) or `secrets`.",
                    )

    def _connection_entries(self) -> list[tuple[str, dict[str, ConnectionPart]]]:
        entries = [("connection", self.connection)]
        if self.embedded:
            entries.append(("embedded.connection", self.embedded.connection))
        if self.helm:
            entries.append(("helm.connection", self.helm.connection))
            entries += [
                (f"helm.variants.{name}.connection", part.connection) for name, part in self.helm.variants.items()
            ]
        return entries


def load_component(folder: Path) -> ComponentSpec:
    """Read ``folder/component.yaml`` and check that the files it names exist.

    Raises:
        ConfigurationError: the file is wrong, or names a file that is not there.
    """
    document = load_document(folder / "component.yaml")
    spec = validate(ComponentSpec, document, given={"name": folder.name, "folder": folder, "document": document})
    _check_files(spec, document)
    return spec


def _check_files(spec: ComponentSpec, document: Document) -> None:
    named: list[tuple[Location, str]] = []
    if spec.embedded:
        named += [(("embedded", "entry"), spec.embedded.entry)] if spec.embedded.entry else []
        named += [(("embedded", "artifacts"), spec.embedded.artifacts)] if spec.embedded.artifacts else []
    if spec.helm:
        parts: list[tuple[Location, VariantPart]] = [(("helm",), spec.helm)]
        parts += [(("helm", "variants", name), part) for name, part in spec.helm.variants.items()]
        for location, part in parts:
            named += [((*location, "values_files"), file) for file in part.values_files]
            for index, unit in enumerate(part.units):
                here = (*location, "units", index)
                if isinstance(unit, ChartUnit):
                    named += [((*here, "values_files"), file) for file in unit.values_files]
                    named += [((*here, "source"), unit.local)] if unit.local else []
                if isinstance(unit, ResourcesUnit):
                    named += [((*here, "files"), file) for file in unit.files]
                if isinstance(unit, KustomizeUnit) and unit.overlay:
                    named.append(((*here, "overlay"), unit.overlay))
    for location, file in named:
        if not (spec.folder / file).exists():
            raise ConfigurationError(
                f"{document.where(location)}: there is no file {file!r} in {spec.folder}.",
                instruction="Add the file, or correct the name.",
            )
