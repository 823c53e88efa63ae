"""The embedded object store."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from embedded.room import Platform
from mypy_boto3_s3 import S3Client

from datamill_infra.capabilities import s3
from datamill_infra.model.errors import UnhealthyError

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def client(platform: Platform) -> Iterator[S3Client]:
    connection = platform.connection("s3")
    s3.provision(connection, {"bucket": "tests"})
    with_bucket = s3.open_client(connection, 30)
    yield with_bucket
    with_bucket.close()


def test_objects_survive_a_kill_of_the_server(platform: Platform, client: S3Client) -> None:
    contents = {f"kept/{number}": random.Random(number).randbytes(10_000) for number in range(20)}
    for key, body in contents.items():
        client.put_object(Bucket="tests", Key=key, Body=body)
    platform.kill("s3proxy")
    platform.wait_healthy("s3proxy")
    assert contents == {key: client.get_object(Bucket="tests", Key=key)["Body"].read() for key in contents}


def test_of_concurrent_creators_of_an_object_exactly_one_wins(client: S3Client) -> None:
    def create(attempt: tuple[int, int]) -> int:
        key, writer = attempt
        try:
            client.put_object(Bucket="tests", Key=f"race/{key}", Body=str(writer).encode(), IfNoneMatch="*")
        except ClientError as error:
            assert s3.error_code(error) in s3.TAKEN  # noqa: PT017
            return 0
        return 1

    attempts = [(key, writer) for key in range(20) for writer in range(8)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, attempts))
    assert sum(won) == 20


def test_a_bucket_is_created_once_and_then_left_as_it_is(platform: Platform, client: S3Client) -> None:
    client.put_object(Bucket="tests", Key="before", Body=b"1")
    s3.provision(platform.connection("s3"), {"bucket": "tests"})
    assert client.get_object(Bucket="tests", Key="before")["Body"].read() == b"1"


def test_the_buckets_that_components_claim_are_there(client: S3Client) -> None:
    names = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    assert {"mlflow", "datasets"} <= names


@pytest.mark.parametrize("field", ["access_key", "secret_key"])
def test_a_wrong_key_is_refused_in_words_without_the_key(platform: Platform, field: str) -> None:
    connection = platform.connection("s3")
    wrong = replace(connection, values={**connection.values, field: "not-the-right-one"})
    with pytest.raises(UnhealthyError, match="it refused the credentials") as caught:
        s3.probe(wrong, timeout=30)
    assert "not-the-right-one" not in str(caught.value)
