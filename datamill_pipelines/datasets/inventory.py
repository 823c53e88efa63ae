"""Everything a store's logs say: the ground that collections of garbage and fsck stand on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datamill_pipelines.datasets.errors import DamagedObjectError, MissingObjectError
from datamill_pipelines.datasets.framing import damaged, unpack_record
from datamill_pipelines.datasets.names import name_of_folder, repo_folder
from datamill_pipelines.datasets.records import decode_record, record_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_pipelines.datasets.errors import StoreError
    from datamill_pipelines.datasets.objects import ObjectStore
    from datamill_pipelines.datasets.records import Record

_BATCH = 64


@dataclass
class Log:
    """One incarnation of a branch or tag.

    Attributes:
        repo: the repo's name.
        kind: ``branches`` or ``tags``.
        name: of the branch or tag.
        folder: where the records are.
        numbers: of the records that exist.
        records: those that could be read, by number.
    """

    repo: str
    kind: str
    name: str
    folder: str
    numbers: set[int] = field(default_factory=set)
    records: dict[int, Record] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether the last record does not say ``delete``."""
        last = self.records.get(max(self.numbers, default=-1))
        return last is None or last.kind != "delete"


@dataclass
class Inventory:
    """What was found.

    Attributes:
        repos: names.
        logs: by folder.
        commits: records that hold a commit, by its id.
        problems: what could not be read, or is not there.
    """

    repos: list[str] = field(default_factory=list)
    logs: dict[str, Log] = field(default_factory=dict)
    commits: dict[str, Record] = field(default_factory=dict)
    problems: list[StoreError] = field(default_factory=list)

    def records(self) -> Iterator[Record]:
        """All records that could be read."""
        for log in self.logs.values():
            yield from log.records.values()


def take_inventory(objects: ObjectStore) -> Inventory:
    """Read every record of every log; what is wrong becomes a problem, not an exception.

    Writers may be at work meanwhile, so whatever the listing lacks is looked for by name before it is called missing.
    """
    found = Inventory()
    keys: list[str] = []
    hints: list[str] = []
    for info in objects.scan("repos"):
        parts = info.key.split("/")
        if parts[2:] == ["repo"]:
            found.repos.append(name_of_folder(parts[1]))
            _check_repo(objects, info.key, found)
        elif parts[-1] == "hint":
            hints.append(info.key)
        else:
            keys.append(info.key)
            repo, kind, name, incarnation, number = parts[1:]
            log = Log(name_of_folder(repo), kind, name_of_folder(name), info.key.rpartition("/")[0])
            found.logs.setdefault(f"{repo}/{kind}/{name}/{incarnation}", log).numbers.add(int(number))
    for start in range(0, len(keys), _BATCH):
        _read(objects, sorted(keys[start : start + _BATCH]), found)
    for key in hints:
        _check_hint(objects, key, found)
    for log in found.logs.values():
        _check_gaps(objects, log, found)
    for repo in {log.repo for log in found.logs.values()} - set(found.repos):
        key = f"{repo_folder(repo)}/repo"
        if objects.size(key) is None:
            found.problems.append(_missing(objects, key, f"{repo} has branches"))
        else:
            found.repos.append(repo)
            _check_repo(objects, key, found)
    found.repos.sort()
    return found


def _check_repo(objects: ObjectStore, key: str, found: Inventory) -> None:
    try:
        content, _ = unpack_record("repo", objects.get(key), key=key, where=objects.url)
        if name_of_folder(key.split("/")[1]) != content["name"]:
            found.problems.append(damaged(key, objects.url, f"it describes the repo {content['name']}"))
    except (DamagedObjectError, MissingObjectError) as problem:
        found.problems.append(problem)


def _read(objects: ObjectStore, keys: list[str], found: Inventory) -> None:
    for key, data in zip(keys, objects.get_many(keys), strict=True):
        folder, number = key[len("repos/") :].rsplit("/", 1)
        try:
            record = decode_record(data, key, objects.url)
        except DamagedObjectError as problem:
            found.problems.append(problem)
            continue
        found.logs[folder].records[int(number)] = record
        if record.kind == "commit":
            found.commits[record.content["id"]] = record


def _check_gaps(objects: ObjectStore, log: Log, found: Inventory) -> None:
    for number in range(max(log.numbers)):
        if number not in log.numbers:
            key = record_key_in(log.folder, number)
            if objects.size(key) is None:
                found.problems.append(_missing(objects, key, f"the log of {log.repo}@{log.name} has later records"))
            else:
                log.numbers.add(number)
                _read(objects, [key], found)


def _check_hint(objects: ObjectStore, hint: str, found: Inventory) -> None:
    """A hint is written after the record it names, so it never points past the end of a whole log."""
    folder = hint.rpartition("/")[0]
    try:
        incarnation, number = map(int, objects.get(hint).split())
    except (MissingObjectError, ValueError):
        return  # hints may be lost or damaged
    key = record_key(folder, incarnation, number)
    _, repo, kind, name = folder.split("/")
    inside = key.rpartition("/")[0]
    log = found.logs.get(inside[len("repos/") :])
    if log is not None and number <= max(log.numbers):
        return
    if objects.size(key) is None:
        found.problems.append(_missing(objects, key, "it has been the end of its log"))
        return
    # The listing is older. What lies before this record is found with the gaps.
    new = Log(name_of_folder(repo), kind, name_of_folder(name), inside)
    found.logs.setdefault(inside[len("repos/") :], new).numbers.add(number)
    _read(objects, [key], found)


def _missing(objects: ObjectStore, key: str, why: str) -> MissingObjectError:
    return MissingObjectError(
        f"{key} in {objects.url} is missing: {why}.",
        instruction="Repair it: datamill data fsck --from another store.",
        key=key,
    )


def record_key_in(folder: str, number: int) -> str:
    """The key of a record of the incarnation whose folder this is."""
    name, incarnation = folder.rsplit("/", 1)
    return record_key(name, int(incarnation), number)
