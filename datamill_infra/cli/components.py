"""``datamill components``."""

from __future__ import annotations

import click

from datamill_infra.cli.output import as_json_option, print_columns, print_json
from datamill_infra.cli.root import COMMANDS


@click.command(help=COMMANDS["components"])
@as_json_option
@click.pass_obj
def command(home: str | None, *, as_json: bool) -> None:
    """List every component, the deployment's own first in case of equal names."""
    from datamill_infra.cli.deployments import home_directory
    from datamill_infra.model.catalogue import Catalogue, default_catalogue_folders

    catalogue = Catalogue.load(default_catalogue_folders(home_directory(home)))
    if as_json:
        print_json(
            [
                {
                    "name": spec.name,
                    "title": spec.title,
                    "summary": spec.summary,
                    "status": spec.status,
                    "provides": list(spec.provides),
                    "needs": sorted(spec.needs),
                    "providers": list(spec.providers),
                    "folder": str(spec.folder),
                }
                for spec in catalogue
            ]
        )
        return
    print_columns(
        ("component", "provides", "needs", "providers", "summary"),
        (
            (
                spec.name,
                ", ".join(spec.provides),
                ", ".join(spec.needs),
                ", ".join(spec.providers) if spec.status == "active" else "legacy",
                spec.summary,
            )
            for spec in catalogue
        ),
    )
