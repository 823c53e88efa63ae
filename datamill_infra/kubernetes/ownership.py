"""Fields that somebody else added to an object of ours.

The server records who owns each field (``metadata.managedFields``). A field that neither we nor a controller of
Kubernetes owns was put there by a person or a program, and is not what the deployment says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datamill_infra.kubernetes.cluster import FIELD_MANAGER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datamill_infra.kubernetes.objects import Object

OURS = frozenset({FIELD_MANAGER, "helm"})
CONTROLLERS = frozenset({"kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver"})
"""Parts of Kubernetes that write into objects by design: revisions, bindings, statuses."""


@dataclass(frozen=True)
class AddedField:
    """One field or list element.

    Attributes:
        path: for people, e.g. ``metadata.labels.colour``.
        pointer: the same as a JSON pointer into the live object.
        manager: who added it, by its own name.
    """

    path: str
    pointer: str
    manager: str

    def __str__(self) -> str:
        """A clause for people."""
        return f"{self.path} was added by {self.manager}"


def added_fields(found: Object) -> list[AddedField]:
    """What others added to a live object, in the order in which it can be removed one by one."""
    entries = found.get("metadata", {}).get("managedFields") or []
    ours: dict[str, Any] = {}
    for entry in entries:
        if entry.get("manager") in OURS:
            _merge(ours, entry.get("fieldsV1", {}))
    added: dict[str, AddedField] = {}
    for entry in entries:
        manager = str(entry.get("manager"))
        if manager in OURS | CONTROLLERS or entry.get("subresource") == "status":
            continue
        for field in _foreign(entry.get("fieldsV1", {}), ours, found, "", "", manager):
            added.setdefault(field.pointer, field)
    return list(added.values())


def removal(field: AddedField) -> Object:
    """The JSON patch operation that removes a field."""
    return {"op": "remove", "path": field.pointer}


def _foreign(
    node: Mapping[str, Any], ours: Mapping[str, Any] | None, live: object, path: str, pointer: str, manager: str
) -> Iterator[AddedField]:
    for key, below in node.items():
        if key == ".":
            continue
        step = _step(key, live)
        if step is None:
            continue  # gone since
        index, value, shown = step
        here, at = _join(path, shown), f"{pointer}/{_escaped(str(index))}"
        owned = None if ours is None else ours.get(key)
        leaf = not (below.keys() - {"."})
        if owned is None and (leaf or key.startswith("k:")):
            yield AddedField(here, at, manager)
        else:
            yield from _foreign(below, owned, value, here, at, manager)


def _step(key: str, live: object) -> tuple[str | int, object, str] | None:
    """Where a key of ``fieldsV1`` leads to in an object: position, value, and how it is shown."""
    form, _, text = key.partition(":")
    if form == "f":
        return (text, live[text], f".{text}") if isinstance(live, dict) and text in live else None
    if not isinstance(live, list):
        return None
    if form == "k":
        names = json.loads(text)
        for index, element in enumerate(live):
            if isinstance(element, dict) and all(element.get(name) == value for name, value in names.items()):
                return index, element, f"[{'/'.join(str(value) for value in names.values())}]"
        return None
    wanted = json.loads(text)
    return (live.index(wanted), wanted, f"[{wanted}]") if wanted in live else None


def _join(path: str, shown: str) -> str:
    return (path + shown).removeprefix(".")


def _escaped(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1")


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value
