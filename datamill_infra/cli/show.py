"""``datamill show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datamill_infra.cli.output import as_json_option, print_columns, print_json
from datamill_infra.cli.root import COMMANDS

if TYPE_CHECKING:
    from datamill_infra.model.components import ComponentSpec
    from datamill_infra.model.deployment import Deployment


@click.command(help=COMMANDS["show"])
@click.argument("component")
@click.option("--values", is_flag=True, help="Print each merged value with the layer and file it comes from.")
@as_json_option
@click.pass_obj
def command(home: str | None, component: str, *, values: bool, as_json: bool) -> None:
    """Describe a component of the catalogue, as the deployment (or the default flavour) would have it."""
    from datamill_infra.cli.deployments import preview_deployment

    deployment = preview_deployment(home, None)
    spec = deployment.catalogue[component]
    if spec.status == "active" and component not in deployment.resolution.components:
        deployment = deployment.including(component)
    if as_json:
        print_json(_facts(deployment, spec))
    elif values:
        leaves = deployment.values(component).leaves.items()
        print_columns(
            ("value", "is", "layer", "from"),
            ((".".join(path), repr(leaf.value), leaf.layer, leaf.source) for path, leaf in leaves),
        )
    else:
        _describe(deployment, spec)


def _facts(deployment: Deployment, spec: ComponentSpec) -> dict[str, object]:
    facts: dict[str, object] = {
        "name": spec.name,
        "title": spec.title,
        "summary": spec.summary,
        "homepage": spec.homepage,
        "licence": spec.licence,
        "status": spec.status,
        "folder": str(spec.folder),
        "provides": list(spec.provides),
        "providers": list(spec.providers),
    }
    if spec.legacy:
        return facts | {"legacy": {"reason": spec.legacy.reason, "replaced_by": list(spec.legacy.replaced_by)}}
    desired = deployment.desired(spec.name)
    rendered = deployment.rendered(spec.name)
    return facts | {
        "provider": desired.provider,
        "variant": desired.variant,
        "digest": desired.digest,
        "values": rendered.values.to_dict(),
        "needs": {name: connection.to_dict() for name, connection in rendered.needs.items()},
        "connections": {name: connection.to_dict() for name, connection in rendered.connections.items()},
        "secrets": deployment.secrets(spec.name),
    }


def _describe(deployment: Deployment, spec: ComponentSpec) -> None:
    click.secho(f"{spec.name}: {spec.title}", bold=True)
    click.echo(f"{spec.summary}\n{spec.homepage}  ({spec.licence})")
    if spec.legacy:
        instead = f" Use {', '.join(spec.legacy.replaced_by)} instead." if spec.legacy.replaced_by else ""
        click.echo(f"Legacy: {spec.legacy.reason}{instead}")
        return
    member = deployment.resolution.members[spec.name]
    click.echo(f"provides   {', '.join(spec.provides) or '(nothing)'}")
    for capability, connection in deployment.needs(spec.name).items():
        claim = deployment.rendered(spec.name).claims.get(capability) or {}
        claimed = ", ".join(f"{key} {value}" for key, value in claim.items())
        click.echo(f"needs      {capability} from {connection.component}{f': {claimed}' if claimed else ''}")
    click.echo(f"providers  {', '.join(spec.providers)}; here {member.provider} ({member.why})")
    for capability, connection in deployment.rendered(spec.name).connections.items():
        fields = ", ".join(f"{name}={value}" for name, value in connection.fields.items())
        secrets = ", ".join(f"{name}=<{secret}>" for name, secret in connection.secrets.items())
        click.echo(f"yields     {capability}: {', '.join(filter(None, (fields, secrets))) or '(no fields)'}")
    click.echo(f"read from  {spec.folder}")
