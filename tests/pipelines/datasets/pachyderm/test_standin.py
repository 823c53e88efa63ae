"""The stand-in refuses what it does not model, so that a test cannot pass on a guess."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from pachyderm_sdk.api import metadata, pfs, pps, transaction
from pipelines.datasets.pachyderm.standin.server import METHODS, StandIn

from datamill_pipelines.datasets.pachyderm.door import Door

REPO = pfs.Repo(name="flights", type="user", project=pfs.Project(name="default"))
COMMIT = pfs.Commit(repo=REPO, id="0123456789ab40123456789012345678")
BRANCH = pfs.Branch(repo=REPO, name="main")

UNKNOWN: dict[str, Callable[[Door], object]] = {
    "a method": lambda door: door.pfs.squash_commit(commit=COMMIT),
    "a field of a request": lambda door: list(door.pfs.list_commit(repo=REPO, reverse=True)),
    "a field of a message in it": lambda door: door.pfs.inspect_file(file=pfs.File(commit=COMMIT, path="/", datum="x")),
    "a type of repo": lambda door: door.pfs.create_repo(repo=pfs.Repo(name="x", type="spec")),
    "a branch that moves by itself": lambda door: door.pfs.create_branch(branch=BRANCH, trigger=pfs.Trigger(commits=1)),
    "appending": lambda door: door.pfs.create_file_set(
        iter([pfs.ModifyFileRequest(add_file=pfs.AddFile(path="/a", raw=b"1"))])
    ),
    "a source of files": lambda door: door.pfs.create_file_set(
        iter([pfs.ModifyFileRequest(copy_file=pfs.CopyFile(dst="/a"))])
    ),
    "a request of a batch": lambda door: door.transaction.batch_transaction(
        requests=[transaction.TransactionRequest(start_commit=pfs.StartCommitRequest(branch=BRANCH))]
    ),
    "an edit": lambda door: door.metadata.edit_metadata(
        edits=[metadata.Edit(repo=REPO.as_picker(), replace=metadata.EditReplace())]
    ),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_the_standin_does_not_know_is_refused(server: StandIn, what: str) -> None:
    door = Door(server.address)
    with pytest.raises(grpc.RpcError) as caught:
        UNKNOWN[what](door)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    door.close()


def test_bytes_that_no_field_has_read_are_refused(server: StandIn) -> None:
    with grpc.insecure_channel(server.address.removeprefix("grpc://")) as channel:
        ask = channel.unary_unary("/pfs_v2.API/InspectRepo", lambda raw: raw, pfs.RepoInfo.FromString)
        request = bytes(pfs.InspectRepoRequest(repo=REPO)) + b"\xf8\x07\x01"  # field 127
        with pytest.raises(grpc.RpcError) as caught:
            ask(request)
    assert "beyond the SDK's own" in caught.value.details()


def test_a_message_that_a_server_would_find_too_large_is_refused(server: StandIn) -> None:
    door = Door(server.address)
    large = pfs.ModifyFileRequest(add_file=pfs.AddFile(path="/a", raw=bytes(5 * 1024 * 1024)))
    with pytest.raises(grpc.RpcError) as caught:
        door.pfs.create_file_set(iter([large]))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    door.close()


def test_every_method_of_the_standin_is_one_of_the_sdk() -> None:
    paths: set[str] = set()

    class Recorder:
        """A channel that notes which methods stubs ask for."""

        def __getattr__(self, _: str) -> Callable[..., Any]:
            return lambda path, **_: paths.add(path)

    from pachyderm_sdk.api import version

    for module in (pfs, pps, transaction, metadata, version):
        module.ApiStub(Recorder())
    assert set(METHODS) <= paths
