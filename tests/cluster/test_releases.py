"""Kafka and S3Proxy on a real cluster: up, nothing to do, drift, kills, down."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster.mill import Mill, random_edit, readable

from datamill_infra.kubernetes.objects import Ref

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

LARGE = "DATAMILL_LARGE" in os.environ
"""Whether this is the bench with the large counts: `make test-cluster-faults`."""
EDITS, KILLS, LOOKS = (100, 30, 50) if LARGE else (20, 5, 10)
SEED = 20_131_101


@pytest.fixture(scope="module")
def mill(lab_kubeconfig: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """Up, for all tests of this module; each leaves it in sync."""
    file, context = lab_kubeconfig
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(file))
        made = Mill(tmp_path_factory.mktemp("mill") / "home", file, context, "mill-releases")
        made.run("up")
        yield made
        made.run("down", "--delete-data", "--yes")


def test_everything_is_healthy_and_nothing_was_restarted(mill: Mill) -> None:
    assert {"kafka": ("in-sync", "healthy"), "s3proxy": ("in-sync", "healthy")} == {
        name: (one["state"], one["health"]) for name, one in mill.status().items()
    }
    pods = [item for ref, item in mill.live().items() if ref.kind == "Pod"]
    assert [0, 0] == [pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods]


def test_a_second_up_and_looks_write_nothing(mill: Mill, audited: Callable[[], list[str]]) -> None:
    before, written = mill.versions(), audited()
    assert any(f"/namespaces/{mill.namespace}/configmaps" in line for line in written)
    assert "nothing had to be changed" in mill.run("up").stdout
    for _ in range(LOOKS):
        mill.run("plan", expect=0)
    assert before == mill.versions()
    assert written == audited()


def test_no_secret_is_in_values_releases_events_or_logs(mill: Mill) -> None:
    secrets = json.loads((mill.home / "state" / "secrets.json").read_text())
    assert {"kafka.password", "s3proxy.access_key", "s3proxy.secret_key"} <= secrets.keys()
    credentials = {f"{name}-credentials" for name in ("kafka", "s3proxy")}
    items = [item for ref, item in mill.live().items() if ref.name not in credentials]
    items += mill.cluster.find("v1", "Event", mill.namespace)
    shown = "".join(text for item in items for text in readable(item))
    assert '"chart":' in shown  # what Helm keeps was read
    logs = "".join(mill.run("logs", name).stdout for name in ("kafka", "s3proxy"))
    assert [] == [name for name, secret in secrets.items() if secret in shown or secret in logs]


def test_random_edits_are_each_told_and_one_up_repairs_all(mill: Mill) -> None:
    chance = random.Random(SEED)
    for number in range(EDITS):
        told, edit = random_edit(mill, chance, number)
        edit(mill)
        reasons = {name: change["reason"] for name, change in mill.plan().items() if change["action"] != "none"}
        assert any(told in reason for reason in reasons.values()), f"edit {number}: {told!r} is not in {reasons}"
    mill.run("up")
    mill.run("plan", expect=0)


def test_what_a_killed_up_left_the_next_one_puts_right(mill: Mill) -> None:
    chance = random.Random(SEED)
    for number in range(KILLS):
        mill.write(s3proxy={"values": {"heap": f"{201 + number}m", "storage": {"size": "1Gi"}}})
        process = mill.start("up")
        time.sleep(chance.uniform(0.5, 6.0))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        mill.run("up")
        mill.run("plan", expect=0)
    mill.write()
    mill.run("up")


def test_of_two_ups_at_once_both_end_well_or_one_says_who_is_at_work(mill: Mill) -> None:
    mill.write(s3proxy={"values": {"heap": "200m", "storage": {"size": "1Gi"}}})
    other = Mill(mill.home.parent / "elsewhere", mill.kubeconfig, mill.context, mill.namespace)
    other.write(s3proxy={"values": {"heap": "200m", "storage": {"size": "1Gi"}}})
    first = mill.start("up")
    second = other.run("up", expect=None)
    said = "".join(first.communicate())
    codes = sorted([first.returncode, second.returncode])
    assert codes in ([0, 0], [0, 4]), f"{said}\n{second.stderr}"
    if codes == [0, 4]:
        assert "is being changed by datamill on" in said + second.stdout + second.stderr
    mill.write()
    mill.run("up")


def test_an_image_that_is_not_there_is_told_and_the_old_pod_stays_the_cause(mill: Mill) -> None:
    images = {"s3proxy": {"repository": "datamill.lab/nowhere", "tag": "0", "pullPolicy": "Never"}}
    values = {"values": {"storage": {"size": "1Gi"}}, "units": {"s3proxy": {"global": {"images": images}}}}
    mill.write(s3proxy=values)
    failed = mill.run("up", expect=1)
    assert "ErrImageNeverPull" in failed.stdout + failed.stderr
    mill.write()
    mill.run("up")
    assert "healthy" == mill.status()["s3proxy"]["health"]


def test_a_pod_outside_the_level_restricted_is_refused_in_the_namespace(mill: Mill) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "rooted", "namespace": mill.namespace},
        "spec": {"containers": [{"name": "a", "image": "a", "securityContext": {"privileged": True}}]},
    }
    with pytest.raises(Exception, match="violates PodSecurity"):
        mill.cluster.create(pod)


def test_down_leaves_volumes_and_down_with_data_leaves_nothing(mill: Mill) -> None:
    mill.run("down")
    assert {"PersistentVolumeClaim"} == {
        ref.kind for ref in mill.live() if str(ref) not in ("ConfigMap kube-root-ca.crt", "ServiceAccount default")
    }
    mill.run("up")
    mill.run("down", "--delete-data", "--yes")
    assert mill.cluster.get(Ref("v1", "Namespace", "", mill.namespace)) is None
    (mill.home / "flavours").mkdir(parents=True, exist_ok=True)
    (mill.home / "flavours" / "small.yaml").write_text("title: Small\nsummary: Two.\ncomponents: [kafka, s3proxy]\n")
    mill.write()
