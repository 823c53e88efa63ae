"""One look at a namespace for many questions: each kind is listed once, when something of it is asked for first."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from datamill_infra.kubernetes.cluster import Reader
from datamill_infra.kubernetes.objects import Ref, labels_of, selected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datamill_infra.kubernetes.objects import Object


class Survey(Reader):
    """What a namespace had when it was looked at; of other namespaces and kinds, the reader is asked each time.

    Args:
        reader: of the cluster.
        namespace: which.
        kinds: what is worth listing, as API version and kind; we may list it.
    """

    def __init__(self, reader: Reader, namespace: str, kinds: Iterable[tuple[str, str]]) -> None:
        self._reader, self._namespace = reader, namespace
        self._locks = {kind: threading.Lock() for kind in kinds}
        self._listed: dict[tuple[str, str], dict[str, Object]] = {}

    def get(self, ref: Ref) -> Object | None:
        """See :meth:`Reader.get`."""
        if not self._covers(ref.api_version, ref.kind, ref.namespace):
            return self._reader.get(ref)
        return self._list(ref.api_version, ref.kind).get(ref.name)

    def find(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Object]:
        """See :meth:`Reader.find`."""
        if not self._covers(api_version, kind, namespace):
            return self._reader.find(api_version, kind, namespace, labels)
        return [item for item in self._list(api_version, kind).values() if selected(labels, labels_of(item))]

    def _covers(self, api_version: str, kind: str, namespace: str) -> bool:
        return namespace == self._namespace and (api_version, kind) in self._locks

    def _list(self, api_version: str, kind: str) -> dict[str, Object]:
        key = (api_version, kind)
        with self._locks[key]:
            if key not in self._listed:
                found = self._reader.find(api_version, kind, self._namespace)
                self._listed[key] = {item["metadata"]["name"]: item for item in found}
            return self._listed[key]
