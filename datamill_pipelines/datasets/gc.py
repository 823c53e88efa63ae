"""Collecting garbage: objects that no branch, tag or provenance reaches any more.

In this order: list what is unreachable and older than every writer at work; write that list down; fence every branch,
so that whoever commits from here on has read the list; look again what is reachable; delete. See :mod:`.condemned`
for why this is safe beside writers that reuse old objects, wherever it is killed. History is kept: a commit is
garbage only when its branch was deleted and nothing that lives was made from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.condemned import Collection
from datamill_pipelines.datasets.errors import ConflictError, DatasetError
from datamill_pipelines.datasets.inventory import take_inventory
from datamill_pipelines.datasets.names import folder_name
from datamill_pipelines.datasets.reach import Reach
from datamill_pipelines.datasets.records import encode_record
from datamill_pipelines.datasets.sessions import LIFE, oldest_session

if TYPE_CHECKING:
    from datetime import datetime

    from datamill_pipelines.datasets.inventory import Inventory
    from datamill_pipelines.datasets.store import DatasetStore

GRACE = timedelta(hours=1)
"""Younger objects are spared whoever wrote them."""

_BATCH = 500
_ATTEMPTS = 100
_SWEPT = ("blobs", "packs", "nodes")


@dataclass
class Swept:
    """What a collection did.

    Attributes:
        objects: keys deleted.
        size: bytes freed, about.
        records: records of deleted branches that were emptied.
        kept: garbage that was spared because it is young, or of a writer at work.
        leftovers: what killed writers left half done, removed.
    """

    objects: list[str] = field(default_factory=list)
    size: int = 0
    records: list[str] = field(default_factory=list)
    kept: int = 0
    leftovers: list[str] = field(default_factory=list)


def collect_garbage(store: DatasetStore, *, grace: timedelta = GRACE, dry_run: bool = False) -> Swept:
    """Collect.

    Args:
        store: where.
        grace: younger objects are spared.
        dry_run: only say what would be deleted.

    Raises:
        DatasetError: the store is damaged; nothing was deleted.
        ConflictError: another collection began meanwhile, and goes on.
    """
    return _Collection(store, grace).run(dry_run=dry_run)


class _Collection:
    def __init__(self, store: DatasetStore, grace: timedelta) -> None:
        self._store, self._objects = store, store.objects
        self._now = store.objects.clock()
        self._cutoff = self._now - grace
        self._swept = Swept()
        self._sizes: dict[str, int] = {}

    def run(self, *, dry_run: bool) -> Swept:
        oldest, dead_sessions = oldest_session(self._objects, self._now)
        cutoff = min(self._cutoff, oldest) if oldest is not None else self._cutoff
        inventory, reach = self._look()
        objects = self._unreachable(reach, cutoff)
        records = _unreachable_records(inventory, reach)
        if dry_run:
            self._swept.objects, self._swept.records = sorted(objects), sorted(records)
            self._swept.size = sum(self._sizes[key] for key in objects)
            return self._swept
        number = self._store.collections.newest()
        feared = self._store.collections.unfinished(number, self._now)
        if objects or records or feared:
            self._sweep(objects, records, number + 1, feared)
        self._clear(dead_sessions, cutoff)
        return self._swept

    def _look(self) -> tuple[Inventory, Reach]:
        inventory = take_inventory(self._objects)
        if inventory.problems:
            raise inventory.problems[0]
        reach = Reach(self._store.tree, inventory)
        reach.visit_live()
        return inventory, reach

    def _unreachable(self, reach: Reach, cutoff: datetime) -> set[str]:
        found = set()
        for folder in _SWEPT:
            for info in self._objects.scan(folder):
                if info.key in reach.keys or info.key in reach.spares:
                    continue
                if info.modified < cutoff:
                    found.add(info.key)
                    self._sizes[info.key] = info.size
                else:
                    self._swept.kept += 1
        return found

    def _sweep(self, objects: set[str], records: set[str], number: int, unfinished: list[Collection]) -> None:
        feared = frozenset(key for each in unfinished for key in each.keys)
        condemned = Collection(number, feared | objects | records, done=False, began_at=self._now)
        if not self._store.collections.begin(condemned):
            raise self._overtaken(number)
        self._fence(number)
        inventory, reach = self._look()
        doomed = sorted(objects - reach.keys - reach.spares)
        for start in range(0, len(doomed), _BATCH):
            self._check_newest(number)
            self._objects.delete(doomed[start : start + _BATCH])
        for record in inventory.records():
            if record.key in records and record.key not in reach.records:
                gone = {"gc": number, "head": None}
                self._objects.put(record.key, encode_record(record.key, "gone", record.nonce, gone))
                self._swept.records.append(record.key)
        self._swept.objects, self._swept.size = doomed, sum(self._sizes[key] for key in doomed)
        # What an unfinished predecessor condemned stays feared until it is certain to be dead.
        since = max((each.began_at for each in unfinished), default=self._now)
        self._store.collections.finish(Collection(number, feared, done=not feared, began_at=since))

    def _fence(self, number: int) -> None:
        """Append the fence to every branch that exists now."""
        for name in self._store.repos():
            repo = self._store.repo(name)
            for folder in self._objects.folders(f"repos/{folder_name(name)}/branches"):
                log = repo.branch_log(folder.replace("~", "/"))
                for _ in range(_ATTEMPTS):
                    tail = log.tail()
                    if tail is None or not tail.is_open or tail.gc >= number:
                        break
                    head = tail.record.head
                    content = {"gc": number, "head": {"id": head.id, "at": head.at} if head else None}
                    if log.append(tail, "fence", content) is not None:
                        break
                else:
                    raise DatasetError(
                        f"{name}@{folder.replace('~', '/')} is committed to without a pause; it could not be fenced.",
                        instruction="Collect again at a quieter time. Nothing was deleted.",
                    )

    def _check_newest(self, number: int) -> None:
        if self._store.collections.newest() != number:
            raise self._overtaken(number)

    def _overtaken(self, number: int) -> ConflictError:
        return ConflictError(
            f"Collection {number} of {self._store.url} gives way to a newer one.",
            instruction="Nothing is wrong: the newer one deletes the same.",
        )

    def _clear(self, dead_sessions: list[str], cutoff: datetime) -> None:
        """Remove what no log ever referred to: dead sessions, probes, temporary files, unfinished uploads."""
        leftovers = list(dead_sessions)
        for folder in ("probe", "clock"):
            leftovers += [info.key for info in self._objects.scan(folder) if self._now - info.modified > LIFE]
        self._objects.delete(leftovers)
        self._swept.leftovers = leftovers + list(self._objects.abandoned(cutoff))


def _unreachable_records(inventory: Inventory, reach: Reach) -> set[str]:
    """Commits of deleted branches and tags that nothing needs."""
    return {
        record.key
        for log in inventory.logs.values()
        if not log.is_open
        for record in log.records.values()
        if record.kind == "commit" and record.key not in reach.records
    }
