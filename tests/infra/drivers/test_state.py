"""What the drivers remember: ports, secrets, releases, and files that are whole or untouched."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from infra.drivers.bench import Bench

from datamill_infra.drivers.embedded.ports import PortBook, candidates, is_free, kernel_range, listeners
from datamill_infra.drivers.files import StateError, tail, write_private
from datamill_infra.drivers.lock import current_holder, writer_lock
from datamill_infra.drivers.releases import UNFINISHED, Release, Releases
from datamill_infra.drivers.secrets import SecretStore
from datamill_infra.model.errors import ConfigurationError
from datamill_infra.model.home import Home


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Every write of this process that would make a file longer than four bytes fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_private_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    write_private(tmp_path / "file", "secret")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_content_and_no_scratch(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old", encoding="utf-8")
    with full_disk(), pytest.raises(StateError, match=f"{file} cannot be written: File too large"):
        write_private(file, "a new and longer content")
    assert file.read_text(encoding="utf-8") == "old"
    assert [file] == list(tmp_path.iterdir())


def test_nothing_is_started_when_state_cannot_be_written(bench: Bench) -> None:
    with full_disk(), pytest.raises(StateError) as caught:
        bench.up()
    assert "Free space on" in caught.value.instruction
    assert bench.driver.supervisor.pid() is None
    assert [path for path in (bench.home / "state").iterdir() if path.name != "writer.lock"] == []


def test_a_reader_sees_the_old_content_or_the_new_and_never_a_part(tmp_path: Path) -> None:
    contents = ["a" * 500_000, "b" * 500_000]
    file = tmp_path / "file"
    write_private(file, contents[0])
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [write_private(file, contents[n % 2]) for n in range(60)])
        while not writing.done():
            assert file.read_text(encoding="utf-8") in contents
        writing.result()


@pytest.mark.parametrize(
    ("lines", "expected"), [(0, []), (1, ["c"]), (2, ["b" * 100_000, "c"]), (9, ["a", "b" * 100_000, "c"])]
)
def test_the_tail_of_a_file_is_its_last_lines(tmp_path: Path, lines: int, expected: list[str]) -> None:
    (tmp_path / "log").write_text("a\n" + "b" * 100_000 + "\nc\n", encoding="utf-8")
    assert expected == tail(tmp_path / "log", lines)


@pytest.fixture
def book(tmp_path: Path) -> PortBook:
    return PortBook(tmp_path / "state" / "ports.json", tmp_path / "cache" / "ports.json")


def test_ports_are_remembered(book: PortBook) -> None:
    first = book.allocate({"kafka": ["broker", "controller"]})
    assert first == book.allocate({"kafka": ["broker", "controller"]})
    assert first == PortBook(book.file, book.register).read()
    assert first["kafka"] == book.allocate({"kafka": ["broker"], "s3proxy": ["s3"]})["kafka"]


def test_ports_are_free_distinct_and_never_given_to_outgoing_connections(book: PortBook) -> None:
    numbers = list(book.allocate({"many": [f"p{n}" for n in range(50)]})["many"].values())
    low, high = kernel_range()
    assert len(set(numbers)) == 50
    assert all(is_free(number) for number in numbers)
    assert not [number for number in numbers if low <= number <= high]


def test_a_kernel_that_uses_every_port_for_outgoing_connections_is_no_obstacle() -> None:
    assert candidates((1024, 65535))
    assert set(range(12_000, 32_768)) <= set(candidates((32_768, 60_999)))


def test_ports_of_another_deployment_are_left_alone_while_it_is_down(tmp_path: Path) -> None:
    register = tmp_path / "cache" / "ports.json"
    one, two = PortBook(tmp_path / "one.json", register), PortBook(tmp_path / "two.json", register)
    names = [f"p{n}" for n in range(2_000)]
    mine = set(one.allocate({"a": names})["a"].values())
    assert not mine & set(two.allocate({"a": names})["a"].values())


def test_a_damaged_file_of_another_deployment_is_not_ours_to_report(tmp_path: Path) -> None:
    register = tmp_path / "cache" / "ports.json"
    PortBook(tmp_path / "one.json", register).allocate({"a": ["p"]})
    (tmp_path / "one.json").write_text("{", encoding="utf-8")
    assert PortBook(tmp_path / "two.json", register).allocate({"a": ["p"]})["a"]["p"]


def test_a_damaged_port_file_is_an_error(book: PortBook) -> None:
    book.allocate({"a": ["p"]})
    book.file.write_text('{"a": 1}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is damaged"):
        book.read()


def test_forgotten_ports_are_chosen_anew(book: PortBook) -> None:
    book.allocate({"a": ["p"], "b": ["p"]})
    book.forget(["a"])
    assert {"b"} == set(book.read())


def test_who_listens_is_found() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not is_free(port)
        assert os.getpid() == listeners([port])[port].pid
    assert listeners([port]) == {}


def test_secrets_are_generated_once_in_a_private_file(tmp_path: Path) -> None:
    store = SecretStore(tmp_path / "state" / "secrets.json")
    first = store.ensure(["kafka.password"])
    assert first == store.ensure(["kafka.password"])
    assert {**first} == {name: value for name, value in store.ensure(["s3.key"]).items() if name in first}
    assert stat.S_IMODE(store.file.stat().st_mode) == 0o600
    assert len(set(store.read().values())) == 2


def test_components_that_are_deployed_at_once_lose_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: SecretStore(file).put({f"c{number}.password": str(number)}), range(64)))
    assert {f"c{number}.password": str(number) for number in range(64)} == SecretStore(file).read()


def test_a_damaged_secret_file_is_never_replaced_by_new_secrets(tmp_path: Path) -> None:
    store = SecretStore(tmp_path / "secrets.json")
    store.file.write_text('{"kafka.passw', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is damaged"):
        store.ensure(["kafka.password"])
    assert store.file.read_text(encoding="utf-8") == '{"kafka.passw'


def test_the_first_of_a_row_of_failures_is_remembered(tmp_path: Path) -> None:
    releases = Releases(tmp_path / "releases.json")
    releases.put("a", Release("embedded", "sha256:1", applied_at="2026-01-01T00:00:00+00:00"))
    releases.settle("a", "no")
    since = releases.get("a").failed_since
    releases._write({"a": Release("embedded", "sha256:1", failure="no", failed_since="2026-01-02T00:00:00+00:00")})
    releases.settle("a", "still no")
    assert (releases.get("a").failure, releases.get("a").failed_since) == ("still no", "2026-01-02T00:00:00+00:00")
    releases.put("a", Release("embedded", "sha256:2", failure=UNFINISHED))
    assert releases.get("a").failed_since == "2026-01-02T00:00:00+00:00"
    releases.settle("a", None)
    assert (releases.get("a").failure, releases.get("a").failed_since) == (None, None)
    assert since


def test_damaged_releases_are_an_error(tmp_path: Path) -> None:
    releases = Releases(tmp_path / "releases.json")
    releases.file.write_text('{"a": {"surprise": 1}}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is damaged"):
        releases.read()


def test_a_holder_whose_process_id_was_used_again_does_not_count(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with writer_lock(home, "me"):
        held = json.loads(home.state_file("writer").read_text(encoding="utf-8"))
    theirs = {**held, "pid": os.getppid(), "started": psutil.Process(os.getppid()).create_time()}
    home.state_file("writer").write_text(json.dumps(theirs), encoding="utf-8")
    assert os.getppid() == current_holder(home).pid
    home.state_file("writer").write_text(json.dumps({**theirs, "started": theirs["started"] - 60}), encoding="utf-8")
    assert current_holder(home) is None
