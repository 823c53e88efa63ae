"""Objects as files of one directory, safe against power loss.

A write is a temporary file below ``tmp/``, fsync, rename (or link, where there must not be one already) and fsync of
the folder. :meth:`LocalStore.publish` does that for a whole commit in three steps instead of three per file: all
temporary files are synced together, so the file system's journal is committed once; then the names; then the one name
that refers to the others. Nothing is visible before its bytes are durable, and nothing refers to a name that is not.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import secrets
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.errors import (
    DamagedObjectError,
    MissingObjectError,
    StoreUnreachableError,
    StoreWriteError,
)
from datamill_pipelines.datasets.files import Files
from datamill_pipelines.datasets.objects import ObjectInfo, ObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import FileIO

    from datamill_pipelines.datasets.objects import Body

_QUEUE_SECONDS = 0.25
"""How long a writer waits for another one's commit before it tries its luck: a paused writer must not stop the rest."""

_WORTH_THREADS = 16 << 20
_WRITERS = 4
"""Bytes from which a group is written by several threads, and how many: the kernel copies without Python's lock."""

_OPEN_AT_ONCE = 128
"""Descriptors held while a group is synced; well below the usual limit of 1,024."""


class LocalStore(ObjectStore):
    """A directory.

    Args:
        root: the directory; made when missing.
        files: the door to the file system.
    """

    is_trusted = True  # link(2) decides races in the kernel, on network file systems too

    def __init__(self, root: Path, files: Files | None = None) -> None:
        self.root = root.absolute()
        self.url = self.root.as_uri()
        self._files = files or Files()
        self._prefix = f"{self.root}/"
        self._folders: set[str] = set()
        self._names = itertools.count()
        self._token = secrets.token_hex(4)
        self._make_folder(f"{self._prefix}tmp")

    def get(self, key: str) -> bytes:
        """The whole object."""
        with self._reading(key), open(self._prefix + key, "rb", buffering=0) as file:  # noqa: PTH123 (hot path)
            return file.read()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """A part of the object."""
        with self._reading(key), open(self._prefix + key, "rb", buffering=0) as file:  # noqa: PTH123 (hot path)
            data = os.pread(file.fileno(), length, start)
        if len(data) != length:
            raise DamagedObjectError(
                f"{key} in {self.url} ends before byte {start + length}.",
                instruction="Run `datamill data fsck`, and repair with `--from` another store.",
                key=key,
            )
        return data

    def size(self, key: str) -> int | None:
        """Bytes of the object."""
        try:
            return os.stat(self._prefix + key).st_size  # noqa: PTH116 (hot path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unreadable(key, error) from error

    def put(self, key: str, body: Body) -> None:
        """Create or replace."""
        self.put_many([(key, body)])

    def put_new(self, key: str, data: bytes) -> bool:
        """Create unless present."""
        return self.publish([], key, data)

    def put_many(self, objects: Sequence[tuple[str, Body]]) -> None:
        """Create or replace several, synced together."""
        with self._written(objects) as temporary:
            self._rename(temporary, objects)

    def publish(self, objects: Sequence[tuple[str, Body]], key: str, data: bytes) -> bool:
        """Create several objects, then the one that refers to them."""
        with self._written([*objects, (key, data)]) as temporary:
            self._rename(temporary[:-1], objects)
            folder = self._folder_of(key)
            try:
                self._files.link(temporary[-1], self._prefix + key)
            except FileExistsError:
                return False
            self._files.sync_folder(folder)
        return True

    def put_volatile(self, key: str, data: bytes) -> None:
        """Replace an object whose loss in a power cut does no harm."""
        temporary = self._temporary()
        with self._writing(key):
            self._folder_of(key)
            try:
                self._write(temporary, data, sync=False)
                self._files.rename(temporary, self._prefix + key)
            finally:
                self._discard(temporary)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects."""
        folders = set()
        for key in keys:
            with self._writing(key), contextlib.suppress(FileNotFoundError):
                self._files.unlink(self._prefix + key)
                folders.add(_folder(self._prefix + key))
        for folder in sorted(folders):
            with self._writing(folder):
                self._files.sync_folder(folder)

    def scan(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object below the folder."""
        for folder, subfolders, names in os.walk(self._prefix + prefix.rstrip("/"), onerror=self._unlistable):
            if folder.rstrip("/") == str(self.root) and "tmp" in subfolders:
                subfolders.remove("tmp")
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                with contextlib.suppress(MissingObjectError), self._reading(path[len(self._prefix) :]):
                    status = os.stat(path)  # noqa: PTH116 (hot path)
                    modified = datetime.fromtimestamp(status.st_mtime, UTC)
                    yield ObjectInfo(path[len(self._prefix) :], status.st_size, modified)

    def folders(self, prefix: str) -> list[str]:
        """Folders directly below."""
        try:
            with os.scandir(self._prefix + prefix.rstrip("/")) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir() and any(Path(entry.path).iterdir()))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unreadable(prefix, error) from error

    def clock(self) -> datetime:
        """The file system's clock, as new files get it."""
        path = self._temporary()
        with self._writing("tmp"):
            try:
                self._write(path, b"", sync=False)
                return datetime.fromtimestamp(os.stat(path).st_mtime, UTC)  # noqa: PTH116
            finally:
                self._discard(path)

    def uri(self, key: str, scheme: str | None = None) -> str:
        """The file's path (with ``scheme="file"``, its URL)."""
        return f"file://{self._prefix}{key}" if scheme == "file" else self._prefix + key

    def download(self, key: str, target: Path) -> None:
        """Copy the file."""
        with self._reading(key):
            shutil.copyfile(self._prefix + key, target)

    def local_path(self, key: str) -> Path | None:
        """The file itself."""
        return Path(self._prefix + key)

    def settle(self, key: str) -> None:
        """Sync the folder the object is in; next to nothing when it is clean."""
        with self._writing(key):
            self._files.sync_folder(_folder(self._prefix + key))

    @contextlib.contextmanager
    def crowd(self, key: str, meanwhile: Callable[[], None]) -> Iterator[bool]:
        """Queue the writers of this machine on a lock, for a quarter of a second at most."""
        name = f"{self._prefix}tmp/{key.replace('/', '=')}.queue"
        try:
            file = open(name, "ab", buffering=0)  # noqa: PTH123, SIM115 (closed below)
        except OSError:
            yield False  # no queue, then: whatever is wrong with the directory, the commit itself will tell
            return
        with file:
            waited = not _is_first(file)
            if waited:
                meanwhile()
                deadline = time.monotonic() + _QUEUE_SECONDS
                while not _is_first(file) and time.monotonic() < deadline:
                    time.sleep(0.0005)
            yield waited

    def abandoned(self, older_than: datetime) -> Iterator[str]:
        """Remove temporary files of writers that were killed."""
        with os.scandir(f"{self._prefix}tmp") as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if datetime.fromtimestamp(entry.stat().st_mtime, UTC) < older_than:
                        self._files.unlink(entry.path)
                        yield f"tmp/{entry.name}"

    @contextlib.contextmanager
    def _written(self, objects: Sequence[tuple[str, Body]]) -> Iterator[list[str]]:
        """Temporary files with the objects' bytes, durable; those that were not renamed are removed at the end."""
        temporary = [self._temporary() for _ in objects]
        with self._writing(objects[-1][0] if objects else ""):
            try:
                if len(objects) == 1:
                    self._write(temporary[0], objects[0][1], sync=True)
                else:
                    self._write_together(temporary, [body for _, body in objects])
                yield temporary
            finally:
                for path in temporary:
                    self._discard(path)

    def _write(self, path: str, body: Body, *, sync: bool) -> None:
        descriptor = self._files.create(path)
        try:
            self._files.write(descriptor, body)
            if sync:
                self._files.sync(descriptor)
        finally:
            self._files.close(descriptor)

    def _write_together(self, paths: Sequence[str], bodies: Sequence[Body]) -> None:
        """Write all, start the write-back of all, then wait for each: one journal commit instead of one per file."""
        for start in range(0, len(paths), _OPEN_AT_ONCE):
            descriptors: list[int] = []
            try:
                group = slice(start, start + _OPEN_AT_ONCE)
                if sum(map(_weight, bodies[group])) < _WORTH_THREADS:
                    for path, body in zip(paths[group], bodies[group], strict=True):
                        descriptors.append(self._files.create(path))
                        self._fill(descriptors[-1], body)
                else:
                    descriptors.extend(map(self._files.create, paths[group]))
                    with ThreadPoolExecutor(_WRITERS) as pool:
                        list(pool.map(self._fill, descriptors, bodies[group]))
                for descriptor in descriptors:
                    self._files.sync(descriptor)
            finally:
                for descriptor in descriptors:
                    self._files.close(descriptor)

    def _fill(self, descriptor: int, body: Body) -> None:
        self._files.write(descriptor, body)
        self._files.start_writeback(descriptor)

    def _rename(self, temporary: Sequence[str], objects: Sequence[tuple[str, Body]]) -> None:
        folders = set()
        for path, (key, _) in zip(temporary, objects, strict=True):
            folders.add(self._folder_of(key))
            self._files.rename(path, self._prefix + key)
        for folder in sorted(folders):
            self._files.sync_folder(folder)

    def _temporary(self) -> str:
        # The process id is asked for each time: a forked child must not make the names of its parent.
        return f"{self._prefix}tmp/{os.getpid()}-{self._token}-{next(self._names)}"

    def _discard(self, path: str) -> None:
        # One that cannot be removed must not fail the commit it was part of; `abandoned` tries again.
        with contextlib.suppress(OSError):
            self._files.unlink(path)

    def _folder_of(self, key: str) -> str:
        folder = _folder(self._prefix + key)
        if folder not in self._folders:
            self._make_folder(folder)
        return folder

    def _make_folder(self, folder: str) -> None:
        """Make a folder whose own name is durable, parents first; one that another process made is synced as well."""
        missing = []
        while folder not in self._folders and folder != "/":
            missing.append(folder)
            if folder == str(self.root):
                break
            folder = _folder(folder)
        if not missing:
            return  # another thread was faster
        with self._writing(missing[0]):
            if missing[-1] == str(self.root):
                os.makedirs(self.root, exist_ok=True)  # noqa: PTH103
            for path in reversed(missing):
                self._files.make_folder(path)
                self._files.sync_folder(_folder(path))
                self._folders.add(path)

    @contextlib.contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise MissingObjectError(
                f"{self.url} has no object {key}.",
                instruction="Run `datamill data fsck`, and repair with `--from` another store.",
                key=key,
            ) from None
        except OSError as error:
            raise self._unreadable(key, error) from error

    def _unlistable(self, error: OSError) -> None:
        """A folder that cannot be listed is no empty folder: a collection would take all that it holds for garbage."""
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise self._unreadable(str(error.filename).removeprefix(self._prefix), error) from error

    def _unreadable(self, key: str, error: OSError) -> StoreUnreachableError:
        return StoreUnreachableError(
            f"{key} could not be read from {self.url}: {error.strerror or error}.",
            instruction="See to the disk, its permissions or the limit of open files (ulimit -n), then run it again.",
            key=key,
        )

    @contextlib.contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        try:
            yield
        except StoreWriteError:
            raise
        except OSError as error:
            raise StoreWriteError(
                f"{key} could not be written to {self.url}: {error.strerror or error}.",
                instruction="Make room or raise the limit, then run it again: what was committed before is intact.",
                key=key,
            ) from error


def _is_first(file: FileIO) -> bool:
    """Take the lock of a queue, if nobody has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _weight(body: Body) -> int:
    return len(body) if isinstance(body, bytes) else _WORTH_THREADS


def _folder(path: str) -> str:
    return path[: path.rindex("/")] or "/"
