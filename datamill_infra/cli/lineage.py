"""``datamill lineage``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.output import as_json_option, print_json
from datamill_infra.cli.root import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datamill_pipelines.lineage import Node
    from datamill_pipelines.registry import Registry

SHORT_ID = 12
SHOWN = (
    "flight",
    "probability",
    "model",
    "aliases",
    "message",
    "branch",
    "run",
    "code_version",
    "created_at",
    "predicted_at",
    "cluster",
    "protocol",
    "messages",
    "windows",
    "ids_unique_per",
)


@click.command(
    help=COMMANDS["lineage"]
    + "\n\nSUBJECT is a prediction's id (or its beginning), model:NAME@VERSION, REPO@REVISION (or REPO), or run:ID."
)
@click.argument("subject")
@click.option("--up", "direction", flag_value="up", help="Only where it came from.")
@click.option("--down", "direction", flag_value="down", help="Only what was made from it.")
@click.option("--store", metavar="URL", help="A dataset store other than the deployment's.")
@as_json_option
@click.pass_obj
def command(home: str | None, subject: str, *, direction: str | None, store: str | None, as_json: bool) -> None:
    """Print one tree of sources and one of uses."""
    from datamill_infra.cli.data.opening import opened
    from datamill_infra.cli.deployments import home_directory
    from datamill_pipelines.lineage import Lineage

    with _registry(home_directory(home)) as registry, opened((home, store)) as datasets:
        if registry is None:
            told = "No model registry is up, so models are left out: `datamill up -c mlflow` brings it back."
            click.echo(told, err=True)
        lineage = Lineage(datasets, registry)
        up = lineage.up(subject) if direction != "down" else None
        down = lineage.down(subject) if direction != "up" else None
    if as_json:
        print_json({"subject": subject, "up": up.to_dict() if up else None, "down": down.to_dict() if down else None})
        return
    if up:
        click.secho("Came from", bold=True)
        print_tree(up)
    if down and down.children:
        click.secho("Made from it" if up else "What was made", bold=True)
        print_tree(down)


def print_tree(node: Node) -> None:
    """Print a tree with its facts."""
    for line in tree_lines(node):
        click.echo(line)


def tree_lines(node: Node, indent: str = "", *, last: bool = True, top: bool = True) -> Iterator[str]:
    """A tree as lines: ids are shortened, which every command accepts."""
    branch = "" if top else ("└── " if last else "├── ")
    facts = " ".join(_facts(node))
    again = "  (see above)" if node.repeated else ""
    yield f"{indent}{branch}{click.style(_name(node), bold=True)}{f'  {facts}' if facts and not again else ''}{again}"
    below = indent if top else indent + ("    " if last else "│   ")
    for number, child in enumerate(node.children):
        yield from tree_lines(child, below, last=number == len(node.children) - 1, top=False)


def _name(node: Node) -> str:
    name, at, revision = node.name.partition("@")
    if node.kind == "commit":
        return f"{name}{at}{revision[:SHORT_ID]}"
    if node.kind in ("topic", "source"):
        return f"{node.kind} {node.name}"
    return f"{node.kind} {node.name.removeprefix('model:')}"


def _facts(node: Node) -> Iterator[str]:
    for key in SHOWN:
        value = node.facts.get(key)
        if value in (None, "", []):
            continue
        if isinstance(value, list):
            value = ",".join(map(str, value))
        if isinstance(value, float):
            value = f"{value:.4f}"
        text = str(value)[:19] if key.endswith("_at") else str(value)
        yield click.style(f"{key}=", dim=True) + (text[:8] if key == "run" else text)


@contextlib.contextmanager
def _registry(home: Path) -> Iterator[Registry | None]:
    from datamill_infra.cli.deployments import open_deployment
    from datamill_infra.cli.reached import reached
    from datamill_infra.model.home import Home
    from datamill_infra.model.published import published_connections
    from datamill_pipelines.registry import Registry

    if "mlflow" not in published_connections(Home(home)):
        yield None
        return
    with reached(open_deployment(str(home)), "mlflow") as connection:
        yield Registry(connection.text("url"))
