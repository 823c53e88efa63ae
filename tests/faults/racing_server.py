"""A small S3 server in memory that can be told to decide conditional writes in two steps, as some servers do."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from datamill_infra.model.connections import ResolvedConnection

BUCKET = "datasets"


class SmallServer:
    """Objects in a dictionary, over HTTP.

    Args:
        pause: seconds between looking for an object and writing it; ``None`` for a server that is sound.
    """

    def __init__(self, pause: float | None) -> None:
        self.objects: dict[str, bytes] = {}
        self.pause = pause
        self.lock = threading.Lock()
        server = self

        class Handler(_Handler):
            owner = server

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def connection(self) -> ResolvedConnection:
        """How clients are told about it."""
        fields: dict[str, str | int | bool] = {
            "endpoint": f"http://127.0.0.1:{self._server.server_port}",
            "region": "us-east-1",
            "path_style": True,
            "access_key": "any",
            "secret_key": "any",
        }
        return ResolvedConnection("s3", "small", fields, frozenset())

    def put(self, key: str, data: bytes, *, new: bool) -> bool:
        """Write; ``False`` when there is one and it had to be new."""
        if self.pause is None:
            with self.lock:
                return self._put(key, data, new=new)
        there = key in self.objects
        time.sleep(self.pause)
        return self._put(key, data, new=False) if not (new and there) else False

    def _put(self, key: str, data: bytes, *, new: bool) -> bool:
        if new and key in self.objects:
            return False
        self.objects[key] = data
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: SmallServer

    def do_GET(self) -> None:
        self._answer(200, self.owner.objects.get(self._key()))

    do_HEAD = do_GET  # noqa: N815 - the base class's names, here and below

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        made = self.owner.put(self._key(), body, new="If-None-Match" in self.headers)
        self._answer(200 if made else 412, b"")

    def do_DELETE(self) -> None:
        self.owner.objects.pop(self._key(), None)
        self._answer(204, b"")

    def do_POST(self) -> None:
        """Delete several."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        keys = re.findall("<Key>(.*?)</Key>", body)
        for key in keys:
            self.owner.objects.pop(key, None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's signature
        """Say nothing."""

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}/")

    def _answer(self, status: int, data: bytes | None) -> None:
        if data is None:
            status, data = 404, b"<Error><Code>NoSuchKey</Code></Error>"
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"')
        self.send_header("Last-Modified", "Tue, 01 Jan 2013 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
