"""The ``datamill`` command: one file per command, nothing heavy imported before a command runs.

:mod:`~datamill_infra.cli.root` lists the commands and their one-line summaries without importing them, so
``datamill --help`` costs an interpreter start and click. :mod:`~datamill_infra.cli.failures` turns every error
into a reason, an instruction and an exit code. Logic lives below this package, in the model, the drivers and the
Dagster jobs, which the user interface runs as well.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code (``docs/cli.md`` lists them)."""
    from datamill_infra.cli.root import run

    sys.exit(run(sys.argv[1:]))
