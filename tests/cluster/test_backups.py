"""A backup of PostgreSQL and of the datasets, put back on a real cluster after both were changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from datamill_infra.cli.backups import dumps, store
from datamill_infra.model.deployment import Deployment
from datamill_pipelines.datasets import open_store

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

DATAMILL = (sys.executable, "-c", "from datamill_infra.cli import main; main()")
LEDGER = """
title: A ledger
summary: Claims a database.
homepage: https://example.org
licence: Apache-2.0
provides: []
needs: {postgres: {database: ledger}}
helm: {units: []}
connection: {}
"""
FILL = (
    "SET ROLE ledger; CREATE TABLE entries (id int PRIMARY KEY, note text);"
    " INSERT INTO entries SELECT number, md5(number::text) FROM generate_series(1, 20000) AS number"
)
SUM = "SELECT count(*), md5(string_agg(note, '' ORDER BY id)) FROM entries"
OWNER = "SELECT tableowner FROM pg_tables WHERE tablename = 'entries'"


class Kept:
    """The deployment, and what is in it."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def deployment(self) -> Deployment:
        return Deployment.load(self.home)

    def run(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        command = [*DATAMILL, "--home", str(self.home), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False, env={**os.environ})
        assert expect == done.returncode, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def ask(self, statement: str) -> str:
        return dumps(self.deployment)._ask("ledger", statement)

    def commit(self, text: str) -> None:
        with store(self.deployment) as connection, open_store(connection) as opened:
            repo = opened.create_repo("raw/notes", exist_ok=True)
            with repo.commit("main", message=text) as commit:
                commit.put("a.txt", text.encode())

    def commits(self) -> list[tuple[str, str]]:
        with store(self.deployment) as connection, open_store(connection) as opened:
            return [(commit.id, commit.message) for commit in opened.repo("raw/notes").log("main")]


@pytest.fixture(scope="module")
def kept(lab_kubeconfig: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    file, context = lab_kubeconfig
    folder = tmp_path_factory.mktemp("kept")
    home = folder / "home"
    (home / "flavours").mkdir(parents=True)
    (home / "catalogue" / "ledger").mkdir(parents=True)
    (home / "catalogue" / "ledger" / "component.yaml").write_text(LEDGER)
    components = "[postgres, s3proxy, datasets, ledger]"
    (home / "flavours" / "kept.yaml").write_text(f"title: Kept\nsummary: Data.\ncomponents: {components}\n")
    small = {"values": {"storage": {"size": "1Gi"}}}
    deployment = {
        "flavour": "kept",
        "target": "lab",
        "context": context,
        "namespaces": {"system": "mill-kept", "runs": "mill-kept-runs"},
        "components": {"postgres": small, "s3proxy": small},
    }
    (home / "deployment.yaml").write_text(yaml.safe_dump(deployment))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(file))
        made = Kept(home)
        made.run("up")
        yield made
        made.run("down", "--delete-data", "--yes")


def test_what_was_backed_up_is_there_again(kept: Kept, tmp_path: Path) -> None:
    kept.ask(FILL)
    for text in ("one", "two"):
        kept.commit(text)
    before = kept.ask(SUM), kept.commits()
    kept.run("backup", str(tmp_path / "backup"))
    secrets = json.loads((kept.home / "state" / "secrets.json").read_text())
    written = b"".join(file.read_bytes() for file in (tmp_path / "backup").rglob("*") if file.is_file())
    assert [] == [name for name, secret in secrets.items() if secret.encode() in written]

    kept.ask("DELETE FROM entries WHERE id > 10; CREATE TABLE other (x int)")
    kept.commit("three")
    changed = kept.ask(SUM), kept.commits()
    assert "is not empty" in kept.run("restore", str(tmp_path / "backup"), expect=5).stderr
    assert changed == (kept.ask(SUM), kept.commits())

    kept.run("restore", str(tmp_path / "backup"), "--replace", "--yes")
    assert before == (kept.ask(SUM), kept.commits())
    assert "ledger" == kept.ask(OWNER)
    assert "" == kept.ask("SELECT tablename FROM pg_tables WHERE tablename = 'other'")
    kept.run("up")
