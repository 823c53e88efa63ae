"""A program in a container, with its streams.

The client keeps everything that it reads in memory, and waits on a socket whose TLS may hold more; so frames are read
here. Channel 0 is standard input, 1 output, 2 errors, 3 how it ended.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

from websocket import ABNF, WebSocketException

from datamill_infra.kubernetes.channels import open_channels
from datamill_infra.kubernetes.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kubernetes.client import ApiClient

STDIN, STDOUT, STDERR, END = 0, 1, 2, 3
CHUNK = 1 << 16
SECONDS = 600.0
"""Without a byte in either direction."""

SHOWN = 2000


class ProgramFailedError(ClusterError):
    """A program in a container ended with an error, or its stream broke off."""


def execute(
    client: ApiClient, path: str, container: str, command: Sequence[str], stdin: IO[bytes] | None, stdout: IO[bytes]
) -> None:
    """Run a program in a container to its end.

    Args:
        client: of the API server.
        path: of the pod's subresource ``exec``.
        container: of the pod.
        command: program and arguments; no secrets.
        stdin: what it reads. The end is not told to it: it must know how much it gets.
        stdout: what it writes goes here.

    Raises:
        ProgramFailedError: it ended with an error, or the stream broke off.
    """
    query = [("container", container), ("stdout", "true"), ("stderr", "true")]
    query += [("stdin", "true")] if stdin else []
    query += [("command", word) for word in command]
    try:
        socket = open_channels(client, path, query)
    except (WebSocketException, OSError) as error:
        raise _failed(path, command, str(error)) from error
    try:
        socket.settimeout(SECONDS)
        said, end = _pump(socket, stdin, stdout)
    except (WebSocketException, OSError) as error:
        raise _failed(path, command, f"the stream broke off ({error})") from error
    finally:
        socket.close()
    if end.get("status") != "Success":
        raise _failed(path, command, said or str(end.get("message", "the stream broke off")))


def _pump(socket: Any, stdin: IO[bytes] | None, stdout: IO[bytes]) -> tuple[str, dict[str, Any]]:  # noqa: ANN401
    """What it said on standard error, and how it ended."""
    while stdin and (chunk := stdin.read(CHUNK)):
        socket.send(bytes([STDIN]) + chunk, opcode=ABNF.OPCODE_BINARY)
    said, end = b"", b""
    while True:
        code, frame = socket.recv_data_frame(True)
        if code == ABNF.OPCODE_CLOSE:
            break
        if code not in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) or not frame.data:
            continue
        channel, data = frame.data[0], frame.data[1:]
        if channel == STDOUT:
            stdout.write(data)
        elif channel == STDERR:
            said = (said + data)[-SHOWN:]
        elif channel == END:
            end += data
    return said.decode(errors="replace").strip(), json.loads(end) if end else {}


def _failed(path: str, command: Sequence[str], said: str) -> ProgramFailedError:
    pod = path.split("/")[-2]
    return ProgramFailedError(
        f"`{command[0]}` in the pod {pod} failed: {said}",
        instruction="Look at the pod (`datamill logs`); then try again.",
    )
