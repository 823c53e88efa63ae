"""The typed address of a component, as pipelines and other components see it.

A connection is *declared*: computed without running anything. Secrets are named, never carried; they are read
from the deployment's secret file (or a Kubernetes Secret) at the moment of use by :meth:`Connection.resolve`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

FieldValue = str | int | bool


@dataclass(frozen=True)
class Connection:
    """Where one capability is to be had.

    Attributes:
        capability: what is provided, e.g. ``"s3"``.
        component: who provides it, e.g. ``"s3proxy"``.
        fields: non-secret facts, e.g. ``{"endpoint": "http://127.0.0.1:41235", "region": "us-east-1"}``.
        secrets: field name to the name of a secret of the deployment, e.g. ``{"secret_key": "s3proxy.secret_key"}``.
    """

    capability: str
    component: str
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """For ``--json`` and published connections; secrets by name."""
        return {
            "capability": self.capability,
            "component": self.component,
            "fields": dict(self.fields),
            "secrets": dict(self.secrets),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Connection:
        """What :meth:`to_dict` gave."""
        return cls(data["capability"], data["component"], dict(data["fields"]), dict(data["secrets"]))

    def resolve(self, secrets: Mapping[str, str]) -> ResolvedConnection:
        """Join the secrets in.

        Raises:
            ConfigurationError: a named secret does not exist in ``secrets``.
        """
        missing = sorted(set(self.secrets.values()) - set(secrets))
        if missing:
            raise ConfigurationError(
                f"The connection to {self.component} ({self.capability}) names secrets that do not exist:"
                f" {', '.join(missing)}.",
                instruction="Run `datamill up`, which generates missing secrets, or restore the secret file.",
            )
        values = dict(self.fields) | {name: secrets[secret] for name, secret in self.secrets.items()}
        return ResolvedConnection(self.capability, self.component, values, frozenset(self.secrets))


@dataclass(frozen=True)
class ResolvedConnection:
    """A connection with its secrets joined in. Never logged: its ``repr`` masks them."""

    capability: str
    component: str
    values: Mapping[str, FieldValue]
    secret_fields: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> FieldValue:
        """One field.

        Raises:
            ConfigurationError: the connection has no such field.
        """
        try:
            return self.values[name]
        except KeyError:
            raise ConfigurationError(
                f"The connection to {self.component} ({self.capability}) has no field {name!r}.",
                instruction=f"Fields: {', '.join(sorted(self.values))}. Add it to the component's `connection`.",
            ) from None

    def get(self, name: str, default: FieldValue | None = None) -> FieldValue | None:
        """One field, or ``default``."""
        return self.values.get(name, default)

    def text(self, name: str) -> str:
        """One field as text."""
        return str(self[name])

    def __repr__(self) -> str:
        """Fields with secrets masked."""
        shown = {name: "***" if name in self.secret_fields else value for name, value in self.values.items()}
        return f"ResolvedConnection({self.capability!r}, {self.component!r}, {shown!r})"
