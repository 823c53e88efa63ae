"""The model server's repository in a bucket, for a server that shares no directory with the pipelines.

The layout is that of :mod:`.repository`, below the prefix. A version begins with its settings, which are written
last and removed first: a model file without them is no version. The server has a copy of it all (:mod:`.mirror`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from datamill_infra.capabilities.s3 import ABSENT, error_code, open_client
from datamill_pipelines.serving.errors import ServingError
from datamill_pipelines.serving.repository import SETTINGS, version_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from datamill_infra.model.connections import ResolvedConnection

REQUEST_SECONDS = 60.0


class BucketRepository:
    """Models below an address like ``s3://models``.

    Args:
        root: the address.
        store: the object store that has the bucket.

    Raises:
        ServingError: ``root`` is no address of a bucket.
    """

    def __init__(self, root: str, store: ResolvedConnection) -> None:
        parts = urlsplit(root)
        if parts.scheme != "s3" or not parts.netloc:
            raise ServingError(
                f"The model repository {root} is not a bucket.",
                instruction="Give the inference component a model_repository like s3://models.",
            )
        self.bucket, self.prefix = parts.netloc, parts.path.strip("/")
        self._client = open_client(store, REQUEST_SECONDS)

    def versions(self, name: str) -> list[str]:
        """The versions of a model that are in the repository."""
        below = f"{self._key(name)}/"
        keys = (key.removeprefix(below) for key in self.etags(name))
        return sorted(key.partition("/")[0] for key in keys if key.count("/") == 1 and key.endswith(f"/{SETTINGS}"))

    def settings(self, name: str, version: str) -> dict[str, Any]:
        """What was written beside a version; empty if there is no such version."""
        from botocore.exceptions import ClientError  # noqa: PLC0415  (heavy, and rarely needed by who imports this)

        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=self._key(name, version, SETTINGS))
        except ClientError as error:
            if error_code(error) not in {*ABSENT, "NoSuchKey"}:
                raise
            return {}
        return dict(json.loads(answer["Body"].read()))

    def add(self, name: str, version: str, model_file: Path, extra: Mapping[str, Any]) -> None:
        """Put a version in; one that is there with the same settings is left as it is. See :class:`ModelRepository`."""
        settings = version_settings(name, version, model_file.name, extra)
        if self.settings(name, version) == settings:
            return
        self.remove(name, version)
        self._client.upload_file(str(model_file), self.bucket, self._key(name, version, model_file.name))
        body = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        self._client.put_object(Bucket=self.bucket, Key=self._key(name, version, SETTINGS), Body=body.encode())

    def remove(self, name: str, version: str) -> None:
        """Take a version out."""
        for key in sorted(self.etags(name, version), key=lambda key: not key.endswith(SETTINGS)):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def etags(self, *below: str) -> dict[str, str]:
        """Key to entity tag, of every object of the repository, of a model, or of a version."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{self._key(*below)}/" if self._key(*below) else ""
        )
        return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", ())}

    def fetch(self, key: str, target: Path) -> None:
        """Write an object to a file."""
        self._client.download_file(self.bucket, key, str(target))

    def _key(self, *parts: str) -> str:
        return "/".join(part for part in (self.prefix, *parts) if part)
