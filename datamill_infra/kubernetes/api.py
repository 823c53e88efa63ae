"""The real door: the official client, with a context of the kubeconfig that is always named.

Requests are plain: addresses come from what the server says about its kinds, bodies are dictionaries. So custom
resources need nothing of their own, and what is compared is what the server sent.
"""

from __future__ import annotations

import io
import json
import logging
import os
import threading
import weakref
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

import urllib3
import yaml
from kubernetes import client, config
from websocket import WebSocketBadStatusException, WebSocketException

from datamill_infra.kubernetes.channels import open_channels
from datamill_infra.kubernetes.cluster import FIELD_MANAGER, Cluster, Kind, Resource
from datamill_infra.kubernetes.errors import (
    ClusterError,
    ConflictError,
    InvalidObjectError,
    RefusedError,
    UnreachableError,
)
from datamill_infra.kubernetes.tunnel import tunnel
from datamill_infra.model.errors import ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping, Sequence

    from datamill_infra.kubernetes.objects import Object, Ref

logger = logging.getLogger("datamill.kubernetes")

DEFAULT = "~/.kube/config"
INSIDE = "kubernetes.default.svc"
"""The API server as pods see it; a context that names it works in its own cluster only."""

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
POOL = 32
"""Connections that are kept: reads of one command go out side by side."""

NOT_FOUND, CONFLICT, UNAUTHORIZED, FORBIDDEN = 404, 409, 401, 403
INVALID = frozenset({400, 413, 415, 422})


class ApiServer(Cluster):
    """The API server of a context.

    Args:
        context: its name; the kubeconfig is the usual one (``KUBECONFIG``, else ``~/.kube/config``).

    Raises:
        ConfigurationError: there is no kubeconfig, or it has no such context.
    """

    def __init__(self, context: str) -> None:
        self.context = context
        self._client = _client(context)
        self.inside = urlsplit(self._client.configuration.host).hostname == INSIDE
        weakref.finalize(self, self._client.rest_client.pool_manager.clear)  # closes the connections that are kept
        self._kinds: dict[str, dict[str, Resource]] = {}
        self._lock = threading.Lock()

    def resource(self, api_version: str, kind: str) -> Resource | None:
        """See :meth:`Cluster.resource`. Asked once per version; a kind that is missing is asked for again."""
        with self._lock:
            if kind not in self._kinds.get(api_version, {}):
                answer = self._request("GET", _prefix(api_version), missing={})
                self._kinds[api_version] = {
                    entry["kind"]: Resource(entry["name"], bool(entry["namespaced"]))
                    for entry in (answer or {}).get("resources", [])
                    if "/" not in entry["name"]
                }
            return self._kinds[api_version].get(kind)

    def kinds(self) -> list[Kind]:
        """See :meth:`Cluster.kinds`."""
        groups = self._request("GET", "/apis")["groups"]
        versions = ["v1", *(str(group["preferredVersion"]["groupVersion"]) for group in groups)]
        found = []
        for version in versions:
            try:
                answer = self._request("GET", _prefix(version), missing={})
            except ClusterError as error:  # an aggregated API whose server is away
                logger.warning("%s is left out: %s", version, error.reason)
                continue
            found += [
                Kind(version, str(entry["kind"]), bool(entry["namespaced"]))
                for entry in answer.get("resources", [])
                if "/" not in entry["name"] and "list" in entry.get("verbs", ())
            ]
        return found

    def get(self, ref: Ref) -> Object | None:
        """See :meth:`Cluster.get`."""
        path = self._path(ref.api_version, ref.kind, ref.namespace, ref.name)
        return self._request("GET", path, missing=None) if path else None

    def find(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Object]:
        """See :meth:`Cluster.find`."""
        path = self._path(api_version, kind, namespace)
        if path is None:
            return []
        answer = self._request("GET", path, {"labelSelector": labels} if labels else {})
        return [{"apiVersion": api_version, "kind": kind, **item} for item in (answer or {})["items"]]

    def create(self, item: Object) -> Object:
        """See :meth:`Cluster.create`."""
        path = self._place(item)
        return cast("Object", self._request("POST", path, {"fieldManager": FIELD_MANAGER}, body=item))

    def replace(self, item: Object) -> Object:
        """See :meth:`Cluster.replace`."""
        path = f"{self._place(item)}/{item['metadata']['name']}"
        return cast("Object", self._request("PUT", path, {"fieldManager": FIELD_MANAGER}, body=item))

    def apply(self, item: Object) -> Object:
        """See :meth:`Cluster.apply`."""
        path = f"{self._place(item)}/{item['metadata']['name']}"
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return cast("Object", self._request("PATCH", path, query, body=item, content="application/apply-patch+yaml"))

    def patch(self, ref: Ref, operations: Sequence[Object]) -> Object:
        """See :meth:`Cluster.patch`."""
        path = self._path(ref.api_version, ref.kind, ref.namespace, ref.name) or ""
        query = {"fieldManager": FIELD_MANAGER}
        body = list(operations)
        return cast("Object", self._request("PATCH", path, query, body=body, content="application/json-patch+json"))

    def delete(self, ref: Ref) -> None:
        """See :meth:`Cluster.delete`."""
        if path := self._path(ref.api_version, ref.kind, ref.namespace, ref.name):
            self._request("DELETE", path, {"propagationPolicy": "Background"}, missing=None)

    def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False) -> list[str]:
        """See :meth:`Cluster.log`."""
        query = {"container": container, "tailLines": str(lines), "previous": str(previous).lower()}
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        try:
            answer = self._request("GET", path, query, plain=True, missing=None)
        except InvalidObjectError:  # the container has not been started yet
            return []
        return answer.data.decode("utf-8", errors="replace").splitlines() if answer else []

    def follow_log(self, namespace: str, pod: str, container: str, *, new_only: bool) -> Iterator[str]:
        """See :meth:`Cluster.follow_log`."""
        query = {"container": container, "follow": "true", **({"tailLines": "0"} if new_only else {})}
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        answer = self._request("GET", path, query, plain=True, patient=True)
        try:
            for line in io.TextIOWrapper(answer, encoding="utf-8", errors="replace"):
                yield line.rstrip("\n")
        except urllib3.exceptions.HTTPError as error:
            raise self._failed("GET", path, error) from error
        finally:
            answer.close()

    def allowed(self, verb: str, api_version: str, kind: str, namespace: str) -> bool:
        """See :meth:`Cluster.allowed`."""
        found = self.resource(api_version, kind)
        attributes = {
            "verb": verb,
            "group": api_version.rpartition("/")[0],
            "resource": found.plural if found else f"{kind.lower()}s",
            "namespace": namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self._request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
        return bool((answer or {})["status"]["allowed"])

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
        """See :meth:`Cluster.execute`."""
        from datamill_infra.kubernetes.executing import execute  # noqa: PLC0415  (few commands need it)

        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/exec"
        execute(self._client, path, container, command, stdin, stdout)

    def connect(self, namespace: str, pod: str, port: int) -> socket.socket:
        """See :meth:`Cluster.connect`."""
        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/portforward"
        try:
            return tunnel(open_channels(self._client, path, [("ports", str(port))]))
        except WebSocketBadStatusException as error:
            refused = client.ApiException(error.status_code, str(error))
            raise self._failed("CONNECT", f"pod {pod}, port {port}", refused) from error
        except (WebSocketException, OSError) as error:
            raise self._failed("CONNECT", f"pod {pod}, port {port}", error) from error

    def _path(self, api_version: str, kind: str, namespace: str, name: str = "") -> str | None:
        found = self.resource(api_version, kind)
        if found is None:
            return None
        scope = f"/namespaces/{quote(namespace)}" if found.namespaced and namespace else ""
        return f"{_prefix(api_version)}{scope}/{found.plural}" + (f"/{quote(name)}" if name else "")

    def _place(self, item: Object) -> str:
        namespace = item["metadata"].get("namespace", "")
        path = self._path(item["apiVersion"], item["kind"], namespace)
        if path is None:
            raise InvalidObjectError(
                f"The cluster {self.context!r} does not know the kind {item['kind']} ({item['apiVersion']}).",
                instruction="Install its definition first, or choose a version of the component that the cluster has.",
            )
        return path

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: object = None,
        content: str = "application/json",
        plain: bool = False,
        patient: bool = False,
        missing: object = ...,
    ) -> Any:  # noqa: ANN401  (JSON, or the response itself when it is plain text)
        try:
            return self._client.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": content},
                body=body,
                response_types_map=dict.fromkeys((200, 201, 202), "object"),
                _preload_content=not plain,  # text that looks like JSON would be read as JSON
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _request_timeout=(CONNECT_SECONDS, None if patient else ANSWER_SECONDS),
            )
        except client.ApiException as error:
            if error.status == NOT_FOUND and missing is not ...:
                return missing
            raise self._failed(method, path, error) from error
        except urllib3.exceptions.HTTPError as error:
            raise self._failed(method, path, error) from error

    def _failed(self, method: str, path: str, error: Exception) -> ClusterError:
        """An error of the client in our words."""
        status = error.status if isinstance(error, client.ApiException) else None
        said = _message(error)
        where = f"The cluster {self.context!r}"
        if status in (UNAUTHORIZED, FORBIDDEN):
            return RefusedError(
                f"{where} refused {method} {path}: {said}",
                instruction="Ask for the right, or use a context that has it.",
            )
        if status == CONFLICT:
            return ConflictError(f"{where}: {said}", instruction="Run the command again.")
        if status in INVALID:
            return InvalidObjectError(
                f"{where} does not accept {method} {path}: {said}",
                instruction="Correct the values of the component; `datamill show COMPONENT --values` has their origin.",
            )
        if status:
            return ClusterError(f"{where} answered {status} to {method} {path}: {said}", instruction="Try again.")
        return UnreachableError(
            f"{where} cannot be reached at {self._client.configuration.host}: {said}",
            instruction="Start the cluster, or name another context with --context.",
        )


def contexts() -> list[str]:
    """The contexts of the kubeconfig; none when there is no kubeconfig.

    Read here, because the client's own list wants a current context, and we never look at one.
    """
    files = [Path(name) for name in (_kubeconfig() or DEFAULT).split(os.pathsep)]
    found = [yaml.safe_load(file.expanduser().read_text(encoding="utf-8")) for file in files if file.exists()]
    return [str(entry["name"]) for content in found for entry in (content or {}).get("contexts") or []]


def _client(context: str) -> client.ApiClient:
    try:
        made = config.new_client_from_config(_kubeconfig(), context=context, persist_config=False)
    except config.ConfigException as error:
        if (known := contexts()) and context not in known:
            raise UnknownNameError("context in the kubeconfig", context, known) from None
        raise ConfigurationError(
            f"The context {context!r} cannot be used: {error}",
            instruction="Set KUBECONFIG to a file that has it, or write ~/.kube/config.",
        ) from error
    made.configuration.connection_pool_maxsize = POOL
    made.configuration.retries = False  # an API server that is not there is told at once
    return client.ApiClient(made.configuration)


def _kubeconfig() -> str | None:
    """What ``KUBECONFIG`` says now; the client's own default is what it said when the client was loaded."""
    return os.environ.get("KUBECONFIG") or None


def _prefix(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _message(error: Exception) -> str:
    if isinstance(error, client.ApiException) and error.body:
        try:
            return str(json.loads(error.body)["message"])
        except (ValueError, KeyError, TypeError):
            return str(error.body)
    return str(getattr(error, "reason", None) or error)
