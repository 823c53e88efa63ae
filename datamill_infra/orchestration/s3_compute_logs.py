"""Dagster-aws's log manager on the object store of a deployment: endpoint and credentials from its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager

from datamill_infra.capabilities.s3 import open_client, provision
from datamill_infra.model.errors import DatamillError

if TYPE_CHECKING:
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

    def _upload_file_obj(self, data: Any, log_key: Any, io_type: Any, partial: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002  dagster-aws's signature
        try:
            super()._upload_file_obj(data, log_key, io_type, partial)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "NoSuchBucket":
                raise
            provision(self._connection, {"bucket": self._s3_bucket})
            data.seek(0)
            super()._upload_file_obj(data, log_key, io_type, partial)
