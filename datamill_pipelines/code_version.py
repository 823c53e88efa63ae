"""Which code made something: a digest of this package's sources, the same on every machine that has the same files."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

DIGITS = 16


@functools.cache
def code_version() -> str:
    """Digest of the package's Python files, 16 hexadecimal digits."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:DIGITS]
