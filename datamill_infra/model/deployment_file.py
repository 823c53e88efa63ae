"""``deployment.yaml``: what one deployment is."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from datamill_infra.model.providers import ProviderName
from datamill_infra.model.units import Values
from datamill_infra.model.validation import FieldName, Line, Name, Names, Part, wrong


class SecretSource(Part):
    """Where a secret of an external component is read from when it is deployed; exactly one key."""

    env: Line | None = None
    file: Line | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise wrong("a secret is read from `env` or from `file`", "Give exactly one of the two.")
        return self


class ComponentChoice(Part):
    """What the user chose for one component.

    Attributes:
        provider: instead of the target's.
        variant: of the helm provider.
        values: merged above everything else.
        units: values of single units, by unit name.
        bind: capability to the component that this one gets it from.
        connection: capability to fields, for the provider ``external``.
        secrets: name to where it is read from, for the provider ``external``.
    """

    provider: ProviderName | None = None
    variant: Name | None = None
    values: Values = Field(default_factory=dict)
    units: dict[Name, Values] = Field(default_factory=dict)
    bind: dict[Name, Name] = Field(default_factory=dict)
    connection: dict[Name, dict[FieldName, str | int | bool]] = Field(default_factory=dict)
    secrets: dict[FieldName, SecretSource] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _external_only(self) -> Self:
        if self.provider != "external" and (self.connection or self.secrets):
            key = "connection" if self.connection else "secrets"
            raise wrong(f"`{key}` belongs to the provider external", "Add `provider: external`, or remove it.")
        return self


class NamespacesPart(Part):
    """Namespaces on a cluster; who may create Jobs in one can read its Secrets, so runs have their own."""

    system: Name = "datamill"
    runs: Name = "datamill-runs"


class DeploymentFile(Part):
    """The file.

    Attributes:
        flavour: its name.
        target: ``embedded``, or a kind of Kubernetes.
        context: the Kubernetes context; always explicit.
        capabilities: what the target gives beyond what its kind always does.
        extra: components in addition to the flavour, with what they need.
        bind: capability to the component that is meant, where several provide it.
        components: component to choices.
    """

    flavour: Name
    target: Name = "embedded"
    context: Line | None = None
    namespaces: NamespacesPart = NamespacesPart()
    capabilities: Names = ()
    extra: Names = ()
    bind: dict[Name, Name] = Field(default_factory=dict)
    components: dict[Name, Annotated[ComponentChoice, Field()]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _explicit_context(self) -> Self:
        if self.target == "embedded" and self.context is not None:
            raise wrong("the target embedded has no `context`", "Remove it, or choose a Kubernetes target.")
        if self.target != "embedded" and self.context is None:
            raise wrong(
                "a Kubernetes target needs `context`", "Name it: `kubectl config get-contexts -o name` lists them."
            )
        return self
