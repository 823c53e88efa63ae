"""``datamill why``."""

from __future__ import annotations

import click

from datamill_infra.cli.output import as_json_option, print_json
from datamill_infra.cli.root import COMMANDS


@click.command(help=COMMANDS["why"])
@click.argument("component")
@as_json_option
@click.pass_obj
def command(home: str | None, component: str, *, as_json: bool) -> None:
    """Print who asked for a component, what it is bound to, and who depends on it."""
    from datamill_infra.cli.deployments import preview_deployment

    deployment = preview_deployment(home, None)
    resolution = deployment.resolution
    if component not in resolution.components:
        spec = deployment.catalogue[component]
        reason = f"{component} is not part of the deployment (flavour {deployment.flavour})."
        if as_json:
            print_json({"component": component, "member": False, "why": reason, "provides": list(spec.provides)})
            return
        click.echo(f"{reason} `datamill up -c {component}` adds it.")
        return
    member = resolution.members[component]
    needs = {
        capability: provider
        for (consumer, capability), provider in sorted(resolution.bindings.items())
        if consumer == component
    }
    pipelines = sorted(capability for capability, provider in resolution.bound.items() if provider == component)
    if as_json:
        print_json(
            {
                "component": component,
                "member": True,
                "why": member.why,
                "where": member.where,
                "provider": member.provider,
                "needs": needs,
                "needed_by": sorted(resolution.dependants(component)),
                "capabilities_for_pipelines": pipelines,
            }
        )
        return
    click.echo(f"{component}: {member.why}{f' ({member.where})' if member.where else ''}, as {member.provider}.")
    for capability, provider in needs.items():
        click.echo(f"  gets {capability} from {provider}")
    for consumer in sorted(resolution.dependants(component)):
        click.echo(f"  needed by {consumer}")
    if pipelines:
        click.echo(f"  gives pipelines {', '.join(pipelines)}")
