"""``datamill data fsck``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["fsck"])
@as_json_option
@click.pass_obj
def command(where: Where, *, as_json: bool) -> int:
    """Every object, byte by byte."""
    from datamill_infra.cli.data.opening import opened
    from datamill_infra.cli.data.presenting import size

    with opened(where) as store:
        checked = store.fsck()
        if as_json:
            print_json(asdict(checked) | {"sound": checked.is_sound})
            return 0 if checked.is_sound else 1
        for problem in checked.problems.values():
            click.secho(f"{problem.kind}: {problem.key}: {problem.what}", fg="red")
            for file in problem.files:
                click.echo(f"  unreadable: {file}")
        verdict = "sound" if checked.is_sound else f"{len(checked.problems)} problems"
        click.echo(
            f"{store.url}: {verdict}. {checked.commits} commits, {checked.objects} objects, {size(checked.size)} read,"
            f" {len(checked.unreachable)} objects that nothing refers to."
        )
    return 0 if checked.is_sound else 1
