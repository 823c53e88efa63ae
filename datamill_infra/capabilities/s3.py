"""``s3``: an object store that speaks the S3 API.

Fields: ``endpoint``, ``region``, ``path_style``; secrets ``access_key``, ``secret_key``; in a claim's view ``bucket``.

The probe writes, reads and deletes one small object. Without a claim it uses a bucket of its own (``probe_bucket``,
or ``datamill-probe``), which it creates at the first probe: it must not depend on who claims what.
"""

from __future__ import annotations

import functools
import os
import secrets
import threading
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
import botocore.session
from botocore.config import Config

from datamill_infra.capabilities.attempt import Attempt, host_and_port
from datamill_infra.capabilities.rest import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection

_MAKING = threading.Lock()
"""A session of boto3 makes one client at a time; the clients may be used side by side."""

PROBE_BUCKET = "datamill-probe"
PROBE_PREFIX = ".datamill-probe/"
PROVISION_SECONDS = 15.0
# Where a session would look for a profile: under no name, in no file.
NOTHING_OF_AWS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
REFUSED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "401", "403"})
ABSENT = frozenset({"NoSuchBucket", "404"})
TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412"})
PRESENT = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Put, get and delete an object.

    Raises:
        UnhealthyError: one of the three did not do what it says.
    """
    attempt = _attempt(connection, timeout)
    bucket = str(connection.get("bucket") or connection.get("probe_bucket") or PROBE_BUCKET)
    content = secrets.token_bytes(64)
    key = f"{PROBE_PREFIX}{secrets.token_hex(8)}"
    client = _reach(connection, attempt)
    try:
        attempt.left(f"putting an object into {bucket}")
        try:
            client.put_object(Bucket=bucket, Key=key, Body=content)
        except client.exceptions.NoSuchBucket:
            _create_bucket(client, bucket, connection.text("region"), attempt)
            attempt.left(f"putting an object into {bucket}")
            client.put_object(Bucket=bucket, Key=key, Body=content)
        attempt.left(f"reading an object from {bucket}")
        answer = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        attempt.left(f"deleting an object from {bucket}")
        client.delete_object(Bucket=bucket, Key=key)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise explain(attempt, error) from None
    finally:
        client.close()
    if answer != content:
        raise attempt.failed(f"it gave back {len(answer)} other bytes than the {len(content)} it was given")
    return attempt.observed("put, get and delete of an object", bucket=bucket)


def provision(connection: ResolvedConnection, claim: Mapping[str, object]) -> None:
    """Create the bucket a claim names, unless it is there.

    Args:
        connection: where.
        claim: ``{"bucket": name}``; anything else in it is not ours to create.

    Raises:
        UnhealthyError: the store refused, or did not answer.
    """
    if "bucket" not in claim:
        return
    bucket = str(claim["bucket"])
    attempt = _attempt(connection, PROVISION_SECONDS)
    client = _reach(connection, attempt)
    attempt.left(f"looking for the bucket {bucket}")
    try:
        client.head_bucket(Bucket=bucket)
    except botocore.exceptions.ClientError as error:
        if error_code(error) not in ABSENT:
            raise explain(attempt, error) from None
        try:
            _create_bucket(client, bucket, connection.text("region"), attempt)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as refusal:
            raise explain(attempt, refusal) from None
    except botocore.exceptions.BotoCoreError as error:
        raise explain(attempt, error) from None
    finally:
        client.close()


def environment(connection: ResolvedConnection) -> dict[str, str]:
    """What the AWS clients read, and MLflow's artifact client."""
    endpoint, region = connection.text("endpoint"), connection.text("region")
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": connection.text("access_key"),
        "AWS_SECRET_ACCESS_KEY": connection.text("secret_key"),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "MLFLOW_S3_ENDPOINT_URL": endpoint,
    }


def open_client(connection: ResolvedConnection, timeout: float) -> S3Client:
    """A boto3 client for a connection, which ignores what the environment says about AWS.

    Args:
        connection: of the capability ``s3``, or one that carries the same fields.
        timeout: seconds for connecting, and for each answer.
    """
    endpoint = connection.text("endpoint")
    plain = endpoint.startswith("http://")
    options: dict[str, Any] = {
        "connect_timeout": timeout,
        "read_timeout": timeout,
        "retries": {"total_max_attempts": 1},
        "s3": {"addressing_style": "path" if connection.get("path_style", True) else "auto"},
    }
    if is_loopback(host_and_port(endpoint, 80)[0]):
        options["proxies"] = {}
    with _MAKING:
        return _session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=connection.text("region"),
            aws_access_key_id=connection.text("access_key"),
            aws_secret_access_key=connection.text("secret_key"),
            # Without TLS there is nothing to verify, and AWS_CA_BUNDLE naming a file that is gone would be an error.
            verify=False if plain else None,
            config=Config(**options),
        )


@functools.cache
def _session() -> boto3.session.Session:
    """Ours alone, and one: it reads megabytes of what AWS is once, and not for each client."""
    return boto3.session.Session(botocore_session=botocore.session.Session(session_vars=NOTHING_OF_AWS))


def error_code(error: botocore.exceptions.ClientError) -> str:
    """The S3 error code, or the status of an answer without a body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def explain(attempt: Attempt, error: Exception) -> Exception:
    """A client library's exception in words."""
    if isinstance(error, botocore.exceptions.ClientError):
        code = error_code(error)
        return attempt.refused(code) if code in REFUSED else attempt.failed(f"it answered {code}: {error}")
    if isinstance(error, (botocore.exceptions.ReadTimeoutError, botocore.exceptions.ConnectTimeoutError)):
        return attempt.failed("it accepts connections but does not answer")
    return attempt.failed(f"{type(error).__name__}: {error}")


def _attempt(connection: ResolvedConnection, timeout: float) -> Attempt:
    return Attempt(connection, connection.text("endpoint"), timeout)


def _reach(connection: ResolvedConnection, attempt: Attempt) -> S3Client:
    endpoint = connection.text("endpoint")
    attempt.reach(*host_and_port(endpoint, 443 if endpoint.startswith("https") else 80))
    return open_client(connection, attempt.left("opening a client"))


def _create_bucket(client: S3Client, bucket: str, region: str, attempt: Attempt) -> None:
    attempt.left(f"creating the bucket {bucket}")
    try:
        if region == "us-east-1":  # which must not be named as a location
            client.create_bucket(Bucket=bucket)
        else:
            # The type stubs list AWS's regions; other stores have others.
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})  # type: ignore[typeddict-item]
    except botocore.exceptions.ClientError as error:
        if error_code(error) not in PRESENT:
            raise
