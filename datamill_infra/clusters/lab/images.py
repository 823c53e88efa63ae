"""Images of one static program, written without any tool: the pod sandbox and the name server."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Nobody in particular: not root, and no user of this machine.
USER = 65532


def write_image(archive: Path, reference: str, program: Path, *, architecture: str = "amd64") -> None:
    """Write an archive, as ``docker load`` reads it, of an image that holds one static program.

    Args:
        archive: what to write.
        reference: the image's name and tag.
        program: becomes ``/NAME`` and the entry point.
        architecture: as Go names it.
    """
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        _add(tar, program.name, program.read_bytes(), mode=0o755)
    content = layer.getvalue()
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"User": f"{USER}:{USER}", "Entrypoint": [f"/{program.name}"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"]},
    }
    encoded = json.dumps(config).encode()
    name = f"{hashlib.sha256(encoded).hexdigest()}.json"
    with tarfile.open(archive, mode="w") as tar:
        _add(tar, "layer.tar", content)
        _add(tar, name, encoded)
        manifest = [{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    # No owner, no time: the same program gives the same image.
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
