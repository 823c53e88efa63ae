"""``datamill ui``."""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.root import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

    from datamill_infra.cli.services import Service
    from datamill_infra.model.deployment import Deployment

FIRST_PORT, PORTS_TRIED = 3000, 50
START_SECONDS = 120.0


@click.command(help=COMMANDS["ui"])
@click.option("--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1 [default: the first free from 3000].")
@click.pass_obj
def command(home: str | None, port: int | None) -> None:
    """Serve both code locations, with schedules and sensors, until interrupted; on a cluster, show the one there."""
    from datamill_infra.cli.deployments import open_deployment

    deployment = open_deployment(home)
    if deployment.target == "embedded":
        serve(deployment.home, _free_port(port))
    else:
        show(deployment, _free_port(port))


def serve(home: Path, port: int) -> None:
    """Run the web server and the daemon on shared code servers, and return on Ctrl-C.

    Args:
        home: the deployment directory, which is the Dagster home.
        port: on loopback.

    Raises:
        PlatformError: a service could not start, or ended.
    """
    from datamill_infra.cli.project import project_file
    from datamill_infra.cli.services import Service, code_servers, running, socket_directory, wait_for_sockets
    from datamill_infra.model.home import Home

    # Dagster's services start their upload of telemetry whatever dagster.yaml says; only this variable stops it.
    silent = {"DAGSTER_DISABLE_TELEMETRY": "1"}
    environment = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONUNBUFFERED": "1", **silent}
    _make_databases(home)
    logs = Home(home).log_dir
    with socket_directory() as sockets:
        servers, workspace = code_servers(project_file("workspace.yaml"), sockets, logs, environment)
        click.echo("Loading the code locations (some seconds).", err=True)
        shared = ["--workspace", str(workspace)]
        web = [sys.executable, "-m", "dagster_webserver", "--host", "127.0.0.1", "--port", str(port), *shared]
        daemon = [sys.executable, "-m", "dagster._daemon", "run", *shared]
        fronts = [
            Service("web server", web, logs / "ui-webserver.log", environment),
            Service("daemon", daemon, logs / "ui-daemon.log", environment),
        ]
        with running(servers):
            wait_for_sockets(servers, sockets, START_SECONDS)
            with running(fronts):
                url = f"http://127.0.0.1:{port}"
                _wait_until_served(fronts[0], url)
                click.echo(f"Dagster is at {url} (Ctrl-C stops it; the components keep running).")
                _watch(servers, fronts)


def show(deployment: Deployment, port: int) -> None:
    """Forward the web server of the cluster, and return on Ctrl-C.

    Args:
        deployment: on a cluster.
        port: on loopback.

    Raises:
        ConfigurationError: the deployment has no Dagster there.
        UnhealthyError: no pod of it runs.
        PortTakenError: somebody else has just taken the port.
    """
    from urllib.parse import urlsplit

    from datamill_infra.cli.forward import wait_for_interrupt
    from datamill_infra.drivers.reported import CAPABILITY
    from datamill_infra.drivers.rollout import Rollout
    from datamill_infra.model.errors import PortTakenError
    from datamill_infra.orchestration.web import dagster_component

    component = dagster_component(deployment)
    driver = Rollout(deployment).driver(component)
    connection = deployment.rendered(component, {}).connections[CAPABILITY]
    there = urlsplit(str(connection.fields["url"])).port or 80
    try:
        with driver.forwarded(component, {there: port}):
            click.echo(f"Dagster of {deployment.context} is at http://127.0.0.1:{port} (Ctrl-C stops forwarding it).")
            click.echo(f"It asks for the user {connection.fields['username']!r} and the password of {component}:")
            click.echo("  datamill env --secrets | grep DAGSTER_PASSWORD")
            wait_for_interrupt()
    except PortTakenError as error:  # somebody was faster
        raise PortTakenError(error.reason, instruction="Run it again, with another --port or none.") from error
    except KeyboardInterrupt:
        click.echo("Stopped forwarding.", err=True)


def _make_databases(home: Path) -> None:
    """Have Dagster make its databases, which several processes cannot do at once."""
    if (home / "history" / "runs.db").exists():
        return
    import dagster as dg

    os.environ["DAGSTER_HOME"] = str(home)
    with dg.DagsterInstance.get():
        pass


def _watch(servers: list[Service], fronts: list[Service]) -> None:
    """Wait for Ctrl-C; bring a code server that was killed back, and give up when a front ended."""
    from datamill_infra.model.errors import PlatformError

    try:
        while True:
            time.sleep(1.0)
            for server in servers:
                if server.ended is not None:
                    click.echo(f"The code server of {server.name} ended ({server.ended}); starting it again.", err=True)
                    server.start()
            for front in fronts:
                if front.ended is not None:
                    raise PlatformError(
                        f"The {front.name} ended with code {front.ended}:\n{front.tail()}",
                        instruction=f"The whole log is {front.log}. Run `datamill ui` again.",
                    )
    except KeyboardInterrupt:
        click.echo("Stopping the user interface.", err=True)


def _wait_until_served(web: Service, url: str) -> None:
    from datamill_infra.model.errors import PlatformError

    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=2):  # noqa: S310  loopback, our own URL
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            if web.ended is not None:
                raise PlatformError(
                    f"The web server ended with code {web.ended}:\n{web.tail()}",
                    instruction=f"The whole log is {web.log}.",
                ) from None
            if time.monotonic() > deadline:
                raise PlatformError(
                    f"{url} did not answer within {START_SECONDS:.0f} s ({error}).",
                    instruction=f"See {web.log}.",
                ) from None
            time.sleep(0.2)


def _free_port(wanted: int | None) -> int:
    from datamill_infra.model.errors import PortTakenError

    for port in [wanted] if wanted else range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        with socket.socket() as probe:
            # As the web server will: a port in TIME_WAIT is free for it.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    taken = str(wanted) if wanted else f"{FIRST_PORT} to {FIRST_PORT + PORTS_TRIED - 1}"
    raise PortTakenError(
        f"Port {taken} on 127.0.0.1 is taken by another process.",
        instruction="Choose another with `datamill ui --port`, or leave --port away.",
    )
