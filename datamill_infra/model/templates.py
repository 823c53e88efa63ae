"""Templates: ``${s3.endpoint}`` in values and connections.

``${a.b}`` refers to a fact by its path; ``$${`` is a literal ``${``. A template that is the whole text keeps the
type of what it refers to; inside other text it becomes text. There are no expressions, defaults or conditions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from datamill_infra.model.errors import ConfigurationError, UnknownNameError

_TOKEN = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_PATH = re.compile(r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")


@dataclass(frozen=True)
class Reference:
    """``${path}``."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        """As written."""
        return "${" + ".".join(self.path) + "}"


@dataclass(frozen=True)
class Refused:
    """A fact that is known and must not be referred to; the reason completes "``${...}`` ...", without full stop."""

    reason: str
    instruction: str


def parse(text: str, *, where: str = "") -> list[str | Reference]:
    """Split text into literal pieces and references; adjacent literals are joined.

    Raises:
        ConfigurationError: ``${`` is not closed, or what it encloses is not a path.
    """
    pieces: list[str | Reference] = []
    literal, position = "", 0
    for match in _TOKEN.finditer(text):
        literal += text[position : match.start()]
        position = match.end()
        if match.group(0) == "$${":
            literal += "${"
            continue
        if not match.group(2) or not _PATH.match(match.group(1)):
            place = f"{where}: " if where else ""
            raise ConfigurationError(
                f"{place}{match.group(0)!r} is not a template.",
                instruction="Write ${name.field}, or $${ for a literal ${.",
            )
        if literal:
            pieces.append(literal)
            literal = ""
        pieces.append(Reference(tuple(match.group(1).split("."))))
    literal += text[position:]
    return [*pieces, literal] if literal else pieces


def escape(text: str) -> str:
    """Text that resolves to ``text`` itself."""
    return text.replace("${", "$${")


def references(value: object, *, where: str = "") -> list[Reference]:
    """Every reference in a value, however deep, in order of appearance."""
    if isinstance(value, str):
        return [piece for piece in parse(value, where=where) if isinstance(piece, Reference)]
    if isinstance(value, Mapping):
        return [found for item in value.values() for found in references(item, where=where)]
    if isinstance(value, (list, tuple)):
        return [found for item in value for found in references(item, where=where)]
    return []


def resolve_value(value: object, facts: Mapping[str, object], *, where: str = "") -> object:
    """``value`` with every template replaced by the fact it refers to.

    Args:
        value: text, number, list or mapping; keys are left alone.
        facts: nested mappings of what may be referred to; a leaf may be :class:`Refused`.
        where: file and key, for messages.

    Raises:
        ConfigurationError: a template is malformed, or refers to something that is a mapping or a refused fact.
        UnknownNameError: a template refers to something that does not exist.
    """
    if isinstance(value, str):
        pieces = parse(value, where=where)
        if len(pieces) == 1 and isinstance(pieces[0], Reference):
            return lookup(pieces[0], facts, where=where)
        return "".join(
            piece if isinstance(piece, str) else _embedded(piece, lookup(piece, facts, where=where), where)
            for piece in pieces
        )
    if isinstance(value, Mapping):
        return {key: resolve_value(item, facts, where=where) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolve_value(item, facts, where=where) for item in value]
    return value


def lookup(reference: Reference, facts: Mapping[str, object], *, where: str = "") -> object:
    """What a reference refers to."""
    found: object = facts
    for depth, part in enumerate(reference.path):
        if not isinstance(found, Mapping) or part not in found:
            parent = ".".join(reference.path[:depth])
            kind = f"fact {str(reference)!r} to refer to: {parent or 'a template'} has no"
            valid = found if isinstance(found, Mapping) else ()
            raise UnknownNameError(kind, part, [str(name) for name in valid], where=where or None)
        found = found[part]
        if isinstance(found, Refused):
            place = f"{where}: " if where else ""
            raise ConfigurationError(f"{place}{reference} {found.reason}.", instruction=found.instruction)
    return found


def _embedded(reference: Reference, value: object, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    place = f"{where}: " if where else ""
    raise ConfigurationError(
        f"{place}{reference} is {'empty' if value is None else 'not a single value'} and cannot stand inside text.",
        instruction="Refer to a single value, or let the template be the whole text.",
    )
