"""MLServer: one process. Models are directories below ``models`` in the data directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.drivers.embedded.program import Program

if TYPE_CHECKING:
    from datamill_infra.drivers.embedded.program import EmbeddedContext

SERVE = Path(__file__).with_name("serve.py")


def programs(context: EmbeddedContext) -> list[Program]:
    """The server, without worker processes of its own."""
    models = context.paths.data / "models"
    settings = {
        "host": "127.0.0.1",
        "http_port": context.ports["http"],
        "grpc_port": context.ports["grpc"],
        "metrics_port": context.ports["metrics"],
        "metrics_dir": str(context.paths.tmp / "metrics"),
        "environments_dir": str(context.paths.tmp / "environments"),
        "model_repository_root": str(models),
        # serve.py loads them, and survives one that does not load.
        "load_models_at_startup": False,
        # Worker processes outlive a killed server and hold its port, and fail with uvloop 0.23.
        "parallel_workers": 0,
        "debug": False,
    }
    return [
        Program(
            name=context.name,
            argv=(str(context.python), "-P", str(SERVE), str(context.paths.config / "settings.json")),
            files={"settings.json": json.dumps(settings, indent=2) + "\n"},
            prepare=lambda: models.mkdir(parents=True, exist_ok=True),
        )
    ]
