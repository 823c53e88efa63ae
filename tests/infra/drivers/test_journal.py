"""The story of each program, from supervisord's journal."""

from __future__ import annotations

from pathlib import Path

from datamill_infra.drivers.embedded.journal import read, tell

START = """\
2026-11-21 09:26:11,409 INFO supervisord started with pid 16171
2026-11-21 09:26:11,435 INFO spawned: 'kafka' with pid 16172
2026-11-21 09:26:11,436 INFO success: kafka entered RUNNING state, process has stayed up for > than 0 seconds
"""
KILLED = """\
2026-11-21 09:30:00,765 WARN exited: kafka (terminated by SIGKILL; not expected)
2026-11-21 09:30:00,767 INFO spawned: 'kafka' with pid 16174
"""


def test_a_server_that_only_runs_has_no_story() -> None:
    story = tell(START.splitlines())["kafka"]
    assert (story.sentence(), story.running, f"{story.since:%Y-%m-%d %H:%M:%S}") == ("", True, "2026-11-21 09:26:11")


def test_a_restart_is_told_with_its_time_and_reason() -> None:
    story = tell((START + KILLED).splitlines())["kafka"]
    assert story.sentence() == "Restarted once, last at 2026-11-21 09:30:00 UTC: terminated by SIGKILL."


def test_a_killed_supervisor_is_told_although_nobody_could_write_it_down() -> None:
    lines = START + KILLED + START.replace("09:26", "09:40")
    story = tell(lines.splitlines())["kafka"]
    expected = "Restarted 2 times, last at 2026-11-21 09:40:11 UTC: its supervisor ended without stopping it."
    assert expected == story.sentence()


def test_a_deliberate_stop_ends_the_story() -> None:
    stopped = "2026-11-21 09:50:00,001 INFO stopped: kafka (exit status 143)\n"
    assert tell((START + KILLED + stopped + START).splitlines())["kafka"].sentence() == ""
    assert not tell((START + stopped).splitlines())["kafka"].running


def test_rotated_journals_are_read_oldest_first(tmp_path: Path) -> None:
    journal = tmp_path / "supervisord.log"
    (tmp_path / "supervisord.log.10").write_text(START, encoding="utf-8")
    (tmp_path / "supervisord.log.9").write_text(KILLED, encoding="utf-8")
    journal.write_text(KILLED.replace("09:30", "09:31"), encoding="utf-8")
    assert len(read(journal)["kafka"].incidents) == 2
    assert read(tmp_path / "none.log") == {}
