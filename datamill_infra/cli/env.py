"""``datamill env``."""

from __future__ import annotations

import shlex

import click

from datamill_infra.cli.output import as_json_option, print_json
from datamill_infra.cli.root import COMMANDS


@click.command(help=COMMANDS["env"] + '\n\nUse it as: eval "$(datamill env)"')
@click.option("--secrets", is_flag=True, help="Include variables that hold credentials.")
@as_json_option
@click.pass_obj
def command(home: str | None, *, secrets: bool, as_json: bool) -> None:
    """Print exports. Credentials only when asked: what is printed ends up in histories and logs."""
    from datamill_infra.cli.deployments import open_deployment
    from datamill_infra.cli.environment import connection_environment

    variables = connection_environment(open_deployment(home), secrets=secrets)
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    if not secrets:
        click.echo("# Credentials are left out: --secrets includes them, `datamill shell` sets them without printing.")
