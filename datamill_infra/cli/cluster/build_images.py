"""``datamill cluster build-images``."""

from __future__ import annotations

from pathlib import Path

import click

from datamill_infra.cli.cluster import VERBS


@click.command(help=VERBS["build-images"])
@click.argument("names", nargs=-1, metavar="[IMAGE]...")
@click.option("--base", help="The base image [default: one made here from the distribution's packages].")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The archive.")
@click.option("--tool", type=click.Choice(("buildah", "podman", "docker")), help="[default: the first that is there]")
@click.pass_obj
def command(home: str | None, names: tuple[str, ...], base: str | None, output: Path, tool: str | None) -> None:
    """Build each image (all, when none is named) and write them to one archive, for `load-image`.

    The images of the pipelines and of the platform get the deployment's own catalogue and pipelines, too.
    """
    from datamill_infra.cli.deployments import home_directory
    from datamill_infra.clusters.commands import RealCommands
    from datamill_infra.images.building import ImageBuilder
    from datamill_infra.images.sources import IMAGES, image
    from datamill_infra.model.home import Home

    place = Home(home_directory(home))
    own = [folder for folder in (place.catalogue_dir, place.pipeline_dir) if folder.is_dir()]
    builder = ImageBuilder(RealCommands(), notify=lambda step: click.echo(step, err=True), tool=tool, own=own)
    chosen = [image(name) for name in names or IMAGES]
    stands_on = base or builder.build_base()
    output.parent.mkdir(parents=True, exist_ok=True)
    click.echo(builder.save([builder.build(one, base=stands_on) for one in chosen], output))
