"""What Pachyderm cannot do is refused by name, with a way out, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pachyderm_sdk.api import pfs
from pipelines.datasets.pachyderm.standin.server import StandIn

from datamill_pipelines.datasets import open_store
from datamill_pipelines.datasets.contract import Promise, UnsupportedError
from datamill_pipelines.datasets.pachyderm.names import repo_message
from datamill_pipelines.datasets.pachyderm.repos import PachydermRepo

REFUSED: dict[str, Callable[[PachydermRepo], object]] = {
    "tag": lambda repo: repo.create_tag("v1"),
    "untag": lambda repo: repo.delete_tag("v1"),
    "merge": lambda repo: repo.merge("dev", "main"),
    "gc": lambda repo: repo.store.gc(),
    "push": lambda repo: repo.push(repo.store),
    "pull": lambda repo: repo.pull(repo.store),
    "repair": lambda repo: repo.store.fsck(repair_from=repo.store),
    "addresses": lambda repo: repo.commit_view().uris(),
    "a position": lambda repo: repo.commit().advance("topic/0", 0, 1),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_a_reason_and_a_way_out_before_the_server_is_asked_to_write(
    server: StandIn, raw: PachydermRepo, what: str
) -> None:
    with raw.commit() as txn:
        txn.put("a", b"1")
    already = len(server.calls)
    with pytest.raises(UnsupportedError) as caught:
        REFUSED[what](raw)
    assert "achyderm" in caught.value.reason or raw.store.url in caught.value.reason
    assert caught.value.instruction
    assert {"StartCommit", "CreateBranch", "CreateFileSet", "BatchTransaction"}.isdisjoint(server.calls[already:])


def test_a_branch_that_pachyderm_itself_writes_to_is_refused(raw: PachydermRepo, features: PachydermRepo) -> None:
    with raw.commit() as txn:
        txn.put("a", b"1")
    main = pfs.Branch(repo=repo_message(features.name), name="main")
    upstream = pfs.Branch(repo=repo_message(raw.name), name="main")
    features.store.door.pfs.create_branch(branch=main, provenance=[upstream])
    with pytest.raises(UnsupportedError) as caught, features.commit() as refused:
        refused.put("a", b"1")
    assert "raw/flights@main" in caught.value.reason
    assert "pachctl create branch features/delay@main --head features/delay@main" in caught.value.instruction
    # What the instruction does:
    opened = features.store.door.pfs.inspect_branch(branch=main).head
    features.store.door.pfs.create_branch(branch=main, head=opened)
    features.store.door.pfs.finish_commit(commit=opened)
    with features.commit() as accepted:
        accepted.put("a", b"1")
    assert accepted.commit is not None


def test_the_promises_are_those_that_are_kept(raw: PachydermRepo) -> None:
    assert raw.store.promises == {Promise.LOGICAL_DIGESTS}
    assert raw.tags == {}


def test_what_the_servers_own_check_finds_is_told(server: StandIn, raw: PachydermRepo) -> None:
    assert raw.store.fsck().is_sound
    server.faults.append("commit raw/flights@1 has a branch that does not exist")
    checked = raw.store.fsck()
    assert not checked.is_sound
    assert [p.what for p in checked.problems.values()] == ["commit raw/flights@1 has a branch that does not exist"]


def test_nothing_is_pushed_to_pachyderm_or_pulled_from_it(raw: PachydermRepo, tmp_path: Path) -> None:
    with raw.commit() as txn:
        txn.put("a", b"1")
    native = open_store((tmp_path / "store").as_uri())
    mine = native.create_repo("raw/flights")
    with mine.commit() as txn:
        txn.put("b", b"1")
    before = raw.resolve()
    for ask in (lambda: mine.push(raw.store), lambda: mine.pull(raw.store)):
        with pytest.raises(UnsupportedError, match=r"grpc://127\.0\.0\.1"):
            ask()
    assert raw.resolve() == before
    assert mine.resolve() == txn.commit
    native.close()


def test_the_sdk_is_imported_only_when_a_store_is_opened(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys, datamill_pipelines.datasets as d, datamill_pipelines.datasets.pachyderm\n"
        f"d.open_store({tmp_path.as_uri()!r}).create_repo('raw/flights')\n"
        "assert not {'pachyderm_sdk', 'grpc', 'betterproto'} & sys.modules.keys(), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from datamill_infra.model.connections import ResolvedConnection
    from datamill_infra.model.errors import ConfigurationError
    from datamill_pipelines.datasets import open_store

    monkeypatch.setattr("datamill_pipelines.datasets.pachyderm.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError) as caught:
        open_store(ResolvedConnection("datasets", "p", {"provider": "pachyderm", "url": "grpc://127.0.0.1:1"}))
    assert "datamill[pachyderm]" in caught.value.instruction
