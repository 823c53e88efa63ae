"""The ``datamill`` command: one file per command, nothing heavy imported before a command runs.

:mod:`~datamill_infra.cli.root` lists the commands and their one-line summaries without importing them, so
``datamill --help`` costs an interpreter start and click. :mod:`~datamill_infra.cli.failures` turns every error
into a reason, an instruction and an exit code. Logic lives below this package, in the model, the drivers and the
Dagster jobs, which the user interface runs as well.
"""

from __future__ import annotations

import gc
import sys

# Allocations between two looks for garbage. Python's 700 are for programs that live long: a command spends a third of
# its time on imports, all of which stay, and each look walks through them.
GARBAGE = 100_000


def main() -> None:
    """Run the command line and exit with its code (``docs/cli.md`` lists them)."""
    from datamill_infra.cli.root import run

    gc.set_threshold(GARBAGE)
    code = run(sys.argv[1:])
    gc.freeze()  # what is left goes with the process, and need not be searched on the way out
    sys.exit(code)
