"""What the stand-in remembers: projects, repos, branches, commits, file sets. No gRPC here.

The behaviour, the order of refusals and their wording follow a real server (see ``docs/pachyderm.md`` for which).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b

from grpc import StatusCode

VALID_NAME = re.compile(r"^[a-zA-Z0-9_-]+$")
UUID_V4 = re.compile(r"^[\da-f]{12}4[\da-f]{19}$")
PROJECT_NAME_LIMIT = 51
GLOBBING = "*?[]{}!()@+^"
USER, AUTO = 1, 2


class RefusedError(Exception):
    """An answer that is not success."""

    def __init__(self, details: str, code: StatusCode = StatusCode.UNKNOWN) -> None:
        super().__init__(details)
        self.details, self.code = details, code


def not_found(details: str) -> RefusedError:
    return RefusedError(details, StatusCode.NOT_FOUND)


def check_name(name: str) -> None:
    if not VALID_NAME.match(name):
        raise RefusedError(f"name ({name}) invalid: only alphanumeric characters, underscores, and dashes are allowed")


def clean_path(path: str) -> str:
    """As the server stores it: absolute, without doubled or closing slashes."""
    if not path or not path.isascii() or not path.isprintable():
        raise RefusedError(f"path ({path}) invalid: only printable ASCII characters allowed")
    for character in GLOBBING:
        if character in path:
            raise RefusedError(f"path ({path}) invalid: globbing character ({character}) not allowed in path")
    segments = path.split("/")
    if ".." in segments or "." in segments:
        raise RefusedError(f"path ({path}) invalid: relative file paths are not allowed")
    return "/" + "/".join(segment for segment in segments if segment)


def digest(*parts: bytes) -> bytes:
    return blake2b(b"".join(parts), digest_size=32).digest()


def file_hash(content: bytes) -> bytes:
    return digest(digest(content)) if content else digest()


RepoKey = tuple[str, str]


@dataclass(frozen=True)
class BranchKey:
    repo: RepoKey
    name: str

    def __str__(self) -> str:
        return f"{self.repo[0]}/{self.repo[1]}@{self.name}"


@dataclass(frozen=True)
class CommitKey:
    repo: RepoKey
    id: str

    def __str__(self) -> str:
        return f"{self.repo[0]}/{self.repo[1]}@{self.id}"


@dataclass
class FileSet:
    deletes: set[str] = field(default_factory=set)
    adds: dict[str, bytes] = field(default_factory=dict)


@dataclass
class CommitState:
    key: CommitKey
    branch: str
    origin: int
    number: int
    parent: CommitKey | None
    provenance: tuple[CommitKey, ...]
    started: datetime
    description: str = ""
    updated: datetime | None = None
    finishing: datetime | None = None
    settles: int = 0
    finished: datetime | None = None
    error: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    file_sets: list[FileSet] = field(default_factory=list)


@dataclass
class BranchState:
    key: BranchKey
    head: CommitKey
    created: datetime
    number: int
    provenance: tuple[BranchKey, ...] = ()
    never: frozenset[BranchKey] = frozenset()
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass
class RepoState:
    key: RepoKey
    description: str
    created: datetime
    number: int


def now() -> datetime:
    return datetime.now(UTC)


class State:
    """Everything, and the questions that only look."""

    def __init__(self) -> None:
        self.projects: dict[str, str] = {"default": ""}
        self.repos: dict[RepoKey, RepoState] = {}
        self.branches: dict[BranchKey, BranchState] = {}
        self.commits: dict[CommitKey, CommitState] = {}
        self.file_sets: dict[str, FileSet] = {}
        self.counter = 0
        self.ticks = 0

    def number(self) -> int:
        self.counter += 1
        return self.counter

    def repo(self, key: RepoKey) -> RepoState:
        if key not in self.repos:
            raise not_found(f"repo {key[0]}/{key[1]} not found")
        return self.repos[key]

    def branch(self, key: BranchKey) -> BranchState:
        self.repo(key.repo)
        if key not in self.branches:
            raise not_found(
                f"inspect branch in transaction: branch (id=0, branch={key}) not found\n"
                f'branch "{key.name}" not found in repo {key.repo[0]}/{key.repo[1]}'
            )
        return self.branches[key]

    def commit(self, repo: RepoKey, commit_id: str, branch: str) -> CommitState:
        """By id, or the head of a branch. Prefixes of ids and ancestors are not known here."""
        if commit_id and not UUID_V4.match(commit_id):
            # What the server has: it takes other ids for branch names, and has none.
            raise RefusedError("panic: runtime error: invalid memory address", StatusCode.ABORTED)
        if commit_id:
            key = CommitKey(repo, commit_id)
            if key not in self.commits:
                raise not_found(f"pick commit tx: commit {key} not found\ncommit {key} not found")
            return self.commits[key]
        if BranchKey(repo, branch) not in self.branches:
            raise not_found(
                f"pick commit tx: commit {repo[0]}/{repo[1]}@ not found\n"
                f'branch "{branch}" not found in repo {repo[0]}/{repo[1]}'
            )
        return self.commits[self.branches[BranchKey(repo, branch)].head]

    def children(self, key: CommitKey) -> list[CommitKey]:
        return [other.key for other in self.commits.values() if other.parent == key]

    def subvenance(self, key: CommitKey) -> list[CommitKey]:
        """All commits downstream of one, nearest first."""
        found: list[CommitKey] = []
        waiting = [key]
        while waiting:
            current = waiting.pop(0)
            for other in self.commits.values():
                if current in other.provenance and other.key not in found:
                    found.append(other.key)
                    waiting.append(other.key)
        return found

    def full_provenance(self, key: BranchKey) -> set[BranchKey]:
        found: set[BranchKey] = set()
        waiting = list(self.branches[key].provenance)
        while waiting:
            current = waiting.pop()
            if current not in found:
                found.add(current)
                waiting.extend(self.branches[current].provenance)
        return found

    def files(self, key: CommitKey) -> dict[str, bytes]:
        """Path to content. Staged files of an open commit are readable, as they are on the server."""
        chain: list[CommitState] = []
        current: CommitKey | None = key
        while current is not None:
            chain.append(self.commits[current])
            current = chain[-1].parent
        files: dict[str, bytes] = {}
        for commit in reversed(chain):
            for file_set in commit.file_sets:
                for path in file_set.deletes:
                    files.pop(path, None)
                files.update(file_set.adds)
        return files

    def finish_what_can(self, *, hurry: bool = False) -> None:
        """What the server's workers do in the background: a finishing commit is finished some calls later, never before
        its parent.
        """
        for commit in sorted(self.commits.values(), key=lambda commit: commit.number):
            parent = self.commits[commit.parent] if commit.parent else None
            if (
                commit.finishing
                and not commit.finished
                and (hurry or self.ticks >= commit.settles)
                and (parent is None or parent.finished)
            ):
                commit.error = collision(self.files(commit.key))
                commit.finished = commit.updated = now()


def collision(files: Iterable[str]) -> str:
    paths = set(files)
    for path in sorted(paths):
        parents = path.split("/")[1:-1]
        if any("/" + "/".join(parents[: depth + 1]) in paths for depth in range(len(parents))):
            return f"file / directory path collision ({path})"
    return ""


@dataclass(frozen=True)
class Entry:
    """One line of a listing."""

    path: str
    directory: bool
    size: int
    hash: bytes


def listing(files: Mapping[str, bytes]) -> list[Entry]:
    """Files and directories in the server's order; a directory's hash covers names and contents below it."""
    entries = [Entry(path, False, len(content), file_hash(content)) for path, content in files.items()]
    directories: dict[str, list[Entry]] = {}
    for entry in entries:
        segments = entry.path.split("/")[1:-1]
        for depth in range(len(segments) + 1):
            directories.setdefault("/" + "".join(s + "/" for s in segments[:depth]), []).append(entry)
    for directory, below in directories.items():
        parts = [e.path.removeprefix(directory).encode() + b"\0" + e.hash for e in sorted(below, key=lambda e: e.path)]
        entries.append(Entry(directory, True, sum(e.size for e in below), digest(*parts)))
    return sorted(entries, key=lambda entry: entry.path)


def commit_set_id() -> str:
    return uuid.uuid4().hex
