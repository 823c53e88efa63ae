"""``datamill data fsck``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.data.opening import STORE_HELP
from datamill_infra.cli.output import as_json_option, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["fsck"])
@click.option("--from", "repair_from", metavar="STORE", help=f"Repair from another store: {STORE_HELP}.")
@as_json_option
@click.pass_obj
def command(where: Where, *, repair_from: str | None, as_json: bool) -> int:
    """Every object, byte by byte."""
    from datamill_infra.cli.data.opening import opened, opened_at
    from datamill_infra.cli.data.presenting import size

    with opened(where) as store:
        if repair_from is None:
            checked = store.fsck()
        else:
            with opened_at(repair_from) as source:
                checked = store.fsck(repair_from=source)
        if as_json:
            print_json(asdict(checked) | {"sound": checked.is_sound})
            return 0 if checked.is_sound else 1
        for problem in checked.problems.values():
            state = "repaired: " if problem.repaired else ""
            click.secho(
                f"{state}{problem.kind}: {problem.key}: {problem.what}", fg="green" if problem.repaired else "red"
            )
            for file in problem.files if not problem.repaired else ():
                click.echo(f"  unreadable: {file}")
        left = sum(not problem.repaired for problem in checked.problems.values())
        verdict = f"{left} problems" if left else "sound"
        click.echo(
            f"{store.url}: {verdict}. {checked.commits} commits, {checked.objects} objects, {size(checked.size)} read,"
            f" {len(checked.unreachable)} objects that nothing refers to."
        )
    return 0 if checked.is_sound else 1
