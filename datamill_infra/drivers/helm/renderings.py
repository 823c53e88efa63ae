"""What Helm has rendered before, in the user's cache: the same program, chart and values render the same.

Each call of Helm costs a process, a status or a plan asks for every release, and next to always for one that was
rendered before. Of a chart that makes something up while it renders (a password, a date), what was made up first stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from typing import TYPE_CHECKING

from datamill_infra.drivers.embedded.artifacts import cache_root
from datamill_infra.drivers.files import StateError, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from datamill_infra.kubernetes.objects import Object

logger = logging.getLogger("datamill.helm")

KEPT_SECONDS = 30 * 24 * 3600
"""After its last use."""


class Renderings:
    """The cache.

    Args:
        root: its directory; by default in the user's cache.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or cache_root() / "renderings"

    def get(self, digest: str, render: Callable[[], list[Object]]) -> list[Object]:
        """The objects of a rendering.

        Args:
            digest: of everything that decides what is rendered (:func:`digest_of`).
            render: asked when it was not rendered before; its errors are passed on, and nothing is kept.
        """
        kept = self._root / f"{digest}.json"
        with contextlib.suppress(OSError, ValueError):  # not there, or damaged: then it is made again
            found: list[Object] = json.loads(kept.read_text(encoding="utf-8"))
            with contextlib.suppress(OSError):  # a cache that may only be read
                os.utime(kept)
            return found
        objects = render()
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._forget_old()
            write_private(kept, json.dumps(objects))
        except (OSError, StateError, TypeError) as error:  # a date in a manifest is no JSON
            logger.info("What was rendered is not kept: %s", error)
        return objects

    def _forget_old(self) -> None:
        for file in self._root.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > KEPT_SECONDS:
                    file.unlink()


def digest_of(program: Path, release: str, namespace: str, chart: Path, values: Sequence[Path]) -> str:
    """What decides a rendering, as one digest.

    Args:
        program: ``helm``; another one has another size or time of change.
        release: its name.
        namespace: where it goes.
        chart: a folder or an archive.
        values: files, later ones win.
    """
    stat = program.stat()
    content = hashlib.sha256(f"{program}\0{stat.st_size}\0{stat.st_mtime_ns}\0{release}\0{namespace}\0".encode())
    for name, file in (*_files(chart), *((str(index), file) for index, file in enumerate(values))):
        data = file.read_bytes()
        content.update(f"{name}\0{len(data)}\0".encode() + data)
    return content.hexdigest()


def _files(chart: Path) -> Iterator[tuple[str, Path]]:
    if chart.is_file():
        yield chart.name, chart
        return
    for file in sorted(chart.rglob("*")):
        if file.is_file():
            yield str(file.relative_to(chart)), file
