"""One attempt at a round trip: its budget, the last state it reached, and how it failed.

Probes report through an :class:`Attempt`, so that each failure names the subject, the budget, what was being done and
what to do next, and so that no secret gets into a message, whatever a client library writes into its exceptions.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from datamill_infra.model.errors import UnhealthyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from datamill_infra.model.connections import ResolvedConnection

Fact = str | int | float | bool

# Shorter values ("", "x") occur in ordinary words; masking them would ruin every message and hide nothing.
SHORTEST_SECRET = 4


@dataclass(frozen=True)
class Observation:
    """What a probe saw.

    Attributes:
        summary: one line for a person, e.g. ``"1 broker, cluster 4L6g3nShT-eMCtK"``.
        facts: the same and more for a machine; no secrets.
        seconds: how long the round trip took.
    """

    summary: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    seconds: float = 0.0


class Attempt:
    """The course of one probe.

    Args:
        connection: what is probed.
        address: where, as a person would write it; no credentials.
        timeout: budget in seconds.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        connection: ResolvedConnection,
        address: str,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self.address = address
        self.timeout = timeout
        self.state = "not started"
        self._clock = clock
        self._began = clock()

    @property
    def spent(self) -> float:
        """Seconds since the attempt began."""
        return self._clock() - self._began

    def left(self, doing: str) -> float:
        """Seconds left, for the step that comes now.

        Args:
            doing: the step, as it is to appear in a failure: ``"sending a message"``.

        Raises:
            UnhealthyError: nothing is left.
        """
        remaining = self.timeout - self.spent
        if remaining <= 0:
            raise self.failed("the budget was used up")
        self.state = doing
        return remaining

    def reach(self, host: str, port: int) -> None:
        """Find out whether anything accepts connections, before a client library retries for its whole budget.

        Raises:
            UnhealthyError: nothing listens, or the host cannot be reached.
        """
        remaining = self.left("connecting")
        try:
            socket.create_connection((host, port), timeout=remaining).close()
        except ConnectionRefusedError:
            raise self.failed("nothing listens there") from None
        except TimeoutError:
            raise self.failed("the host does not answer") from None
        except OSError as error:
            raise self.failed(f"it cannot be reached ({error.strerror or error})") from None

    def observed(self, summary: str, **facts: Fact) -> Observation:
        """The successful end."""
        return Observation(summary, facts, round(self.spent, 4))

    def refused(self, reason: str) -> UnhealthyError:
        """The server does not accept our credentials."""
        return self.failed(
            f"it refused the credentials ({reason})",
            instruction=f"The server has other credentials than the deployment: `datamill up -c {self._component}`"
            " configures it again; for an external server correct the secret that deployment.yaml names.",
        )

    def failed(self, reason: str, *, instruction: str | None = None) -> UnhealthyError:
        """The unsuccessful end, to be raised.

        Args:
            reason: a clause without a full stop. Secrets of the connection are masked in it.
            instruction: what to do; by default where to look and how to repair.
        """
        subject = self._component
        if self._component != self.connection.capability:
            subject += f" ({self.connection.capability})"
        return UnhealthyError(
            self._censored(
                f"{subject} at {self.address} is not healthy: {reason}, while {self.state},"
                f" {self.spent:.1f} s into a budget of {self.timeout:g} s."
            ),
            instruction=instruction
            or f"`datamill logs {self._component}` shows what the server says; `datamill up -c {self._component}`"
            " starts it again. If it is external, check its address in deployment.yaml.",
        )

    @property
    def _component(self) -> str:
        return self.connection.component

    def _censored(self, text: str) -> str:
        for name in self.connection.secret_fields:
            value = str(self.connection.get(name, ""))
            if len(value) >= SHORTEST_SECRET:
                text = text.replace(value, "***")
        return text


def host_and_port(address: str, default_port: int) -> tuple[str, int]:
    """Host and port of a URL or of ``host[:port]``; IPv6 hosts in brackets."""
    parts = urlsplit(address if "//" in address else f"//{address}")
    return parts.hostname or "localhost", parts.port or default_port
