"""Building an image from its context with the tool that is there, and writing it to an archive."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.clusters.commands import ClusterError
from datamill_infra.clusters.lab.requirements import install_missing, require_root
from datamill_infra.images.archives import carriers, merge
from datamill_infra.images.contexts import gather
from datamill_infra.images.sources import IMAGES, PROJECT, REGISTRY, files_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datamill_infra.clusters.commands import Commands
    from datamill_infra.images.sources import Image

BASE = f"{REGISTRY}/base:bookworm"
SUITE = "bookworm"
# What the Python of the distribution needs beyond the smallest system; a shell is there anyway.
BASE_PACKAGES = ("ca-certificates", "libgomp1", "python3")
BUILD_SECONDS = 3600.0
TOOLS = ("buildah", "podman", "docker")


class ImageBuilder:
    """Builds with one of buildah, podman and docker.

    Args:
        commands: the door to programs.
        notify: receives one sentence per step.
        tool: which one; by default the first of them that is there.
        own: a user's folders, which images with the project get, too; by default none.
    """

    def __init__(
        self, commands: Commands, *, notify: Callable[[str], None], tool: str | None = None, own: Sequence[Path] = ()
    ) -> None:
        self._commands = commands
        self._notify = notify
        self._own = tuple(own)
        found = tool or next((name for name in TOOLS if commands.find(name)), None)
        if found is None:
            raise ClusterError(
                "There is no tool that builds images.",
                instruction=f"Install one of {', '.join(TOOLS)}; on Debian: apt-get install buildah",
            )
        self.tool = found

    def build(self, image: Image, *, base: str | None = None) -> str:
        """Build an image, unless one of the same content is there, and return its reference.

        Args:
            image: which. The image of ours that it stands on is built before.
            base: what it stands on, or the image below it does; by default what the Dockerfiles say.
        """
        kept = self._kept(image, base)
        if image.on is not None:
            base = self.build(IMAGES[image.on], base=base)
        if not self._exists(kept):
            with tempfile.TemporaryDirectory(prefix="datamill-image-") as scratch:
                context = Path(scratch)
                self._notify(f"Gathering what {image.reference} is made of.")
                gather(image, context, self._commands, notify=self._notify, own=self._own)
                self._build(context, kept, base)
        self._commands.run([self.tool, "tag", kept, image.reference], seconds=BUILD_SECONDS)
        return image.reference

    def build_base(self) -> str:
        """Make the base from the distribution's packages, unless it is there, and return its reference."""
        if self._exists(BASE):
            return BASE
        require_root("Making a base image from packages")
        install_missing(self._commands, notify=self._notify, programs={"debootstrap": "debootstrap"})
        with tempfile.TemporaryDirectory(prefix="datamill-base-") as scratch:
            root, context = Path(scratch) / "root", Path(scratch) / "context"
            self._notify(f"Making {BASE} from the packages of {SUITE}.")
            self._commands.run(
                ["debootstrap", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}", SUITE, str(root)],
                seconds=BUILD_SECONDS,
                instruction="See debootstrap/debootstrap.log; the distribution's mirror must be reachable.",
            )
            for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
                shutil.rmtree(root / waste, ignore_errors=True)
            shutil.copytree(PROJECT / "images" / "base", context)
            self._commands.run(
                ["tar", "--create", "--numeric-owner", f"--directory={root}", f"--file={context / 'rootfs.tar'}", "."],
                seconds=BUILD_SECONDS,
            )
            self._build(context, BASE, None)
        return BASE

    def save(self, references: Sequence[str], archive: Path) -> Path:
        """Write images to an archive that ``load-image`` reads; a layer that several have is in it once."""
        archive.unlink(missing_ok=True)
        if self.tool == "buildah":
            self._save_merged(references, archive)
        else:
            several = ["--multi-image-archive"] if self.tool == "podman" else []
            argv = [self.tool, "save", *several, "--output", str(archive), *references]
            self._commands.run(argv, seconds=BUILD_SECONDS)
        return archive

    def _save_merged(self, references: Sequence[str], archive: Path) -> None:
        """An archive of buildah's has one image, and a layout with many it compresses, which takes longer."""
        carried = {reference: self._configuration(reference) for reference in references}
        whole = carriers(carried)
        with tempfile.TemporaryDirectory(prefix="datamill-images-", dir=archive.parent) as scratch:
            parts = [Path(scratch) / f"{number}.tar" for number in range(len(whole))]
            for reference, part in zip(whole, parts, strict=True):
                argv = ["buildah", "push", "--quiet", reference, f"docker-archive:{part}:{reference}"]
                self._commands.run(argv, seconds=BUILD_SECONDS)
                del carried[reference]
            merge(parts, archive, carried)

    def _configuration(self, reference: str) -> bytes:
        """As it is stored; its digest is that of the image."""
        said = self._commands.run(["buildah", "inspect", "--type", "image", reference], seconds=BUILD_SECONDS)
        return str(json.loads(said)["Config"]).encode()

    def _kept(self, image: Image, base: str | None) -> str:
        """The name under which what is built is found again: its tag is of all that decides the content."""
        below = self._kept(IMAGES[image.on], base) if image.on else base or ""
        content = hashlib.sha256(below.encode())
        for file in image.sources:
            content.update(f"\0{file.relative_to(PROJECT)}\0".encode() + file.read_bytes())
        for folder in self._own if image.project else ():
            for file in files_in(folder):
                content.update(f"\0{file.relative_to(folder.parent)}\0".encode() + file.read_bytes())
        return f"{REGISTRY}/{image.name}:{content.hexdigest()[:16]}"

    def _exists(self, reference: str) -> bool:
        argv = [self.tool, "images", "--format", "{{.Repository}}:{{.Tag}}"]
        if self.tool == "buildah":
            argv = ["buildah", "images", "--format", "{{.Name}}:{{.Tag}}"]
        return reference in self._commands.run(argv, seconds=BUILD_SECONDS).split()

    def _build(self, context: Path, reference: str, base: str | None) -> None:
        self._notify(f"Building {reference}.")
        argv = [self.tool, "build", "--tag", reference]
        if self.tool == "buildah":
            # Neither a daemon nor new privileges; and the base may be one that no registry has.
            argv += ["--isolation", "chroot", "--pull-never", "--quiet"]
        if base is not None:
            argv += ["--build-arg", f"BASE={base}"]
        self._commands.run([*argv, str(context)], seconds=BUILD_SECONDS)
