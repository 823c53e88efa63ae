"""``datamill data gc``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.data import VERBS
from datamill_infra.cli.output import as_json_option, print_json

if TYPE_CHECKING:
    from datamill_infra.cli.data.opening import Where


@click.command(help=VERBS["gc"])
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option("--grace-hours", default=1.0, show_default=True, type=click.FloatRange(0), help="Younger is spared.")
@as_json_option
@click.pass_obj
def command(where: Where, *, dry_run: bool, grace_hours: float, as_json: bool) -> None:
    """Safe beside writers at work."""
    from datamill_infra.cli.data.opening import opened
    from datamill_infra.cli.data.presenting import size

    with opened(where) as store:
        swept = store.gc(grace=timedelta(hours=grace_hours), dry_run=dry_run)
    if as_json:
        print_json(asdict(swept))
        return
    done = "Would delete" if dry_run else "Deleted"
    click.echo(
        f"{done} {len(swept.objects)} objects ({size(swept.size)}); spared {swept.kept} that are young or in use."
    )
