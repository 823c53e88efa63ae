"""Features against the raw commits they were made of, month by month."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from datamill_pipelines.batch.valid import reconciliation_faults

if TYPE_CHECKING:
    from datamill_pipelines.datasets import CommitView, DatasetStore

FLIGHTS = "raw/flights"
COLUMNS = ("year", "month", "dep_delay", "arr_delay")


def months_of(view: CommitView) -> list[str]:
    """The months that a commit of features has."""
    return sorted({file.path.partition("/")[0] for file in view.files()})


def flights_of(view: CommitView, month: str) -> str | None:
    """The commit of ``raw/flights`` that a month was made of, ``repo@commit``; ``None`` if it was not recorded.

    Months are built at different times: it is the provenance of the newest commit that built this one.
    """
    for commit in view.log:
        if month in commit.metadata.get("months", ()):
            return next((f"{FLIGHTS}@{source.commit}" for source in commit.provenance if source.repo == FLIGHTS), None)
    return None


def reconcile(store: DatasetStore, view: CommitView) -> tuple[list[str], dict[str, dict[str, int | str]]]:
    """Compare every month.

    Args:
        store: holds features and raw flights.
        view: a commit of features.

    Returns:
        The faults, and what each month was compared with.
    """
    faults: list[str] = []
    compared: dict[str, dict[str, int | str]] = {}
    for month in months_of(view):
        ref = flights_of(view, month)
        if ref is None:
            faults.append(f"{month}: the commit does not say which flights it was made of")
            continue
        year, number = (int(part) for part in month.split("-"))
        flights = store.commit_view(ref).table(columns=COLUMNS)
        flights = flights.filter((pc.field("year") == year) & (pc.field("month") == number))
        found, expected = reconciliation_faults(view.table(f"{month}/"), flights)
        faults += [f"{month}: {fault}" for fault in found]
        compared[month] = {"flights": ref, **expected}
    return faults, compared
