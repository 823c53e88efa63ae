"""Connections of components that run elsewhere, from what the user says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.model.connections import Connection
from datamill_infra.model.errors import ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.model.connections import FieldValue
    from datamill_infra.model.definition import Definition
    from datamill_infra.model.deployment_file import ComponentChoice, SecretSource
    from datamill_infra.model.members import Member
    from datamill_infra.model.providers import ExternalField, ExternalPart

_KINDS: dict[str, type] = {"text": str, "integer": int, "flag": bool}


def external_connections(definition: Definition, member: Member) -> dict[str, Connection]:
    """Capability to connection.

    Raises:
        UnknownNameError: the user says something that the component does not take.
        ConfigurationError: something required is missing, or of the wrong type.
    """
    name, parts = member.spec.name, member.spec.external or {}
    choice = definition.choice(name)
    where = definition.document.where(("components", name))
    for capability in choice.connection:
        if capability not in parts:
            place = definition.document.where(("components", name, "connection", capability))
            raise UnknownNameError(f"capability of {name}", capability, parts, where=place)
    secrets = {secret for part in parts.values() for secret in part.secrets}
    for secret in choice.secrets:
        if secret not in secrets:
            place = definition.document.where(("components", name, "secrets", secret))
            raise UnknownNameError(f"secret of {name}", secret, secrets, where=place)
    return {
        capability: Connection(
            capability,
            name,
            _fields(definition, name, capability, part),
            {field: f"{name}.{field}" for field in part.secrets if _given(choice, name, field, part, where)},
        )
        for capability, part in parts.items()
    }


def external_secrets(definition: Definition, component: str) -> dict[str, SecretSource]:
    """Full name of each secret that the user gives, to where it is read from when the component is deployed."""
    return {f"{component}.{name}": source for name, source in definition.choice(component).secrets.items()}


def _fields(definition: Definition, name: str, capability: str, part: ExternalPart) -> dict[str, FieldValue]:
    given: Mapping[str, FieldValue] = definition.choice(name).connection.get(capability, {})
    at = ("components", name, "connection", capability)
    for field in given:
        if field not in part.fields:
            place = definition.document.where((*at, field))
            if field in part.secrets:
                raise ConfigurationError(
                    f"{place}: {field} is a secret, and secrets are not written into deployment.yaml.",
                    instruction=f"Say where it is read from: `secrets: {{{field}: {{env: NAME}}}}`.",
                )
            raise UnknownNameError(f"field of the external {name} ({capability})", field, part.fields, where=place)
    fields: dict[str, FieldValue] = {}
    for field, expected in part.fields.items():
        place = definition.document.where((*at, field))
        value = given.get(field, expected.default)
        if value is None:
            raise ConfigurationError(
                f"{place}: the external {name} needs {field} ({expected.about}).",
                instruction=f"Add `components: {{{name}: {{provider: external, connection: {{{capability}:"
                f" {{{field}: ...}}}}}}}}` to deployment.yaml.",
            )
        fields[field] = _typed(value, expected, place)
    return fields


def _typed(value: FieldValue, expected: ExternalField, place: str) -> FieldValue:
    if type(value) is not _KINDS[expected.type]:
        raise ConfigurationError(f"{place}: {value!r} is not {expected.type}.", instruction=f"Write {expected.about}.")
    return value


def _given(choice: ComponentChoice, name: str, field: str, part: ExternalPart, where: str) -> bool:
    if field in choice.secrets:
        return True
    if part.secrets[field].required:
        raise ConfigurationError(
            f"{where}: the external {name} needs the secret {field} ({part.secrets[field].about}).",
            instruction=f"Say where it is read from: `secrets: {{{field}: {{env: NAME}}}}` or `{{file: PATH}}`.",
        )
    return False
