"""Loading ``catalogue/<component>/embedded.py``, which is a file in a folder and not a module of a package."""

from __future__ import annotations

import importlib.util
import sys
import threading
from typing import TYPE_CHECKING, Protocol, cast

from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from datamill_infra.drivers.embedded.program import EmbeddedContext, Program

_loaded: dict[tuple[Path, int], ModuleType] = {}
_lock = threading.Lock()


class Entry(Protocol):
    """What such a file contains."""

    def programs(self, context: EmbeddedContext) -> list[Program]:
        """The component's processes."""


class Installer(Protocol):
    """What such a file may contain besides, for what no program's files can express."""

    def install(self, context: EmbeddedContext) -> None:
        """Put it in place, below the data directory. Idempotent; called each time the component is applied."""


def load_entry(component: str, file: Path) -> Entry:
    """The module in ``file``; read again when the file has changed.

    Raises:
        ConfigurationError: it cannot be imported, or has no ``programs``.
    """
    with _lock:
        key = (file, file.stat().st_mtime_ns)
        if key not in _loaded:
            _loaded[key] = _load(component, file)
        return cast("Entry", _loaded[key])


def _load(component: str, file: Path) -> ModuleType:
    name = f"datamill_embedded_{component.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{file} cannot be read as Python.", instruction="Its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(
            f"{file} cannot be imported: {type(error).__name__}: {error}", instruction="Correct it."
        ) from error
    if not callable(getattr(module, "programs", None)):
        raise ConfigurationError(
            f"{file} has no function `programs(context)`.",
            instruction="Add it; datamill_infra/catalogue/kafka/embedded.py is an example.",
        )
    return module


def install(entry: Entry, context: EmbeddedContext) -> None:
    """Have an entry put in place what it brings besides programs, if anything.

    Raises:
        OSError: the disk is full, or not writable.
    """
    if hasattr(entry, "install"):
        cast("Installer", entry).install(context)


def checked(component: str, programs: list[Program]) -> list[Program]:
    """The programs, when their names can be told apart from those of other components.

    Raises:
        ConfigurationError: a name neither is the component's nor begins with it, or occurs twice.
    """
    names = [program.name for program in programs]
    for name in names:
        if (name != component and not name.startswith(f"{component}-")) or names.count(name) > 1:
            raise ConfigurationError(
                f"{component}'s embedded.py returns a program called {name!r}.",
                instruction=f"Call it {component!r} or '{component}-...', each name once.",
            )
    return programs
