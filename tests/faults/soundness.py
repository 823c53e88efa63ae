"""Whether a store is whole: the product's own check, and one that knows nothing but how objects are named."""

from __future__ import annotations

from pathlib import PurePosixPath

from blake3 import blake3
from faults.bench import expect, must_work

from datamill_pipelines.datasets.objects import ObjectStore
from datamill_pipelines.datasets.store import DatasetStore

Files = dict[str, bytes]


def check_sound(objects: ObjectStore, *, nothing_left: bool = False) -> None:
    """Nothing that can be read is damaged, missing or half written.

    Args:
        objects: the store, with no fault in it any more.
        nothing_left: whether there may be no unreachable object either.

    Raises:
        Violation: it is not so.
    """
    with must_work("checking the store"):
        found = DatasetStore(objects).fsck()
        expect(found.is_sound, f"fsck: {[f'{key}: {problem.what}' for key, problem in found.problems.items()][:5]}")
        expect(not (nothing_left and found.unreachable), f"left behind: {found.unreachable[:5]}")
        check_names(objects)


def check_names(objects: ObjectStore) -> None:
    """Every object that is named by its content has that content: no partial one is readable."""
    for folder in ("blobs", "packs"):
        for info in objects.scan(folder):
            digest = PurePosixPath(info.key).name.split(".")[0].split("~")[0]
            data = objects.get(info.key)
            expect(blake3(data).hexdigest().startswith(digest), f"{info.key} holds {len(data)} bytes of something else")


def read_files(objects: ObjectStore, ref: str) -> Files:
    """A whole tree, read by a store that remembers nothing."""
    with must_work(f"reading {ref}"):
        view = DatasetStore(objects).commit_view(ref)
        return {file.path: view.read_bytes(file.path) for file in view.files()}
