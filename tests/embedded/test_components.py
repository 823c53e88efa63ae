"""What holds for all servers of the demo."""

from __future__ import annotations

import psutil
import pytest
from embedded.room import Platform

from datamill_infra.capabilities import load

pytestmark = pytest.mark.timeout(600)

CAPABILITIES = ["kafka", "s3", "mqtt", "amqp", "mlflow", "inference", "dask", "spark", "datasets"]


def test_the_demo_flavour_provides_every_capability_of_the_pipelines(platform: Platform) -> None:
    observed = {capability for outcome in platform.outcomes.values() for capability in outcome.observations}
    assert set(CAPABILITIES) == observed


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_a_published_connection_passes_its_probe(platform: Platform, capability: str) -> None:
    connection = platform.connection(capability)
    observation = load(capability).probe(connection, timeout=60)
    assert observation.summary
    assert observation.seconds > 0


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_the_environment_of_a_shell_is_text_and_tells_where_the_server_is(platform: Platform, capability: str) -> None:
    environment = load(capability).environment(platform.connection(capability))
    assert environment
    assert all(isinstance(value, str) and name.isupper() for name, value in environment.items())


def test_nothing_listens_beyond_loopback(platform: Platform) -> None:
    listening = [
        (process.name(), connection.laddr)
        for process in platform.processes()
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 10
    for name, address in listening:
        assert address.ip in {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, f"{name} listens on {address}"


def test_no_secret_is_on_a_command_line_or_in_a_log(platform: Platform) -> None:
    secrets = platform.secrets()
    assert len(secrets) >= 4
    places = {str(process.pid): " ".join(process.cmdline()) for process in platform.processes()}
    logs = platform.deployment.log_dir
    places |= {str(file): file.read_text(errors="replace") for file in logs.rglob("*") if file.is_file()}
    found = [(name, place) for name, value in secrets.items() for place, text in places.items() if value in text]
    assert found == []


def test_files_with_a_secret_in_them_are_for_the_owner_only(platform: Platform) -> None:
    secrets = platform.secrets().values()
    holders = []
    for file in platform.home.rglob("*"):
        if file.is_file() and not file.is_symlink() and any(s.encode() in file.read_bytes() for s in secrets):
            holders.append(file)
            assert file.stat().st_mode & 0o077 == 0, f"{file} can be read by others"
    assert len(holders) >= 4


def test_a_second_up_finds_everything_as_it_should_be(platform: Platform) -> None:
    before = {process.pid for process in platform.processes()}
    assert {"unchanged"} == {outcome.status for outcome in platform.up().values()}
    assert before == {process.pid for process in platform.processes()}
