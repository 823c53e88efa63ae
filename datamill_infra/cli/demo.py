"""``datamill demo``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.output import as_json_option, print_columns, print_json
from datamill_infra.cli.root import COMMANDS

if TYPE_CHECKING:
    from datamill_infra.cli.reports import RunReport
    from datamill_infra.model.deployment import Deployment

FLAVOUR = "demo"
JOB = "flight_delay"
MONTHS = ("2013-01", "2013-02")
AGAIN = "datamill demo"
NEXT = (
    ("datamill ui", "the platform and the pipelines as one graph"),
    ("datamill lineage raw/flights@main --down", "what was made from the raw flights"),
    ("datamill shell -- mlflow models --help", "any client, with every connection set"),
)


@click.command(help=COMMANDS["demo"] + "\n\nA second demo changes nothing that is already right, and says so.")
@as_json_option
@click.pass_obj
def command(home: str | None, *, as_json: bool) -> None:
    """Bring the platform up, run the whole example for two months, and show what there is now."""
    from datamill_infra.cli.clusters import require_embedded
    from datamill_infra.cli.deployments import open_or_make_deployment
    from datamill_infra.cli.forking import begin_preloading
    from datamill_infra.cli.rollouts import deploy
    from datamill_infra.cli.run import run_job
    from datamill_infra.cli.space import require_space
    from datamill_infra.cli.verdicts import raise_for

    began = time.monotonic()
    deployment = open_or_make_deployment(home, FLAVOUR)
    require_embedded(deployment, "the demo runs")
    require_space(deployment.home)
    begin_preloading(deployment)
    up = deploy(deployment, deployment.resolution.sequence(), again=AGAIN, quiet=as_json)
    pipelines = run_job(deployment.home, JOB, span=MONTHS, quiet=as_json)
    raise_for(pipelines, again=AGAIN)
    seconds = time.monotonic() - began
    if as_json:
        print_json({"seconds": round(seconds, 1), "up": up.to_dict(), "pipelines": pipelines.to_dict()})
        return
    summarise(deployment, up, pipelines, seconds)


def summarise(deployment: Deployment, up: RunReport, pipelines: RunReport, seconds: float) -> None:
    """Print what was built.

    Args:
        deployment: of the demo.
        up: the deploy run.
        pipelines: the run of the example.
        seconds: of the whole command.
    """
    from datamill_infra.cli.demo_summary import model_rows, prediction_rows, print_lineage
    from datamill_infra.drivers.rollout import Rollout

    rollout = Rollout(deployment)
    told = {name: summary for step in up.steps.values() for name, summary in step.summaries.items()}
    addresses = {
        name: ", ".join(rollout.driver(name).report(name).addresses.values())
        for name in deployment.resolution.sequence()
    }
    _head("Components", f"{up.seconds:.1f} s")
    print_columns(
        ("component", "address", "health"),
        ((name, address, told.get(f"infra/{name}", "healthy")) for name, address in addresses.items()),
    )
    _head("Pipeline steps", f"{pipelines.seconds:.1f} s")
    print_columns(
        ("step", "rows", "s", "checks", "says"),
        (
            (
                step.name,
                f"{step.rows:,}" if step.rows is not None else None,
                f"{step.seconds:.1f}" if step.seconds is not None else None,
                f"{step.checks_passed} passed" if step.checks_passed else None,
                "; ".join(step.summaries.values()),
            )
            for step in pipelines.steps.values()
        ),
    )
    _head("Model")
    print_columns(("version", "metric", "value"), model_rows(deployment))
    _head("Predictions for flights the model has not seen")
    predictions = prediction_rows(deployment)
    print_columns(("prediction", "flight", "late by more than 15 min", "model"), predictions)
    if predictions:
        _head("Lineage of the first")
        print_lineage(deployment, predictions[0][0])
    _head("Next")
    for line, what in NEXT:
        click.echo(f"  {line:<44}{what}")
    if not any(step.changed for report in (up, pipelines) for step in report.steps.values()):
        click.echo("\nNothing was changed: components, datasets, model and predictions were right already.")
    click.echo(f"\nDone in {seconds:.0f} s; the platform keeps running. `datamill down` stops it.")


def _head(title: str, note: str = "") -> None:
    click.secho(f"\n{title}{f' ({note})' if note else ''}", bold=True)
