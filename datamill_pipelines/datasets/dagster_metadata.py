"""What Dagster shows of a commit: metadata, and the data version that decides what is news.

The data version is the digest of the tree (of the partition's subtree), not the commit's id: an equal result is not
news.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_pipelines.datasets.commits import Commit
    from datamill_pipelines.datasets.nodes import Schema
    from datamill_pipelines.datasets.views import CommitView


def commit_metadata(commit: Commit) -> dict[str, dg.MetadataValue]:
    """Repo, branch, ids, counts, positions and provenance of a commit."""
    metadata: dict[str, dg.MetadataValue] = {
        "datamill/repo": dg.MetadataValue.text(commit.repo),
        "datamill/branch": dg.MetadataValue.text(commit.branch),
        "datamill/commit": dg.MetadataValue.text(commit.id),
        "datamill/tree": dg.MetadataValue.text(commit.tree),
        "datamill/files": dg.MetadataValue.int(commit.files),
        "datamill/bytes": dg.MetadataValue.int(commit.size),
        "datamill/code_version": dg.MetadataValue.text(commit.code_version),
    }
    if commit.provenance:
        metadata["datamill/provenance"] = dg.MetadataValue.json(
            [{"repo": source.repo, "ref": source.ref, "commit": source.commit} for source in commit.provenance]
        )
    if commit.positions:
        positions = {key: [reached.start, reached.end] for key, reached in commit.positions.items()}
        metadata["datamill/positions"] = dg.MetadataValue.json(positions)
    return metadata


def view_metadata(view: CommitView, prefix: str = "") -> dict[str, dg.MetadataValue]:
    """The same, with rows, column schema and address of the files below ``prefix``."""
    files = list(view.files(prefix))
    metadata = commit_metadata(view.commit) | {
        "dagster/uri": dg.MetadataValue.text(f"{view.url}#{view.repo}@{view.id}"),
    }
    tables = [file for file in files if file.schema is not None]
    if tables:
        schema = tables[-1].schema or ()
        metadata["dagster/row_count"] = dg.MetadataValue.int(sum(file.rows or 0 for file in tables))
        metadata["dagster/column_schema"] = dg.MetadataValue.table_schema(table_schema(schema))
    return metadata


def table_schema(schema: Schema, descriptions: Mapping[str, str] | None = None) -> dg.TableSchema:
    """A file's columns as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                type=kind,
                description=(descriptions or {}).get(name),
                constraints=dg.TableColumnConstraints(nullable=nullable),
            )
            for name, kind, nullable in schema
        ]
    )


def data_version(view: CommitView, prefix: str = "") -> dg.DataVersion:
    """Equal for equal files: of the whole dataset, or of what is below ``prefix``."""
    return dg.DataVersion(view.subtree_digest(prefix) if prefix else view.tree_digest)
