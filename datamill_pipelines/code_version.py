"""Which code made a commit, a model or a prediction.

A digest over the sources, not a commit of a version-control system: it says what ran, whether or not it was checked
in, installed from a wheel, or edited a moment ago; and equal sources have equal versions on every machine.
"""

from __future__ import annotations

import functools
import hashlib
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).parent


@functools.cache
def code_version() -> str:
    """Version of the distribution and digest of this package's sources, e.g. ``"0.1.0+1f2e3d4c5b6a"``."""
    return f"{metadata.version('datamill')}+{sources_digest(PACKAGE)[:12]}"


def sources_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's Python files, in hexadecimal."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
