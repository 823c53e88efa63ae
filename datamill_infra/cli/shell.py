"""``datamill shell``."""

from __future__ import annotations

import os
import shutil
import sys

import click

from datamill_infra.cli.root import COMMANDS


@click.command(
    help=COMMANDS["shell"] + "\n\nEverything after -- is the command: datamill shell -- python my_script.py",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(home: str | None, arguments: tuple[str, ...]) -> None:
    """Become the shell or the command: signals and the exit code are its own."""
    from datamill_infra.cli.deployments import open_deployment
    from datamill_infra.cli.environment import connection_environment
    from datamill_infra.model.errors import ConfigurationError

    deployment = open_deployment(home)
    variables = connection_environment(deployment, secrets=True)
    argv = list(arguments) or [os.environ.get("SHELL", "/bin/sh")]
    # The tools that come with Data Mill (mlflow, dagster, ...) are there, whether or not its environment is active.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])  # noqa: PTH120
    program = shutil.which(argv[0], path=path)
    if program is None:
        raise ConfigurationError(f"There is no command {argv[0]!r}.", instruction="Check its name and your PATH.")
    if not arguments:
        click.echo(f"Connections of {deployment.home} are set; exit returns.", err=True)
    sys.stdout.flush()
    os.execve(program, argv, {**os.environ, **variables, "PATH": path})  # noqa: S606  replaced on purpose, no shell
