"""The model server's own copy of a repository in a bucket. Imported by MLServer, by the name in its settings.

Each question about the repository fetches what has changed first: whoever has put a version into the bucket asks the
server to load it, and finds it there. A file appears as a whole; settings appear after, and go before, what they name.
"""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mlserver.repository import SchemalessModelRepository

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.serving.bucket import BucketRepository
from datamill_pipelines.serving.errors import ServingError
from datamill_pipelines.serving.repository import SETTINGS

if TYPE_CHECKING:
    from mlserver.settings import ModelSettings

PART = ".part"


class MirroredRepository(SchemalessModelRepository):  # type: ignore[misc]  # MLServer ships no types
    """A directory that follows a bucket. Keys are taken from AWS's variables of the environment.

    Args:
        root: the directory.
        url: of the bucket, e.g. ``"s3://models"``.
        endpoint: of the object store.
        region: of the bucket.
        path_style: whether the bucket goes into the path.
    """

    def __init__(self, root: str, *, url: str, endpoint: str, region: str, path_style: bool = True) -> None:
        super().__init__(root)
        self._directory = Path(root).resolve()
        values: dict[str, str | int | bool] = {
            "endpoint": endpoint,
            "region": region,
            "path_style": path_style,
            "access_key": os.environ["AWS_ACCESS_KEY_ID"],
            "secret_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        }
        store = ResolvedConnection("s3", "mlserver", values, frozenset({"access_key", "secret_key"}))
        self._bucket = BucketRepository(url, store)
        self._have: dict[str, str] = {}
        self._turn = threading.Lock()

    async def list(self) -> list[ModelSettings]:
        """Every version, after what has changed was fetched."""
        await asyncio.to_thread(self.follow)
        return list(await super().list())

    def follow(self) -> None:
        """Bring the directory to what the bucket has."""
        with self._turn:
            wanted = self._bucket.etags()
            files = {key: self._file(key) for key in wanted}
            known = set(files.values())
            there = [file for file in self._directory.rglob("*") if file.is_file()]
            for file in sorted((one for one in there if one not in known), key=lambda one: one.name != SETTINGS):
                file.unlink()
            for key in sorted(wanted, key=lambda one: one.endswith(SETTINGS)):
                if self._have.get(key) != wanted[key] or not files[key].exists():
                    files[key].parent.mkdir(parents=True, exist_ok=True)
                    part = files[key].with_name(files[key].name + PART)
                    self._bucket.fetch(key, part)
                    part.replace(files[key])
            self._have = wanted

    def _file(self, key: str) -> Path:
        """Where an object lies; never outside."""
        file = (self._directory / key.removeprefix(f"{self._bucket.prefix}/")).resolve()
        if not file.is_relative_to(self._directory):
            raise ServingError(
                f"The object {key} of the model repository would lie outside of it.",
                instruction="Remove it from the bucket.",
            )
        return file
