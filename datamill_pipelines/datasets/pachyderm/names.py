"""Data Mill's names as Pachyderm's: ``raw/flights`` is the repo ``flights`` of the project ``raw``.

A name without ``/`` is a repo of the project ``default``. Pachyderm's names are narrower than Data Mill's; what does
not fit is refused before the server is asked, since it answers some of it only after the commit.
"""

from __future__ import annotations

import re

from pachyderm_sdk.api import pfs

from datamill_pipelines.datasets.errors import InvalidNameError
from datamill_pipelines.datasets.names import check_path

DEFAULT_PROJECT = "default"

PIN = "datamill-pin-"
"""Branches that hold an upstream commit while a commit is opened; see :mod:`.opening`."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,50}")
_COMMIT_ID = re.compile(r"[0-9a-f]{12}4[0-9a-f]{19}")
_GLOBBING = "*?[]{}!()@+^"


def repo_message(name: str) -> pfs.Repo:
    """The repo of a name.

    Raises:
        InvalidNameError: Pachyderm cannot have it.
    """
    project, slash, repo = name.rpartition("/")
    project = project if slash else DEFAULT_PROJECT
    if not _PROJECT.fullmatch(project) or not _NAME.fullmatch(repo):
        raise InvalidNameError(
            f"{name!r} cannot be the name of a repo in Pachyderm.",
            instruction="Use project/repo or repo, of letters, digits, '_' and '-'. A project has at most 51 characters"
            " and begins with a letter or a digit.",
        )
    return pfs.Repo(name=repo, type="user", project=pfs.Project(name=project))


def repo_name(repo: pfs.Repo) -> str:
    """The name of a repo; the inverse of :func:`repo_message`."""
    project = repo.project.name
    return str(repo.name if project == DEFAULT_PROJECT else f"{project}/{repo.name}")


def branch_message(repo: pfs.Repo, name: str) -> pfs.Branch:
    """The branch of a name.

    Raises:
        InvalidNameError: Pachyderm cannot have it, or it is one of the provider's own.
    """
    if not _NAME.fullmatch(name) or is_commit_id(name) or name.startswith(PIN):
        raise InvalidNameError(
            f"{name!r} cannot be the name of a branch in Pachyderm.",
            instruction=f"Use letters, digits, '_' and '-'; not a commit id, and not beginning with {PIN}.",
        )
    return pfs.Branch(repo=repo, name=name)


def is_commit_id(text: str) -> bool:
    """Whether it has the form of a whole commit id, a random UUID. Anything else is a branch name for the server."""
    return bool(_COMMIT_ID.fullmatch(text))


def pachyderm_path(path: str) -> str:
    """A relative path as the server wants it: absolute.

    Raises:
        InvalidNameError: Pachyderm cannot have it.
    """
    check_path(path)
    if not path.isascii() or not path.isprintable() or any(character in _GLOBBING for character in path):
        raise InvalidNameError(
            f"{path!r} cannot be the path of a file in Pachyderm.",
            instruction=f"Use printable ASCII characters without any of {_GLOBBING}",
        )
    return "/" + path


def data_mill_path(path: str) -> str:
    """The inverse of :func:`pachyderm_path`."""
    return path.removeprefix("/")
