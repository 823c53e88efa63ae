"""``datamill flavours``."""

from __future__ import annotations

import click

from datamill_infra.cli.output import as_json_option, print_columns, print_json
from datamill_infra.cli.root import COMMANDS


@click.command(help=COMMANDS["flavours"])
@as_json_option
@click.pass_obj
def command(home: str | None, *, as_json: bool) -> None:
    """List every flavour with its components; one that does not resolve here says why."""
    from datamill_infra.cli.deployments import home_directory
    from datamill_infra.model.catalogue import Catalogue, default_catalogue_folders
    from datamill_infra.model.errors import ConfigurationError
    from datamill_infra.model.flavours import Flavours, default_flavour_folders, resolve_flavour

    directory = home_directory(home)
    catalogue = Catalogue.load(default_catalogue_folders(directory))
    flavours = Flavours.load(default_flavour_folders(directory))
    found: list[dict[str, object]] = []
    for name in flavours.names():
        flat = flavours.flatten(name)
        entry: dict[str, object] = {"name": name, "title": flat.title, "summary": flat.summary}
        try:
            entry |= {"components": resolve_flavour(name, flavours, catalogue).sequence(), "refused": None}
        except ConfigurationError as error:
            entry |= {"components": sorted(flat.everywhere()), "refused": str(error)}
        found.append(entry)
    if as_json:
        print_json(found)
        return
    print_columns(
        ("flavour", "components", "summary"),
        ((entry["name"], _shown(entry), entry["summary"]) for entry in found),
    )


def _shown(entry: dict[str, object]) -> str:
    components = entry["components"]
    names = ", ".join(components) if isinstance(components, list) else ""
    return f"{names} (not on this machine)" if entry["refused"] else names
