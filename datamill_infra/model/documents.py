"""Reading the YAML files that people write: every value keeps the line it came from.

Scalars follow YAML 1.2 (``yes``, ``on``, ``12:30`` and dates stay text; a number with a leading zero does too).
A key given twice is an error, as are keys that are not text, tags and recursive aliases: each would lose or
re-type something silently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import yaml

from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Location = tuple[str | int, ...]

# The C parser is ten times faster; a build of PyYAML without it still works.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL, _BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float"))
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


class _Loader(_Base):  # type: ignore[misc]  # the base is chosen at run time
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own mechanism: copied on first write


for _tag, _pattern, _first in (
    (_NULL, r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    (_BOOL, r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    (_INT, r"^[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    (_FLOAT, r"^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    (_MERGE, r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


@dataclass(frozen=True)
class Document:
    """A YAML mapping and where each of its values stands.

    Attributes:
        path: the file.
        data: plain dictionaries, lists, text, numbers, booleans and ``None``.
        lines: location in ``data`` to line number, counted from 1.
    """

    path: Path
    data: dict[str, object]
    lines: Mapping[Location, int] = field(default_factory=dict)

    def line(self, location: Location) -> int:
        """The line of a value, or of its nearest parent that has one."""
        for length in range(len(location), -1, -1):
            if (found := self.lines.get(location[:length])) is not None:
                return found
        return 1

    def where(self, location: Location = ()) -> str:
        """``file:line: dotted.key``, for messages."""
        key = dotted(location)
        return f"{self.path}:{self.line(location)}" + (f": {key}" if key else "")


def dotted(location: Location) -> str:
    """A location as people write it: ``helm.units[0].version``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def load_document(path: Path) -> Document:
    """Read one YAML mapping.

    Raises:
        ConfigurationError: the file cannot be read, is not YAML, is not a mapping, or gives a key twice.
    """
    return parse_document(_read(path), path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}.", instruction="Create the file, or correct its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8: {error.reason}.", instruction="Save it as UTF-8.") from error


def load_documents(path: Path) -> list[Document]:
    """Read a file of several YAML mappings, separated by ``---``.

    Raises:
        ConfigurationError: as for :func:`load_document`.
    """
    return _parse(_read(path), path)


def parse_document(text: str, path: Path) -> Document:
    """Read one YAML mapping from text; ``path`` is for messages.

    Raises:
        ConfigurationError: the text is not YAML, is not one mapping, or gives a key twice.
    """
    documents = _parse(text, path)
    if len(documents) > 1:
        place = f"{path}:{documents[1].line(())}"
        raise ConfigurationError(f"{place}: a second document starts here.", instruction="Keep one, without `---`.")
    return documents[0] if documents else Document(path, {})


def _parse(text: str, path: Path) -> list[Document]:
    documents: list[Document] = []
    loader = _Loader(text)
    try:
        while loader.check_node():
            lines: dict[Location, int] = {}
            data = _Converter(path, loader, lines).convert(loader.get_node(), (), frozenset())
            if data is None:
                continue
            if not isinstance(data, dict):
                raise ConfigurationError(
                    f"{path} is not a mapping.", instruction="Write `key: value` lines at its top level."
                )
            documents.append(Document(path, cast("dict[str, object]", data), lines))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigurationError(f"{place}: not valid YAML: {problem}.", instruction="Correct the line.") from error
    finally:
        loader.dispose()
    return documents


class _Converter:
    """Nodes to plain values, remembering lines."""

    def __init__(self, path: Path, loader: Any, lines: dict[Location, int]) -> None:  # noqa: ANN401  # PyYAML's loader
        self._path, self._loader, self._lines = path, loader, lines

    def convert(self, node: yaml.Node, location: Location, above: frozenset[int]) -> object:
        if id(node) in above:
            raise self._error(node, location, "an alias refers to a value that contains it", "Write the value out.")
        above |= {id(node)}
        self._lines[location] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location, above)
        if isinstance(node, yaml.SequenceNode):
            return [self.convert(item, (*location, index), above) for index, item in enumerate(node.value)]
        return self._scalar(node, location)

    def _mapping(self, node: yaml.MappingNode, location: Location, above: frozenset[int]) -> dict[str, object]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag == _MERGE:
                continue
            if key.tag != _TEXT:
                raise self._error(key, location, f"the key {key.value!r} is not text", "Put the key in quotes.")
            if key.value in seen:
                raise self._error(
                    key,
                    (*location, key.value),
                    f"the key is given twice, first on line {seen[key.value]}",
                    "Keep one of the two.",
                )
            seen[key.value] = key.start_mark.line + 1
        self._loader.flatten_mapping(node)
        result = {}
        for key, value in node.value:
            result[key.value] = self.convert(value, (*location, key.value), above)
            self._lines[(*location, key.value)] = key.start_mark.line + 1
        return result

    def _scalar(self, node: yaml.Node, location: Location) -> object:
        match node.tag:
            case t if t == _TEXT:
                return node.value
            case t if t == _NULL:
                return None
            case t if t == _BOOL:
                return str(node.value).lower() == "true"
            case t if t == _INT:
                return int(node.value)
            case t if t == _FLOAT:
                return float(node.value)
            case tag:
                raise self._error(node, location, f"the tag {tag!r} is not supported", "Write a plain value.")

    def _error(self, node: yaml.Node, location: Location, reason: str, instruction: str) -> ConfigurationError:
        key = dotted(location)
        place = f"{self._path}:{node.start_mark.line + 1}" + (f": {key}" if key else "")
        return ConfigurationError(f"{place}: {reason}.", instruction=instruction)
