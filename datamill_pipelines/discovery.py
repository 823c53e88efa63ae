"""Where pipelines are found: one folder each, in this package and in the deployment's own ``pipelines/``.

A pipeline is a folder with a ``definitions.py`` whose ``build()`` returns a :class:`dagster.Definitions`. Nothing
else names it: adding a folder adds a pipeline. Folders of this package come first; the user's own may depend on
their assets.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import dagster as dg

from datamill_infra.model.errors import ConfigurationError
from datamill_infra.model.home import Home

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = Path(__file__).parent
OWN_PREFIX = "datamill_own_pipelines"


def packaged() -> list[str]:
    """The folders of this package that are pipelines, in alphabetical order."""
    return sorted(file.parent.name for file in PACKAGE.glob("*/definitions.py"))


def pipelines(home: Path) -> dict[str, Callable[[], dg.Definitions]]:
    """Every pipeline's ``build``, by the folder's name: the package's in alphabetical order, then the user's.

    Args:
        home: the deployment directory.

    Raises:
        ConfigurationError: a user's pipeline has the name of one in the package, or its ``definitions.py`` has no
            ``build()``.
    """
    found: dict[str, Callable[[], dg.Definitions]] = {}
    for name in packaged():
        module = importlib.import_module(f"{__package__}.{name}.definitions")
        found[name] = _build_of(module, PACKAGE / name / "definitions.py")
    for file in sorted(Home(home).pipeline_dir.glob("*/definitions.py")):
        name = file.parent.name
        if name in found:
            raise ConfigurationError(
                f"The pipeline {file.parent} has the name of one that Data Mill brings.",
                instruction=f"Rename the folder. Taken: {', '.join(sorted(found))}.",
            )
        found[name] = _build_of(_import_own(file), file)
    return found


def _build_of(module: ModuleType, file: Path) -> Callable[[], dg.Definitions]:
    build = getattr(module, "build", None)
    if not callable(build):
        raise ConfigurationError(
            f"{file} has no function build().",
            instruction="Add `def build() -> dg.Definitions:`; it returns the pipeline's assets, jobs and resources.",
        )

    def checked() -> dg.Definitions:
        built = build()
        if not isinstance(built, dg.Definitions):
            raise ConfigurationError(
                f"build() in {file} returned {type(built).__name__}.",
                instruction="Return a dagster.Definitions.",
            )
        return built

    return checked


def _import_own(file: Path) -> ModuleType:
    """Import a user's folder as a package, so that its modules can import each other."""
    folder = str(file.parent.parent)
    package = sys.modules.get(OWN_PREFIX)
    if package is None or list(package.__path__) != [folder]:
        for name in [name for name in sys.modules if name.partition(".")[0] == OWN_PREFIX]:
            del sys.modules[name]
        package = ModuleType(OWN_PREFIX)
        package.__path__ = [folder]
        sys.modules[OWN_PREFIX] = package
    try:
        return importlib.import_module(f"{OWN_PREFIX}.{file.parent.name}.definitions")
    except SyntaxError as error:
        raise ConfigurationError(
            f"{error.filename}, line {error.lineno}: {error.msg}.", instruction="Correct the file."
        ) from error
