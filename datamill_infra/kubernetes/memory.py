"""A cluster in memory, for tests: it keeps objects, versions, owners of fields, and a list of what was written.

Nothing runs on it. What a controller would do (statuses, pods) a test does itself with :meth:`MemoryCluster.edit`, or
through ``on_write``.
"""

from __future__ import annotations

import copy
import itertools
import json
import socket
import threading
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

from datamill_infra.kubernetes.cluster import FIELD_MANAGER, Cluster, Kind, Resource
from datamill_infra.kubernetes.errors import ConflictError, InvalidObjectError, UnreachableError
from datamill_infra.kubernetes.objects import Ref, labels_of, selected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from datamill_infra.kubernetes.objects import Object

CLUSTER_SCOPED = frozenset(
    {
        "Namespace",
        "StorageClass",
        "Node",
        "CustomResourceDefinition",
        "ClusterRole",
        "ClusterRoleBinding",
        "PersistentVolume",
    }
)


class MemoryCluster(Cluster):
    """See the module.

    Args:
        context: its name.
        on_write: called after each write with the object's name, or nothing.
        inside: whether we run in it.
    """

    def __init__(
        self, context: str = "memory", on_write: Callable[[Ref], None] | None = None, *, inside: bool = False
    ) -> None:
        self.context, self.inside = context, inside
        self.on_write = on_write
        self.objects: dict[Ref, Object] = {}
        self.writes: list[tuple[str, Ref]] = []
        self.logs: dict[tuple[str, str], list[str]] = {}
        self.ports: dict[tuple[str, int], int] = {}
        """Pod and port to the loopback port of a real server."""
        self.programs: Callable[[str, Sequence[str], bytes], bytes] = lambda _pod, _command, _stdin: b""
        """What a program writes: from the pod, the command and standard input."""
        self.unserved: set[str] = set()
        """Kinds that are not known."""
        self._versions = itertools.count(1)
        self._mutex = threading.RLock()

    def resource(self, api_version: str, kind: str) -> Resource | None:
        """See :meth:`Cluster.resource`."""
        del api_version
        return None if kind in self.unserved else Resource(f"{kind.lower()}s", kind not in CLUSTER_SCOPED)

    def kinds(self) -> list[Kind]:
        """See :meth:`Cluster.kinds`: those of the objects that are there."""
        with self._mutex:
            found = {(ref.api_version, ref.kind) for ref in self.objects if ref.kind not in self.unserved}
        return sorted(Kind(version, kind, kind not in CLUSTER_SCOPED) for version, kind in found)

    def get(self, ref: Ref) -> Object | None:
        """See :meth:`Cluster.get`."""
        with self._mutex:
            return copy.deepcopy(self.objects.get(_placed(ref)))

    def find(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Object]:
        """See :meth:`Cluster.find`."""
        with self._mutex:
            return [
                copy.deepcopy(item)
                for ref, item in sorted(self.objects.items())
                if (ref.api_version, ref.kind) == (api_version, kind)
                and (kind in CLUSTER_SCOPED or namespace in ("", ref.namespace))
                and selected(labels, labels_of(item))
            ]

    def create(self, item: Object) -> Object:
        """See :meth:`Cluster.create`."""
        with self._mutex:
            if Ref.of(item) in self.objects:
                raise ConflictError(f"{Ref.of(item)} already exists.", instruction="Run the command again.")
            return self._write("create", item, FIELD_MANAGER, None)

    def replace(self, item: Object) -> Object:
        """See :meth:`Cluster.replace`."""
        with self._mutex:
            before = self.objects.get(Ref.of(item))
            version = item["metadata"].get("resourceVersion")
            if before is None or before["metadata"]["resourceVersion"] != version:
                raise ConflictError(f"{Ref.of(item)} has been changed.", instruction="Run the command again.")
            return self._write("replace", item, FIELD_MANAGER, before)

    def apply(self, item: Object) -> Object:
        """See :meth:`Cluster.apply`."""
        return self.applied(item, FIELD_MANAGER)

    def applied(self, item: Object, manager: str) -> Object:
        """Server-side apply in somebody's name."""
        with self._mutex:
            before = self.objects.get(Ref.of(item))
            merged = _merged(before or {}, item)
            merged["metadata"]["managedFields"] = [
                *[one for one in _managed(before) if one["manager"] != manager],
                {"manager": manager, "fieldsV1": _fields({**item, "metadata": _own(item["metadata"])})},
            ]
            return self._write("apply", merged, None, before)

    def patch(self, ref: Ref, operations: Sequence[Object]) -> Object:
        """See :meth:`Cluster.patch`; knows ``remove`` only."""
        with self._mutex:
            item = copy.deepcopy(self.objects[_placed(ref)])
            for operation in operations:
                steps = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
                place: Any = item
                for step in steps[:-1]:
                    place = place[int(step)] if isinstance(place, list) else place[step]
                try:
                    del place[int(steps[-1]) if isinstance(place, list) else steps[-1]]
                except (KeyError, IndexError):
                    raise InvalidObjectError(f"{ref} has no {operation['path']}.", instruction="Look again.") from None
            return self._write("patch", item, None, item)

    def delete(self, ref: Ref) -> None:
        """See :meth:`Cluster.delete`; a namespace takes its objects along."""
        with self._mutex:
            ref = _placed(ref)
            if self.objects.pop(ref, None) is None:
                return
            if ref.kind == "Namespace":
                self.objects = {other: item for other, item in self.objects.items() if other.namespace != ref.name}
            self.writes.append(("delete", ref))
        if self.on_write:
            self.on_write(ref)

    def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False) -> list[str]:
        """See :meth:`Cluster.log`."""
        del namespace, previous
        return self.logs.get((pod, container), [])[-lines:]

    def follow_log(self, namespace: str, pod: str, container: str, *, new_only: bool) -> Iterator[str]:
        """See :meth:`Cluster.follow_log`; it has ended after what it has written."""
        del namespace
        return iter([] if new_only else self.logs.get((pod, container), []))

    def allowed(self, verb: str, api_version: str, kind: str, namespace: str) -> bool:
        """See :meth:`Cluster.allowed`."""
        del verb, api_version, kind, namespace
        return True

    def execute(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes],
    ) -> None:
        """See :meth:`Cluster.execute`; nothing runs here but what a test gives."""
        del namespace, container
        stdout.write(self.programs(pod, command, stdin.read() if stdin else b""))

    def connect(self, namespace: str, pod: str, port: int) -> socket.socket:
        """See :meth:`Cluster.connect`."""
        del namespace
        try:
            return socket.create_connection(("127.0.0.1", self.ports[pod, port]))
        except OSError as error:
            raise UnreachableError(f"{pod} does not listen on {port}.", instruction="Start it.") from error

    def edit(self, ref: Ref, change: Callable[[Object], None], manager: str = "kubectl-edit") -> None:
        """Change an object as somebody else would; not one of our writes."""
        with self._mutex:
            before = self.objects[ref]
            after = copy.deepcopy(before)
            change(after)
            if touched := _touched(before, after):
                after["metadata"].setdefault("managedFields", []).append({"manager": manager, "fieldsV1": touched})
            self._store(after)

    def put(self, item: Object) -> None:
        """Have an object that somebody else made; not one of our writes."""
        with self._mutex:
            self._store(copy.deepcopy(item))

    def _write(self, verb: str, item: Object, manager: str | None, before: Object | None) -> Object:
        written = copy.deepcopy(item)
        if manager:
            written["metadata"]["managedFields"] = [
                *[one for one in _managed(before) if one["manager"] != manager],
                {"manager": manager, "fieldsV1": _fields({**item, "metadata": _own(item["metadata"])})},
            ]
        self._store(written)
        ref = Ref.of(written)
        self.writes.append((verb, ref))
        if self.on_write:
            self.on_write(ref)
        return copy.deepcopy(self.objects[ref])

    def _store(self, item: Object) -> None:
        item["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[Ref.of(item)] = item


def _placed(ref: Ref) -> Ref:
    """The server pays no attention to a namespace where there can be none."""
    return replace(ref, namespace="") if ref.kind in CLUSTER_SCOPED else ref


def _managed(item: Object | None) -> list[Any]:
    return list(item["metadata"].get("managedFields", [])) if item else []


def _own(metadata: Object) -> Object:
    return {key: value for key, value in metadata.items() if key in ("labels", "annotations")}


def _merged(before: Any, after: Any) -> Any:  # noqa: ANN401  (JSON)
    if isinstance(before, dict) and isinstance(after, dict):
        return {**copy.deepcopy(before), **{key: _merged(before.get(key), value) for key, value in after.items()}}
    if isinstance(before, list) and isinstance(after, list) and all(_element(one) for one in (*before, *after)):
        there = {_element(one): one for one in before}
        return [
            *[_merged(there.get(_element(one)), one) for one in after],
            *[one for name, one in there.items() if name not in {_element(other) for other in after}],
        ]
    return copy.deepcopy(after)


def _element(value: object) -> str | None:
    return str(value["name"]) if isinstance(value, dict) and "name" in value else None


def _fields(value: object) -> dict[str, Any]:
    """As ``fieldsV1`` has it."""
    if isinstance(value, dict):
        return {f"f:{key}": _fields(below) for key, below in value.items() if key not in ("apiVersion", "kind")}
    if isinstance(value, list) and value and all(_element(one) for one in value):
        return {f"k:{json.dumps({'name': _element(one)})}": {".": {}, **_fields(one)} for one in value}
    return {}


def _touched(before: Any, after: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    """``fieldsV1`` of what was set between two versions."""
    found: dict[str, Any] = {}
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in after.items():
            if key in ("apiVersion", "kind", "managedFields", "resourceVersion"):
                continue
            if key not in before:
                found[f"f:{key}"] = _fields(value)
            elif value != before[key]:
                found[f"f:{key}"] = _touched(before[key], value)
    elif isinstance(before, list) and isinstance(after, list):
        there = {_element(one): one for one in before}
        for one in after:
            key = f"k:{json.dumps({'name': _element(one)})}"
            if _element(one) not in there:
                found[key] = {".": {}, **_fields(one)}
            elif one != there[_element(one)]:
                found[key] = _touched(there[_element(one)], one)
    return found
