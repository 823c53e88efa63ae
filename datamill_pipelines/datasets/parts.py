"""Large objects in parallel parts, resumable.

Objects are named by their content, so an upload that was left unfinished under the same name is of the same bytes:
its parts are taken over where size and checksum agree, and only the rest is sent. ``obstore`` has no words for that,
so this one module talks to S3 through boto3, which is loaded when the first large object comes along.
"""

from __future__ import annotations

import contextlib
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from datamill_pipelines.datasets.errors import DamagedObjectError, MissingObjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from datamill_infra.model.connections import ResolvedConnection

PART_SIZE = 32 << 20
"""Bytes of a part: 10,000 of them, the limit of S3, make 320 GB."""

LARGE = 2 * PART_SIZE
"""Objects of at least this size go in parts."""

_PARALLEL = 4


class PartUploads:
    """Uploads in parts to one bucket.

    Args:
        connection: as of :class:`~.s3.S3Store`.
        bucket: the bucket.
        timeout: seconds for one request.
        retry: runs a call as often as the policy allows.
        part_size: bytes of a part.
    """

    def __init__(
        self,
        connection: ResolvedConnection,
        bucket: str,
        timeout: float,
        retry: Callable[[str, Callable[[], Any]], Any],
        part_size: int = PART_SIZE,
    ) -> None:
        self._connection, self._bucket, self._timeout = connection, bucket, timeout
        self._retry, self._part_size = retry, part_size
        self._made: S3Client | None = None

    @property
    def _client(self) -> S3Client:
        if self._made is None:
            import boto3  # noqa: PLC0415 (a third of a second; see the module)
            from botocore.config import Config  # noqa: PLC0415 (same)

            self._made = boto3.client(
                "s3",
                endpoint_url=self._connection.text("endpoint"),
                region_name=str(self._connection.get("region", "us-east-1")),
                aws_access_key_id=self._connection.text("access_key"),
                aws_secret_access_key=self._connection.text("secret_key"),
                config=Config(
                    connect_timeout=min(self._timeout, 5),
                    read_timeout=self._timeout,
                    retries={"total_max_attempts": 1},
                    max_pool_connections=_PARALLEL,
                    s3={"addressing_style": "path" if self._connection.get("path_style", True) else "virtual"},
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )
        return self._made

    def put(self, key: str, path: Path) -> None:
        """Upload a file."""
        size = path.stat().st_size
        offsets = range(0, size, self._part_size)
        upload = self._unfinished(key) or self._begin(key)
        known = self._parts(key, upload)
        with ThreadPoolExecutor(_PARALLEL) as pool:
            parts = list(
                pool.map(
                    lambda number: self._put_part(key, upload, path, number, known.get(number)),
                    range(1, len(offsets) + 1),
                )
            )
        self._complete(key, upload, parts, size)

    def abandoned(self, prefix: str, older_than: datetime) -> Iterator[str]:
        """Abort uploads that were left unfinished."""
        for upload in self._list(prefix):
            if upload["Initiated"] < older_than:
                self._abort(upload["Key"], upload["UploadId"])
                yield f"unfinished upload of {upload['Key']}"

    def _begin(self, key: str) -> str:
        call = self._client.create_multipart_upload
        return str(self._retry(key, lambda: call(Bucket=self._bucket, Key=key))["UploadId"])

    def _unfinished(self, key: str) -> str | None:
        """The newest upload of the same object that somebody began; older ones are left to :meth:`abandoned`."""
        found = [upload for upload in self._list(key) if upload["Key"] == key]
        return max(found, key=lambda upload: upload["Initiated"])["UploadId"] if found else None

    def _list(self, prefix: str) -> list[Any]:
        pages = self._client.get_paginator("list_multipart_uploads")
        listed = self._retry(prefix, lambda: list(pages.paginate(Bucket=self._bucket, Prefix=prefix)))
        return [upload for page in listed for upload in page.get("Uploads", [])]

    def _parts(self, key: str, upload: str) -> dict[int, str]:
        """Checksums of the parts that are there."""
        pages = self._client.get_paginator("list_parts")
        listed = self._retry(key, lambda: list(pages.paginate(Bucket=self._bucket, Key=key, UploadId=upload)))
        return {part["PartNumber"]: part["ETag"].strip('"') for page in listed for part in page.get("Parts", [])}

    def _put_part(self, key: str, upload: str, path: Path, number: int, known: str | None) -> dict[str, Any]:
        with path.open("rb") as file:
            file.seek((number - 1) * self._part_size)
            data = file.read(self._part_size)
        checksum = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if known != checksum:
            call = self._client.upload_part
            self._retry(
                key,
                lambda: call(Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=number, Body=data),
            )
        return {"PartNumber": number, "ETag": f'"{checksum}"'}

    def _complete(self, key: str, upload: str, parts: list[dict[str, Any]], size: int) -> None:
        call = self._client.complete_multipart_upload
        whole: Any = {"Parts": parts}
        # When the upload is gone, an earlier attempt, or another writer of the same bytes, has completed it.
        with contextlib.suppress(MissingObjectError):
            self._retry(key, lambda: call(Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload=whole))
        if self._retry(key, lambda: self._client.head_object(Bucket=self._bucket, Key=key))["ContentLength"] != size:
            raise DamagedObjectError(
                f"{key} does not have {size} bytes after its parts were put together.",
                instruction="Run it again; look at the S3 server's log if it stays that way.",
                key=key,
            )

    def _abort(self, key: str, upload: str) -> None:
        call = self._client.abort_multipart_upload
        with contextlib.suppress(MissingObjectError):  # somebody was faster
            self._retry(key, lambda: call(Bucket=self._bucket, Key=key, UploadId=upload))
