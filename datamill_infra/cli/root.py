"""The command tree, loaded one command at a time.

The summaries are written here as well as in the commands (a test compares them), because importing a command
only to print its summary would make ``--help`` pay for pydantic, rich and Dagster.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.failures import exit_code_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMANDS: Mapping[str, str] = {
    "demo": "Set up the demo platform, run the pipelines, and show what was built.",
    "components": "List the components of the catalogue.",
    "show": "Describe one component: what it provides, needs, and how it is obtained.",
    "flavours": "List the flavours and their components.",
    "plan": "Show what `up` would change (exit code 2 when there is something).",
    "up": "Bring the deployment, or single components, to the desired state.",
    "down": "Stop the deployment, or single components; data stays unless asked.",
    "status": "Show every component's state and health.",
    "doctor": "Check this machine and this deployment, and say how to repair what is wrong.",
    "logs": "Print the last lines of a component's log.",
    "forward": "Reach a component on a cluster from this machine, on loopback, until Ctrl-C.",
    "env": "Print the deployment's connections as shell exports.",
    "shell": "Open a shell, or run a command, with every connection in its environment.",
    "run": "Run a pipeline job.",
    "ui": "Serve the Dagster user interface and its daemon on loopback.",
    "data": "Work with versioned datasets: repos, branches, commits, files.",
    "backup": "Copy the databases and the dataset store of a running deployment into a folder.",
    "restore": "Put a backup back into a running deployment.",
    "lineage": "Walk from a prediction, model or commit to its sources, and back down.",
    "cluster": "Make, look at and remove Kubernetes clusters to deploy on.",
    "why": "Explain why a component is part of the deployment, and walk to the first cause of what does not work.",
}


class LazyGroup(click.Group):
    """A group that imports a command when it is used, and suggests the nearest name for a typo.

    Args:
        package: the package that holds one module per command, each with an attribute ``command``.
        summaries: command name to its one-line summary, in the order of ``--help``.
    """

    def __init__(self, *, package: str, summaries: Mapping[str, str], **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]
        self.package = package
        self.summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the written order, which is the order of use."""
        del ctx
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        del ctx
        if cmd_name not in self.summaries:
            return None
        module = importlib.import_module(f"{self.package}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or fail with the nearest name.

        Raises:
            click.UsageError: no command has this name.
        """
        name = args[0]
        if name not in self.summaries and not name.startswith("-"):
            nearest = difflib.get_close_matches(name, self.summaries, n=1)
            hint = f"Did you mean {nearest[0]!r}?" if nearest else f"Commands: {', '.join(self.summaries)}."
            raise click.UsageError(f"There is no command {name!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with their summaries, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))


@click.group(
    cls=LazyGroup,
    package="datamill_infra.cli",
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option(
    "--home",
    metavar="DIR",
    envvar="DATAMILL_HOME",
    help="The deployment directory [default: $DATAMILL_HOME, else $DAGSTER_HOME, else ./.datamill].",
)
@click.version_option(package_name="datamill", message="%(version)s")
@click.pass_context
def root(ctx: click.Context, home: str | None) -> None:
    """A data and machine-learning platform on one machine, with lineage from raw events to predictions."""
    ctx.obj = home


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: what follows the program's name.

    Returns:
        The exit code.
    """
    with exit_code_of() as outcome:
        result = root.main(args=list(arguments), prog_name="datamill", standalone_mode=False)
        outcome.code = result if isinstance(result, int) else 0
    return outcome.code
