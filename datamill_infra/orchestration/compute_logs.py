"""Captured output of steps: on this machine while a step runs, on the deployment's object store afterwards.

``dagster.yaml`` names :class:`DeploymentComputeLogManager`. Dagster-aws's manager cannot be named there directly:
it takes a fixed endpoint and fails the step when the store does not answer, and the endpoint of a deployment is
allocated when it is planned, its credentials are generated, and the very runs that start the object store are
captured, too. So output is captured locally, and shipped when there is something to ship and a store to ship to.
What could not be shipped stays local and is served from there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dagster import StringSource

# Dagster's extension point for log managers has no public import path; dagster-aws imports it the same way.
from dagster._core.storage.compute_log_manager import CapturedLogContext, CapturedLogMetadata, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager

from datamill_infra.model.errors import DatamillError
from datamill_infra.model.home import Home
from datamill_infra.model.published import published_connection, published_connections

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from dagster._serdes import ConfigurableClassData

    from datamill_infra.orchestration.s3_compute_logs import DeploymentS3ComputeLogManager

logger = logging.getLogger("dagster.compute_log_manager")
STREAMS = (ComputeIOType.STDOUT, ComputeIOType.STDERR)


class DeploymentComputeLogManager(LocalComputeLogManager):
    """Local capture, shipped to the bucket of a deployment's object store.

    Args:
        home: the deployment directory.
        bucket: created when it does not exist.
        inst_data: how Dagster rebuilds the manager in another process.
    """

    def __init__(self, home: str, bucket: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir=str(Home(Path(home)).storage), inst_data=inst_data)
        self._home = Home(Path(home))
        self._bucket = bucket
        self._built: DeploymentS3ComputeLogManager | None = None

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """What ``dagster.yaml`` may say."""
        return {"home": StringSource, "bucket": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Build it from ``dagster.yaml``."""
        return cls(inst_data=inst_data, **config_value)

    @contextlib.contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Send what the process prints to files, then ship them.

        Nothing is mirrored to the terminal: it belongs to the display, and mirroring costs four processes a step.
        """
        with (
            _redirected(sys.stdout, self._path(log_key, STREAMS[0])),
            _redirected(sys.stderr, self._path(log_key, STREAMS[1])),
        ):
            yield CapturedLogContext(log_key)
        Path(self.get_captured_local_path(log_key, "complete")).touch()
        self._ship(log_key)

    def get_log_data_for_type(
        self, log_key: Sequence[str], io_type: ComputeIOType, offset: int | None = 0, max_bytes: int | None = None
    ) -> tuple[bytes | None, int]:
        """Bytes from ``offset``; fetched from the store when they are no longer here."""
        if not self._path(log_key, io_type).exists() and self.is_capture_complete(log_key):
            with self._store("read") as store:
                if store is not None and store.cloud_storage_has_logs(log_key, io_type):
                    store.download_from_cloud_storage(log_key, io_type)
        data, position = super().get_log_data_for_type(log_key, io_type, offset, max_bytes)
        return data, position

    def get_log_metadata(self, log_key: Sequence[str]) -> CapturedLogMetadata:
        """Where the log is: a file here, or an object."""
        local = super().get_log_metadata(log_key)
        with self._store("describe") as store:
            if store is not None and not any(self._path(log_key, stream).exists() for stream in STREAMS):
                return CapturedLogMetadata(
                    stdout_location=store.display_path_for_type(log_key, ComputeIOType.STDOUT),
                    stderr_location=store.display_path_for_type(log_key, ComputeIOType.STDERR),
                    stdout_download_url=store.download_url_for_type(log_key, ComputeIOType.STDOUT),
                    stderr_download_url=store.download_url_for_type(log_key, ComputeIOType.STDERR),
                )
        return local

    def delete_logs(self, log_key: Sequence[str] | None = None, prefix: Sequence[str] | None = None) -> None:
        """Delete here and on the store."""
        with self._store("delete") as store:
            if store is not None:
                store.delete_logs(log_key=log_key, prefix=prefix)
        super().delete_logs(log_key=log_key, prefix=prefix)

    def _path(self, log_key: Sequence[str], io_type: ComputeIOType) -> Path:
        return Path(self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[io_type]))

    def _ship(self, log_key: Sequence[str]) -> None:
        """Move what was captured to the store. Empty output stays, so that a silent step costs nothing."""
        written = [stream for stream in STREAMS if self._path(log_key, stream).stat().st_size]
        if not written:
            return
        with self._store("keep") as store:
            if store is not None:
                for stream in written:
                    store.upload_to_cloud_storage(log_key, stream)
                    self._path(log_key, stream).unlink()

    @contextlib.contextmanager
    def _store(self, doing: str) -> Iterator[DeploymentS3ComputeLogManager | None]:
        """The store's manager, or ``None`` when the deployment has none yet; its faults are told and end there.

        A log is never worth failing the step that wrote it.
        """
        try:
            if self._built is None and "s3" in published_connections(self._home):
                # Imported late: dagster-aws costs a second of start-up, for processes that may never ship anything.
                from datamill_infra.orchestration.s3_compute_logs import (  # noqa: PLC0415
                    DeploymentS3ComputeLogManager,
                )

                connection = published_connection(self._home, "s3")
                self._built = DeploymentS3ComputeLogManager(connection, self._bucket, local_dir=self._base_dir)
            store = self._built
        except DatamillError as error:
            logger.warning("Captured logs stay on this machine: %s", error.reason)
            store = None
        if store is None:
            yield None
            return
        try:
            yield store
        except store.faults as error:
            logger.warning(
                "The object store could not %s captured logs, what is left is in %s: %s", doing, self._base_dir, error
            )


@contextlib.contextmanager
def _redirected(stream: TextIO | None, file: Path) -> Iterator[None]:
    """Point a standard stream's descriptor at a file, also for libraries and children that bypass Python."""
    file.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        try:
            descriptor = stream.fileno() if stream is not None else None
        except (OSError, ValueError):  # replaced by an object without a descriptor, as test runners do
            descriptor = None
        if stream is None or descriptor is None:
            yield
            return
        stream.flush()
        original = os.dup(descriptor)
        os.dup2(target, descriptor)
        try:
            yield
        finally:
            stream.flush()
            os.dup2(original, descriptor)
            os.close(original)
    finally:
        os.close(target)
