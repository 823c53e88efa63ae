"""A stream to a port of a pod, as a socket.

The client has one as well, which reads all that comes before it passes any on, and copies it with each frame: 400 MB
never arrived. Here a frame is passed on before the next one is read, so a slow reader slows the server down and nothing
piles up. Channel 0 has the port's data, channel 1 what went wrong; the first frame of each is the port's number.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING, cast

from websocket import ABNF, WebSocketException, WebSocketTimeoutException

if TYPE_CHECKING:
    from websocket import WebSocket

DATA, ERROR = 0, 1
CHUNK = 1 << 16
RECORD_SECONDS = 0.2
"""What TLS sends need not be a frame yet; what the other side wants to say must not wait for the rest of it."""


def tunnel(channels: WebSocket) -> socket.socket:
    """The socket at this end of a forwarded port.

    Args:
        channels: of the pod's ``portforward``, for one port; closed when either side ends.

    Returns:
        A socket; closing it ends the stream, and it ends when the pod's side does.
    """
    ours, theirs = socket.socketpair()
    threading.Thread(target=_relay, args=(channels, theirs), name="tunnel", daemon=True).start()
    return ours


def _relay(channels: WebSocket, inner: socket.socket) -> None:
    with inner, contextlib.suppress(WebSocketException, OSError):
        passing = _Passing(channels, inner)
        while passing.on():
            pass
    channels.shutdown()  # type: ignore[no-untyped-call]


class _Passing:
    """What one side says, to the other."""

    def __init__(self, channels: WebSocket, inner: socket.socket) -> None:
        self._channels, self._inner = channels, inner
        self._outer = cast("socket.socket", channels.sock)
        self._waiting = b""
        """Of a frame, for a reader that has not taken it yet."""
        self._greeted: set[int] = set()
        inner.setblocking(False)

    def on(self) -> bool:
        """Wait for something, and pass it on; whether both sides are there after it."""
        inner, outer = self._inner, self._outer
        # What is decrypted already is something of which the socket does not know any more.
        there = not self._waiting and isinstance(outer, ssl.SSLSocket) and outer.pending() > 0
        reading, writing = ([inner], [inner]) if self._waiting else ([inner, outer], [])
        ready, writable, _ = select.select(reading, writing, [], 0 if there else None)
        if inner in writable:
            self._waiting = self._waiting[inner.send(self._waiting) :]
        if inner in ready and not self._say():
            return False
        return self._hear() if there or outer in ready else True

    def _say(self) -> bool:
        said = self._inner.recv(CHUNK)
        if said:
            self._outer.settimeout(None)
            self._channels.send(bytes([DATA]) + said, ABNF.OPCODE_BINARY)
        return bool(said)

    def _hear(self) -> bool:
        self._outer.settimeout(RECORD_SECONDS)
        try:
            code, frame = self._channels.recv_data_frame(control_frame=True)
        except WebSocketTimeoutException:
            return True  # only a part of it is there
        if code != ABNF.OPCODE_BINARY or not frame.data:
            return bool(code != ABNF.OPCODE_CLOSE)
        channel, data = frame.data[0], frame.data[1:]
        if channel not in self._greeted:
            self._greeted.add(channel)
            return True
        self._waiting = data if channel == DATA else b""
        return bool(channel != ERROR)
