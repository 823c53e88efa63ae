"""``datamill forward``."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.clusters import context_option
from datamill_infra.cli.output import print_columns
from datamill_infra.cli.root import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

HIGHEST = 65_535


@click.command(help=COMMANDS["forward"])
@click.argument("component")
@click.option(
    "-p",
    "--port",
    "ports",
    multiple=True,
    metavar="[LOCAL:]PORT",
    help="Only this port, and where it is here (0 for any that is free) [default: all, under their own numbers].",
)
@context_option
@click.pass_obj
def command(home: str | None, component: str, ports: tuple[str, ...], *, context: str | None) -> None:
    """Forward ports of a component on a cluster to 127.0.0.1, until Ctrl-C."""
    from datamill_infra.cli.deployments import open_deployment
    from datamill_infra.drivers.rollout import Rollout

    wanted = dict(_pairs(ports))
    deployment = open_deployment(home, context=context)
    deployment.spec(component)
    try:
        with Rollout(deployment).driver(component).forwarded(component, wanted) as opened:
            print_columns(("port", "here", "in the cluster"), ((one.name, one.local, one.address) for one in opened))
            click.echo("Ctrl-C ends it.", err=True)
            wait_for_interrupt()
    except KeyboardInterrupt:
        click.echo("Stopped forwarding.", err=True)


def wait_for_interrupt() -> None:
    """Until a signal; the ports are served by threads of their own."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Event().wait()


def _pairs(ports: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    for text in ports:
        local, _, remote = text.rpartition(":")
        numbers = [remote, local or remote]
        if not all(number.isdigit() and int(number) <= HIGHEST for number in numbers):
            raise click.UsageError(f"--port is PORT or LOCAL:PORT, e.g. 19092:9092, not {text!r}.")
        yield int(remote), int(local or remote)
