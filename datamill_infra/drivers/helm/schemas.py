"""``values.schema.json`` and ``values.yaml`` of a chart, written from the one file that a person writes.

``values.schema.yaml`` maps each value to its JSON schema, with ``default`` and ``description``. ``$ref: NAME`` takes a
definition of the library chart; keys beside it win. Every object with ``properties`` is closed and needs all of them,
because ``values.yaml`` has all of them.

``python -m datamill_infra.drivers.helm.schemas`` (``make charts``) writes the two files of every chart.
"""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import yaml

from datamill_infra.drivers.helm.charts import LIBRARY, chart_names, charts_folder
from datamill_infra.model.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Schema = Mapping[str, Any]

SOURCE = "values.schema.yaml"
MISSING = object()
WIDTH = 116


def expand(schema: Schema, definitions: Schema, *, where: str) -> dict[str, Any]:
    """A schema with every ``$ref`` replaced and every object closed.

    Args:
        schema: as written.
        definitions: of the library chart.
        where: for messages.

    Raises:
        UnknownNameError: a ``$ref`` names no definition.
    """
    found = dict(schema)
    if (name := found.pop("$ref", None)) is not None:
        if name not in definitions:
            raise UnknownNameError("definition of the library chart", str(name), definitions, where=where)
        found = {**definitions[name], **found}
        if "$ref" in definitions[name]:
            return expand(found, definitions, where=where)
    if "properties" in found:
        default = found.pop("default", {})
        properties = {
            key: expand(_with_default(part, default.get(key, MISSING)), definitions, where=f"{where}.{key}")
            for key, part in found["properties"].items()
        }
        found |= {"properties": properties, "additionalProperties": False, "required": sorted(properties)}
    return found


def chart_schema(source: Schema, definitions: Schema, *, where: str) -> dict[str, Any]:
    """The schema of all values of a chart."""
    whole = expand({"type": "object", "properties": source}, definitions, where=where)
    # Helm hands the library chart's own values through, although it has none.
    whole["properties"] = {**whole["properties"], LIBRARY: {"type": "object"}}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **whole}


def defaults(schema: Schema) -> dict[str, Any]:
    """The values that an expanded schema of an object gives."""
    return {
        key: defaults(part) if "properties" in part else part["default"]
        for key, part in schema["properties"].items()
        if key in schema["required"]
    }


def values_text(schema: Schema) -> str:
    """``values.yaml`` with each description as a comment."""
    return "# Written from values.schema.yaml by `make charts`.\n" + "\n".join(_lines(schema, 0)) + "\n"


def written_files(chart: Path) -> dict[Path, str]:
    """The files of a chart that are written, with their content.

    Args:
        chart: its folder, beside that of the library chart.
    """
    source = yaml.safe_load((chart / SOURCE).read_text(encoding="utf-8"))
    definitions = yaml.safe_load((chart.parent / LIBRARY / SOURCE).read_text(encoding="utf-8"))
    schema = chart_schema(source, definitions, where=str(chart / SOURCE))
    return {
        chart / "values.schema.json": json.dumps(schema, indent=2) + "\n",
        chart / "values.yaml": values_text(schema),
    }


def _with_default(part: Schema, default: object) -> Schema:
    if default is MISSING:
        return part
    known = part.get("default")
    both = {**known, **default} if isinstance(known, dict) and isinstance(default, dict) else default
    return {**part, "default": both}


def _lines(schema: Schema, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for key, part in schema["properties"].items():
        if key not in schema["required"]:
            continue
        if described := part.get("description"):
            yield from textwrap.wrap(described, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        if "properties" in part:
            yield f"{indent}{key}:"
            yield from _lines(part, depth + 1)
        else:
            yield f"{indent}{key}: {json.dumps(part['default'], ensure_ascii=False)}"


def main() -> None:
    """Write the files of every chart."""
    folder = charts_folder()
    for name in chart_names(folder):
        for file, text in written_files(folder / name).items():
            file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
