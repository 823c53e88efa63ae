"""What every probe says of a server that is not there, or is not what it should be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from datamill_infra import capabilities
from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import UnhealthyError

NETWORKED = ["kafka", "s3", "mqtt", "amqp", "mlflow", "inference", "dask", "datasets", "postgres", "dagster"]
BUDGET = 0.8


def failure(connection: ResolvedConnection) -> UnhealthyError:
    with pytest.raises(UnhealthyError) as caught:
        capabilities.load(connection.capability).probe(connection, timeout=BUDGET)
    return caught.value


@pytest.mark.parametrize("capability", NETWORKED)
def test_a_dead_port_is_named_as_such_at_once(
    capability: str, dead_port: int, connect: Callable[[str, int], ResolvedConnection]
) -> None:
    error = failure(connect(capability, dead_port))
    assert "nothing listens there" in error.reason
    assert f"server ({capability}) at " in error.reason
    assert f"of {BUDGET} s" in error.reason
    assert "while " in error.reason
    assert "datamill logs server" in error.instruction


@pytest.mark.parametrize("kind", ["silent", "rude", "other"])
@pytest.mark.parametrize("capability", NETWORKED)
def test_a_server_that_does_not_speak_the_protocol_is_unhealthy_within_the_budget(
    capability: str,
    kind: str,
    misbehaving: Callable[[str], int],
    connect: Callable[[str, int], ResolvedConnection],
    password: str,
) -> None:
    port = misbehaving(kind)
    began = time.monotonic()
    error = failure(connect(capability, port))
    # Not a promise about speed: twenty times the budget tells a probe that waits for ever.
    assert time.monotonic() - began < 20 * BUDGET
    assert str(port) in error.reason
    assert "while " in error.reason
    assert password not in str(error)


@pytest.mark.parametrize("capability", NETWORKED)
def test_failed_probes_leave_no_threads_behind(
    capability: str, misbehaving: Callable[[str], int], connect: Callable[[str, int], ResolvedConnection]
) -> None:
    connection = connect(capability, misbehaving("rude"))
    failure(connection)  # libraries may keep some threads for all of their clients
    before = threading.active_count()
    for _ in range(3):
        failure(connection)
    assert threading.active_count() <= before


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificate_variables_that_lead_nowhere_do_not_disturb_a_plain_store(
    variable: str,
    object_store: Callable[..., int],
    connect: Callable[[str, int], ResolvedConnection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    connection = connect("s3", object_store(conditional=True))
    assert capabilities.load("s3").probe(connection, timeout=10).summary == "put, get and delete of an object"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HTTP_PROXY", "http://127.0.0.1:1"), ("AWS_PROFILE", "none"), ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")],
)
def test_settings_meant_for_aws_and_the_outside_do_not_disturb_a_store_on_this_machine(
    variable: str,
    value: str,
    object_store: Callable[..., int],
    connect: Callable[[str, int], ResolvedConnection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, value)
    connection = connect("s3", object_store(conditional=True))
    assert capabilities.load("s3").probe(connection, timeout=10).summary == "put, get and delete of an object"


def test_a_store_that_ignores_conditions_is_refused_for_datasets(
    object_store: Callable[..., int], connect: Callable[[str, int], ResolvedConnection]
) -> None:
    with pytest.raises(UnhealthyError) as caught:
        capabilities.load("datasets").probe(connect("datasets", object_store(conditional=False)), timeout=10)
    error = caught.value
    assert "8 of 8 concurrent writers were told that they created the same object" in error.reason
    assert "If-None-Match" in error.instruction


def test_a_store_that_honours_conditions_is_accepted_for_datasets(
    object_store: Callable[..., int], connect: Callable[[str, int], ResolvedConnection]
) -> None:
    connection = connect("datasets", object_store(conditional=True))
    assert "exactly one wins" in capabilities.load("datasets").probe(connection, timeout=10).summary
