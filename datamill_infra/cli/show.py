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
    from datamill_infra.model.errors import ConfigurationError

    deployment = preview_deployment(home, None)
    spec = deployment.catalogue[component]
    here = component in deployment.resolution.components
    if spec.status == "active" and not here and deployment.resolution.target.provider in spec.providers:
        deployment, here = deployment.including(component), True
    if values and not here:
        raise ConfigurationError(
            f"{component} has no values: it cannot be had on the target {deployment.target!r}, other than as one that"
            " runs already.",
            instruction=f"`datamill show {component}` says what there is of it.",
        )
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
        "targets": {place: list(names) for place, names in _per_target(spec).items()},
        "external": {name: part.model_dump() for name, part in (spec.external or {}).items()},
    }
    if spec.legacy:
        return facts | {"legacy": {"reason": spec.legacy.reason, "replaced_by": list(spec.legacy.replaced_by)}}
    if spec.name not in deployment.resolution.components:
        return facts | {"provider": None}
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
    click.echo(f"provides   {', '.join(spec.provides) or '(nothing)'}")
    told = [f"{place}: {', '.join(names) or 'none'}" for place, names in _per_target(spec).items()]
    click.echo(f"providers  {'; '.join(told)}")
    member = deployment.resolution.members.get(spec.name)
    if member is None:
        _describe_external(deployment, spec)
        return
    click.echo(f"here       {member.provider} ({member.why})")
    for capability, connection in deployment.needs(spec.name).items():
        claim = deployment.rendered(spec.name).claims.get(capability) or {}
        claimed = ", ".join(f"{key} {value}" for key, value in claim.items())
        click.echo(f"needs      {capability} from {connection.component}{f': {claimed}' if claimed else ''}")
    for capability, connection in deployment.rendered(spec.name).connections.items():
        fields = ", ".join(f"{name}={value}" for name, value in connection.fields.items())
        secrets = ", ".join(f"{name}=<{secret}>" for name, secret in connection.secrets.items())
        click.echo(f"yields     {capability}: {', '.join(filter(None, (fields, secrets))) or '(no fields)'}")
    click.echo(f"read from  {spec.folder}")


def _per_target(spec: ComponentSpec) -> dict[str, list[str]]:
    """Providers that a target can use, by kind of target."""
    return {
        "embedded": [name for name in ("embedded", "external") if name in spec.providers],
        "Kubernetes": [name for name in ("helm", "external") if name in spec.providers],
    }


def _describe_external(deployment: Deployment, spec: ComponentSpec) -> None:
    """What a user says about a component that Data Mill cannot set up here."""
    click.echo(f"here       not set up on the target {deployment.target!r}")
    for capability, part in (spec.external or {}).items():
        for name, field in part.fields.items():
            given = "required" if field.default is None else f"default {field.default!r}"
            click.echo(f"external   {capability}.{name}: {field.about} ({given})")
        for name, secret in part.secrets.items():
            click.echo(f"external   secret {name}: {secret.about} ({'required' if secret.required else 'optional'})")
    if spec.external:
        click.echo(f"to use one that runs already, say so in {deployment.deployment_file}:")
        required = {
            capability: ", ".join(f"{name}: ..." for name, field in part.fields.items() if field.default is None)
            for capability, part in spec.external.items()
        }
        connection = ", ".join(f"{capability}: {{{fields}}}" for capability, fields in required.items())
        click.echo(f"  extra: [{spec.name}]")
        needed = sorted({name for part in spec.external.values() for name, one in part.secrets.items() if one.required})
        secrets = f", secrets: {{{', '.join(f'{name}: {{env: NAME}}' for name in needed)}}}" if needed else ""
        click.echo(f"  components: {{{spec.name}: {{provider: external, connection: {{{connection}}}{secrets}}}}}")
    click.echo(f"read from  {spec.folder}")
