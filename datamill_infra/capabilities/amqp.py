"""``amqp``: a broker that speaks AMQP 1.0.

Fields: ``host``, ``port``, ``username``, optionally ``probe_address``; secret ``password``.

The probe sends a message to itself through a node that the broker makes for it and removes when the probe
disconnects. Brokers without such dynamic nodes (RabbitMQ) need a queue that exists, named by ``probe_address``; the
message lives for seconds there, so that an interrupted probe leaves nothing behind.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import proton
import proton.utils

from datamill_infra.capabilities.attempt import Attempt

if TYPE_CHECKING:
    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection

UNAUTHORIZED = "amqp:unauthorized-access"
MESSAGE_SECONDS = 10
OPENING = "opening a receiver"
NEEDS_ADDRESS = (
    "A broker without dynamic nodes needs `probe_address`: create a queue for the probe there and name it in"
    " deployment.yaml."
)


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Connect, send one message, receive and accept it.

    Raises:
        UnhealthyError: one of these did not happen.
    """
    host, port = connection.text("host"), int(connection["port"])
    attempt = Attempt(connection, f"{host}:{port}", timeout)
    attempt.reach(host, port)
    # From here on every step waits with proton's own timeout, set before each.
    try:
        node = _round_trip(connection, attempt, f"amqp://{host}:{port}")
    except proton.Timeout:
        # RabbitMQ 3 is silent about an address that it does not like.
        hint = NEEDS_ADDRESS if attempt.state == OPENING else None
        raise attempt.failed("it accepts connections but does not answer", instruction=hint) from None
    except proton.utils.LinkDetached as error:
        raise attempt.failed(f"it closed the link ({error})", instruction=NEEDS_ADDRESS) from None
    except proton.ProtonException as error:
        if UNAUTHORIZED in str(error):
            raise attempt.refused(UNAUTHORIZED) from None
        raise attempt.failed(str(error)) from None
    return attempt.observed("a message came back", node=node)


def environment(connection: ResolvedConnection) -> dict[str, str]:
    """There is no convention; each part under a speaking name."""
    return {
        "AMQP_HOST": connection.text("host"),
        "AMQP_PORT": connection.text("port"),
        "AMQP_USERNAME": str(connection.get("username", "")),
        "AMQP_PASSWORD": str(connection.get("password", "")),
    }


def credentials(connection: ResolvedConnection) -> dict[str, Any]:
    """How proton is told who we are: keyword arguments of a container's ``connect``."""
    if not connection.get("username"):
        return {"allowed_mechs": "ANONYMOUS"}
    return {
        "user": connection.text("username"),
        "password": str(connection.get("password", "")),
        "allowed_mechs": "PLAIN",
        # Without TLS PLAIN must be allowed explicitly; beyond loopback, choose a broker with TLS in front.
        "allow_insecure_mechs": True,
    }


def _round_trip(connection: ResolvedConnection, attempt: Attempt, url: str) -> str:
    """Returns the address of the node that was used."""
    named = connection.get("probe_address")
    content = secrets.token_bytes(16)
    blocking = proton.utils.BlockingConnection(url, timeout=attempt.left("logging in"), **credentials(connection))
    try:
        blocking.timeout = attempt.left(OPENING)
        if named:
            receiver = blocking.create_receiver(str(named), credit=1)
        else:
            receiver = blocking.create_receiver(None, dynamic=True, credit=1)
        node = str(named or receiver.link.remote_source.address)
        blocking.timeout = attempt.left(f"opening a sender to {node}")
        sender = blocking.create_sender(node)
        sender.send(
            proton.Message(body=content, ttl=MESSAGE_SECONDS, durable=False),
            timeout=attempt.left(f"sending a message to {node}"),
        )
        while True:
            message = receiver.receive(timeout=attempt.left(f"waiting for a message from {node}"))
            if bytes(message.body or b"") == content:
                receiver.accept()
                return node
            receiver.release()  # of another probe that uses the same queue
    finally:
        blocking.close()
