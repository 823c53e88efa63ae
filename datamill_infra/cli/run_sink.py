"""``datamill run sink``: land what a broker holds, once or for ever."""

from __future__ import annotations

import getpass
import uuid
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.output import as_json_option, print_columns, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_infra.cli.landing import Progress
    from datamill_infra.model.deployment import Deployment
    from datamill_pipelines.capabilities import Blocked
    from datamill_pipelines.connections import PlatformConnections
    from datamill_pipelines.stream.sinks import Options

MIB = 1 << 20


@click.command(
    help="Land what a broker holds in commits of a dataset, and end; with --follow, go on until told to stop."
    "\n\nEvery record is landed exactly once, whatever is killed when (docs/sinks.md). Ctrl-C and SIGTERM commit what"
    " was taken. Sinks that follow one topic share its partitions."
)
@click.argument("dataset", required=False)
@click.option("--list", "listing", is_flag=True, help="List the sinks.")
@click.option("--follow", is_flag=True, help="Go on; end with exit code 0 on Ctrl-C or SIGTERM.")
@click.option(
    "--interval",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Seconds between commits.",
)
@click.option("--via", type=click.Choice(["mqtt", "amqp"]), help="Protocol, where there is a choice.")
@click.option(
    "--bad-messages",
    default="keep",
    show_default=True,
    type=click.Choice(["keep", "stop"]),
    help="Keep them beside the rows, or stop at the first.",
)
@click.option("--adopt", is_flag=True, help="Accept a topic that was recreated or truncated, or has lost records.")
@click.option("--memory", default=192, show_default=True, type=click.IntRange(8), help="MiB for messages on their way.")
@as_json_option
@click.pass_obj
def command(  # noqa: PLR0913  click passes each option
    home: str | None,
    dataset: str | None,
    *,
    listing: bool,
    follow: bool,
    interval: float,
    via: str | None,
    bad_messages: str,
    adopt: bool,
    memory: int,
    as_json: bool,
) -> None:
    """Check what it needs, land, and say what was landed: a line per commit."""
    if listing:
        _list(as_json=as_json)
        return
    if dataset is None:
        raise click.UsageError("Name a dataset; `datamill run sink --list` lists the sinks.")
    from datamill_infra.cli.deployments import open_deployment
    from datamill_infra.cli.landing import Progress
    from datamill_infra.cli.revival import revive
    from datamill_infra.drivers.rollout import Rollout
    from datamill_pipelines.code_version import code_version
    from datamill_pipelines.connections import PlatformConnections
    from datamill_pipelines.stream.sink import Limits
    from datamill_pipelines.stream.sinks import Options, described

    needs = described(dataset).needs(via)
    deployment = open_deployment(home)
    revive(Rollout(deployment))
    platform = PlatformConnections(home=str(deployment.home))
    again = f"datamill run sink {dataset}" + (" --follow" if follow else "") + (f" --via {via}" if via else "")
    require(deployment, platform, needs, again=again)
    progress = Progress(dataset, as_json=as_json)
    options = Options(
        follow=follow,
        adopt=adopt,
        bad_messages="stop" if bad_messages == "stop" else "keep",
        via="amqp" if via == "amqp" else "mqtt" if via == "mqtt" else None,
        limits=Limits(memory=memory * MIB, interval=interval),
        facts={"run_id": str(uuid.uuid4()), "code_version": code_version(), "author": getpass.getuser()},
        on_commit=progress.committed,
    )
    land(deployment, platform, dataset, options, progress, again=again)


def require(
    deployment: Deployment, platform: PlatformConnections, needs: Sequence[str], *, again: str, cause: str = ""
) -> None:
    """Return when everything that a sink needs can be used now.

    Args:
        deployment: in which it runs.
        platform: its connections.
        needs: capabilities.
        again: the command line to repeat afterwards.
        cause: what has gone wrong already, for the message.

    Raises:
        BlockedError: something cannot; it is explained on standard error.
    """
    from datamill_infra.cli.blocked import explain
    from datamill_infra.model.errors import BlockedError
    from datamill_pipelines.capabilities import Blocked, probe_all

    blocked = [found for found in probe_all(deployment, platform, needs) if isinstance(found, Blocked)]
    if not blocked:
        return
    seen = _last_seen(deployment, blocked)
    explain(deployment, dict.fromkeys(one.component for one in blocked), "; ".join(seen))
    reasons = [
        f"{one.component} is not available ({when}): {one.cause}" for one, when in zip(blocked, seen, strict=True)
    ]
    repairs = "; ".join(dict.fromkeys(one.repair for one in blocked))
    raise BlockedError(
        f"{cause or 'Blocked, nothing was landed.'} {' '.join(reasons)}",
        instruction=f"Repair: {repairs}\nThen:   {again}",
    )


def land(
    deployment: Deployment,
    platform: PlatformConnections,
    dataset: str,
    options: Options,
    progress: Progress,
    *,
    again: str,
) -> None:
    """Open the sink and run it to its end.

    Args:
        deployment: in which it runs.
        platform: its connections.
        dataset: where it lands.
        options: how.
        progress: is told.
        again: the command line to repeat, for instructions.

    Raises:
        KeyboardInterrupt: it was told to stop before it had landed what was there.
        BlockedError: something that it needs went away.
        DatamillError: anything else that stops it.
    """
    from datamill_infra.model.errors import UnhealthyError
    from datamill_pipelines.datasets.errors import StoreUnreachableError
    from datamill_pipelines.stream.sink import stopped_by_signals
    from datamill_pipelines.stream.sinks import described, open_sink

    sink = described(dataset)
    with stopped_by_signals() as stop:
        try:
            opened = open_sink(platform, dataset, options)
            progress.began(sink.protocol(options.via), follow=options.follow, interval=options.limits.interval)
            landed = opened.follow(stop) if options.follow else opened.run(stop)
        except (UnhealthyError, StoreUnreachableError) as error:
            require(deployment, platform, sink.needs(options.via), again=again, cause=error.reason)
            raise
        stopped = stop.is_set()
    progress.ended(landed, stopped=stopped)
    if stopped and not options.follow:
        raise KeyboardInterrupt


def _last_seen(deployment: Deployment, blocked: Sequence[Blocked]) -> list[str]:
    """When each was last seen available, in words."""
    import os

    import dagster as dg

    from datamill_pipelines.capabilities import last_available

    os.environ["DAGSTER_HOME"] = str(deployment.home)
    with dg.DagsterInstance.get() as instance:
        return [last_available(instance, one) for one in blocked]


def _list(*, as_json: bool) -> None:
    from datamill_pipelines.stream.sinks import SINKS

    if as_json:
        print_json([{"dataset": name, "lands": sink.summary, "via": sink.protocols} for name, sink in SINKS.items()])
        return
    print_columns(
        ("dataset", "lands", "via"), ((name, sink.summary, ", ".join(sink.protocols)) for name, sink in SINKS.items())
    )
