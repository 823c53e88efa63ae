"""Archives of images as ``docker save`` writes them: layers by their digests, and a list of the images."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MANIFEST = "manifest.json"
OLD = "repositories"
"""What came before the manifest; it is for one image, and nobody who reads a manifest looks at it."""


def merge(parts: Sequence[Path], archive: Path) -> None:
    """Write the images of several archives to one; what several have is in it once. Each part is removed when read.

    Args:
        parts: archives.
        archive: what to write.
    """
    images: list[object] = []
    seen: set[str] = {MANIFEST, OLD}
    with tarfile.open(archive, "w") as merged:
        for part in parts:
            with tarfile.open(part) as opened:
                for entry in opened:
                    if entry.name == MANIFEST:
                        images += json.loads(_content(opened, entry).read())
                    if entry.name not in seen:
                        seen.add(entry.name)
                        merged.addfile(entry, _content(opened, entry) if entry.isreg() else None)
            part.unlink()
        listed = json.dumps(images).encode()
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(listed)
        merged.addfile(entry, io.BytesIO(listed))


def _content(opened: tarfile.TarFile, entry: tarfile.TarInfo) -> io.BufferedReader:
    found = opened.extractfile(entry)
    if found is None:
        raise ValueError(entry.name)  # it is no file
    return found  # type: ignore[return-value]  # typeshed has a wider type
