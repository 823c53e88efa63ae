"""The probes as a program, for the pod that ``helm test`` starts: one round trip of each protocol, beside the server.

``DATAMILL_CONNECTIONS`` in the environment has the connections as they are published, in one JSON list; their secrets
are files of one folder. What was seen goes to standard output; a failed probe ends with exit code 1 and its reason.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from datamill_infra import capabilities
from datamill_infra.model.connections import Connection
from datamill_infra.model.errors import DatamillError

VARIABLE = "DATAMILL_CONNECTIONS"


@click.command()
@click.option("--secrets", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder, a file each.")
@click.option("--seconds", type=float, default=30.0, show_default=True, help="Budget of each probe.")
def main(secrets: Path | None, seconds: float) -> None:
    """Probe every connection that DATAMILL_CONNECTIONS names."""
    # Mounted Secrets also have folders, whose names begin with two dots.
    files = [file for file in secrets.iterdir() if file.is_file()] if secrets else []
    known = {file.name: file.read_text(encoding="utf-8") for file in files}
    for entry in json.loads(os.environ[VARIABLE]):
        connection = Connection.from_dict(entry)
        try:
            seen = capabilities.load(connection.capability).probe(connection.resolve(known), timeout=seconds)
        except DatamillError as error:
            click.echo(f"{error.reason}\n{error.instruction}", err=True)
            sys.exit(1)
        click.echo(f"{connection.capability}: {seen.summary} ({seen.seconds:g} s)")


if __name__ == "__main__":
    main()
