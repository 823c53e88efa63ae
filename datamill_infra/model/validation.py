"""Turning documents into typed parts, and pydantic's findings into errors that a person can act on.

Every message names the file, the line, the dotted key, and what to write instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from datamill_infra.model.errors import ConfigurationError, UnknownNameError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from datamill_infra.model.documents import Document, Location

NAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
FIELD_PATTERN = r"^[a-z][a-z0-9_]*$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=40)]
"""Components, capabilities, flavours, variants, units: as Kubernetes names them."""

FieldName = Annotated[str, StringConstraints(pattern=FIELD_PATTERN, max_length=60)]
"""Connection fields, secrets, ports: as Python names them."""

Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\n]+$")]
"""One line of text."""

Names = Annotated[tuple[Name, ...], Field(strict=False)]
FieldNames = Annotated[tuple[FieldName, ...], Field(strict=False)]

_SHOWN_PROBLEMS = 8

_RULES = {
    NAME_PATTERN: "lower-case letters, digits and single hyphens, starting with a letter",
    FIELD_PATTERN: "lower-case letters, digits and underscores, starting with a letter",
}


_MAPPING = ("a mapping", "Write `key: value` lines below it, or {} for none.")
_LIST = ("a list", "Write [a, b] or lines that start with `- `.")
_NUMBER = ("a number", "Write a number, without quotes.")
_KINDS = {
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "bool_type": ("true or false", "Write true or false, without quotes."),
    "int_type": _NUMBER,
    "float_type": _NUMBER,
}
"""Finding to what was expected, and how to write it."""


class Part(BaseModel):
    """A piece of a YAML file: immutable, strict, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: object) -> object:
        if isinstance(data, dict):
            valid = sorted(info.alias or name for name, info in cls.model_fields.items())
            for key in data:
                if key not in valid:
                    raise PydanticCustomError("unknown_key", "there is no such key", {"key": key, "valid": valid})
        return data


PartT = TypeVar("PartT", bound=Part)


def validate(model: type[PartT], document: Document, *, given: Mapping[str, object] | None = None) -> PartT:
    """Read a document as ``model``.

    Args:
        model: the expected shape.
        document: what was read.
        given: facts that do not come from the file (a name, a folder); a file that has these keys is refused.

    Raises:
        UnknownNameError: a key that the shape does not have.
        ConfigurationError: anything else that does not fit; all problems are listed.
    """
    for key in given or {}:
        if key in document.data:
            valid = sorted(set(model.model_fields) - set(given or {}))
            raise UnknownNameError("key", key, valid, where=document.where((key,)))
    try:
        return model.model_validate({**document.data, **(given or {})})
    except ValidationError as error:
        raise _translate(error, document, hidden=set(given or {})) from None


def _translate(error: ValidationError, document: Document, hidden: set[str]) -> ConfigurationError:
    problems = error.errors(include_url=False)
    first = problems[0]
    for problem in problems:
        if problem["type"] == "unknown_key":  # usually the cause of the others ("... is required")
            first = problem
            break
    if first["type"] == "unknown_key":
        context = first["ctx"]
        location = (*_location(first), context["key"])
        valid = [name for name in context["valid"] if name not in hidden or len(location) > 1]
        translated: ConfigurationError = UnknownNameError("key", context["key"], valid, where=document.where(location))
    else:
        reason, instruction = _explain(first)
        translated = ConfigurationError(f"{document.where(_location(first))}: {reason}.", instruction=instruction)
    others = [
        f"{document.where(_location(problem))}: {_explain(problem)[0]}." for problem in problems if problem is not first
    ]
    if others:
        more = [f"... and {len(others) - _SHOWN_PROBLEMS} more."] if len(others) > _SHOWN_PROBLEMS else []
        translated.reason = "\n".join([translated.reason, *others[:_SHOWN_PROBLEMS], *more])
    return translated


def _location(problem: ErrorDetails) -> Location:
    """The location in the file: pydantic adds the tag of a union's member, which we write in angle brackets."""
    return tuple(part for part in problem["loc"] if not (isinstance(part, str) and part.startswith(("<", "["))))


def _explain(problem: ErrorDetails) -> tuple[str, str]:  # noqa: PLR0911  # a table of findings
    """Reason and instruction, without full stops on the reason."""
    context = problem.get("ctx", {})
    given = problem.get("input")
    # Whoever writes a secret where its source belongs must not find it in a log.
    shown = "what is there" if "secrets" in problem["loc"] else repr(given)
    match problem["type"]:
        case "unknown_key":
            return f"there is no key {context['key']!r}", f"Valid: {', '.join(context['valid'])}."
        case "missing":
            return "the key is required", "Add it."
        case "string_type" if isinstance(given, (bool, int, float)):
            return f"{shown} is not text", f'Put it in quotes: "{shown}".'
        case "string_pattern_mismatch":
            rule = _RULES.get(context["pattern"], f"text that matches {context['pattern']}")
            return f"{shown} is not {rule}", f"Write {rule}."
        case "literal_error":
            expected = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
            near = nearest(str(given), expected)
            hint = f"Did you mean {near!r}?" if near else f"Valid: {', '.join(expected)}."
            return f"{shown} is not one of {', '.join(expected)}", hint
        case kind if kind in _KINDS:
            noun, instruction = _KINDS[kind]
            return f"{shown} is not {noun}", instruction
        case "fact":
            return str(problem["msg"]), str(context["instruction"])
        case _:
            return str(problem["msg"]).removeprefix("Value error, ").rstrip("."), "Correct the value."


def wrong(reason: str, instruction: str) -> PydanticCustomError:
    """A finding of a part's own validator: a reason without its full stop, and an instruction."""
    return PydanticCustomError("fact", reason, {"instruction": instruction})
