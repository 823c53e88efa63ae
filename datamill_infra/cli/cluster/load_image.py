"""``datamill cluster load-image``."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.cluster import DEFAULT_NAME, VERBS, provider_option
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from datamill_infra.clusters.place import Place


@click.command(help=VERBS["load-image"])
@click.argument("archives", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", default=DEFAULT_NAME, show_default=True, help="The cluster.")
@provider_option
def command(archives: tuple[Path, ...], name: str, kind: str, *, place: Place) -> None:
    """Load each archive and print the references under which the nodes know its images."""
    from datamill_infra.clusters.providers import provider

    for archive in archives:
        if not tarfile.is_tarfile(archive):
            raise ConfigurationError(
                f"{archive} is no archive of images.",
                instruction="Make one: `datamill cluster build-images --output FILE`, or `docker save -o FILE IMAGE`.",
            )
    chosen = provider(kind, place)
    for archive in archives:
        for reference in chosen.load_image(name, archive):
            click.echo(reference)
