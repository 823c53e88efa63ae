"""A repository in a bucket, and the model server's copy of it, on the catalogue's own object store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import BUCKET, s3_server

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.serving.bucket import BucketRepository
from datamill_pipelines.serving.errors import ServingError
from datamill_pipelines.serving.mirror import MirroredRepository
from datamill_pipelines.serving.repository import SETTINGS


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResolvedConnection]:
    with s3_server(tmp_path_factory.mktemp("s3proxy")) as connection:
        yield connection


@pytest.fixture
def repository(store: ResolvedConnection, request: pytest.FixtureRequest) -> BucketRepository:
    return BucketRepository(f"s3://{BUCKET}/{request.node.name}", store)


@pytest.fixture
def mirror(
    repository: BucketRepository, store: ResolvedConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MirroredRepository:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", store.text("access_key"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", store.text("secret_key"))
    (tmp_path / "models").mkdir()
    return MirroredRepository(
        str(tmp_path / "models"),
        url=f"s3://{repository.bucket}/{repository.prefix}",
        endpoint=store.text("endpoint"),
        region=store.text("region"),
    )


def test_a_version_is_what_was_put_in(repository: BucketRepository, model_file: Path) -> None:
    assert ([], {}) == (repository.versions("m"), repository.settings("m", "3"))
    repository.add("m", "3", model_file, {"trusted": ["a.B"]})
    assert ["3"] == repository.versions("m")
    assert {"trusted": ["a.B"]} == repository.settings("m", "3")["parameters"]["extra"]
    assert [] == repository.versions("other")


def test_a_version_without_its_settings_is_none(
    repository: BucketRepository, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(repository._client, "put_object", killed)
        repository.add("m", "1", model_file, {})
    assert [] == repository.versions("m")
    repository.add("m", "1", model_file, {})
    assert ["1"] == repository.versions("m")


def test_a_version_that_is_there_is_not_written_again(repository: BucketRepository, model_file: Path) -> None:
    repository.add("m", "1", model_file, {})
    before = repository.etags()
    model_file.write_bytes(b"other weights")
    repository.add("m", "1", model_file, {})
    assert before == repository.etags()
    repository.add("m", "1", model_file, {"now": "others"})
    assert before.keys() == repository.etags().keys()
    assert before != repository.etags()


def test_the_settings_of_a_removed_version_go_first(
    repository: BucketRepository, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.add("m", "1", model_file, {})
    repository.add("m", "2", model_file, {})
    gone: list[str] = []
    delete = repository._client.delete_object
    monkeypatch.setattr(
        repository._client, "delete_object", lambda **asked: (gone.append(asked["Key"]), delete(**asked))
    )
    repository.remove("m", "1")
    assert ["2"] == repository.versions("m")
    assert gone[0].endswith(SETTINGS)
    assert 2 == len(gone)


def test_something_else_than_a_bucket_is_refused(store: ResolvedConnection) -> None:
    with pytest.raises(ServingError, match="is not a bucket"):
        BucketRepository("gs://models", store)


def names(mirror: MirroredRepository) -> list[str]:
    """What MLServer would find."""
    found = asyncio.run(mirror.list())
    return sorted(f"{one.name}/{one.parameters.version}" for one in found if one.parameters and one.parameters.version)


def test_the_server_finds_what_was_put_in_the_moment_before(
    repository: BucketRepository, mirror: MirroredRepository, model_file: Path, tmp_path: Path
) -> None:
    repository.add("m", "1", model_file, {})
    repository.add("m", "2", model_file, {})
    assert ["m/1", "m/2"] == names(mirror)
    assert b"weights" == (tmp_path / "models" / "m" / "1" / "model.skops").read_bytes()
    repository.remove("m", "1")
    assert ["m/2"] == names(mirror)
    assert [] == [file for file in (tmp_path / "models" / "m" / "1").rglob("*") if file.is_file()]


def test_settings_are_fetched_last_and_what_has_not_changed_not_again(
    repository: BucketRepository, mirror: MirroredRepository, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    fetch = mirror._bucket.fetch
    monkeypatch.setattr(mirror._bucket, "fetch", lambda key, file: (fetched.append(key), fetch(key, file)))
    repository.add("m", "1", model_file, {})
    mirror.follow()
    assert ["model.skops", SETTINGS] == [key.rpartition("/")[2] for key in fetched]
    fetched.clear()
    mirror.follow()
    assert [] == fetched
    repository.add("m", "1", model_file, {"now": "others"})
    mirror.follow()
    assert [SETTINGS] == [key.rpartition("/")[2] for key in fetched]


def test_a_copy_that_lost_a_file_gets_it_again(
    repository: BucketRepository, mirror: MirroredRepository, model_file: Path, tmp_path: Path
) -> None:
    repository.add("m", "1", model_file, {})
    mirror.follow()
    copy = tmp_path / "models" / "m" / "1" / "model.skops"
    copy.unlink()
    mirror.follow()
    assert b"weights" == copy.read_bytes()


def test_an_object_that_would_lie_outside_is_refused(
    repository: BucketRepository, mirror: MirroredRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror._bucket, "etags", lambda: {f"{repository.prefix}/../../escape": "x"})
    with pytest.raises(ServingError, match="would lie outside"):
        mirror.follow()


def test_both_kinds_of_repository_write_the_same_settings(repository: BucketRepository, model_file: Path) -> None:
    from datamill_pipelines.serving.repository import ModelRepository

    directory = ModelRepository(str(model_file.parent / "directory"))
    for one in (repository, directory):
        one.add("m", "7", model_file, {"a": 1})
    assert json.dumps(directory.settings("m", "7")) == json.dumps(repository.settings("m", "7"))
