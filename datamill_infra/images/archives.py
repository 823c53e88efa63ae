"""Archives of images as ``docker save`` writes them: layers by their digests, and a list of the images."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MANIFEST = "manifest.json"
OLD = "repositories"
"""What came before the manifest; it is for one image, and nobody who reads a manifest looks at it."""


def carriers(configurations: Mapping[str, bytes]) -> list[str]:
    """The images that have every layer of all, without those of which others have each.

    Args:
        configurations: reference to the image's configuration (OCI Image Format Specification, "Image Configuration").
    """
    seen: set[str] = set()
    found = []
    for reference in sorted(configurations, key=lambda name: len(_layers(configurations[name])), reverse=True):
        if new := set(_layers(configurations[reference])) - seen:
            seen |= new
            found.append(reference)
    return found


def merge(parts: Sequence[Path], archive: Path, carried: Mapping[str, bytes]) -> None:
    """Write the images of several archives to one; what several have is in it once. Each part is removed when read.

    Args:
        parts: archives.
        archive: what to write.
        carried: reference to configuration of further images, of which the parts have all layers.
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
        for reference, configuration in carried.items():
            name = f"{hashlib.sha256(configuration).hexdigest()}.json"
            layers = [f"{digest.removeprefix('sha256:')}.tar" for digest in _layers(configuration)]
            images.append({"Config": name, "RepoTags": [reference], "Layers": layers})
            _add(merged, name, configuration)
        _add(merged, MANIFEST, json.dumps(images).encode())


def _layers(configuration: bytes) -> list[str]:
    return [str(digest) for digest in json.loads(configuration)["rootfs"]["diff_ids"]]


def _add(merged: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    merged.addfile(entry, io.BytesIO(content))


def _content(opened: tarfile.TarFile, entry: tarfile.TarInfo) -> io.BufferedReader:
    found = opened.extractfile(entry)
    if found is None:
        raise ValueError(entry.name)  # it is no file
    return found  # type: ignore[return-value]  # typeshed has a wider type
