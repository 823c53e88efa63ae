"""Versioned datasets: repos, branches, commits with provenance, in any S3-compatible store or a local directory.

A commit is a context manager. It lands as a whole or not at all, whatever is killed when::

    from datamill_pipelines.datasets import open_store

    store = open_store("file:///var/lib/datasets")  # or the `datasets` connection
    store.create_repo("raw/flights", exist_ok=True)
    with store.repo("features/flight_delay").commit("main", message="January", run_id="...") as commit:
        flights = commit.read("raw/flights@main")  # pinned now, and provenance
        commit.put_table("2013/01/part-0.parquet", build(flights.table("2013/01/")), sort_by=["flight_id"])
        commit.metadata["rows_dropped"] = 0
    commit.commit  # the Commit, or None when nothing changed

A sink moves positions in the commit of the rows they cover; a batch that does not continue the head is refused::

    with store.repo("raw/flights").commit("main") as commit:
        start = commit.positions[key].end if key in commit.positions else 0
        commit.put_table(f"{partition}/{start:020d}.parquet", table)
        commit.advance(key, start, end)  # FencedError here, or at the end of the block

Reading::

    view = store.commit_view("raw/flights@main")  # @tag, @<commit id>, @main~1
    view.table("2013/01/", columns=["carrier"])  # verified, one pyarrow.Table
    view.uris("2013/01/")  # paths or s3a:// addresses for engines
    store.sql("select carrier, count(*) from 'raw/flights@main' group by 1")
    view.tree_digest, view.subtree_digest("2013/01/"), view.logical_digest()

Everything is raised as :class:`~datamill_pipelines.datasets.errors.DatasetError`, with a reason and an instruction. The
format is described in ``docs/formats.md``, the promises in ``docs/datasets.md``.
"""

from __future__ import annotations

from datamill_pipelines.datasets.commits import Commit, Provenance
from datamill_pipelines.datasets.errors import ConflictError, DatasetError, FencedError, NotFoundError
from datamill_pipelines.datasets.names import DEAD_LETTERS
from datamill_pipelines.datasets.positions import PositionRange
from datamill_pipelines.datasets.repos import Repo
from datamill_pipelines.datasets.store import DatasetStore, open_store
from datamill_pipelines.datasets.transaction import Transaction
from datamill_pipelines.datasets.views import CommitView, FileInfo

__all__ = [
    "DEAD_LETTERS",
    "Commit",
    "CommitView",
    "ConflictError",
    "DatasetError",
    "DatasetStore",
    "FencedError",
    "FileInfo",
    "NotFoundError",
    "PositionRange",
    "Provenance",
    "Repo",
    "Transaction",
    "open_store",
]
