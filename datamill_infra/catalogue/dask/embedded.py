"""Dask: a scheduler and some workers, each a process of its own without a nanny, since the supervisor is one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.drivers.embedded.program import Program

if TYPE_CHECKING:
    from datamill_infra.drivers.embedded.program import EmbeddedContext

END_WORKER = Path(__file__).with_name("end_worker.py")


def programs(context: EmbeddedContext) -> list[Program]:
    """The scheduler, which carries the component's name, and ``dask-worker-1``, ``dask-worker-2``, ..."""
    scheduler = f"tcp://127.0.0.1:{context.ports['scheduler']}"
    # -P: the working directory must not shadow packages.
    python = (str(context.python), "-P", "-m")
    return [
        Program(
            name=context.name,
            argv=(
                *(*python, "distributed.cli.dask_scheduler"),
                *("--host", scheduler),
                *("--dashboard-address", f"127.0.0.1:{context.ports['dashboard']}"),
            ),
        ),
        *(
            Program(
                name=f"{context.name}-worker-{number}",
                argv=(
                    *(*python, "distributed.cli.dask_worker", scheduler),
                    *("--name", f"worker-{number}"),
                    # Ports of a worker are chosen by the system at each start and known to the scheduler only.
                    *("--host", "127.0.0.1"),
                    *("--dashboard-address", "127.0.0.1:0", "--no-dashboard"),
                    *("--nworkers", "1", "--nthreads", str(context.values["threads"])),
                    *("--no-nanny", "--memory-limit", str(context.values["memory"])),
                    *("--preload", str(END_WORKER)),
                    *("--local-directory", str(context.paths.tmp)),
                ),
            )
            for number in range(1, int(str(context.values["workers"])) + 1)
        ),
    ]
