"""Several processes commit to one branch: everything lands, in one line, with bounded retries."""

from __future__ import annotations

import multiprocessing

from datamill_pipelines.datasets.store import DatasetStore, open_store
from datamill_pipelines.datasets.transaction import ATTEMPTS

PROCESSES = 8
COMMITS = 10


def commit_many(url: str, name: int) -> None:
    repo = open_store(url).repo("raw/flights")
    for number in range(COMMITS):
        with repo.commit() as transaction:
            transaction.put(f"{name}/{number}.csv", b"%d %d" % (name, number))
            transaction.advance(f"k/{name}", number, number + 1)


def test_processes_that_commit_at_once_make_one_line(local: DatasetStore) -> None:
    local.create_repo("raw/flights")
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=commit_many, args=(local.url, name)) for name in range(PROCESSES)]
    for process in running:
        process.start()
    for process in running:
        process.join(timeout=150)
    assert [process.exitcode for process in running] == [0] * PROCESSES
    commits = list(local.repo("raw/flights").log())
    assert len(commits) == PROCESSES * COMMITS < ATTEMPTS
    assert all(len(commit.parents) == 1 for commit in commits[:-1])
    view = local.commit_view("raw/flights")
    expected = {f"{n}/{i}.csv": b"%d %d" % (n, i) for n in range(PROCESSES) for i in range(COMMITS)}
    assert {file.path: view.read_bytes(file.path) for file in view.files()} == expected
    assert {reached.end for reached in commits[0].positions.values()} == {COMMITS}
