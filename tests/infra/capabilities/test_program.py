"""The probes as a program: what `helm test` runs beside a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datamill_infra.capabilities.__main__ import VARIABLE, main


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """As Kubernetes mounts a Secret: links into a folder whose name begins with two dots."""
    content = tmp_path / "..2026_11_26"
    content.mkdir()
    for name in ("access", "secret"):
        (content / name).write_text(f"canary-{name}", encoding="utf-8")
        (tmp_path / name).symlink_to(Path("..data") / name)
    (tmp_path / "..data").symlink_to(content.name)
    return tmp_path


def probe(port: int, secrets: Path, seconds: str = "10") -> Result:
    fields = {"endpoint": f"http://127.0.0.1:{port}", "region": "us-east-1", "path_style": True}
    named = {"access_key": "access", "secret_key": "secret"}
    entry = {"capability": "s3", "component": "s3proxy", "fields": fields, "secrets": named}
    environment = {VARIABLE: json.dumps([entry, entry])}
    return CliRunner().invoke(main, ["--secrets", str(secrets), "--seconds", seconds], env=environment)


def test_every_connection_is_probed_and_told(object_store: Callable[..., int], secrets: Path) -> None:
    done = probe(object_store(conditional=True), secrets)
    assert (0, 2) == (done.exit_code, done.stdout.count("s3: put, get and delete of an object"))


def test_a_failure_ends_it_with_the_reason_and_without_secrets(dead_port: int, secrets: Path) -> None:
    done = probe(dead_port, secrets, "0.5")
    assert isinstance(done.exception, SystemExit)
    assert 1 == done.exit_code
    assert "nothing listens there" in done.stderr
    assert "canary" not in done.output
