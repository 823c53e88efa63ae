"""``datamill up``."""

from __future__ import annotations

import click

from datamill_infra.cli.clusters import target_options
from datamill_infra.cli.output import as_json_option, print_json
from datamill_infra.cli.root import COMMANDS


@click.command(help=f"{COMMANDS['up']}\n\nFLAVOUR is for a new deployment [default: demo].")
@click.argument("flavour", required=False)
@click.option(
    "-c",
    "--component",
    "components",
    multiple=True,
    help="Only this component and what it needs; one outside the flavour becomes part of the deployment.",
)
@click.option(
    "--allow-crd-losses",
    "lossy",
    is_flag=True,
    help="Change definitions of Kubernetes kinds even when a version or field that objects may have is removed.",
)
@target_options
@as_json_option
@click.pass_obj
def command(
    home: str | None,
    flavour: str | None,
    components: tuple[str, ...],
    *,
    lossy: bool,
    context: str | None,
    target: str | None,
    as_json: bool,
) -> None:
    """Run the deploy job; what is right already stays as it is."""
    from datamill_infra.cli.deployments import open_or_make_deployment, preview_deployment
    from datamill_infra.cli.rollouts import deploy
    from datamill_infra.cli.space import require_space

    if components:  # what cannot be is refused before a new deployment is written
        preview = preview_deployment(home, flavour, context=context, target=target)
        preview.including(*(name for name in components if name not in preview.resolution.components))
    deployment = open_or_make_deployment(home, flavour, context=context, target=target)
    require_space(deployment.home)
    added = [name for name in components if name not in deployment.resolution.components]
    deployment = deployment.add_extra(added)
    wanted = deployment.resolution.closure(components) if components else set(deployment.resolution.components)
    order = [name for name in deployment.resolution.sequence() if name in wanted]
    allowed = ["--allow-crd-losses"] if lossy else []
    again = " ".join(["datamill up", *(f"-c {name}" for name in components), *allowed])
    report = deploy(deployment, order, again=again, lossy=lossy, quiet=as_json)
    if as_json:
        print_json(report.to_dict())
        return
    summaries = report.steps["deploy"].summaries if "deploy" in report.steps else {}
    unchanged = sum(summary.startswith("unchanged") for summary in summaries.values())
    changed = len(summaries) - unchanged
    what = f"{changed} changed, {unchanged} unchanged" if changed else "nothing had to be changed"
    click.echo(f"{len(order)} components are healthy ({what}) after {report.seconds:.1f} s.")
