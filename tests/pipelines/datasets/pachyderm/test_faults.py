"""A fault at every call of a commit: it landed as a whole or not at all, and the next writer can go on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from grpc import StatusCode
from pipelines.datasets.pachyderm.standin.server import StandIn
from pipelines.datasets.pachyderm.standin.state import RefusedError as Refusal

from datamill_pipelines.datasets.errors import DatasetError
from datamill_pipelines.datasets.pachyderm.repos import PachydermRepo
from datamill_pipelines.datasets.pachyderm.store import PachydermStore

MOST_CALLS = 60
"""More than a commit makes; the loops end by themselves when the fault comes too late to be seen."""


def content(repo: PachydermRepo) -> dict[str, bytes]:
    view = repo.commit_view()
    return {file.path: view.read_bytes(file.path) for file in view.files()}


class Fault:
    """Breaks the connection at call number ``at``, before or after it takes effect, once or for good."""

    def __init__(self, server: StandIn, at: int, *, after: bool, for_good: bool) -> None:
        self.at, self.for_good, self.count, self.happened = at, for_good, 0, False
        (server.__dict__.update(after=self) if after else server.__dict__.update(before=self))

    def __call__(self, _: str) -> None:
        self.count += 1
        if self.count == self.at or (self.for_good and self.count > self.at):
            self.happened = True
            raise Refusal("socket closed", StatusCode.UNAVAILABLE)


@pytest.mark.long
@pytest.mark.parametrize("for_good", [False, True], ids=["one fault", "killed"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("reading", "new_branch"), [(False, False), (True, True)], ids=["plain", "with provenance on a new branch"]
)
def test_at_every_call(
    connect: Callable[[], PachydermStore],
    server: StandIn,
    reading: bool,
    for_good: bool,
    after: bool,
    new_branch: bool,
) -> None:
    store = connect()
    raw = store.create_repo("raw/flights")
    with raw.commit() as upstream:
        upstream.put("n", b"1")
    landed = lost = 0
    for at in range(1, MOST_CALLS):
        repo = connect().create_repo(f"features/delay-{at}")
        before: dict[str, bytes] = {}
        if not new_branch:
            with repo.commit() as txn:
                txn.put("old", b"0")
                txn.put("replaced", b"0")
            before = content(repo)
        fault = Fault(server, at, after=after, for_good=for_good)
        failed = False
        try:
            with repo.commit(message="faulty") as txn:
                data = txn.read(f"{raw.name}@main").read_bytes("n") if reading else b"1"
                txn.put("replaced", data)
                txn.put("new/file", b"")
                txn.delete("old")
        except DatasetError as error:
            failed = True
            assert error.instruction  # noqa: PT017 (whether it fails is part of what is found out)
        server.before = server.after = lambda _: None
        others = connect().repo(repo.name)
        with others.commit(message="next") as following:
            following.put("next", b"2")
        whole = {"replaced": b"1", "new/file": b"", "next": b"2"}
        found = content(others)
        assert found in (whole, before | {"next": b"2"}), f"call {at}"
        assert found == whole or failed, f"call {at}: reported as committed, and is not"
        landed, lost = landed + (found == whole), lost + (found != whole)
        messages = [commit.message for commit in others.log()]
        assert messages == ["next"] + ["faulty"] * (found == whole) + [""] * (not new_branch), f"call {at}"
        expected = {upstream.commit.id} if reading and found == whole else set()
        assert expected == {each.commit for commit in others.log() for each in commit.provenance}
        assert list(others.branches) == ["main"]
        assert list(raw.branches) == ["main"]
        if not fault.happened:
            break
    else:
        pytest.fail(f"a commit makes more than {MOST_CALLS} calls")
    assert landed
    assert lost >= 5
