"""Lineage: from a prediction, model or commit to where it came from, and to what was made from it.

Recorded facts only, and each where it was recorded: provenance, positions, run and code version in commits; source
commits in the tags of model versions; model version and features commit in every prediction. Nothing is guessed from
names or times, so a gap in the record is a gap in the tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from datamill_infra.model.errors import UnknownNameError
from datamill_pipelines.datasets.commits import commit_of
from datamill_pipelines.datasets.errors import NotFoundError
from datamill_pipelines.datasets.search import all_records
from datamill_pipelines.serving import predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from datamill_pipelines.datasets import Commit, DatasetStore, PositionRange
    from datamill_pipelines.registry import ModelVersion, Registry
    from datamill_pipelines.serving.predictions import Prediction

Kind = Literal["prediction", "model", "commit", "topic", "source", "run"]
MODEL, RUN = "model:", "run:"
TOPICS = "kafka/"
"""How keys of positions in topics begin."""

COMMIT_REF = re.compile(r"(?P<repo>[a-z0-9][\w./-]*)@(?P<id>[0-9a-f]{64})")


@dataclass
class Node:
    """One thing, and what it came from (walking up) or what was made from it (walking down).

    Attributes:
        kind: what it is.
        name: how the command line names it.
        facts: what was recorded about it.
        children: sources, or uses.
        repeated: it has been shown before, with its children.
    """

    kind: Kind
    name: str
    facts: dict[str, object] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    repeated: bool = False

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "kind": self.kind,
            "name": self.name,
            "facts": self.facts,
            "children": [child.to_dict() for child in self.children],
            "repeated": self.repeated,
        }


class Lineage:
    """Walks what was recorded.

    Args:
        store: of versioned datasets.
        registry: of models, or ``None`` when the deployment has none.
    """

    def __init__(self, store: DatasetStore, registry: Registry | None) -> None:
        self.store = store
        self.registry = registry
        self._commits: dict[str, Commit] | None = None
        self._versions: list[ModelVersion] | None = None

    def up(self, subject: str) -> Node:
        """Where a subject came from.

        Args:
            subject: ``model:name@version``, ``repo@revision`` (or ``folder/repo`` for its main branch), ``run:<id>``,
                or a prediction's id or its beginning.

        Raises:
            NotFoundError: nothing of this name was recorded.
        """
        return self._up(subject, set())

    def down(self, subject: str) -> Node:
        """What was made from a subject. Arguments and errors as for :meth:`up`."""
        return self._down(subject, set())

    # Upwards

    def _up(self, subject: str, seen: set[str]) -> Node:
        if subject.startswith(RUN):
            return self._run(subject, lambda made: self._up(made, seen))
        if subject.startswith(MODEL):
            return self._model_up(self._version(subject), seen)
        if _is_dataset(subject):
            return self._commit_up(self.store.commit_view(subject).commit, seen)
        found, commit = predictions.find(self.store, subject)
        node = _prediction(found)
        node.facts["recorded_in"] = f"{commit.repo}@{commit.id}"
        node.children = [
            self._up(f"{MODEL}{found.model}@{found.model_version}", seen),
            self._up(found.features, seen),
        ]
        return node

    def _model_up(self, version: ModelVersion, seen: set[str]) -> Node:
        node = self._model(version)
        if _seen(node, seen):
            return node
        sources = [self._up(ref, seen) for ref in _commit_refs(version)]
        # The tags name raw commits as well as the features made of them, below which they have their place.
        node.children = [source for source in sources if not source.repeated] or sources
        return node

    def _commit_up(self, commit: Commit, seen: set[str]) -> Node:
        node = _commit(commit)
        if _seen(node, seen):
            return node
        for source in commit.provenance:
            node.children.append(self._up(f"{source.repo}@{source.commit}", seen))
        node.children += self._sources(commit)
        return node

    def _sources(self, commit: Commit) -> Iterator[Node]:
        """What the files of a commit were read from, over all of its branch's history: topics and offsets, queues."""
        began: dict[str, int] = {}
        queues: dict[str, _Queue] = {}
        for earlier in self.store.repo(commit.repo).log(commit.id):
            for key in earlier.advanced:
                began[key] = earlier.positions[key].start
            origin = earlier.metadata.get("source")
            if origin and not any(key.startswith(TOPICS) for key in earlier.advanced):
                queues.setdefault(str(origin), _Queue()).add(earlier)
        for key, reached in sorted(commit.positions.items()):
            if (topic := _topic(key, began.get(key, reached.start), reached)) is not None:
                yield topic
        yield from (queue.node(name) for name, queue in queues.items())

    # Downwards

    def _down(self, subject: str, seen: set[str]) -> Node:
        if subject.startswith(RUN):
            return self._run(subject, lambda made: self._down(made, seen))
        if subject.startswith(MODEL):
            return self._model_down(self._version(subject), seen)
        if _is_dataset(subject):
            return self._commit_down(self.store.commit_view(subject).commit, seen)
        return _prediction(predictions.find(self.store, subject)[0])

    def _model_down(self, version: ModelVersion, seen: set[str]) -> Node:
        node = self._model(version)
        if not _seen(node, seen):
            made = predictions.recorded(self.store).values()
            node.children = [
                _prediction(one) for one in made if (one.model, one.model_version) == (version.name, version.version)
            ]
        return node

    def _commit_down(self, commit: Commit, seen: set[str]) -> Node:
        node = _commit(commit)
        if _seen(node, seen):
            return node
        for other in self._all_commits().values():
            if any(source.commit == commit.id for source in other.provenance):
                node.children.append(self._commit_down(other, seen))
        for version in self._all_versions():
            if commit.ref in _commit_refs(version):
                node.children.append(self._model_down(version, seen))
        return node

    # Records

    def _run(self, subject: str, walk: Callable[[str], Node]) -> Node:
        wanted = subject.removeprefix(RUN)
        made = [commit.ref for commit in self._all_commits().values() if commit.run_id.startswith(wanted)]
        made += [
            f"{MODEL}{version.ref}"
            for version in self._all_versions()
            if any(wanted and value.startswith(wanted) for key, value in version.tags.items() if "run" in key)
        ]
        if not wanted or not made:
            raise NotFoundError(
                f"No commit and no model version was made by a run {wanted!r}.",
                instruction="Run ids are in `datamill data log REPO` and in the user interface.",
            )
        return Node("run", wanted, children=[walk(ref) for ref in made])

    def _version(self, subject: str) -> ModelVersion:
        name, _, version = subject.removeprefix(MODEL).partition("@")
        known = self._all_versions()
        aliased = {f"{one.name}@{alias}": one for one in known for alias in one.aliases}
        exact = {one.ref: one for one in known}
        wanted = f"{name}@{version}"
        if wanted in exact or wanted in aliased:
            return exact.get(wanted) or aliased[wanted]
        raise UnknownNameError("registered model version", wanted, [*exact, *aliased])

    def _model(self, version: ModelVersion) -> Node:
        facts: dict[str, object] = {"aliases": list(version.aliases), **dict(sorted(version.tags.items()))}
        if version.tracking_run_id:
            facts["mlflow_run"] = version.tracking_run_id
        return Node("model", f"{MODEL}{version.ref}", facts)

    def _all_commits(self) -> dict[str, Commit]:
        if self._commits is None:
            self._commits = {
                record.content["id"]: commit_of(record, self.store.url)
                for name in self.store.repos()
                for record in all_records(self.store.repo(name))
                if record.kind == "commit"
            }
        return self._commits

    def _all_versions(self) -> list[ModelVersion]:
        if self._versions is None:
            self._versions = self.registry.versions() if self.registry else []
        return self._versions


def _is_dataset(subject: str) -> bool:
    """Ids of predictions are UUIDs."""
    return "@" in subject or "/" in subject


def _seen(node: Node, seen: set[str]) -> bool:
    """Mark a node as shown; whether it was before."""
    if node.name in seen:
        node.repeated = True
        return True
    seen.add(node.name)
    return False


def _prediction(found: Prediction) -> Node:
    return Node(
        "prediction",
        found.prediction_id,
        {
            "flight": found.flight_id,
            "probability": found.probability,
            "model": f"{found.model}@{found.model_version}",
            "predicted_at": found.predicted_at.isoformat(),
            "run": found.run_id,
        },
    )


def _commit(commit: Commit) -> Node:
    return Node(
        "commit",
        commit.ref,
        {
            "branch": commit.branch,
            "message": commit.message,
            "files": commit.files,
            "created_at": commit.created_at.isoformat(),
            "run": commit.run_id,
            "code_version": commit.code_version,
            "tree": commit.tree,
        },
    )


def _topic(key: str, start: int, reached: PositionRange) -> Node | None:
    """A position's key is ``kafka/<cluster>/<topic>/<topic id>/<partition>``; others are counters, not sources."""
    if not key.startswith(TOPICS):
        return None
    parts = key.split("/")
    _, cluster, topic, topic_id, partition = parts
    facts: dict[str, object] = {"cluster": cluster, "topic_id": topic_id, "start": start, "end": reached.end}
    return Node("topic", f"{topic}/{partition} offsets {start} to {reached.end - 1}", facts)


@dataclass
class _Queue:
    """What commits landed from one broker without positions; ids of messages are unique within windows."""

    told: dict[str, object] = field(default_factory=dict)
    messages: int = 0
    windows: set[str] = field(default_factory=set)

    def add(self, commit: Commit) -> None:
        said = commit.metadata
        self.told = {name: said[name] for name in ("protocol", "ids_unique_per") if name in said} | self.told
        self.messages += int(said.get("rows_landed", 0))
        self.windows |= set(said.get("windows", ()))

    def node(self, name: str) -> Node:
        return Node("source", name, {**self.told, "messages": self.messages, "windows": sorted(self.windows)})


def _commit_refs(version: ModelVersion) -> list[str]:
    """Commits that the tags of a model version name, in order, each once."""
    found: Iterable[str] = (match.group() for value in version.tags.values() for match in COMMIT_REF.finditer(value))
    return list(dict.fromkeys(found))
