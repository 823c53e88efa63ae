"""Dagster-aws's log manager on the object store of a deployment: endpoint and credentials from its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager

from datamill_infra.capabilities.s3 import error_code, open_client, provision
from datamill_infra.model.errors import DatamillError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagster._core.storage.compute_log_manager import ComputeIOType

    from datamill_infra.model.connections import ResolvedConnection

# A log is shipped at the end of a step: waiting longer for a store that is going down would hold up the run.
REQUEST_SECONDS = 10.0


class DeploymentS3ComputeLogManager(S3ComputeLogManager):  # type: ignore[misc]  # dagster-aws ships no types
    """Uploads to, and reads from, one bucket.

    Args:
        connection: of the capability ``s3``.
        bucket: created when it does not exist.
        local_dir: where logs are captured, and fetched to.
    """

    faults = (BotoCoreError, ClientError, Boto3Error, DatamillError, OSError)
    """What an object store that is away or broken raises."""

    def __init__(self, connection: ResolvedConnection, bucket: str, *, local_dir: str) -> None:
        super().__init__(bucket, local_dir=local_dir, prefix="runs", endpoint_url=connection.text("endpoint"))
        self._connection = connection
        self._s3_session = open_client(connection, REQUEST_SECONDS)

    def upload_to_cloud_storage(self, log_key: Sequence[str], io_type: ComputeIOType, partial: bool = False) -> None:  # noqa: FBT001, FBT002  dagster's signature
        """Upload one stream of a log, into a bucket that is created when it turns out not to be there.

        The whole upload is done again, not the request alone: boto3 closes the file it was given, also when it fails.
        """
        try:
            super().upload_to_cloud_storage(log_key, io_type, partial)
        except ClientError as error:
            if error_code(error) != "NoSuchBucket":
                raise
            provision(self._connection, {"bucket": self._s3_bucket})
            super().upload_to_cloud_storage(log_key, io_type, partial)
