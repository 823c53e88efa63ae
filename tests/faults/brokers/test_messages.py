"""Brokers without positions: killed themselves, or their client between commit and acknowledgement."""

from __future__ import annotations

import json
import random
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded.room import Platform
from faults.bench import Bench, Case, Log, Trial, Violation, expect, must_work, sizes
from faults.messaging import Mailbox, land_messages, landing_ids
from faults.rows import Row
from faults.soundness import check_sound
from faults.workshop import Workshop

from datamill_infra.model.errors import DatamillError
from datamill_pipelines.datasets import open_store

pytestmark = pytest.mark.timeout(1_200)
MESSAGES = 300
PROTOCOLS = ("mqtt", "amqp")
BROKER_ROWS = {"mqtt": Row.MQTT_BROKER, "amqp": Row.AMQP_BROKER}
CLIENT_ROWS = {"mqtt": Row.MQTT_CLIENT, "amqp": Row.AMQP_CLIENT}


def cases(seed: int, rounds: int) -> Iterator[Case]:
    chance = random.Random(seed)
    for _ in range(rounds):
        yield {"delay": round(chance.uniform(0, 1.0), 3), "after": chance.randrange(1, 3)}


def check(mailbox: Mailbox, url: str) -> None:
    """Each message by its id, once."""
    found, expected = Counter(landing_ids(url)), Counter(mailbox.sent)
    lost, more = expected - found, found - expected
    if lost or more:
        raise Violation(f"{lost.total()} messages lost {[*lost][:3]}, {more.total()} too many {[*more][:3]}")
    check_sound(open_store(url).objects)


@sizes(1, 20)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_broker_killed(bench: Bench, platform: Platform, tmp_path: Path, protocol: str, size: int) -> None:
    def try_one(case: Case, log: Log) -> None:
        mailbox = Mailbox(platform.connection(protocol), f"bench-{secrets.token_hex(4)}")
        url = (tmp_path / mailbox.name).as_uri()
        mailbox.send(MESSAGES)
        failures: list[BaseException] = []

        def land() -> None:
            try:
                land_messages(mailbox, url, expected=MESSAGES)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=land)
        thread.start()
        time.sleep(case["delay"])
        platform.kill("artemis")
        log("killed")
        platform.wait_healthy("artemis")
        thread.join()
        log("the sink ended", failures=[repr(each) for each in failures])
        expect(all(isinstance(each, DatamillError) for each in failures), f"an error without a name: {failures}")
        mailbox.send(50)
        with must_work("landing again"):
            land_messages(mailbox, url)
        check(mailbox, url)

    bench.run(BROKER_ROWS[protocol], cases(bench.seed, size), try_one)


@sizes(1, 20)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_client_killed_between_commit_and_acknowledgement(
    bench: Bench, platform: Platform, workshop: Workshop, tmp_path: Path, protocol: str, size: int
) -> None:
    bench.run(CLIENT_ROWS[protocol], cases(bench.seed, size), client_killed(platform, workshop, tmp_path, protocol))


def client_killed(platform: Platform, workshop: Workshop, folder: Path, protocol: str, broken: str = "") -> Trial:
    def try_one(case: Case, log: Log) -> None:
        mailbox = Mailbox(platform.connection(protocol), f"bench-{secrets.token_hex(4)}")
        url, told = (folder / mailbox.name).as_uri(), folder / f"{mailbox.name}.json"
        mailbox.send(MESSAGES)
        child = workshop.start(
            "faults.messaging:land_and_die",
            protocol=protocol,
            connection=dict(mailbox.broker.values),
            name=mailbox.name,
            url=url,
            after=case["after"],
            broken=broken,
        )
        code = workshop.wait(child)
        expect(code == -signal.SIGKILL, f"the client was not killed but ended with {code}")
        committed = Counter(landing_ids(url))
        log("killed after the commit", messages=committed.total())
        expect(bool(committed) or bool(broken), "nothing was committed before the kill")
        mailbox.send(50)
        with must_work("landing again"):
            known = land_messages(mailbox, url, expected=0 if broken else 50).counts.known
        told.write_text(json.dumps({"known": known}), encoding="utf-8")
        if not broken:
            expect(known > 0, "nothing was delivered again, so the kill was not between commit and acknowledgement")
        check(mailbox, url)

    return try_one


@pytest.mark.control
@pytest.mark.parametrize("row", [*BROKER_ROWS.values(), *CLIENT_ROWS.values()], ids=lambda row: row.name)
def test_a_sink_that_acknowledges_before_it_commits_is_caught(
    bench: Bench, platform: Platform, workshop: Workshop, tmp_path: Path, row: Row
) -> None:
    protocol = row.name.partition("_")[0].lower()
    broken = client_killed(platform, workshop, tmp_path, protocol, "hasty")
    bench.control(row, "a sink that acknowledges before it commits", cases(bench.seed, 3), broken)
