"""What goes wrong on a real cluster is told with its cause, stops only what needs it, and is gone back on if it can be.

S3Proxy counts as stateless here, by a catalogue of the user's own, so that a failed upgrade of it is taken back.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.mill import Mill

from datamill_infra.kubernetes.objects import Object, Ref

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

CATALOGUE = Path(__file__).parents[2] / "datamill_infra" / "catalogue"
STORAGE = {"storage": {"size": "1Gi"}}
TOO_SMALL = {"values": {"heap": "1m", **STORAGE}}
"""The virtual machine says so and ends."""


@pytest.fixture(scope="module")
def mill(lab_kubeconfig: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """Up, for all tests of this module; each leaves it in sync."""
    file, context = lab_kubeconfig
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(file))
        made = Mill(tmp_path_factory.mktemp("mill") / "home", file, context, "mill-why")
        own = made.home / "catalogue" / "s3proxy"
        shutil.copytree(CATALOGUE / "s3proxy", own)
        spec = own / "component.yaml"
        spec.write_text(spec.read_text().replace("stateful: true", "stateful: false"))
        text = "title: Small\nsummary: Two servers, and what rests on one.\ncomponents: [kafka, s3proxy, datasets]\n"
        (made.home / "flavours" / "small.yaml").write_text(text)
        made.run("up")
        yield made
        made.write()
        made.run("down", "--delete-data", "--yes")


def why(mill: Mill, subject: str) -> dict[str, Any]:
    """``datamill why --json``, whatever its exit code."""
    done = mill.run("why", subject, "--json", expect=None)
    assert done.stdout.startswith("{"), done.stderr
    return dict(json.loads(done.stdout))


def test_what_works_has_no_cause(mill: Mill) -> None:
    done = mill.run("why", "datasets")
    assert "gets s3 from s3proxy" in done.stdout
    assert "datasets is in-sync and answers." in done.stdout


def test_a_chart_that_does_not_start_is_told_stops_what_needs_it_and_is_gone_back_on(mill: Mill) -> None:
    mill.write(s3proxy=TOO_SMALL, kafka={"values": {"heap": "310m", **STORAGE}})
    failed = mill.run("up", expect=1)
    said = failed.stdout + failed.stderr
    assert "CrashLoopBackOff" in said
    assert "BackOff: Back-off restarting failed container" in said
    assert "Too small maximum heap" in said
    assert "datasets: skipped" in said
    assert "kafka: healthy" in said
    assert "s3proxy went back to revision 1, its last good one, and is ready." in said
    assert ["healthy"] * 3 == [one["health"] for one in mill.status().values()]
    assert "failed" == mill.status()["s3proxy"]["state"]


def test_a_failed_upgrade_of_a_stateful_unit_holds_and_why_has_its_last_lines(mill: Mill) -> None:
    mill.write(kafka={"values": {"heap": "300m", "settings": {"num.io.threads": "many"}, **STORAGE}})
    assert "kafka keeps data, so it stays at revision" in mill.run("up", expect=1).stdout
    found = why(mill, "capability/kafka")["components"]["kafka"]["first_cause"]
    assert "crash" == found["kind"]
    assert any("Invalid value many for configuration num.io.threads" in line for line in found["lines"])
    mill.write()
    mill.run("up")


def _quota(item: Object) -> Object:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": item, "spec": {"hard": {"pods": "0"}}}


def test_a_quota_is_the_first_cause_of_everything_above_and_plan_has_seen_it(mill: Mill) -> None:
    metadata = {"name": "none", "namespace": mill.namespace}
    mill.cluster.create(_quota(metadata))
    mill.cluster.delete(Ref("v1", "Pod", mill.namespace, "s3proxy-0"))
    found = why(mill, "raw/flights")
    cause = found["components"]["datasets"]["first_cause"]
    assert ("s3proxy", "quota") == (cause["component"], cause["kind"])
    assert "exceeded quota: none, requested: pods=1" in cause["says"]
    mill.write(s3proxy={"values": {"heap": "130m", **STORAGE}})
    assert "The pods ask for 1 pods in total; the quota none has 0 pods left." in mill.run("plan", expect=1).stderr
    mill.write()
    mill.cluster.delete(Ref("v1", "ResourceQuota", mill.namespace, "none"))


def test_an_edit_that_stops_a_server_is_the_first_cause(mill: Mill) -> None:
    ref = Ref("apps/v1", "StatefulSet", mill.namespace, "s3proxy")
    mill.cluster.apply({**_named(ref), "spec": {"replicas": 0}})
    found = why(mill, "datasets")
    assert ["datasets", "s3proxy"] == [one["component"] for one in found["trail"]]
    assert "spec.replicas is 0 instead of 1" in found["first_cause"]["says"]
    assert "`datamill up -c s3proxy` puts it right." == found["first_cause"]["step"]
    mill.run("up")


def _named(ref: Ref) -> Object:
    metadata = {"name": ref.name, "namespace": ref.namespace}
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata}


def test_plan_refuses_what_does_not_fit_with_the_numbers(mill: Mill) -> None:
    resources = {"requests": {"cpu": "900", "memory": "9000Gi"}, "limits": {"cpu": "900", "memory": "9000Gi"}}
    storage = {"size": "1Gi", "class_name": "fast"}
    mill.write(
        s3proxy={"values": STORAGE, "units": {"s3proxy": {"resources": resources}}},
        kafka={"values": {"heap": "300m", "storage": storage}},
    )
    refused = mill.run("plan", expect=1).stderr
    assert "StatefulSet s3proxy asks for 900 CPU, 9216000 MiB memory" in refused
    assert "MiB memory" in refused.partition(";")[2]
    mill.write()


def test_logs_are_followed_into_the_pod_that_takes_the_place_of_another(mill: Mill) -> None:
    assert mill.run("logs", "s3proxy", "-n", "5").stdout
    following = mill.start("logs", "s3proxy", "-n", "1", "-f")
    assert following.stdout is not None
    assert following.stdout.readline().strip()  # it follows the pod that is there
    mill.cluster.delete(Ref("v1", "Pod", mill.namespace, "s3proxy-0"))
    assert following.stdout.readline().strip()
    following.send_signal(signal.SIGINT)
    following.communicate()
    mill.run("up")


def test_a_forwarded_port_comes_from_the_pod(mill: Mill) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert (
            f"Port {port} on 127.0.0.1 is taken"
            in mill.run("forward", "s3proxy", "-p", f"{port}:8080", expect=1).stderr
        )
    forwarding = mill.start("forward", "s3proxy", "-p", "0:8080")
    assert forwarding.stdout is not None
    forwarding.stdout.readline()
    address = forwarding.stdout.readline().split()[1]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        opener.open(f"http://{address}/", timeout=30)
    forwarding.send_signal(signal.SIGINT)
    assert "Stopped forwarding." in forwarding.communicate()[1]
    assert 0 == forwarding.returncode
