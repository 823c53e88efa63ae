"""A power cut: what was never synced is lost, or not, in any combination.

The model is harsher than any file system in use. Bytes of a file survive only up to its last sync; what was written
after it may be whole, a part, zeros or absent. A name survives a change only once its folder was synced; each other
change of a name may have happened or not, whatever the order in which they were asked for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.files import Files

if TYPE_CHECKING:
    import random


@dataclass
class _Inode:
    durable: bytes = b""
    written: bytes = b""


@dataclass
class _Folder:
    durable: dict[str, _Inode | _Folder] = field(default_factory=dict)
    names: dict[str, _Inode | _Folder] = field(default_factory=dict)


class UnsyncedFiles(Files):
    """Syncs nothing: for directories that no power cut will matter to."""

    def sync(self, descriptor: int) -> None:
        """Nothing."""

    def sync_folder(self, path: str) -> None:
        """Nothing."""


class PowerCutFiles(Files):
    """Does every call but the syncs, and can afterwards tell what a power cut would have left at that moment.

    Args:
        root: the directory; everything in it now is durable.
    """

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.calls = 0
        self.cut_at = -1
        self._open: dict[int, _Inode] = {}
        self._top = _read(root)
        self.frozen: _Folder | None = None

    def create(self, path: str) -> int:
        """Create."""
        descriptor = super().create(path)
        inode = _Inode()
        self._open[descriptor] = inode
        self._parent(path).names[os.path.basename(path)] = inode  # noqa: PTH119
        self._did()
        return descriptor

    def write(self, descriptor: int, body: bytes | Path) -> None:
        """Write."""
        super().write(descriptor, body)
        self._open[descriptor].written += body.read_bytes() if isinstance(body, Path) else body
        self._did()

    def sync(self, descriptor: int) -> None:
        """Make the bytes durable."""
        inode = self._open[descriptor]
        inode.durable = inode.written
        self._did()

    def close(self, descriptor: int) -> None:
        """Close."""
        del self._open[descriptor]
        super().close(descriptor)

    def rename(self, old: str, new: str) -> None:
        """Rename."""
        super().rename(old, new)
        inode = self._parent(old).names.pop(os.path.basename(old))  # noqa: PTH119
        self._parent(new).names[os.path.basename(new)] = inode  # noqa: PTH119
        self._did()

    def link(self, old: str, new: str) -> None:
        """Link."""
        super().link(old, new)
        inode = self._parent(old).names[os.path.basename(old)]  # noqa: PTH119
        self._parent(new).names[os.path.basename(new)] = inode  # noqa: PTH119
        self._did()

    def unlink(self, path: str) -> None:
        """Unlink."""
        super().unlink(path)
        self._parent(path).names.pop(os.path.basename(path))  # noqa: PTH119
        self._did()

    def make_folder(self, path: str) -> None:
        """Make a folder."""
        super().make_folder(path)
        if path.startswith(self.root + "/"):
            self._parent(path).names.setdefault(os.path.basename(path), _Folder())  # noqa: PTH119
        self._did()

    def sync_folder(self, path: str) -> None:
        """Make the names durable."""
        if path == self.root or path.startswith(self.root + "/"):
            folder = self._folder(path)
            folder.durable = dict(folder.names)
        self._did()

    def survivors(self, target: Path, chance: random.Random, odds: float) -> None:
        """Write what a cut right now leaves into the directory ``target``.

        Args:
            target: made; must not exist.
            chance: decides about everything that is not durable.
            odds: that such a thing survives, from 0 (nothing does) to 1 (everything does).
        """
        _write(self._top, target, chance, odds)

    def _did(self) -> None:
        self.calls += 1
        if self.calls == self.cut_at:
            from datamill_pipelines.datasets.testing.wrappers import Crash  # noqa: PLC0415 (wrappers know Files too)

            raise Crash(f"file system call {self.calls}")

    def _parent(self, path: str) -> _Folder:
        return self._folder(os.path.dirname(path))  # noqa: PTH120

    def _folder(self, path: str) -> _Folder:
        folder = self._top
        for name in path[len(self.root) :].split("/"):
            if name:
                below = folder.names[name]
                assert isinstance(below, _Folder)  # noqa: S101 (narrowing)
                folder = below
        return folder


def _read(path: Path) -> _Folder:
    folder = _Folder()
    for entry in path.iterdir() if path.exists() else ():
        if entry.is_dir():
            folder.names[entry.name] = _read(entry)
        else:
            data = entry.read_bytes()
            folder.names[entry.name] = _Inode(data, data)
    folder.durable = dict(folder.names)
    return folder


def _write(folder: _Folder, target: Path, chance: random.Random, odds: float) -> None:
    target.mkdir(parents=True)
    for name in sorted(folder.durable.keys() | folder.names.keys()):
        before, now = folder.durable.get(name), folder.names.get(name)
        kept = now if before is now or chance.random() < odds else before
        if isinstance(kept, _Folder):
            _write(kept, target / name, chance, odds)
        elif kept is not None:
            (target / name).write_bytes(_bytes(kept, chance, odds))


def _bytes(inode: _Inode, chance: random.Random, odds: float) -> bytes:
    if inode.durable == inode.written or chance.random() >= odds:
        return inode.durable
    new = inode.written[len(inode.durable) :]
    outcomes = [inode.written, inode.durable + new[: len(new) // 2], inode.durable + b"\0" * len(new)]
    return chance.choice(outcomes)
