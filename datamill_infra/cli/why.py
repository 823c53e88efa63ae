"""``datamill why``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.clusters import context_option
from datamill_infra.cli.output import as_json_option, print_json
from datamill_infra.cli.root import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.model.causes import Condition, Trail
    from datamill_infra.model.deployment import Deployment


@click.command(
    help=COMMANDS["why"]
    + "\n\nSUBJECT is a component, an asset (infra/kafka, capability/s3, raw/flights), or a run's id or its beginning."
    "\n\nExit code 1 when a component that it is about does not work."
)
@click.argument("subject")
@context_option
@as_json_option
@click.pass_obj
def command(home: str | None, subject: str, *, context: str | None, as_json: bool) -> int:
    """Print who asked for a component and what it is bound to, and walk from what does not work to the first cause."""
    from datamill_infra.cli.deployments import open_deployment, preview_deployment

    deployment = preview_deployment(home, None, context=context)
    if subject in deployment.catalogue.names():
        return _component(deployment, subject, as_json=as_json)
    from datamill_infra.cli.subjects import resolve

    deployment = open_deployment(home, context=context)  # these are about what is, not about what would be
    found = resolve(deployment, subject)
    trails = _trails(deployment, found.components)
    if as_json:
        print_json({**found.to_dict(), "components": {name: trail.to_dict() for name, trail in trails.items()}})
    else:
        click.echo(found.told)
        print_trails(trails)
    return 0 if all(trail.conditions[0].healthy for trail in trails.values()) and not found.failed else 1


@dataclass(frozen=True)
class Membership:
    """Why a component is part of a deployment, and what it is bound to."""

    component: str
    why: str
    where: str | None
    provider: str
    needs: Mapping[str, str]
    needed_by: list[str]
    capabilities_for_pipelines: list[str]


def _component(deployment: Deployment, component: str, *, as_json: bool) -> int:
    if component not in deployment.resolution.components:
        spec = deployment.catalogue[component]
        reason = f"{component} is not part of the deployment (flavour {deployment.flavour})."
        if as_json:
            print_json({"component": component, "member": False, "why": reason, "provides": list(spec.provides)})
            return 0
        click.echo(f"{reason} `datamill up -c {component}` adds it.")
        return 0
    trails = _trails(deployment, [component]) if deployment.deployment_file.exists() else {}
    facts = _membership(deployment, component)
    if as_json:
        print_json({**asdict(facts), "member": True, **(trails[component].to_dict() if trails else {})})
    else:
        _tell(facts)
        print_trails(trails)
    return 0 if all(trail.conditions[0].healthy for trail in trails.values()) else 1


def _membership(deployment: Deployment, component: str) -> Membership:
    resolution = deployment.resolution
    member = resolution.members[component]
    bindings = sorted(resolution.bindings.items())
    return Membership(
        component=component,
        why=member.why,
        where=member.where,
        provider=member.provider,
        needs={capability: provider for (consumer, capability), provider in bindings if consumer == component},
        needed_by=sorted(resolution.dependants(component)),
        capabilities_for_pipelines=sorted(name for name, provider in resolution.bound.items() if provider == component),
    )


def _tell(facts: Membership) -> None:
    click.echo(f"{facts.component}: {facts.why}{f' ({facts.where})' if facts.where else ''}, as {facts.provider}.")
    for capability, provider in facts.needs.items():
        click.echo(f"  gets {capability} from {provider}")
    for consumer in facts.needed_by:
        click.echo(f"  needed by {consumer}")
    if facts.capabilities_for_pipelines:
        click.echo(f"  gives pipelines {', '.join(facts.capabilities_for_pipelines)}")


def _trails(deployment: Deployment, components: list[str]) -> dict[str, Trail]:
    from datamill_infra.drivers.causes import trail
    from datamill_infra.drivers.rollout import Rollout

    rollout = Rollout(deployment)
    return {name: trail(rollout, name) for name in components}


def print_trails(trails: Mapping[str, Trail]) -> None:
    """Print the way from each component to the first cause, or that it works."""
    for name, trail in trails.items():
        top = trail.conditions[0]
        if top.healthy:
            click.echo(f"{name} is {top.state} and answers.")
            continue
        way = " needs ".join(one.component for one in trail.conditions)
        click.echo(f"\n{way}{', which does not work' if len(trail.conditions) > 1 else ' does not work'}.")
        if trail.bottom.first:
            click.secho(f"  first cause: {trail.bottom.first}", bold=True)
            for line in trail.bottom.first.lines:
                click.echo(f"      {line}")
            click.echo(f"  next step:   {trail.bottom.first.step}")
        for one in (*reversed(trail.conditions), *trail.others):
            _rest(one, trail)


def _rest(one: Condition, trail: Trail) -> None:
    """What was found besides the first cause."""
    found = one.findings[1:] if one is trail.bottom else one.findings
    if found:
        click.echo(f"  {one.component} ({one.state}):")
    for finding in found:
        first, *more = str(finding).splitlines()
        click.echo(f"    {finding.kind}: {first}")
        for line in more:
            click.echo(f"      {line}")
