"""From raw commits to one commit of ``features/flight_delay``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_pipelines.batch.schema import REPO, SORT_BY, file_of
from datamill_pipelines.batch.sources import COLUMNS
from datamill_pipelines.datasets.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datamill_pipelines.batch.engine import FeatureEngine
    from datamill_pipelines.datasets import Commit, CommitView, DatasetStore


@dataclass(frozen=True)
class Built:
    """Features of some months, committed.

    Attributes:
        view: the branch's head, which has them.
        changed: whether there is a new commit; equal features make none.
        rows: number of flights by month.
        raw: the raw commits they were computed from, ``repo@commit`` by repo.
    """

    view: CommitView
    changed: bool
    rows: Mapping[str, int]
    raw: Mapping[str, str]


def build_features(
    store: DatasetStore,
    engine: FeatureEngine,
    months: Sequence[str],
    *,
    refs: Mapping[str, str] | None = None,
    run_id: str = "",
    code_version: str = "",
) -> Built:
    """Compute the features of some months and commit them, one file a month; other months stay as they are.

    Nothing is computed when the head was made of the same commits by the same code and engine.

    Args:
        store: holds the raw datasets, and receives the features.
        engine: computes.
        months: e.g. ``["2013-01", "2013-02"]``.
        refs: which commit to read, by raw dataset, e.g. ``{"raw/flights": "raw/flights@3f2a"}``; the head of ``main``
            for the others. All are pinned before anything is read, and become provenance.
        run_id: of the run that asks.
        code_version: of the code that computes.

    Raises:
        DatasetError: a raw dataset, or the commit that was named, does not exist.
        EngineError: the engine returned something else.
    """
    repo = store.create_repo(REPO, "What is known of flights two hours before departure, by month", exist_ok=True)
    head = _head(store)
    with repo.commit(
        message=f"Features of {', '.join(months)}",
        author="team:ml",
        run_id=run_id,
        code_version=code_version,
        metadata={"engine": engine.name, "months": list(months)},
    ) as commit:
        raw = {name: commit.read((refs or {}).get(name, f"{name}@main")) for name in COLUMNS}
        if head is None or not _is_made_of(head.commit, raw, months, engine, code_version):
            for month, table in engine.build(raw, months).items():
                commit.put_table(file_of(month), table, sort_by=SORT_BY)
    view = store.commit_view(f"{REPO}@main")
    rows = {file.path: file.rows or 0 for file in view.files()}
    return Built(
        view=view,
        changed=commit.commit is not None,
        rows={month: rows[file_of(month)] for month in months},
        raw={name: f"{name}@{source.id}" for name, source in raw.items()},
    )


def _head(store: DatasetStore) -> CommitView | None:
    try:
        return store.commit_view(f"{REPO}@main")
    except NotFoundError:
        return None


def _is_made_of(
    commit: Commit, raw: Mapping[str, CommitView], months: Sequence[str], engine: FeatureEngine, code_version: str
) -> bool:
    """Whether the same code with the same engine has made these months from these very commits."""
    made = (commit.code_version, commit.metadata.get("engine"), {(one.repo, one.commit) for one in commit.provenance})
    asked = (code_version, engine.name, {(name, view.id) for name, view in raw.items()})
    return bool(code_version) and made == asked and set(months) <= set(commit.metadata.get("months", ()))
