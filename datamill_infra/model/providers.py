"""Providers: the ways to obtain one component, and the connections it then yields.

``embedded`` starts processes on this machine, ``helm`` applies units to a cluster, ``external`` takes the address
of something that already runs and is never started or stopped by us.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from datamill_infra.model.units import Files, RelativePath, Unit, Values
from datamill_infra.model.validation import FieldName, FieldNames, Line, Name, Part, wrong

ProviderName = Literal["embedded", "helm", "external"]
PROVIDERS: tuple[ProviderName, ...] = ("embedded", "helm", "external")

Claim = dict[FieldName, JsonValue]
"""What a consumer asks of a capability: ``{bucket: mlflow}``; empty asks for nothing of its own."""

Claims = dict[Name, Claim]
Port = Annotated[int, Field(ge=1, le=65535)]

SecretReference = Annotated[
    str, StringConstraints(pattern=r"^([a-z][a-z0-9_]*|\$\{[a-z][a-z0-9]*(-[a-z0-9]+)*\.[a-z][a-z0-9_]*\})$")
]
"""A secret of the component itself (``password``) or of a connection it needs (``${s3.secret_key}``)."""


class ClaimsPart(Part):
    """What a consumer may ask of a capability, and what its own view of the connection has in addition.

    Attributes:
        asks: the names a claim may use; any other is an error.
        fields: added to the consumer's connection when its claim has the names they mention, e.g.
            ``{bucket: "${claim.bucket}"}``; ``${consumer}`` is the component that claims.
        secrets: generated for each claim, and added to the consumer's connection under these field names; the
            secret is called ``<consumer>.<capability>.<field>``.
    """

    asks: FieldNames = ()
    fields: dict[FieldName, str | int | bool] = Field(default_factory=dict)
    secrets: FieldNames = ()


class ConnectionPart(Part):
    """What one provided capability yields.

    Attributes:
        fields: name to value or template, e.g. ``{bootstrap_servers: "${host}:${ports.broker}"}``.
        secrets: field name to the secret that it carries, e.g. ``{password: password}``.
        claims: how claims show in a consumer's connection.
    """

    fields: dict[FieldName, str | int | bool] = Field(default_factory=dict)
    secrets: dict[FieldName, SecretReference] = Field(default_factory=dict)
    claims: ClaimsPart | None = None

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        if both := sorted(set(self.fields) & set(self.secrets)):
            raise wrong(f"{both[0]!r} is both a field and a secret", "Keep it in `secrets` only.")
        return self


class UsePart(Part):
    """An optional need: wired when a component of the deployment provides it.

    Attributes:
        claim: as in ``needs``.
        values: merged above the component's own defaults when the capability is present.
        units: the same for a unit's values, by unit name.
    """

    claim: Claim = Field(default_factory=dict)
    values: Values = Field(default_factory=dict)
    units: dict[Name, Values] = Field(default_factory=dict)


class EmbeddedPart(Part):
    """Processes on this machine.

    Attributes:
        entry: the module of the folder whose ``programs(context)`` returns the processes; ``null`` for a component
            that needs none.
        ports: names; free numbers are allocated when planned and remembered.
        secrets: names; generated once per deployment, stored as ``<component>.<name>``.
        values: defaults; every key that a flavour or a user may override is here (a mapping left empty is open).
        artifacts: the lock file of server artifacts (coordinates and SHA-256), or ``None``.
        needs: claims in addition to the component's own.
        connection: replaces the component's entry of the same capability.
    """

    entry: RelativePath | None = "embedded.py"
    ports: FieldNames = ()
    secrets: FieldNames = ()
    values: Values = Field(default_factory=dict)
    artifacts: RelativePath | None = None
    needs: Claims = Field(default_factory=dict)
    connection: dict[Name, ConnectionPart] = Field(default_factory=dict)


class SecretPart(Part):
    """How the units take a generated secret: from an existing Kubernetes Secret.

    Attributes:
        secret: name of the Secret that we create before the first unit.
        key: key in it.
    """

    secret: Name
    key: Line


class VariantPart(Part):
    """One list of units, with what it changes.

    Attributes:
        summary: when to choose it.
        units: in order.
        host: name under which the component is reached in the cluster; a template, ``${namespace}`` is available.
        ports: name to number.
        secrets: name to the Kubernetes Secret that carries it.
        values: parameters that the units' values refer to as ``${values.*}``.
        values_files: read in order below ``values``.
        needs: claims in addition.
        connection: replaces the entry of the same capability.
    """

    summary: Line | None = None
    units: Annotated[tuple[Unit, ...], Field(strict=False)] = ()
    host: Line | None = None
    ports: dict[FieldName, Port] = Field(default_factory=dict)
    secrets: dict[FieldName, SecretPart] = Field(default_factory=dict)
    values: Values = Field(default_factory=dict)
    values_files: Files = ()
    needs: Claims = Field(default_factory=dict)
    connection: dict[Name, ConnectionPart] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _unique_units(self) -> Self:
        names = [unit.name for unit in self.units]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise wrong(f"two units are called {twice[0]!r}", "Give each unit a name of its own.")
        return self


class HelmPart(VariantPart):
    """Units on a cluster: one list, which may be empty, or named variants to choose from.

    Attributes:
        variants: name to unit list; what they leave out is taken from here.
        default_variant: used unless a flavour or a user says otherwise.
    """

    variants: dict[Name, VariantPart] = Field(default_factory=dict)
    default_variant: Name | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if ("units" in self.model_fields_set) == bool(self.variants):
            raise wrong(
                "`helm` needs either `units` or `variants`",
                "Give one of them, not both; `units: []` for a component that needs nothing on the cluster.",
            )
        if self.variants and self.default_variant not in self.variants:
            raise wrong(
                f"`default_variant` is {self.default_variant!r}", f"Choose one of {', '.join(sorted(self.variants))}."
            )
        if not self.variants and self.default_variant is not None:
            raise wrong("`default_variant` without `variants`", "Remove it.")
        for name, variant in self.variants.items():
            if not variant.units:
                raise wrong(f"the variant {name!r} has no units", "Give it `units`.")
        return self

    def selected(self, variant: str | None) -> VariantPart:
        """Everything in force for ``variant``; its own facts win over the shared ones."""
        if variant is None:
            return self
        own = self.variants[variant]
        return VariantPart(
            summary=own.summary,
            units=own.units,
            host=own.host or self.host,
            ports={**self.ports, **own.ports},
            secrets={**self.secrets, **own.secrets},
            values=own.values,
            values_files=own.values_files,
            needs={**self.needs, **own.needs},
            connection={**self.connection, **own.connection},
        )


class ExternalField(Part):
    """A field the user gives.

    Attributes:
        about: what to write, for messages and ``datamill show``.
        default: used when the user gives none; without one the field is required.
        type: of the value.
    """

    about: Line
    default: str | int | bool | None = None
    type: Literal["text", "integer", "flag"] = "text"


class ExternalSecret(Part):
    """A secret the user gives, by naming where it is to be read from."""

    about: Line
    required: bool = True


class ExternalPart(Part):
    """What the user must say about one capability of a component that runs elsewhere."""

    fields: dict[FieldName, ExternalField] = Field(default_factory=dict)
    secrets: dict[FieldName, ExternalSecret] = Field(default_factory=dict)
