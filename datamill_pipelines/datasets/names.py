"""Names and keys: what may be called how, and where it is kept.

::

    format                                                  the store's format version
    blobs/<first digit>/<digest>[~<salt>][.<extension>]     one file's bytes
    packs/<first digit>/<digest>[~<salt>]                   small files, or nodes of a large change, one after another
    repos/<repo>/repo                                       the repo's description
    repos/<repo>/branches/<branch>/<incarnation>/<number>   the branch's log, one record each
    repos/<repo>/branches/<branch>/hint                     where its end was seen last; may be wrong or missing
    repos/<repo>/tags/<tag>/...                             the same for a tag
    sessions/<id>   gc/<number>/...                         writers at work, and what is being collected
    tmp/                                                    files being written (local directories only)

A ``/`` in the name of a repo, branch or tag is kept as ``~``, which no name contains.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.errors import InvalidNameError

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT_KEY = "format"
RESERVED = "_"
"""What paths of the platform's own files begin with: they are left out of listings and tables of a whole tree."""

DEAD_LETTERS = "_dead_letters/"
"""Where a sink keeps bad messages, in the commit of the good ones."""

_SEGMENT = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_NAME = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,16}")
_LONGEST_NAME = 200
_LONGEST_PATH = 1024
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*(?:/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*")


def check_name(kind: str, name: str) -> str:
    """The name, if it can be one.

    Raises:
        InvalidNameError: it cannot.
    """
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise InvalidNameError(
            f"{name!r} cannot be the name of a {kind}.",
            instruction="Use letters, digits, '_', '.' and '-', in segments separated by '/', for example raw/flights.",
        )
    return name


def check_path(path: str) -> str:
    """The path of a file in a tree, if it can be one.

    Raises:
        InvalidNameError: it cannot: empty, absolute, with ``.`` or ``..`` segments, control characters or a backslash.
    """
    if len(path) <= _LONGEST_PATH and _PLAIN_PATH.fullmatch(path):
        return path  # nearly all: a tenth of the time
    segments = path.split("/")
    if (
        not path
        or len(path.encode()) > _LONGEST_PATH
        or any(segment in {"", ".", ".."} for segment in segments)
        or any(character < " " or character in "\\\x7f" for character in path)
    ):
        raise InvalidNameError(
            f"{path!r} cannot be the path of a file in a dataset.",
            instruction="Use a relative path such as 2013/01/part-0.parquet: no empty, '.' or '..' segments, no"
            f" backslash, at most {_LONGEST_PATH} bytes.",
        )
    return path


def check_no_clash(paths: Iterable[str], existing: Iterable[str] = ()) -> None:
    """Refuse a path that would have to be a file and a folder at once.

    Raises:
        InvalidNameError: one path is a folder of another.
    """
    files = set(existing) | set(paths)
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent:
            if parent in files:
                raise InvalidNameError(
                    f"{path!r} would make the file {parent!r} a folder as well.",
                    instruction=f"Delete {parent!r} first, or choose another path.",
                )
            parent = parent.rpartition("/")[0]


def is_reserved(path: str) -> bool:
    """Whether a file is the platform's own."""
    return path.startswith(RESERVED)


def extension_of(path: str) -> str:
    """The extension that a blob keeps, with its dot; ``""`` when there is none that engines could use."""
    dot = path.rfind(".")
    suffix = path[dot:] if dot > path.rfind("/") + 1 else ""
    return suffix if _EXTENSION.fullmatch(suffix) else ""


def folder_name(name: str) -> str:
    """A name as one segment of a key."""
    return name.replace("/", "~")


def name_of_folder(folder: str) -> str:
    """The inverse of :func:`folder_name`."""
    return folder.replace("~", "/")


def blob_key(digest: str, path: str, salt: str = "") -> str:
    """Where the bytes of the file at ``path`` are kept, as an object of their own."""
    return f"blobs/{digest[0]}/{digest}{'~' + salt if salt else ''}{extension_of(path)}"


def pack_key(digest: str, salt: str = "") -> str:
    """Where a pack is kept."""
    return f"packs/{digest[0]}/{digest}{'~' + salt if salt else ''}"


def repo_folder(repo: str) -> str:
    """The folder of a repo."""
    return f"repos/{folder_name(repo)}"
