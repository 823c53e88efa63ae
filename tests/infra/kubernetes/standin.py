"""A stand-in for an API server: the protocol, over a cluster in memory, for the official client and the real ``helm``.

What it is for: requests, errors, discovery and port forwarding of our door, and the records that Helm keeps. What it is
not for: anything that depends on how Kubernetes defaults, validates or schedules; tests/cluster has the real one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote_plus

import uvicorn
import yaml

from datamill_infra.drivers.helm.sighting import KINDS
from datamill_infra.kubernetes.errors import ConflictError, InvalidObjectError
from datamill_infra.kubernetes.memory import CLUSTER_SCOPED, MemoryCluster
from datamill_infra.kubernetes.objects import Object, Ref

SERVED = (
    *KINDS,
    ("v1", "Pod"),
    ("v1", "Namespace"),
    ("v1", "Node"),
    ("v1", "Event"),
    ("v1", "PersistentVolumeClaim"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("coordination.k8s.io/v1", "Lease"),
)
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
LARGEST_FRAME = 1 << 20
MAGIC = b"k8s\0"
"""Begins what Helm sends in Kubernetes' binary form: its own records, which are Secrets."""

CODES = {404: "NotFound", 409: "Conflict", 422: "Invalid", 403: "Forbidden"}


class StandIn:
    """Serves a cluster in memory on loopback; a context manager."""

    def __init__(self, cluster: MemoryCluster, folder: Path) -> None:
        self.cluster = cluster
        self.refused: set[tuple[str, str]] = set()
        """Method and plural of what is forbidden."""
        self.kubeconfig = folder / "kubeconfig"
        config = uvicorn.Config(
            self._app,
            host="127.0.0.1",
            port=0,
            log_level="error",
            lifespan="off",
            interface="asgi3",
            ws="websockets-sansio",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
        port = self._server.servers[0].sockets[0].getsockname()[1]
        user = {"name": "tester", "user": {"token": "canary-token"}}
        contexts = [{"name": "stand-in", "context": {"cluster": "c", "user": "tester"}}]
        clusters = [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}]
        text = yaml.safe_dump(
            {"apiVersion": "v1", "kind": "Config", "clusters": clusters, "contexts": contexts, "users": [user]}
        )
        self.kubeconfig.write_text(text)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  (ASGI)
        if scope["type"] == "websocket":
            await self._forward(scope, receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        query = dict(part.partition("=")[::2] for part in scope["query_string"].decode().split("&") if part)
        query = {key: unquote_plus(value) for key, value in query.items()}
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        status, answer = await asyncio.to_thread(
            self._answer, scope["method"], scope["path"].strip("/").split("/"), query, headers, body
        )
        kind = b"text/plain" if isinstance(answer, str) else b"application/json"
        text = answer if isinstance(answer, str) else json.dumps(answer)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": text.encode()})

    def _answer(
        self, method: str, path: list[str], query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        if path[0] == "openapi":
            return self._openapi(path)
        fixed: dict[str, Any] = {
            "version": {"major": "1", "minor": "34", "gitVersion": "v1.34.4"},
            "api": {"kind": "APIVersions", "versions": ["v1"]},
            "apis": self._groups(),
        }
        if len(path) == 1:
            return 200, fixed[path[0]]
        if path[-1] == "selfsubjectaccessreviews":
            asked = json.loads(body)["spec"]["resourceAttributes"]
            allowed = (asked["verb"], asked["resource"]) not in self.refused
            return 201, {"status": {"allowed": allowed}}
        version, rest = (path[1], path[2:]) if path[0] == "api" else ("/".join(path[1:3]), path[3:])
        if not rest:
            return 200, self._resources(version)
        return self._objects(method, version, rest, query, headers, body)

    def _objects(  # noqa: PLR0911  (one answer per verb)
        self, method: str, version: str, rest: list[str], query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        kind = next((k for v, k in SERVED if v == version and _plural(k) == rest[0]), None)
        if kind is None:
            return _status(404, f"there is no resource {rest[0]}")
        if (method.lower(), rest[0]) in self.refused:
            return _status(403, f"tester may not {method} {rest[0]}")
        if len(rest) == 1 and method == "GET":
            found = self.cluster.find(version, kind, namespace, query.get("labelSelector", ""))
            return 200, {"apiVersion": version, "kind": f"{kind}List", "metadata": {}, "items": found}
        item = {} if method == "DELETE" else _item(body)
        if method in ("POST", "PUT") or "apply" in headers.get("content-type", ""):
            item = {"apiVersion": version, "kind": kind, **item}
            if kind not in CLUSTER_SCOPED:
                item["metadata"].setdefault("namespace", namespace)
        ref = Ref(version, kind, "" if kind in CLUSTER_SCOPED else namespace, rest[1] if len(rest) > 1 else "")
        if len(rest) > 2:
            return 200, "\n".join(
                self.cluster.log(namespace, rest[1], query["container"], lines=int(query["tailLines"]))
            )
        try:
            return self._write(method, ref, item, query, headers, body)
        except ConflictError as error:
            return _status(409, error.reason)
        except InvalidObjectError as error:
            return _status(422, error.reason)

    def _write(  # noqa: PLR0911  (one answer per verb)
        self, method: str, ref: Ref, item: Object, query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        if method == "POST":
            return 201, self.cluster.create(item)
        found = self.cluster.get(ref)
        content = headers.get("content-type", "")
        if method == "PATCH" and "apply" in content:
            return 200, self.cluster.applied(item, query.get("fieldManager", "unknown"))
        if found is None:
            return _status(404, f"{ref} is not there")
        if method == "GET":
            return 200, found
        if method == "PUT":
            version = item["metadata"].get("resourceVersion") or found["metadata"]["resourceVersion"]
            return 200, self.cluster.replace({**item, "metadata": {**item["metadata"], "resourceVersion": version}})
        if method == "PATCH":
            assert "json-patch" in content, content
            return 200, self.cluster.patch(ref, json.loads(body))
        self.cluster.delete(ref)
        return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def _groups(self) -> Object:
        groups = sorted({version for version, _ in SERVED if "/" in version})
        entries = [{"groupVersion": one, "version": one.split("/")[1]} for one in groups]
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [
                {"name": entry["groupVersion"].split("/")[0], "versions": [entry], "preferredVersion": entry}
                for entry in entries
            ],
        }

    def _resources(self, version: str) -> Object:
        entries = [
            {
                "name": _plural(kind),
                "singularName": kind.lower(),
                "kind": kind,
                "namespaced": kind not in CLUSTER_SCOPED,
                "verbs": VERBS,
            }
            for served, kind in SERVED
            if served == version
        ]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": entries}

    def _openapi(self, path: list[str]) -> tuple[int, Any]:
        """Enough for Helm to leave the validation to the server."""
        if path == ["openapi", "v3"]:
            places = {
                f"apis/{version}" if "/" in version else f"api/{version}"
                for version in {version for version, _ in SERVED}
            }
            return 200, {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in places}}
        version = "/".join(path[3:])
        group, _, number = version.rpartition("/")
        paths = {
            f"/{kind}": {
                "patch": {
                    "parameters": [{"name": "fieldValidation", "in": "query"}],
                    "x-kubernetes-group-version-kind": {"group": group, "version": number, "kind": kind},
                    "responses": {},
                }
            }
            for served, kind in SERVED
            if served == version
        }
        return 200, {"openapi": "3.0.0", "info": {"title": "x", "version": "1"}, "paths": paths}

    async def _forward(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  (ASGI)
        """A stream to a pod, as ``v4.channel.k8s.io`` frames it: channel 0 is data, 1 is errors."""
        pod = scope["path"].split("/")[-2]
        port = int(dict(part.split("=") for part in scope["query_string"].decode().split("&"))["ports"])
        await receive()
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][-1]})
        for channel in (0, 1):
            await send({"type": "websocket.send", "bytes": bytes([channel]) + port.to_bytes(2, "little")})
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.cluster.ports[pod, port], limit=LARGEST_FRAME
            )
        except OSError:
            await send({"type": "websocket.send", "bytes": b"\x01refused"})
            async for _ in _frames(receive):
                pass  # whoever asked has to go
            return
        back = asyncio.create_task(_pump(reader, send))
        async for data in _frames(receive):
            writer.write(data)
        writer.close()
        await back


async def _frames(receive: Any) -> AsyncIterator[bytes]:  # noqa: ANN401  (ASGI)
    while (message := await receive())["type"] == "websocket.receive":
        yield message["bytes"][1:]


async def _pump(reader: asyncio.StreamReader, send: Any) -> None:  # noqa: ANN401  (ASGI)
    with contextlib.suppress(Exception):  # the other side has gone
        while data := await reader.read(LARGEST_FRAME):
            await send({"type": "websocket.send", "bytes": b"\x00" + data})
        await send({"type": "websocket.close"})


def _item(body: bytes) -> Object:
    if body.startswith(MAGIC):
        return secret_of(body)
    found: Object = yaml.safe_load(body) if body else {}
    return found


def _plural(kind: str) -> str:
    return f"{kind.lower()}s"


def _status(code: int, message: str) -> tuple[int, Object]:
    reason = CODES[code]
    return code, {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def secret_of(body: bytes) -> Object:
    """A Secret in Kubernetes' binary form (protocol buffers, fields as in its published definitions)."""
    outer = _message(body[len(MAGIC) :])
    secret = _message(outer[2][0])
    metadata = _message(secret[1][0])
    entries = [_message(entry) for entry in secret.get(2, [])]
    data = {entry[1][0].decode(): base64.b64encode(entry[2][0]).decode() for entry in entries}
    labels = [_message(entry) for entry in metadata.get(11, [])]
    return {
        "metadata": {
            "name": metadata[1][0].decode(),
            "labels": {entry[1][0].decode(): entry[2][0].decode() for entry in labels},
            **({"namespace": metadata[3][0].decode()} if metadata.get(3, [b""])[0] else {}),
        },
        "data": data,
        "type": secret[3][0].decode(),
    }


def _message(data: bytes) -> dict[int, list[bytes]]:
    """The fields with a length of a message, by number; numbers are passed over."""
    found: dict[int, list[bytes]] = {}
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        value, position = _varint(data, position)
        if key & 7 == 2:
            found.setdefault(key >> 3, []).append(data[position : position + value])
            position += value
    return found


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position
