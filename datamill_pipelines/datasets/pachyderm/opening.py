"""Opening a commit on a branch, one writer at a time, with exactly the provenance that was read.

Pachyderm gives a commit its provenance when it is opened, and takes it from the branch: the heads of the branches that
the branch depends on at that moment. So a commit with provenance is opened by one batch of requests, all or nothing:
point a branch at each upstream commit, make the target depend on those branches (which opens the commit), make it
independent again. What stays is the commit with its ``direct_provenance``. A standing dependency is not left behind:
every later commit upstream would open another on the target, and since Pachyderm allows one branch of a repo in a
connected graph, a second branch of the target could never read the same upstream.

A commit without provenance is opened by ``StartCommit``, which the server refuses while the head is open. The batch is
not refused then, so its result is looked at: a commit that was opened on an open one is dropped at once.

An open commit whose writer died blocks the branch. One that Data Mill opened and that has not changed for
:data:`TAKEOVER_SECONDS` is dropped by the next writer. That is safe for a writer that was only asleep: its commit is
gone, the server refuses whatever it still adds, and nothing of it lands.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pachyderm_sdk.api import pfs
from pachyderm_sdk.api import transaction as transactions

from datamill_pipelines.datasets.contract import UnsupportedError
from datamill_pipelines.datasets.errors import ConflictError, NotFoundError
from datamill_pipelines.datasets.pachyderm.annotations import KEY, OPENING
from datamill_pipelines.datasets.pachyderm.door import RefusedError
from datamill_pipelines.datasets.pachyderm.history import is_open, parent_id
from datamill_pipelines.datasets.pachyderm.names import PIN, repo_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datamill_pipelines.datasets.pachyderm.door import Door

TAKEOVER_SECONDS = 30.0
"""How long an open commit of ours must be seen unchanged before it counts as abandoned. Writing one takes about a
second once its files are uploaded."""

WAIT_SECONDS = 300.0
"""Budget for the branch to become free."""

PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Upstream:
    """A commit that was read.

    Attributes:
        commit: the commit.
        branch: a branch whose head it was when it was read, or ``None``.
    """

    commit: pfs.Commit
    branch: pfs.Branch | None


class Opening:
    """Opens and drops commits.

    Args:
        door: the server.
        clock: monotonic, in seconds.
        sleep: waits, in seconds.
    """

    def __init__(
        self, door: Door, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._door, self._clock, self._sleep = door, clock, sleep

    def open(self, branch: pfs.Branch, upstream: Sequence[Upstream]) -> pfs.CommitInfo:
        """A commit that only this writer writes into.

        Args:
            branch: created if there is none.
            upstream: becomes its direct provenance.

        Raises:
            ConflictError: the branch did not become free within the budget.
            UnsupportedError: Pachyderm itself writes to this branch.
        """
        name = f"{repo_name(branch.repo)}@{branch.name}"
        began = self._clock()
        seen: tuple[str, object] = ("", None)
        since = began
        pin_all = False
        while True:
            head = self.head(branch, name)
            if head is None or not is_open(head):
                opened = self._try(branch, upstream, name, pin_all=pin_all)
                if opened is not None:
                    return opened
                pin_all = True
                head = self.head(branch, name)
            if head is not None and is_open(head):
                now = (head.commit.id, head.updated_at)
                if now != seen:
                    seen, since = now, self._clock()
                elif self._clock() - since >= TAKEOVER_SECONDS and _is_ours(head):
                    self.drop(head.commit)
                    continue
            if self._clock() - began >= WAIT_SECONDS:
                raise self._occupied(name, head)
            self._sleep(PAUSE_SECONDS)

    def head(self, branch: pfs.Branch, name: str) -> pfs.CommitInfo | None:
        """The head of a branch, whatever its state; ``None`` when there is no branch.

        Raises:
            UnsupportedError: Pachyderm itself writes to this branch.
        """
        try:
            with self._door.asking(f"read the branch {name}"):
                info = self._door.pfs.inspect_branch(branch=branch)
                if info.direct_provenance:
                    sources = ", ".join(f"{repo_name(each.repo)}@{each.name}" for each in info.direct_provenance)
                    raise UnsupportedError(
                        f"{name} depends on {sources} in Pachyderm, which opens the commits of such a branch itself.",
                        instruction="Write to another branch, or make it independent:"
                        f" pachctl create branch {name} --head {name}",
                    )
                return self._door.pfs.inspect_commit(commit=info.head)
        except NotFoundError:
            return None

    def drop(self, message: pfs.Commit) -> None:
        """Undo the opening of a commit. One that is gone already is no error.

        Raises:
            ConflictError: others have opened commits on top and do not drop them.
        """
        began = self._clock()
        while True:
            try:
                with self._door.asking(f"drop commit {message.id}"):
                    self._door.pfs.drop_commit(commit=message)
            except NotFoundError:
                return
            except RefusedError as error:
                # Whoever opened on top of it sees that it is open, and drops theirs.
                if "has children" not in error.details or self._clock() - began >= WAIT_SECONDS:
                    raise
                self._sleep(PAUSE_SECONDS)
            else:
                return

    def _try(
        self, branch: pfs.Branch, upstream: Sequence[Upstream], name: str, *, pin_all: bool
    ) -> pfs.CommitInfo | None:
        """The opened commit; ``None`` when another writer was first, or an upstream branch has moved on."""
        try:
            with self._door.asking(f"open a commit on {name}"):
                message = (
                    self._batch(branch, upstream, pin_all=pin_all)
                    if upstream
                    else self._door.pfs.start_commit(branch=branch, description=OPENING)
                )
        except RefusedError as error:
            if "has not been finished" in error.details:
                return None
            raise
        with self._door.asking(f"read commit {message.id}"):
            opened: pfs.CommitInfo = self._door.pfs.inspect_commit(commit=message)
            if _read(opened.direct_provenance) == _read(each.commit for each in upstream):
                if not parent_id(opened):
                    return opened
                if not is_open(self._door.pfs.inspect_commit(commit=opened.parent_commit)):
                    return opened
        self.drop(message)
        return None

    def _batch(self, branch: pfs.Branch, upstream: Sequence[Upstream], *, pin_all: bool) -> pfs.Commit:
        nonce = secrets.token_hex(6)
        pins: list[pfs.CreateBranchRequest] = []
        sources: list[pfs.Branch] = []
        for number, each in enumerate(upstream):
            if each.branch is not None and not pin_all:
                sources.append(each.branch)
            else:
                pin = pfs.Branch(repo=each.commit.repo, name=f"{PIN}{nonce}-{number}")
                pins.append(pfs.CreateBranchRequest(branch=pin, head=each.commit))
                sources.append(pin)
        # Never: the dependency is gone when the batch ends, and must not open commits until then either.
        never = [pfs.BranchPropagationSpec(branch=s, propagation_spec=pfs.PropagationSpec(never=True)) for s in sources]
        depend = pfs.CreateBranchRequest(branch=branch, provenance=sources, branch_propagation_specs=never)
        requests = [*pins, depend, pfs.CreateBranchRequest(branch=branch)]
        done = self._door.transaction.batch_transaction(
            requests=[transactions.TransactionRequest(create_branch=each) for each in requests]
        )
        if pins:
            # Not in the same batch: the server checks at its end that every branch it touched is there.
            self._door.transaction.batch_transaction(
                requests=[
                    transactions.TransactionRequest(delete_branch=pfs.DeleteBranchRequest(branch=each.branch))
                    for each in pins
                ]
            )
        return pfs.Commit(repo=branch.repo, id=done.transaction.id)

    def _occupied(self, name: str, head: pfs.CommitInfo | None) -> ConflictError:
        if head is None or not is_open(head):
            return ConflictError(
                f"{name} was taken by other writers for {WAIT_SECONDS:.0f} seconds.",
                instruction="Run it again, or commit less often: fewer, larger commits.",
            )
        return ConflictError(
            f"{name} has an open commit, {head.commit.id}, started {head.started:%Y-%m-%d %H:%M:%S} UTC, for which"
            f" {WAIT_SECONDS:.0f} seconds were waited. Data Mill did not open it, so it does not drop it.",
            instruction="Finish it with `pachctl finish commit` or drop it with `pachctl drop commit`, then run again.",
        )


def _is_ours(head: pfs.CommitInfo) -> bool:
    """Whether an open commit was opened here: the batch leaves one that no branch explains."""
    if KEY in head.metadata or head.description == OPENING:
        return True
    return bool(head.origin.kind == pfs.OriginKind.AUTO and head.direct_provenance)


def _read(commits: object) -> set[tuple[str, str]]:
    return {(repo_name(each.repo), each.id) for each in commits}  # type: ignore[attr-defined]
