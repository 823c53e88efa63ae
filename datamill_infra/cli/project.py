"""Files of the project's root that are in use at run time: ``dagster.yaml`` and ``workspace.yaml``.

In a checkout they are at the root; an installed package carries copies in ``datamill_infra/project/``.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


def project_file(name: str) -> Path:
    """Where ``dagster.yaml`` or ``workspace.yaml`` is.

    Raises:
        FileNotFoundError: the installation lacks it.
    """
    for folder in (_PACKAGE.parent, _PACKAGE / "project"):
        if (folder / "pyproject.toml").is_file() or folder.name == "project":
            file = folder / name
            if file.is_file():
                return file
    raise FileNotFoundError(f"{name} is neither in {_PACKAGE.parent} nor in {_PACKAGE / 'project'}")


def link_dagster_yaml(home: Path) -> None:
    """Make ``home/dagster.yaml`` a link to the project's, unless it is one or the user put a file there."""
    link, target = home / "dagster.yaml", project_file("dagster.yaml")
    if link.is_symlink() and link.readlink() != target:
        link.unlink()  # a link of an installation that has moved
    if not link.exists():
        link.symlink_to(target)
