"""``datamill down``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.asking import ask
from datamill_infra.cli.clusters import context_option
from datamill_infra.cli.output import as_json_option, print_columns, print_json
from datamill_infra.cli.root import COMMANDS

if TYPE_CHECKING:
    from datamill_infra.model.deployment import Deployment
    from datamill_infra.model.leftovers import Verdict


@click.command(help=COMMANDS["down"])
@click.option("-c", "--component", "components", multiple=True, help="Only this component and what depends on it.")
@click.option("--delete-data", is_flag=True, help="Delete what the components keep; without -c, the history, too.")
@click.option(
    "--prove-clean", is_flag=True, help="Then list what is left, with the reason; exit code 1 if one has none."
)
@click.option("--yes", is_flag=True, help="Do not ask before data is deleted.")
@context_option
@as_json_option
@click.pass_obj
def command(
    home: str | None,
    components: tuple[str, ...],
    *,
    delete_data: bool,
    prove_clean: bool,
    yes: bool,
    context: str | None,
    as_json: bool,
) -> None:
    """Run the teardown job, and compare inventories of before and after."""
    from datamill_infra.cli.deployments import home_directory, open_deployment
    from datamill_infra.cli.leftovers import remove_leftovers
    from datamill_infra.cli.rollouts import tear_down
    from datamill_infra.drivers.rollout import Rollout

    if prove_clean and components:
        raise click.UsageError("--prove-clean is about the whole deployment: leave -c away.")
    directory = home_directory(home)
    if not (directory / "deployment.yaml").exists():
        click.echo(f"There is no deployment in {directory}; nothing to do.")
        return
    deployment = open_deployment(home, context=context)
    for name in components:
        deployment.spec(name)  # an unknown one is refused before anything else
    if delete_data and not yes:
        _ask(deployment, components)
    again = " ".join(
        ["datamill down", *(f"-c {name}" for name in components), *(["--delete-data"] if delete_data else [])]
    )
    proofs = Rollout(deployment).proofs() if prove_clean else []
    report = tear_down(deployment, components, delete_data=delete_data, again=again, quiet=as_json)
    kept = remove_leftovers(deployment) if delete_data and not components else None
    verdicts = [proof.verdict(delete_data=delete_data) for proof in proofs]
    if as_json:
        print_json({**report.to_dict(), **({"proof": [one.to_dict() for one in verdicts]} if prove_clean else {})})
        _require(verdicts)
        return
    click.echo(
        f"Down after {report.seconds:.1f} s." + ("" if delete_data else " Data is kept; `datamill up` continues.")
    )
    if kept:
        click.echo(f"Kept, because it is yours: {', '.join(kept)}")
    for verdict in verdicts:
        _tell(verdict)
    _require(verdicts)


def _tell(verdict: Verdict) -> None:
    click.echo(verdict.basis)
    explained = [one for one in verdict.leftovers if one.reason]
    if explained:
        print_columns(("left", "because"), ((one.what, one.reason) for one in explained))
    if not verdict.unexplained:
        click.echo("Clean: nothing else is left." if explained else "Clean: nothing is left.")


def _require(verdicts: list[Verdict]) -> None:
    for verdict in verdicts:
        verdict.require()


def _ask(deployment: Deployment, components: tuple[str, ...]) -> None:
    what = ", ".join(sorted(deployment.resolution.dependants_closure(components))) if components else "all components"
    what = f"the data of {what} in {deployment.home}"
    ask(f"Delete {what}?", f"--delete-data deletes {what}")
