"""Since when: from what was seen, where a component's own past does not say it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from datamill_infra.drivers import sightings
from datamill_infra.drivers.sightings import Sighting, note
from datamill_infra.model.home import Home

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "state").mkdir()
    return Home(tmp_path)


def look(home: Home, minute: int, *, healthy: bool, name: str = "kafka") -> Sighting:
    return note(home, {name: healthy}, lambda: NOON + timedelta(minutes=minute))[name]


def test_trouble_began_when_it_was_first_seen_after_the_last_healthy_moment(home: Home) -> None:
    look(home, 0, healthy=True)
    look(home, 1, healthy=False)
    last = look(home, 2, healthy=False)
    assert NOON + timedelta(minutes=1) == last.trouble_since(None)
    assert NOON.isoformat() == last.healthy_at


def test_a_component_that_is_healthy_again_begins_anew(home: Home) -> None:
    look(home, 0, healthy=False)
    assert look(home, 1, healthy=True).failing_since is None
    assert NOON + timedelta(minutes=2) == look(home, 2, healthy=False).trouble_since(None)


def test_an_end_that_is_recorded_says_it_better(home: Home) -> None:
    look(home, 0, healthy=True)
    ended = NOON + timedelta(seconds=20)
    assert ended == look(home, 5, healthy=False).trouble_since(ended)


def test_an_end_before_the_last_healthy_moment_was_another_trouble(home: Home) -> None:
    look(home, 10, healthy=True)
    assert NOON + timedelta(minutes=11) == look(home, 11, healthy=False).trouble_since(NOON)


def test_components_do_not_forget_each_other(home: Home) -> None:
    look(home, 0, healthy=False)
    look(home, 1, healthy=False, name="mlflow")
    assert NOON == look(home, 2, healthy=False).trouble_since(None)


def test_a_look_that_cannot_be_written_down_is_still_a_look(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    look(home, 0, healthy=False)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sightings, "write_private", full)
    assert NOON == look(home, 1, healthy=False).trouble_since(None)


def test_a_damaged_file_is_a_lost_memory(home: Home) -> None:
    home.state_file("sightings").write_text("{", encoding="utf-8")
    assert NOON == look(home, 0, healthy=False).trouble_since(None)
