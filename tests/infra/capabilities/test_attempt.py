"""Budgets, last states, and what never gets into a message."""

from __future__ import annotations

import pytest

from datamill_infra.capabilities.attempt import Attempt, host_and_port
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import UnhealthyError

CONNECTION = ResolvedConnection(
    "mqtt", "artemis", {"host": "127.0.0.1", "password": "correct-horse", "pin": "12"}, frozenset({"password", "pin"})
)


def attempt(now: list[float], timeout: float = 5.0) -> Attempt:
    return Attempt(CONNECTION, "127.0.0.1:1883", timeout, clock=lambda: now[0])


def test_a_failure_names_subject_address_reason_state_and_budget() -> None:
    now = [0.0]
    running = attempt(now)
    running.left("subscribing")
    now[0] = 1.25
    assert running.failed("it refused").reason == (
        "artemis (mqtt) at 127.0.0.1:1883 is not healthy: it refused, while subscribing, 1.2 s into a budget of 5 s."
    )


def test_what_is_left_shrinks_with_the_time() -> None:
    now = [10.0]
    running = attempt(now)
    now[0] = 12.0
    assert running.left("subscribing") == 3.0


def test_a_used_up_budget_ends_the_attempt_with_the_last_state_reached() -> None:
    now = [0.0]
    running = attempt(now)
    running.left("logging in")
    now[0] = 5.0
    with pytest.raises(UnhealthyError, match=r"the budget was used up, while logging in"):
        running.left("subscribing")


def test_a_secret_that_a_library_quotes_is_masked() -> None:
    error = attempt([0.0]).failed("cannot log in as datamill:correct-horse")
    assert "datamill:***" in error.reason
    assert "correct-horse" not in str(error)


def test_very_short_secrets_do_not_tear_messages_apart() -> None:
    assert "port 1234" in attempt([0.0]).failed("nothing on port 1234").reason


def test_a_component_that_is_called_like_its_capability_is_named_once() -> None:
    connection = ResolvedConnection("kafka", "kafka", {})
    reason = Attempt(connection, "127.0.0.1:9092", 5.0).failed("it is silent").reason
    assert reason.startswith("kafka at 127.0.0.1:9092 is not healthy")


def test_refused_credentials_say_who_has_to_change_them() -> None:
    error = attempt([0.0]).refused("Not authorized")
    assert "it refused the credentials (Not authorized)" in error.reason
    assert "datamill up -c artemis" in error.instruction


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:9092", ("127.0.0.1", 9092)),
        ("broker", ("broker", 7)),
        ("tcp://10.0.0.1:8786", ("10.0.0.1", 8786)),
        ("http://[::1]:8080/path", ("::1", 8080)),
        ("spark://spark.example.org", ("spark.example.org", 7)),
    ],
)
def test_hosts_and_ports_are_read_from_urls_and_pairs(address: str, expected: tuple[str, int]) -> None:
    assert host_and_port(address, 7) == expected
