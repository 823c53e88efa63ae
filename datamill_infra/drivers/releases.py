"""What was applied, when, and how it ended: ``state/releases.json``, one entry per component.

It is what makes "nothing to do" decidable and a killed command visible: an entry is written *before* the first change,
with a failure that says the command did not finish, and rewritten when it did.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from datamill_infra.drivers.files import write_private
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

UNFINISHED = "the command that applied it did not finish."


@dataclass(frozen=True)
class Release:
    """One applied component.

    Attributes:
        provider: ``embedded`` or ``external``.
        digest: of the desired state that was applied.
        facts: that state; secrets by name.
        needs: the components it depended on, for taking it down when the deployment does not have it any more.
        applied_at: ISO 8601, UTC.
        failure: why the apply did not succeed, or ``None``.
        failed_since: ISO 8601, UTC, of the first of an unbroken row of failures, or ``None``.
    """

    provider: str
    digest: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    applied_at: str = ""
    failure: str | None = None
    failed_since: str | None = None

    def settled_by(self, provider: str) -> bool:
        """Whether this provider applied it, and it became healthy."""
        return self.provider == provider and self.failure is None


class Releases:
    """The entries of one deployment, shared by the threads of one process; one process writes at a time.

    Args:
        file: ``state/releases.json``.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()

    def read(self) -> dict[str, Release]:
        """All entries.

        Raises:
            ConfigurationError: the file is damaged.
        """
        try:
            entries = json.loads(self.file.read_text(encoding="utf-8"))
            return {name: Release(**{**entry, "needs": tuple(entry["needs"])}) for name, entry in entries.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ConfigurationError(
                f"{self.file} is damaged: {error}.",
                instruction="Remove it and run `datamill up`: everything is applied again, and no data is lost.",
            ) from error

    def get(self, component: str) -> Release | None:
        """One entry, or ``None``."""
        return self.read().get(component)

    def put(self, component: str, release: Release) -> None:
        """Write one entry. Applying anew what has failed does not make the failure younger.

        Raises:
            StateError: the file cannot be written.
        """
        with self._lock:
            entries = self.read()
            before = entries.get(component)
            if before is not None and release.failure:
                release = replace(release, failed_since=before.failed_since)
            self._write(entries | {component: release})

    def drop(self, component: str) -> None:
        """Forget one entry, if it is there."""
        with self._lock:
            entries = self.read()
            if entries.pop(component, None) is not None:
                self._write(entries)

    def settle(self, component: str, failure: str | None) -> None:
        """Write how the last apply of a component ended; no write when the entry says so already."""
        with self._lock:
            entries = self.read()
            before = entries.get(component)
            if before is None or (before.failure, failure) == (None, None):
                return
            since = (before.failed_since or now()) if failure else None
            entries[component] = Release(**{**asdict(before), "failure": failure, "failed_since": since})
            self._write(entries)

    def _write(self, entries: Mapping[str, Release]) -> None:
        text = json.dumps({name: asdict(release) for name, release in sorted(entries.items())}, indent=2)
        write_private(self.file, text)


def now() -> str:
    """This moment, ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
