# ruff: noqa: ANN401 (messages are what the wire brings; betterproto and grpcio give no types to check)
"""A gRPC server that answers as Pachyderm does, for the requests of the provider and for no others.

It is built on the message types of ``pachyderm_sdk``, so what travels is what a real server reads. A method, a field or
a value that it does not model is refused with UNIMPLEMENTED. Where it is given a token, every call must carry it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import betterproto
import grpc
from betterproto.lib.google.protobuf import BytesValue, Empty
from grpc import StatusCode
from pachyderm_sdk.api import metadata, pfs, transaction, version
from pipelines.datasets.pachyderm.standin import answers
from pipelines.datasets.pachyderm.standin.operations import Operations
from pipelines.datasets.pachyderm.standin.operations import transaction as atomically
from pipelines.datasets.pachyderm.standin.state import (
    CommitKey,
    CommitState,
    FileSet,
    RefusedError,
    State,
    clean_path,
    listing,
    not_found,
)
from pipelines.datasets.pachyderm.standin.strictness import (
    branch_key,
    commit_key,
    is_set,
    only,
    picked,
    picked_branch,
    repo_key,
    unknown,
)

# What the server that was looked at takes in one message (gRPC's own default).
MESSAGE_LIMIT = 4 * 1024 * 1024
PIECE = 64 * 1024


class StandIn:
    """The server. A context manager; ``address`` is where it listens.

    Args:
        token: what each call must carry; no authentication when ``None``.

    Attributes:
        calls: names of the methods called, in order.
        before: called with each method's name before it takes effect; may raise, or wait.
        after: the same, after it took effect and before the answer leaves.
        faults: what ``Fsck`` reports.
    """

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None
        self.faults: list[str] = []
        self._holder = [State()]
        self._changed = threading.Condition()
        self._server = grpc.server(
            ThreadPoolExecutor(16),
            options=[("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.so_reuseport", 0)],
        )
        self._server.add_generic_rpc_handlers((Methods(self),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"grpc://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(grace=None).wait()

    @property
    def state(self) -> State:
        return self._holder[0]

    def answer(self, name: str, request: Any, context: grpc.ServicerContext) -> Any:
        """One call: authentication, what the test wants before, the method, what the test wants after."""
        self.calls.append(name)
        if (
            self.token is not None
            and name != "GetVersion"
            and dict(context.invocation_metadata()).get("authn-token") != self.token
        ):
            context.abort(StatusCode.UNAUTHENTICATED, "no authentication token (try logging in)")
        try:
            self.before(name)
            with self._changed:
                self.state.ticks += 1
                self.state.finish_what_can()
                result = getattr(self, "answer_" + snake_case(name))(request, context)
                if isinstance(result, Iterator):
                    result = list(result)
                self._changed.notify_all()
            self.after(name)
        except RefusedError as error:
            context.abort(error.code, error.details)
        return result

    # pfs_v2.API

    def answer_create_project(self, request: Any, _: Any) -> Empty:
        only(request, "project", "description")
        only(request.project, "name")
        with atomically(self._holder) as operations:
            operations.create_project(request.project.name, request.description)
        return Empty()

    def answer_list_project(self, request: Any, _: Any) -> Iterator[pfs.ProjectInfo]:
        only(request)
        for name in self.state.projects:
            yield pfs.ProjectInfo(project=pfs.Project(name=name), description=self.state.projects[name])

    def answer_create_repo(self, request: Any, _: Any) -> Empty:
        only(request, "repo", "description")
        with atomically(self._holder) as operations:
            operations.create_repo(repo_key(request.repo), request.description)
        return Empty()

    def answer_inspect_repo(self, request: Any, _: Any) -> pfs.RepoInfo:
        only(request, "repo")
        return answers.repo_info(self.state, self.state.repo(repo_key(request.repo)))

    def answer_list_repo(self, request: Any, _: Any) -> Iterator[pfs.RepoInfo]:
        only(request, "type")
        if request.type != "user":
            raise unknown(f"lists of repos of type {request.type!r}")
        for repo in sorted(self.state.repos.values(), key=lambda repo: -repo.number):
            yield answers.repo_info(self.state, repo)

    def answer_start_commit(self, request: Any, _: Any) -> pfs.Commit:
        only(request, "branch", "description")
        with atomically(self._holder) as operations:
            commit = operations.start_commit(branch_key(request.branch), request.description)
        return answers.commit(commit.key)

    def answer_finish_commit(self, request: Any, _: Any) -> Empty:
        only(request, "commit", "description")
        with atomically(self._holder) as operations:
            operations.finish_commit(commit_key(request.commit), request.description)
        return Empty()

    def answer_drop_commit(self, request: Any, _: Any) -> pfs.DropCommitResponse:
        only(request, "commit")
        with atomically(self._holder) as operations:
            operations.drop_commit(commit_key(request.commit))
        return pfs.DropCommitResponse()

    def answer_inspect_commit(self, request: Any, context: grpc.ServicerContext) -> pfs.CommitInfo:
        only(request, "commit", "wait")
        if request.wait not in {pfs.CommitState.COMMIT_STATE_UNKNOWN, pfs.CommitState.FINISHED}:
            raise unknown(f"waiting for {request.wait}")
        key = self._commit(request.commit).key
        if request.wait == pfs.CommitState.FINISHED:
            while True:
                self.state.finish_what_can(hurry=True)
                if self._commit(answers.commit(key)).finished or not context.is_active():
                    break
                self._changed.wait(0.05)
        return answers.commit_info(self.state, self._commit(answers.commit(key)))

    def answer_list_commit(self, request: Any, _: Any) -> Iterator[pfs.CommitInfo]:
        only(request, "repo", "to", "number")
        repo = repo_key(request.repo)
        if repo not in self.state.repos:
            raise not_found(f"ensure repo exists: repo {repo[0]}/{repo[1]} not found")
        if not is_set(request, "to"):
            found = sorted(
                (each for each in self.state.commits.values() if each.key.repo == repo), key=lambda each: -each.number
            )
        else:
            found = []
            at: CommitKey | None = self._commit(request.to).key
            while at is not None:
                found.append(self.state.commits[at])
                at = found[-1].parent
        for commit in found[: request.number or None]:
            yield answers.commit_info(self.state, commit)

    def answer_create_branch(self, request: Any, _: Any) -> Empty:
        with atomically(self._holder) as operations:
            self._create_branch(operations, request)
        return Empty()

    def answer_inspect_branch(self, request: Any, _: Any) -> pfs.BranchInfo:
        only(request, "branch")
        return answers.branch_info(self.state, self.state.branch(branch_key(request.branch)))

    def answer_list_branch(self, request: Any, _: Any) -> Iterator[pfs.BranchInfo]:
        only(request, "repo")
        repo = self.state.repo(repo_key(request.repo))
        for branch in sorted(self.state.branches.values(), key=lambda branch: -branch.number):
            if branch.key.repo == repo.key:
                yield answers.branch_info(self.state, branch)

    def answer_delete_branch(self, request: Any, _: Any) -> Empty:
        only(request, "branch")
        with atomically(self._holder) as operations:
            operations.delete_branch(branch_key(request.branch))
        return Empty()

    def answer_create_file_set(self, requests: Iterator[Any], _: Any) -> pfs.CreateFileSetResponse:
        file_set = FileSet()
        contents: dict[str, list[bytes]] = {}
        for request in requests:
            kind, body = betterproto.which_one_of(request, "body")
            if kind == "delete_file":
                only(body, "path")
                path = clean_path(body.path)
                file_set.deletes.add(path)
                contents.pop(path, None)
            elif kind == "add_file":
                only(body, "path", "raw")
                path = clean_path(body.path)
                if path not in file_set.deletes:
                    raise unknown(f"appending: {path} was not deleted first")
                contents.setdefault(path, []).append(body.raw or b"")
            elif kind == "set_commit":
                raise RefusedError("cannot set commit")
            else:
                raise unknown(f"ModifyFileRequest.{kind}")
        file_set.adds = {path: b"".join(pieces) for path, pieces in contents.items()}
        name = f"{Operations(self.state).id}.{Operations(self.state).id * 2}"
        self.state.file_sets[name] = file_set
        return pfs.CreateFileSetResponse(file_set_id=name)

    def answer_add_file_set(self, request: Any, _: Any) -> Empty:
        only(request, "commit", "file_set_id")
        with atomically(self._holder) as operations:
            operations.add_file_set(commit_key(request.commit), request.file_set_id)
        return Empty()

    def answer_get_file(self, request: Any, _: Any) -> Iterator[BytesValue]:
        only(request, "file", "offset")
        files, path = self._files(request.file)
        if path not in files:
            if any(each.startswith(path.rstrip("/") + "/") for each in files):
                raise RefusedError("cannot get directory or non-regular file. Use GetFileTAR instead")
            raise self._no_file(request.file)
        content = files[path][request.offset :]
        for start in range(0, len(content), PIECE):
            yield BytesValue(value=content[start : start + PIECE])

    def answer_inspect_file(self, request: Any, _: Any) -> pfs.FileInfo:
        only(request, "file")
        files, path = self._files(request.file)
        for entry in listing(files):
            if entry.path == path:
                return answers.file_info(request.file.commit, entry)
        raise self._no_file(request.file)

    def answer_walk_file(self, request: Any, _: Any) -> Iterator[pfs.FileInfo]:
        only(request, "file")
        files, path = self._files(request.file)
        if path != "/":
            raise unknown(f"walking from {path}")
        for entry in listing(files):
            yield answers.file_info(request.file.commit, entry)

    def answer_diff_file(self, request: Any, _: Any) -> Iterator[pfs.DiffFileResponse]:
        only(request, "new_file", "old_file")
        if not is_set(request, "old_file"):
            raise unknown("a diff without the old file")
        new, old = (
            {entry.path: entry for entry in listing(self._files(file)[0])}
            for file in (request.new_file, request.old_file)
        )
        for path in sorted(new.keys() | old.keys()):
            left, right = old.get(path), new.get(path)
            if left is None or right is None or left.hash != right.hash:
                response = pfs.DiffFileResponse()
                if right:
                    response.new_file = answers.file_info(request.new_file.commit, right)
                if left:
                    response.old_file = answers.file_info(request.old_file.commit, left)
                yield response

    def answer_fsck(self, request: Any, _: Any) -> Iterator[pfs.FsckResponse]:
        only(request, "zombie_all")  # the SDK always sends it
        if request.zombie_all:
            raise unknown("FsckRequest.zombie_all")
        for fault in self.faults:
            yield pfs.FsckResponse(error=fault)

    # The other services

    def answer_batch_transaction(self, request: Any, _: Any) -> transaction.TransactionInfo:
        only(request, "requests")
        with atomically(self._holder) as operations:
            responses = [self._one_of_batch(operations, each) for each in request.requests]
        return transaction.TransactionInfo(
            transaction=transaction.Transaction(id=operations.id), requests=request.requests, responses=responses
        )

    def answer_edit_metadata(self, request: Any, _: Any) -> metadata.EditMetadataResponse:
        only(request, "edits")
        with atomically(self._holder) as operations:
            for edit in request.edits:
                if is_set(edit, "branch"):
                    only(edit, "branch", "edit_key")
                    only(edit.edit_key, "key", "value")
                    operations.edit_branch_metadata(picked_branch(edit.branch), edit.edit_key.key, edit.edit_key.value)
                else:
                    only(edit, "commit", "replace")
                    only(edit.replace, "replacement")
                    operations.edit_metadata(picked(edit.commit), edit.replace.replacement)
        return metadata.EditMetadataResponse()

    def answer_get_version(self, request: Any, _: Any) -> version.Version:
        only(request)
        return version.Version(major=2, minor=12, micro=0, additional="-stand-in")

    def _one_of_batch(self, operations: Operations, request: Any) -> transaction.TransactionResponse:
        only(request, "create_branch", "delete_branch")
        if is_set(request, "create_branch") == is_set(request, "delete_branch"):
            raise unknown("a transaction request that is not exactly one request")
        if is_set(request, "create_branch"):
            self._create_branch(operations, request.create_branch)
        else:
            only(request.delete_branch, "branch")
            operations.delete_branch(branch_key(request.delete_branch.branch))
        return transaction.TransactionResponse()

    def _create_branch(self, operations: Operations, request: Any) -> None:
        only(request, "branch", "head", "provenance", "branch_propagation_specs", "new_commit_set")
        never = set()
        for spec in request.branch_propagation_specs:
            only(spec, "branch", "propagation_spec")
            only(spec.propagation_spec, "never")
            if spec.propagation_spec.never:
                never.add(branch_key(spec.branch))
        head = commit_key(request.head) if is_set(request, "head") else None
        operations.create_branch(
            branch_key(request.branch), head, [branch_key(each) for each in request.provenance], frozenset(never)
        )

    def _commit(self, commit: Any) -> CommitState:
        only(commit, "repo", "id", "branch")
        branch = branch_key(commit.branch) if is_set(commit, "branch") else None
        if branch is not None and branch.repo != repo_key(commit.repo):
            raise unknown("a commit whose repo and branch disagree")
        return self.state.commit(repo_key(commit.repo), commit.id, branch.name if branch else "")

    def _files(self, file: Any) -> tuple[dict[str, bytes], str]:
        only(file, "commit", "path")
        path = file.path if file.path == "/" else clean_path(file.path)
        commit = self._commit(file.commit)
        if commit.error:
            raise RefusedError(commit.error)
        return self.state.files(commit.key), path

    def _no_file(self, file: Any) -> RefusedError:
        repo = file.commit.repo
        where = f"in repo {repo.project.name}/{repo.name} at commit {file.commit.id}"
        return not_found(f"file {file.path} not found {where}")


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


UNARY, STREAM_OUT, STREAM_IN = "unary", "stream out", "stream in"
METHODS: dict[str, tuple[type[betterproto.Message], str]] = {
    "/pfs_v2.API/CreateProject": (pfs.CreateProjectRequest, UNARY),
    "/pfs_v2.API/ListProject": (pfs.ListProjectRequest, STREAM_OUT),
    "/pfs_v2.API/CreateRepo": (pfs.CreateRepoRequest, UNARY),
    "/pfs_v2.API/InspectRepo": (pfs.InspectRepoRequest, UNARY),
    "/pfs_v2.API/ListRepo": (pfs.ListRepoRequest, STREAM_OUT),
    "/pfs_v2.API/StartCommit": (pfs.StartCommitRequest, UNARY),
    "/pfs_v2.API/FinishCommit": (pfs.FinishCommitRequest, UNARY),
    "/pfs_v2.API/DropCommit": (pfs.DropCommitRequest, UNARY),
    "/pfs_v2.API/InspectCommit": (pfs.InspectCommitRequest, UNARY),
    "/pfs_v2.API/ListCommit": (pfs.ListCommitRequest, STREAM_OUT),
    "/pfs_v2.API/CreateBranch": (pfs.CreateBranchRequest, UNARY),
    "/pfs_v2.API/InspectBranch": (pfs.InspectBranchRequest, UNARY),
    "/pfs_v2.API/ListBranch": (pfs.ListBranchRequest, STREAM_OUT),
    "/pfs_v2.API/DeleteBranch": (pfs.DeleteBranchRequest, UNARY),
    "/pfs_v2.API/CreateFileSet": (pfs.ModifyFileRequest, STREAM_IN),
    "/pfs_v2.API/AddFileSet": (pfs.AddFileSetRequest, UNARY),
    "/pfs_v2.API/GetFile": (pfs.GetFileRequest, STREAM_OUT),
    "/pfs_v2.API/InspectFile": (pfs.InspectFileRequest, UNARY),
    "/pfs_v2.API/WalkFile": (pfs.WalkFileRequest, STREAM_OUT),
    "/pfs_v2.API/DiffFile": (pfs.DiffFileRequest, STREAM_OUT),
    "/pfs_v2.API/Fsck": (pfs.FsckRequest, STREAM_OUT),
    "/transaction_v2.API/BatchTransaction": (transaction.BatchTransactionRequest, UNARY),
    "/metadata.API/EditMetadata": (metadata.EditMetadataRequest, UNARY),
    "/versionpb_v2.API/GetVersion": (Empty, UNARY),
}


class Methods(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio ships no types
    """Which method takes which message, and whether either side streams."""

    def __init__(self, standin: StandIn) -> None:
        self.standin = standin

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a method; ``None`` makes gRPC answer UNIMPLEMENTED."""
        if call.method not in METHODS:
            return None
        kind, streams = METHODS[call.method]
        name = call.method.rpartition("/")[2]

        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            return self.standin.answer(name, request, context)

        def iterate(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            yield from self.standin.answer(name, request, context)

        codec = {"request_deserializer": kind.FromString, "response_serializer": bytes}
        if streams == STREAM_IN:
            return grpc.stream_unary_rpc_method_handler(handle, **codec)
        if streams == STREAM_OUT:
            return grpc.unary_stream_rpc_method_handler(iterate, **codec)
        return grpc.unary_unary_rpc_method_handler(handle, **codec)
