"""What can go wrong with versioned datasets.

The tree below :class:`~datamill_infra.model.errors.DatamillError` (exit code 1 unless it says otherwise)::

    DatasetError
    ├── NotFoundError (also LookupError)   a branch, tag, commit or file that does not exist
    │   └── UnknownRepoError (5)           a repo that does not exist; the nearest name is offered
    ├── ExistsError                        a name that is taken
    ├── InvalidNameError (5)               a repo, branch, tag or path that cannot be stored
    ├── ConflictError                      someone else changed the same files; nothing was written
    │   └── MergeConflictError             ... in a merge
    ├── FencedError                        a batch does not continue the head's positions; it was discarded
    ├── CollectedError                     what was to be reused has been collected meanwhile
    ├── FormatError                        a store of another format version
    └── StoreError                         the object store itself
        ├── MissingObjectError             an object that must exist does not
        ├── DamagedObjectError             an object's bytes are not what was written
        ├── StoreUnreachableError          no answer within the budget of retries, or a disk that cannot be read
        ├── StoreWriteError (also OSError)  no space, too many files, input/output error
        └── UnsafeStoreError               the server's conditional writes race, so it is refused
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from datamill_infra.model.errors import DatamillError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence


class DatasetError(DatamillError):
    """Anything about versioned datasets."""


class NotFoundError(DatasetError, LookupError):
    """A repo, branch, tag, commit or file does not exist."""


class UnknownRepoError(UnknownNameError, NotFoundError):
    """A repo does not exist; the nearest name is offered."""


class ExistsError(DatasetError):
    """A name is taken."""


class InvalidNameError(DatasetError, ValueError):
    """A repo, branch, tag or path cannot be stored under this name."""

    exit_code: ClassVar[int] = 5


class InvalidTableError(DatasetError, ValueError):
    """A file that is put under the name of a Parquet file is none."""

    exit_code: ClassVar[int] = 5


class ConflictError(DatasetError):
    """Someone else changed the same files meanwhile, and nothing was written.

    Attributes:
        paths: the files both sides changed.
    """

    def __init__(self, reason: str, *, instruction: str, paths: Sequence[str] = ()) -> None:
        super().__init__(reason, instruction=instruction)
        self.paths = tuple(paths)


class MergeConflictError(ConflictError):
    """Both sides of a merge changed the same files."""


class FencedError(DatasetError):
    """A batch does not start where the head's positions end; it was discarded, not retried on top.

    Attributes:
        key: the position's key.
        expected: where the head ends.
        start: where the batch starts.
    """

    def __init__(self, reason: str, *, instruction: str, key: str = "", expected: int = 0, start: int = 0) -> None:
        super().__init__(reason, instruction=instruction)
        self.key, self.expected, self.start = key, expected, start


class CollectedError(DatasetError):
    """What a transaction or a new branch was to reuse has been collected as garbage meanwhile."""


class FormatError(DatasetError):
    """The store was written in another format version."""


class StoreError(DatasetError):
    """The object store itself failed.

    Attributes:
        key: the object concerned, relative to the store.
    """

    def __init__(self, reason: str, *, instruction: str, key: str = "") -> None:
        super().__init__(reason, instruction=instruction)
        self.key = key


class MissingObjectError(StoreError, LookupError):
    """An object that must exist does not."""


class DamagedObjectError(StoreError):
    """An object's bytes are not what was written: flipped, truncated, or swapped with another."""


class StoreUnreachableError(StoreError):
    """The store gave no usable answer within the budget of retries."""


class StoreWriteError(StoreError, OSError):
    """The directory refused a write: no space, too many open files, or an input/output error."""


class UnsafeStoreError(StoreError):
    """The server lets two conditional writes to one key both succeed, so it cannot carry versioned data."""
