"""Servers that misbehave, on loopback, each in a thread of the test process."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from datamill_infra.model.connections import ResolvedConnection

PASSWORD = "correct-horse-battery"  # noqa: S105  (a value to look for in messages)
SECRETS = frozenset({"password", "access_key", "secret_key"})


def connection_to(capability: str, port: int) -> ResolvedConnection:
    """A connection of the capability to a port of loopback."""
    host = {"host": "127.0.0.1", "port": port, "username": "datamill", "password": PASSWORD}
    url = f"http://127.0.0.1:{port}"
    s3 = {"endpoint": url, "region": "us-east-1", "access_key": "datamill", "secret_key": PASSWORD}
    values: dict[str, dict[str, str | int | bool]] = {
        "kafka": {
            "bootstrap_servers": f"127.0.0.1:{port}",
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "username": "datamill",
            "password": PASSWORD,
        },
        "s3": dict(s3),
        "mqtt": dict(host),
        "amqp": dict(host),
        "mlflow": {"url": url},
        "inference": {"url": url},
        "postgres": {**host, "database": "datamill"},
        "dagster": {"url": url, "username": "datamill", "password": PASSWORD},
        "dask": {"scheduler": f"tcp://127.0.0.1:{port}"},
        "datasets": {"provider": "native", "url": "s3://datasets", **s3},
    }
    return ResolvedConnection(capability, "server", values[capability], SECRETS & values[capability].keys())


@pytest.fixture
def connect() -> Callable[[str, int], ResolvedConnection]:
    """See :func:`connection_to`."""
    return connection_to


@pytest.fixture
def password() -> str:
    """What must not be in any message."""
    return PASSWORD


@contextlib.contextmanager
def listening(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port on which each accepted connection is given to ``behave``."""
    server = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []
    stop = threading.Event()

    def accept() -> None:
        while not stop.is_set():
            try:
                client, _ = server.accept()
            except OSError:
                return
            accepted.append(client)
            behave(client)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        stop.set()
        # Unblocks accept(), which closing alone does not.
        socket.create_connection(server.getsockname()).close()
        thread.join()
        for client in [server, *accepted]:
            client.close()


def talk_html(client: socket.socket) -> None:
    """Answer whatever comes with a page."""
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello")
    with contextlib.suppress(OSError):  # it may have hung up already
        client.shutdown(socket.SHUT_WR)


@pytest.fixture
def dead_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def misbehaving() -> Iterator[Callable[[str], int]]:
    """Starts a server of a kind, and returns its port."""
    kinds = {"silent": lambda _: None, "rude": lambda client: client.close(), "other": talk_html}
    with contextlib.ExitStack() as stack:
        yield lambda kind: stack.enter_context(listening(kinds[kind]))


class ObjectStore(http.server.BaseHTTPRequestHandler):
    """The least that can be taken for an S3 server; ``conditional`` says whether it honours ``If-None-Match``."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]
    conditional: bool
    lock: threading.Lock

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.headers["Content-Encoding"] == "aws-chunked":  # one chunk, its size in hexadecimal before it
            size, _, rest = body.partition(b"\r\n")
            body = rest[: int(size.split(b";")[0], 16)]
        with self.lock:
            taken = self.conditional and self.headers["If-None-Match"] == "*" and self.path in self.objects
            if not taken:
                self.objects[self.path] = body
        self._answer(412 if taken else 200)

    def do_GET(self) -> None:
        self._answer(200, self.objects[self.path])

    def do_DELETE(self) -> None:
        self.objects.pop(self.path, None)
        self._answer(204)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def serve() -> Iterator[Callable[[type[http.server.BaseHTTPRequestHandler]], int]]:
    """Starts a server of requests on loopback, and returns its port."""
    with contextlib.ExitStack() as stack:

        def start(handler: type[http.server.BaseHTTPRequestHandler]) -> int:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return server.server_port

        yield start


@pytest.fixture
def object_store(serve: Callable[[type[http.server.BaseHTTPRequestHandler]], int]) -> Callable[..., int]:
    """Starts such a server, and returns its port."""

    def start(*, conditional: bool) -> int:
        facts = {"objects": {}, "conditional": conditional, "lock": threading.Lock()}
        return serve(type("Store", (ObjectStore,), facts))

    return start
