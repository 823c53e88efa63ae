"""The code version says what ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_pipelines.code_version import code_version, sources_digest

if TYPE_CHECKING:
    from pathlib import Path


def test_equal_sources_have_equal_versions_wherever_they_are(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "a.py").write_text("x = 1\n", encoding="utf-8")
    assert sources_digest(tmp_path / "here") == sources_digest(tmp_path / "there")


def test_a_changed_or_renamed_source_is_another_version(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("x = 1\n", encoding="utf-8")
    digests = [sources_digest(tmp_path)]
    file.write_text("x = 2\n", encoding="utf-8")
    digests.append(sources_digest(tmp_path))
    file.rename(tmp_path / "b.py")
    digests.append(sources_digest(tmp_path))
    assert len(digests) == len(set(digests))


def test_caches_of_the_interpreter_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    before = sources_digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"x")
    assert before == sources_digest(tmp_path)


def test_the_version_of_this_package_names_the_distribution() -> None:
    assert code_version().startswith("0.")
