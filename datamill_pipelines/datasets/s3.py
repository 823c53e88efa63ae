"""Objects in any S3-compatible store, through ``obstore``.

Retries are ours, not the client's: their number is bounded and the same for every call, and a conditional write whose
reply was lost is told apart from a lost race by reading the object back (the caller's nonce is in its bytes).
"""

from __future__ import annotations

import contextlib
import functools
import random
import time
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store as Client

from datamill_pipelines.datasets.errors import DamagedObjectError, MissingObjectError, StoreUnreachableError
from datamill_pipelines.datasets.framing import new_nonce
from datamill_pipelines.datasets.objects import ObjectInfo, ObjectStore
from datamill_pipelines.datasets.parts import LARGE, PART_SIZE, PartUploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from datamill_infra.model.connections import ResolvedConnection
    from datamill_pipelines.datasets.objects import Body

ATTEMPTS = 7
"""Tries per request: five failures in a row are survived with one to spare."""

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
_DELETE_BATCH = 1000

T = TypeVar("T")


class S3Store(ObjectStore):
    """A bucket, or a prefix of one.

    Args:
        bucket: the bucket.
        prefix: keys are below it; ``""`` for the whole bucket.
        connection: ``endpoint``, ``region``, ``access_key``, ``secret_key``, ``path_style``.
        timeout: seconds for one request.
        part_size: bytes of the parts of large files.
        sleep: waits between attempts.
    """

    # Nothing is saved by putting objects late, and time by putting them while the next are made.
    held = 8 << 20

    def __init__(
        self,
        bucket: str,
        prefix: str,
        connection: ResolvedConnection,
        *,
        timeout: float = 60.0,
        part_size: int = PART_SIZE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.bucket, self.prefix = bucket, prefix.strip("/")
        self.url = f"s3://{bucket}/{self.prefix}".rstrip("/")
        self.connection = connection
        self._sleep = sleep
        self._parts = PartUploads(connection, bucket, timeout, self._retry, part_size)
        self._large = min(LARGE, 2 * part_size)
        self._random = random.Random()  # noqa: S311 (jitter)
        endpoint = connection.text("endpoint")
        self._client = Client(
            bucket,
            prefix=self.prefix or None,
            endpoint=endpoint,
            region=str(connection.get("region", "us-east-1")),
            access_key_id=connection.text("access_key"),
            secret_access_key=connection.text("secret_key"),
            virtual_hosted_style_request=not connection.get("path_style", True),
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "timeout": timedelta(seconds=timeout),
                "connect_timeout": timedelta(seconds=min(timeout, 5)),
            },
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=timeout)},
        )

    def get(self, key: str) -> bytes:
        """The whole object."""
        return self._retry(key, lambda: bytes(obstore.get(self._client, key).bytes()))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """A part of the object."""
        data = self._retry(key, lambda: bytes(obstore.get_range(self._client, key, start=start, length=length)))
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
            return self._retry(key, lambda: obstore.head(self._client, key)["size"])
        except MissingObjectError:
            return None

    def put(self, key: str, body: Body) -> None:
        """Create or replace; large files in parallel parts."""
        if isinstance(body, Path) and body.stat().st_size >= self._large:
            self._parts.put(self._full(key), body)
            return
        data = body.read_bytes() if isinstance(body, Path) else body
        self._retry(key, lambda: obstore.put(self._client, key, data, use_multipart=False))

    def put_new(self, key: str, data: bytes) -> bool:
        """Create unless present; a conflict with one's own lost reply is success."""
        try:
            self._retry(key, lambda: obstore.put(self._client, key, data, mode="create", use_multipart=False))
        except (AlreadyExistsError, PreconditionError):
            return self.get(key) == data
        return True

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects."""
        for start in range(0, len(keys), _DELETE_BATCH):
            batch = list(keys[start : start + _DELETE_BATCH])
            with contextlib.suppress(MissingObjectError):
                self._retry(batch[0], functools.partial(obstore.delete, self._client, batch))

    def scan(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object below the prefix."""
        folder = prefix.rstrip("/")
        found = self._retry(folder, lambda: obstore.list(self._client, folder or None, chunk_size=1000).collect())
        for item in found:
            yield ObjectInfo(item["path"], item["size"], item["last_modified"].astimezone(UTC))

    def folders(self, prefix: str) -> list[str]:
        """Common prefixes directly below."""
        folder = prefix.rstrip("/")
        found = self._retry(folder, lambda: obstore.list_with_delimiter(self._client, folder or None))
        return sorted(name.rsplit("/", 1)[-1] for name in found["common_prefixes"])

    def clock(self) -> datetime:
        """The server's clock: the time it gives to an object made now."""
        key = f"clock/{new_nonce()}"
        self.put(key, b"")
        try:
            return self._retry(key, lambda: obstore.head(self._client, key)["last_modified"].astimezone(UTC))
        finally:
            self.delete([key])

    def uri(self, key: str, scheme: str | None = None) -> str:
        """The object's address for Spark (``s3a``) or another engine (``scheme="s3"``)."""
        return f"{scheme or 's3a'}://{self.bucket}/{self.prefix + '/' if self.prefix else ''}{key}"

    def download(self, key: str, target: Path) -> None:
        """Write the object to a file, a piece at a time."""
        self._retry(key, lambda: self._download(key, target))

    def _download(self, key: str, target: Path) -> None:
        with target.open("wb") as file:
            for piece in obstore.get(self._client, key).stream(min_chunk_size=4 << 20):
                file.write(piece)

    def abandoned(self, older_than: datetime) -> Iterator[str]:
        """Abort uploads that killed writers left unfinished."""
        return self._parts.abandoned(self._full(""), older_than)

    def _full(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key

    def _retry(self, key: str, call: Callable[[], T]) -> T:
        pause = _FIRST_PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return call()
            except Exception as error:
                what = judge(error)
                if what is Verdict.MISSING:
                    raise MissingObjectError(
                        f"{self.url} has no object {key}.",
                        instruction="Run `datamill data fsck`, and repair with `--from` another store.",
                        key=key,
                    ) from None
                if what is Verdict.REFUSED:
                    raise StoreUnreachableError(
                        f"{self.url} refuses access to {key}: {_short(error)}",
                        instruction="Check the access key and the bucket of the connection: datamill status",
                        key=key,
                    ) from error
                if what is Verdict.FINAL:
                    raise
                if attempt == ATTEMPTS:
                    raise StoreUnreachableError(
                        f"{self.url} gave no usable answer for {key} in {ATTEMPTS} attempts: {_short(error)}",
                        instruction="Look at `datamill status` and `datamill logs` for the S3 component, then run it"
                        " again: what was committed before is intact.",
                        key=key,
                    ) from error
                self._sleep(pause * (0.5 + self._random.random()))
                pause = min(pause * 2, _LONGEST_PAUSE)
        raise AssertionError(key)


class Verdict(Enum):
    """What an error means for the request."""

    RETRY = auto()
    MISSING = auto()
    REFUSED = auto()
    FINAL = auto()


_VERDICTS: tuple[tuple[tuple[type[Exception], ...], Verdict], ...] = (
    ((AlreadyExistsError, PreconditionError), Verdict.FINAL),
    ((FileNotFoundError, NotFoundError), Verdict.MISSING),
    ((PermissionDeniedError, UnauthenticatedError), Verdict.REFUSED),
    ((BaseError, OSError), Verdict.RETRY),
)
"""The first that fits counts."""


def judge(error: Exception) -> Verdict:
    """What to do about an error of obstore or botocore."""
    for kinds, verdict in _VERDICTS:
        if isinstance(error, kinds):
            return verdict
    response = getattr(error, "response", None)  # botocore's ClientError, without importing it
    if isinstance(response, dict):
        code, status = response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
        if code in {"NoSuchKey", "NoSuchUpload", "404"}:
            return Verdict.MISSING
        return Verdict.REFUSED if status in {401, 403} else Verdict.RETRY
    return Verdict.RETRY if type(error).__module__.startswith(("botocore", "urllib3")) else Verdict.FINAL


def _short(error: BaseException) -> str:
    """The client's message without its debug dump, which repeats request headers."""
    return str(error).split("\n\nDebug source:")[0][:300]
