"""Where a live object differs from what was rendered.

Only fields that were rendered count, and elements that were added to a list whose elements have names (a container, a
variable, a port). Fields that somebody added elsewhere are found by their owner (:mod:`.ownership`). The server fills
in defaults, writes quantities its own way and drops what is empty; none of that is a difference.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubernetes.utils.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from datamill_infra.kubernetes.objects import Object

MASK = "***"
ELEMENT_NAMES: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeClaimTemplates": ("metadata", "name"),
}
"""Lists whose elements have a name, and where it is."""

NUMBERED = "ports"
"""Elements of this list are told apart by number and protocol."""

QUANTITIES = re.compile(r"(\.(requests|limits|capacity|hard)\.[^.]+|\.sizeLimit)$")

REFUSALS = frozenset({"allowPrivilegeEscalation", "automountServiceAccountToken", "enableServiceLinks"})
"""Fields that mean yes when they are not there, so that a ``false`` which was removed is a difference."""

ALLOWED: tuple[tuple[str, re.Pattern[str]], ...] = (
    # Certificate controllers inject the authority that signed a webhook's certificate.
    (r"(Mutating|Validating)WebhookConfiguration", re.compile(r"^webhooks\[.*\]\.clientConfig\.caBundle$")),
    ("CustomResourceDefinition", re.compile(r"^spec\.conversion\.webhook\.clientConfig\.caBundle$")),
    ("APIService", re.compile(r"^spec\.caBundle$")),
)
"""Fields that others set by design: kind and path."""


@dataclass(frozen=True)
class FieldDifference:
    """One field.

    Attributes:
        path: e.g. ``spec.template.spec.containers[kafka].image``.
        wanted: as rendered; ``None`` when it should not be there.
        found: as it is; ``None`` when it is missing.
    """

    path: str
    wanted: object
    found: object

    def __str__(self) -> str:
        """A clause for people."""
        if self.wanted is None:
            return f"{self.path} was added"
        if self.found is None:
            return f"{self.path} is missing"
        return f"{self.path} is {self.found!r} instead of {self.wanted!r}"


def differences(wanted: Object, found: Object) -> list[FieldDifference]:
    """What is not as rendered; values of Secrets are masked.

    Args:
        wanted: a rendered object.
        found: the live one.
    """
    kind = str(wanted["kind"])
    compared = _compare(_comparable(wanted), _comparable(found), "")
    seen = [item for item in compared if not _allowed(kind, item.path)]
    return [_masked(item) for item in seen] if kind == "Secret" else seen


def fields(item: Object) -> dict[str, object]:
    """Every field of a rendered object by its path; values of Secrets are masked."""
    found = dict(_flat(_comparable(item), ""))
    return {path: MASK if _is_secret(item, path) else value for path, value in found.items()}


def _is_secret(item: Object, path: str) -> bool:
    return item["kind"] == "Secret" and path.startswith("data.")


def _masked(item: FieldDifference) -> FieldDifference:
    if not item.path.startswith("data"):
        return item
    return FieldDifference(
        item.path, None if item.wanted is None else MASK, None if item.found is None else f"{MASK} (another value)"
    )


def _comparable(item: Object) -> Object:
    """An object without its name and what only the server writes."""
    metadata = {key: value for key, value in item.get("metadata", {}).items() if key in ("labels", "annotations")}
    rest = {key: value for key, value in item.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    if "stringData" in rest:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in rest.pop("stringData").items()}
        rest["data"] = {**rest.get("data", {}), **encoded}
    return {"metadata": metadata, **rest}


def _compare(wanted: object, found: object, path: str) -> Iterator[FieldDifference]:
    if wanted is None or (_empty(wanted) and _empty(found) and not _has_refusal(wanted, path)):
        return
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            yield from _compare(value, found.get(key), _below(path, key))
    elif isinstance(wanted, list) and isinstance(found, list):
        yield from _compare_lists(wanted, found, path)
    elif isinstance(wanted, dict) and found is None:
        for key, value in wanted.items():
            yield from _compare(value, None, _below(path, key))
    elif not _same(wanted, found, path):
        yield FieldDifference(path, wanted, found)


def _compare_lists(wanted: list[Any], found: list[Any], path: str) -> Iterator[FieldDifference]:
    if not any(isinstance(element, (dict, list)) for element in (*wanted, *found)):
        if wanted != found:
            yield FieldDifference(path, wanted, found)
        return
    before, after = _named(wanted, path), _named(found, path)
    for name, element in before.items():
        here = f"{path}[{name}]"
        if name in after:
            yield from _compare(element, after[name], here)
        else:
            yield FieldDifference(here, element, None)
    for name in after.keys() - before.keys():
        yield FieldDifference(f"{path}[{name}]", None, after[name])


def _named(elements: Sequence[Any], path: str) -> dict[str, Any]:
    """Elements by name, or by position where they have none."""
    field = path.rpartition(".")[2]
    names = [_name(element, field) for element in elements]
    if None in names or len(set(names)) < len(names):
        return {str(index): element for index, element in enumerate(elements)}
    return dict(zip((str(name) for name in names), elements, strict=True))


def _name(element: object, field: str) -> str | None:
    if not isinstance(element, dict):
        return None
    if field == NUMBERED:
        number = element.get("containerPort", element.get("port"))
        return None if number is None else f"{number}/{element.get('protocol', 'TCP')}"
    value: object = element
    for key in ELEMENT_NAMES.get(field, ("",)):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _flat(item: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(item, dict) and item:
        for key, value in item.items():
            yield from _flat(value, _below(path, key))
    elif isinstance(item, list) and any(isinstance(element, (dict, list)) for element in item):
        for name, element in _named(item, path).items():
            yield from _flat(element, f"{path}[{name}]")
    elif not _empty(item):
        yield path, item


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _empty(value: object) -> bool:
    """What the server does not keep apart from a field that is not there."""
    if isinstance(value, dict):
        return all(_empty(part) for part in value.values())
    return value is None or value in ("", False, 0, [])


def _has_refusal(wanted: object, path: str) -> bool:
    """Whether a field, or one below it, says no where saying nothing would mean yes."""
    if isinstance(wanted, dict):
        return any(_has_refusal(value, _below(path, key)) for key, value in wanted.items())
    return wanted is False and path.rpartition(".")[2] in REFUSALS


def _same(wanted: object, found: object, path: str) -> bool:
    if wanted == found:
        return True
    if QUANTITIES.search(path) and wanted is not None and found is not None:
        return bool(parse_quantity(str(wanted)) == parse_quantity(str(found)))
    return False


def _allowed(kind: str, path: str) -> bool:
    return any(re.fullmatch(kinds, kind) and pattern.match(path) for kinds, pattern in ALLOWED)
