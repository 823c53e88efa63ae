"""Starting the pipelines' fork server early, so that its imports are over when the first step asks for a fork.

The executor would start it with the first step and wait for its imports. Python has one fork server per process, and
the executor uses the one that runs. Its children inherit its environment and standard streams, so both have to be as
steps need them before it starts.
"""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing import forkserver
from typing import TYPE_CHECKING

from datamill_infra.cli.streams import set_aside

if TYPE_CHECKING:
    from datamill_infra.model.home import Home

PRELOADED = "datamill_pipelines.preload"


def begin_preloading(home: Home) -> None:
    """Start the fork server, which imports in the background.

    Args:
        home: the deployment directory; the steps' ``DAGSTER_HOME``.
    """
    os.environ["DAGSTER_HOME"] = str(home.home)
    multiprocessing.get_context("forkserver").set_forkserver_preload([PRELOADED])
    with set_aside(home.log_dir / "runs.log"):
        forkserver.ensure_running()
