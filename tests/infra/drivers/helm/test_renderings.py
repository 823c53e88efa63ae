"""What was rendered is kept by everything that decides it, and what cannot be kept or read is rendered again."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

import pytest

from datamill_infra.drivers.helm.renderings import KEPT_SECONDS, Renderings, digest_of
from datamill_infra.kubernetes.objects import Object

OBJECTS: list[Object] = [{"kind": "ConfigMap", "metadata": {"name": "frog"}}]


class Kitchen:
    """Counts what is rendered."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects, self.asked = objects, 0

    def render(self) -> list[Object]:
        self.asked += 1
        return self.objects


def test_a_rendering_is_asked_for_once(tmp_path: Path) -> None:
    kitchen = Kitchen(OBJECTS)
    assert [OBJECTS] * 3 == [Renderings(tmp_path / "kept").get("one", kitchen.render) for _ in range(3)]
    Renderings(tmp_path / "kept").get("other", kitchen.render)
    assert 2 == kitchen.asked
    (kept, *_) = (tmp_path / "kept").iterdir()
    assert 0o600 == kept.stat().st_mode & 0o777


def test_a_damaged_one_is_rendered_again(tmp_path: Path) -> None:
    kitchen = Kitchen(OBJECTS)
    Renderings(tmp_path).get("one", kitchen.render)
    (tmp_path / "one.json").write_text("[{")
    assert OBJECTS == Renderings(tmp_path).get("one", kitchen.render) == Renderings(tmp_path).get("one", kitchen.render)
    assert 2 == kitchen.asked


def test_what_cannot_be_kept_is_rendered_each_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for renderings, objects in (
        (Renderings(tmp_path / "file" / "below"), OBJECTS),
        (Renderings(tmp_path), [{"at": dt.date(2026, 1, 1)}]),
    ):
        kitchen = Kitchen(objects)
        assert [objects] * 2 == [renderings.get("one", kitchen.render) for _ in range(2)]
        assert 2 == kitchen.asked


def test_what_nobody_asks_for_goes(tmp_path: Path) -> None:
    renderings, kitchen = Renderings(tmp_path), Kitchen(OBJECTS)
    for name in ("old", "used"):
        renderings.get(name, kitchen.render)
        long_ago = time.time() - KEPT_SECONDS - 60
        os.utime(tmp_path / f"{name}.json", (long_ago, long_ago))
    renderings.get("used", kitchen.render)
    renderings.get("new", kitchen.render)
    assert {"used.json", "new.json"} == {file.name for file in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "changed", ["program", "program of the same size", "release", "namespace", "chart", "file", "values", "order"]
)
def test_everything_that_decides_a_rendering_is_in_its_digest(tmp_path: Path, changed: str) -> None:
    program, chart = tmp_path / "helm", tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for file in (program, chart / "Chart.yaml", *files):
        file.write_text(file.name)
    release, namespace = "pond", "mill"
    before = digest_of(program, release, namespace, chart, files)
    assert before == digest_of(program, release, namespace, chart, files)
    if changed == "program":
        program.write_text("a newer one")
    elif changed == "program of the same size":
        os.utime(program, (0, 0))
    elif changed == "chart":
        (chart / "Chart.yaml").write_text("Chart_yaml")
    elif changed == "file":
        (chart / "templates" / "new.yaml").write_text("")
    elif changed == "values":
        files[0].write_text("A.yaml")
    elif changed == "order":
        files.reverse()
    else:
        release, namespace = ("lake", namespace) if changed == "release" else (release, "other")
    assert before != digest_of(program, release, namespace, chart, files)
