"""What a sink says while it lands: a line per commit, and one at the end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datamill_pipelines.datasets import Commit
    from datamill_pipelines.stream.landing import Counts
    from datamill_pipelines.stream.sink import Landed


class Progress:
    """Prints commits of one sink.

    Args:
        dataset: where it lands.
        as_json: a JSON document per line.
    """

    def __init__(self, dataset: str, *, as_json: bool) -> None:
        self._dataset, self._as_json = dataset, as_json

    def began(self, through: str, *, follow: bool, interval: float) -> None:
        """It is about to take messages.

        Args:
            through: capability that they come through.
            follow: until told to stop.
            interval: seconds between commits.
        """
        if self._as_json:
            self._print_json("began", through=through, follow=follow)
            return
        how = f"until told to stop, a commit every {interval:g} s" if follow else "what is there now"
        click.echo(f"Landing in {self._dataset} through {through}: {how}.")

    def committed(self, commit: Commit, counts: Counts) -> None:
        """It has made a commit."""
        if self._as_json:
            self._print_json(
                "commit",
                commit=commit.id,
                made=commit.created_at.isoformat(),
                rows=counts.rows,
                dead_letters=counts.dead_letters,
                known=counts.known,
                accepted_columns=counts.accepted,
                positions={key: reached.end for key, reached in commit.positions.items()},
            )
            return
        told = [f"{counts.rows:,} rows"]
        told += [f"{counts.dead_letters:,} bad messages kept"] if counts.dead_letters else []
        told += [f"{counts.known:,} known already"] if counts.known else []
        told += [f"new column {name} ({kind})" for name, kind in counts.accepted.items()]
        # Without offsets there are only names: of the topic filter, or of the queue.
        told.append(str(commit.metadata.get("offsets") or commit.metadata.get("source", "")))
        click.echo(
            f"{commit.created_at:%H:%M:%S} UTC  {commit.repo}@{commit.short_id}  {', '.join(filter(None, told))}"
        )

    def ended(self, landed: Landed, *, stopped: bool) -> None:
        """It has ended.

        Args:
            landed: by it.
            stopped: whether it was told to.
        """
        counts = landed.counts
        if self._as_json:
            self._print_json(
                "end",
                stopped=stopped,
                rows=counts.rows,
                dead_letters=counts.dead_letters,
                known=counts.known,
                commits=len(landed.commits),
                refused=landed.refused,
                seconds=round(landed.seconds, 2),
            )
            return
        why = "Told to stop; what was taken is committed" if stopped else "Everything that was there is landed"
        others = f", {landed.refused} discarded because another sink was first" if landed.refused else ""
        click.echo(
            f"{why}: {counts.rows:,} rows and {counts.dead_letters:,} bad messages in {len(landed.commits)} commits"
            f"{others}, {landed.seconds:.1f} s."
        )

    def _print_json(self, event: str, **facts: object) -> None:
        click.echo(json.dumps({"event": event, "dataset": self._dataset, **facts}, ensure_ascii=False))
