"""``datamill run``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.output import as_json_option, print_json
from datamill_infra.cli.root import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from datamill_infra.cli.reports import RunReport

LOCATION = "datamill_pipelines.definitions"
SINK = "sink"
EMBEDDED = "embedded"


class JobOrSink(click.Command):
    """``run JOB``, and beside it ``run sink``, which is a command of its own; no job may have that name."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        """Hand over to the sinks when the first word says so."""
        if args[:1] == [SINK]:
            from datamill_infra.cli import run_sink

            return run_sink.command.make_context(f"{info_name} {SINK}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(
    cls=JobOrSink,
    help=COMMANDS["run"] + "\n\n`datamill run sink DATASET` lands what a broker holds: `datamill run sink --help`.",
)
@click.argument("job", required=False)
@click.option("--list", "listing", is_flag=True, help="List the jobs.")
@click.option("--month", help="One month of a job that goes by months, e.g. 2013-01.")
@click.option("--months", help="Several months, both ends included, e.g. 2013-01..2013-02.")
@click.option("--config", type=click.Path(exists=True, dir_okay=False), help="Run configuration (YAML).")
@as_json_option
@click.pass_obj
def command(
    home: str | None,
    job: str | None,
    *,
    listing: bool,
    month: str | None,
    months: str | None,
    config: str | None,
    as_json: bool,
) -> None:
    """Run a job to its end, showing each step."""
    from datamill_infra.cli.blocked import explain_blocked
    from datamill_infra.cli.deployments import open_deployment
    from datamill_infra.cli.forking import begin_preloading
    from datamill_infra.cli.revival import revive
    from datamill_infra.cli.verdicts import raise_for
    from datamill_infra.drivers.rollout import Rollout

    if month and months:
        raise click.UsageError("Give --month or --months, not both.")
    if not job and not listing:
        raise click.UsageError("Name a job; `datamill run --list` lists them.")
    deployment = open_deployment(home)
    if listing or job is None:
        _list(deployment.home, as_json=as_json)
        return
    if deployment.target == EMBEDDED:
        begin_preloading(deployment)
        revive(Rollout(deployment))
    span = _span(month or months)
    report = run_job(deployment.home, job, span=span, config=_read(config), quiet=as_json)
    if as_json:
        print_json(report.to_dict())
    if report.status == "blocked":
        explain_blocked(deployment, report)
    again = f"datamill run {job}" + (f" --months {span[0]}..{span[1]}" if span else "")
    raise_for(report, again=again)
    if not as_json:
        click.echo(f"{job} succeeded in {report.seconds:.1f} s (run {report.run_id}).")


def run_job(
    home: Path,
    job: str,
    *,
    span: tuple[str, str] | None,
    assets: Sequence[str] = (),
    config: Mapping[str, object] | None = None,
    quiet: bool = False,
) -> RunReport:
    """Run a pipeline job where the deployment is, and show its steps.

    Args:
        home: the deployment directory.
        job: its name.
        span: first and last month, for a job that goes by months.
        assets: only these of the job.
        config: run configuration.
        quiet: show nothing.

    Raises:
        ConfigurationError: there is no such job, or no such month.
    """
    import sys

    from datamill_infra.cli.board import open_board
    from datamill_infra.cli.months import month_tags
    from datamill_infra.cli.streams import set_aside
    from datamill_infra.model.home import Home

    with set_aside(Home(home).log_dir / "runs.log") as display:
        # Everything that imports Dagster comes after the streams are set aside: it takes seconds, and may warn.
        board = open_board(f"Running {job}", stream=sys.stderr if quiet else display)
        from datamill_infra.model.deployment import Deployment

        tags = month_tags(home, job, span)
        deployment = Deployment.load(home)
        with contextlib.nullcontext() if quiet else board:
            shown = None if quiet else board
            if deployment.target == EMBEDDED:
                from datamill_infra.cli.runs import execute

                return execute(LOCATION, job, home, board=shown, assets=assets, tags=tags, config=config)
            from datamill_infra.cli.cluster_runs import execute_there

            return execute_there(deployment, job, board=shown, assets=assets, tags=tags, config=config)


def _span(given: str | None) -> tuple[str, str] | None:
    if given is None:
        return None
    first, _, last = given.partition("..")
    return first, last or first


def _read(config: str | None) -> Mapping[str, object] | None:
    if config is None:
        return None
    from pathlib import Path

    import yaml

    from datamill_infra.model.errors import ConfigurationError

    try:
        read = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{config} is not YAML: {error}", instruction="Correct it.") from error
    if not isinstance(read, dict):
        raise ConfigurationError(f"{config} is not a mapping.", instruction="See Dagster's run configuration.")
    return read


def _list(home: Path, *, as_json: bool) -> None:
    import os

    from datamill_infra.cli.output import print_columns
    from datamill_pipelines.definitions import build_definitions

    os.environ["DAGSTER_HOME"] = str(home)
    jobs = [{"name": job.name, "description": job.description or ""} for job in build_definitions(home).jobs or ()]
    if as_json:
        print_json(jobs)
    else:
        print_columns(("job", "what exists afterwards"), ((job["name"], job["description"]) for job in jobs))
