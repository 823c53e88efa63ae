"""Trees are a pure function of their files, and a change writes only its path."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamill_pipelines.datasets.diff import diff_trees
from datamill_pipelines.datasets.framing import digest_of
from datamill_pipelines.datasets.nodes import FileEntry, NodeRef, boundary_level
from datamill_pipelines.datasets.testing import MemoryStore
from datamill_pipelines.datasets.tree_edit import edit_tree
from datamill_pipelines.datasets.trees import EMPTY, TreeReader

Files = dict[str, str]


class Forest:
    """Trees kept in packs of a store in memory."""

    def __init__(self) -> None:
        self.objects = MemoryStore()
        self.written = 0

    @property
    def reader(self) -> TreeReader:
        return TreeReader(self.objects)  # nothing cached

    def edit(self, root: NodeRef, changes: dict[str, str | None]) -> NodeRef:
        entries = {path: None if text is None else entry(path, text) for path, text in changes.items()}
        edited = edit_tree(self.reader, root, entries)
        key = f"packs/0/{digest_of(edited.body)}"
        self.objects.put(key, edited.body)
        self.written = len(edited.body)
        return edited.settle(key, self.reader)

    def files(self, root: NodeRef, prefix: str = "") -> Files:
        return {e.path: e.digest for e in self.reader.walk(root, prefix)}


def entry(path: str, text: str) -> FileEntry:
    return FileEntry(path, len(text), digest_of(text.encode()))


def contents(files: dict[str, str]) -> Files:
    return {path: digest_of(text.encode()) for path, text in sorted(files.items())}


def some_files(chance: random.Random, number: int) -> dict[str, str]:
    return {f"{chance.choice('abc')}/{chance.randrange(10 * number):06d}": str(chance.random()) for _ in range(number)}


@pytest.mark.parametrize("seed", range(6))
def test_a_tree_edited_in_many_steps_equals_one_made_at_once(seed: int) -> None:
    chance = random.Random(seed)
    forest, root = Forest(), EMPTY
    model: dict[str, str] = {}
    for step in range(60):
        changes: dict[str, str | None] = dict(some_files(chance, chance.choice([1, 3, 300 if step % 10 == 0 else 2])))
        for path in chance.sample(sorted(model), min(len(model), chance.choice([0, 1, 5, 150]))):
            changes[path] = None
        if step % 20 == 19:  # a whole stretch goes, boundaries and all
            changes |= dict.fromkeys((path for path in model if path.startswith("b/")), None)
        root = forest.edit(root, changes)
        for path, text in changes.items():
            model.pop(path, None)
            if text is not None:
                model[path] = text
        scratch = Forest().edit(EMPTY, dict(model))
        assert scratch.digest == root.digest
        assert len(model) == root.files
        assert sum(map(len, model.values())) == root.size
    assert contents(model) == forest.files(root)


def test_deleting_everything_gives_the_empty_tree() -> None:
    files = some_files(random.Random(1), 2000)
    forest = Forest()
    root = forest.edit(forest.edit(EMPTY, dict(files)), dict.fromkeys(files))
    assert EMPTY.digest == root.digest


paths = st.text("ab/", min_size=1, max_size=4).filter(lambda text: "//" not in text and text.strip("/") == text)


@given(st.dictionaries(paths, st.text(max_size=2)), st.dictionaries(paths, st.none() | st.text(max_size=2)))
def test_small_edits_match_a_dictionary(files: dict[str, str], changes: dict[str, str | None]) -> None:
    forest = Forest()
    root = forest.edit(forest.edit(EMPTY, dict(files)), changes)
    expected = {path: text for path, text in {**files, **changes}.items() if text is not None}
    assert contents(expected) == forest.files(root)
    assert Forest().edit(EMPTY, dict(expected)).digest == root.digest


@pytest.mark.parametrize("seed", range(4))
def test_walking_a_prefix_and_finding_match_a_dictionary(seed: int) -> None:
    chance = random.Random(seed)
    files = some_files(chance, 3000)
    forest = Forest()
    root = forest.edit(EMPTY, dict(files))
    for prefix in ("", "a", "a/", "b/0", "b/01", "c/029999", "zz", "Z", chance.choice(sorted(files))):
        assert {p: d for p, d in contents(files).items() if p.startswith(prefix)} == forest.files(root, prefix)
    for path in [*chance.sample(sorted(files), 20), "a/x", "", "zzz"]:
        found = forest.reader.find(root, path)
        assert contents(files).get(path) == (found and found.digest)


@pytest.mark.parametrize("seed", range(6))
def test_a_diff_matches_dictionaries(seed: int) -> None:
    chance = random.Random(seed)
    files = some_files(chance, chance.choice([5, 500, 4000]))
    changes: dict[str, str | None] = dict(some_files(chance, 30))
    changes |= dict.fromkeys(chance.sample(sorted(files), 4), None)
    forest = Forest()
    old = forest.edit(EMPTY, dict(files))
    new = forest.edit(old, changes)
    before, after = forest.files(old), forest.files(new)
    expected = [
        ("added" if path not in before else "removed" if path not in after else "changed", path)
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]
    assert expected == [(change.kind, change.path) for change in diff_trees(forest.reader, old, new)]
    assert list(diff_trees(forest.reader, new, new)) == []
    assert len(before) == len(list(diff_trees(forest.reader, old, EMPTY)))


def test_one_changed_file_in_a_large_tree_writes_only_its_path() -> None:
    forest = Forest()
    root = forest.edit(EMPTY, {f"data/{number:07d}": str(number) for number in range(50_000)})
    whole = forest.written
    forest.edit(root, {"data/0031234": "y"})
    assert forest.written < 40_000 < whole / 20


def test_a_diff_of_large_trees_reads_only_what_differs() -> None:
    forest = Forest()
    root = forest.edit(EMPTY, {f"data/{number:07d}": str(number) for number in range(50_000)})
    other = forest.edit(root, {"data/0031234": "y"})
    reader = forest.reader
    assert [change.path for change in diff_trees(reader, root, other)] == ["data/0031234"]
    assert len(reader._nodes) <= 2 * 4


def test_nodes_are_cut_by_paths_alone_at_the_stated_rate() -> None:
    levels = [boundary_level(f"some/path/{number}") for number in range(64 * 400)]
    assert 320 < sum(level >= 1 for level in levels) < 480
    assert 1 <= sum(level >= 2 for level in levels) < 20
