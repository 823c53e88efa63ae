"""An HTTP proxy in front of an S3 server that does to requests what networks and servers do."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

FAULTS = ("429", "500", "503", "reset before", "reset after", "timeout before", "timeout after", "short", "etag")
"""What can go wrong: an error status, a closed connection or silence before or after the server did its work, a body
that ends early, an ETag of something else."""


@dataclass
class Request:
    """What was asked.

    Attributes:
        kind: ``put``, ``create``, ``begin``, ``part``, ``complete``, ``get``, ``head``, ``list``, ``delete``, ...
        path: with the query.
        status: what the server answered; 0 when it was not asked, or has not answered yet.
    """

    kind: str
    path: str
    status: int = 0


@dataclass
class Plan:
    """Which requests go wrong, and how.

    Attributes:
        fault: one of :data:`FAULTS`.
        applies: whether a request is meant.
        times: how many of them.
        silence: seconds that a timeout lasts.
    """

    fault: str
    applies: Callable[[Request], bool]
    times: int
    silence: float = 1.5
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, request: Request) -> bool:
        """Whether this very request goes wrong."""
        with self.lock:
            if self.done >= self.times or not self.applies(request):
                return False
            self.done += 1
            return True


class FaultyProxy:
    """Forwards to a server on loopback.

    Args:
        port: the server's.

    Attributes:
        plan: what goes wrong; ``None`` for nothing.
        requests: all that were made.
    """

    def __init__(self, port: int) -> None:
        self.plan: Plan | None = None
        self.requests: list[Request] = []
        proxy = self

        class Handler(_Handler):
            upstream = port
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def endpoint(self) -> str:
        """The proxy's address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: int
    owner: FaultyProxy

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(_kind(self.command, self.path, dict(self.headers.items())), self.path)
        self.owner.requests.append(request)
        plan = self.owner.plan
        fault = plan.fault if plan is not None and plan.take(request) else ""
        if fault.isdigit():
            self._answer(int(fault), [], b"<Error><Code>SlowDown</Code><Message>later</Message></Error>")
        elif fault.endswith("before"):
            self._fail(fault, plan)
        else:
            status, headers, data = self._forward(body)
            request.status = status
            if fault.endswith("after"):
                self._fail(fault, plan)
            else:
                self._reply(fault, status, headers, data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 (the base class's names)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002, ANN401 (the base class's signature)
        """Say nothing."""

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=30)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _fail(self, fault: str, plan: Plan | None) -> None:
        if fault.startswith("timeout") and plan is not None:
            time.sleep(plan.silence)
        else:
            # Closed with a reset, not with the polite end of a connection.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        self.close_connection = True

    def _reply(self, fault: str, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        if fault == "etag":
            headers = [
                (name, '"00000000000000000000000000000000"' if name == "ETag" else value) for name, value in headers
            ]
        length = {name.lower(): value for name, value in headers}.get("content-length", str(len(data)))
        if self.command != "HEAD":
            length = str(len(data))
        if fault == "short" and data:
            self._answer(status, headers, data[: len(data) // 2], length)
            self.close_connection = True
        else:
            self._answer(status, headers, data, length)

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, length: str | None = None) -> None:
        try:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", length if length is not None else str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client gave up first


def _kind(method: str, path: str, headers: dict[str, str]) -> str:
    query = parse_qs(urlsplit(path).query, keep_blank_values=True)
    if method == "PUT":
        if "partNumber" in query:
            return "part"
        return "create" if any(name.lower() == "if-none-match" for name in headers) else "put"
    if method == "POST":
        kinds = {"delete": "delete", "uploads": "begin", "uploadId": "complete"}
        return next((kind for name, kind in kinds.items() if name in query), "other")
    if method == "GET":
        return "list" if {"list-type", "uploads", "uploadId", "prefix"} & query.keys() else "get"
    return {"HEAD": "head", "DELETE": "delete"}.get(method, "other")
