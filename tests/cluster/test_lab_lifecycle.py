"""Labs come, stand side by side, survive what is killed in them, and go without a trace."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from cluster.cluster import pod_manifest
from cluster.inventory import difference, inventory
from cluster.test_lab import CLAIM

from datamill_infra.clusters.lab import processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster.cluster import Cluster

    from datamill_infra.clusters.lab.provider import LabProvider


def _others(provider: LabProvider, name: str) -> set[str]:
    """Words that mark what else goes on on this machine: other labs' groups, links, routes and process namespaces."""
    words = {"/var/lib/containers"}  # images are built meanwhile
    for other in provider.records.names():
        found = provider.records.find(other)
        if other == name or found is None:
            continue
        words |= {found.context, found.link, str(found.directory)}
        if init := processes.find_init(found):
            words.add(str(Path(f"/proc/{init.pid}/ns/pid").readlink()))
    return words


def test_two_labs_stand_side_by_side(
    provider: LabProvider, lab: str, cluster: Cluster, second_lab: Callable[[str], Cluster]
) -> None:
    other = second_lab("tests-second")
    labs = [provider.records.find(name) for name in (lab, "tests-second")]
    assert 2 == len({found.slot for found in labs if found})
    assert "one\n" == cluster.run("same-name", "echo one")
    assert "two\n" == other.run("same-name", "echo two")
    provider.delete("tests-second")
    assert ("ready", "absent") == (provider.status(lab).state, provider.status("tests-second").state)
    assert "still here\n" == cluster.run("after", "echo still here")


def test_delete_leaves_nothing(provider: LabProvider, second_lab: Callable[[str], Cluster]) -> None:
    name = "tests-clean"
    others = _others(provider, name)
    before = inventory()
    cluster = second_lab(name)
    cluster.make(CLAIM)
    cluster.make(pod_manifest("sleeper", "echo x > /data/x; sleep 1000", claim="kept"))
    cluster.wait("sleeper runs", lambda: cluster.pod("sleeper").status.phase == "Running")
    found = provider.records.find(name)
    assert found is not None
    during = difference(before, inventory(), others=others)
    # The inventory sees what it is meant to see.
    assert {"processes in namespaces", "links", "routes", "control groups"} <= during.keys()
    provider.delete(name)
    assert {} == difference(before, inventory(), others=others)
    assert not found.directory.exists()


def test_server_that_is_killed_is_started_again(provider: LabProvider, lab: str, cluster: Cluster) -> None:
    found = provider.records.find(lab)
    assert found is not None
    init = processes.find_init(found)
    assert init is not None
    kubelet = next(child for child in init.children() if "kubelet" in child.cmdline())
    kubelet.send_signal(signal.SIGKILL)
    cluster.wait("the kubelet is back", lambda: processes.servers(found)["kubelet"]["starts"] == 2)
    assert "back\n" == cluster.run("again", "echo back")


def test_node_whose_first_process_is_killed_comes_back_with_its_objects(
    provider: LabProvider, second_lab: Callable[[str], Cluster]
) -> None:
    name = "tests-killed"
    cluster = second_lab(name)
    cluster.core.create_namespaced_config_map("default", {"metadata": {"name": "kept"}, "data": {"key": "value"}})
    found = provider.records.find(name)
    assert found is not None
    init = processes.find_init(found)
    assert init is not None
    everything = [init, *init.children(recursive=True)]
    init.kill()
    psutil.wait_procs(everything, timeout=60)
    assert "stopped" == provider.status(name).state
    assert "ready" == provider.create(name).state
    assert {"key": "value"} == cluster.core.read_namespaced_config_map("kept", "default").data
    assert "runs\n" == cluster.run("after", "echo runs")


def test_creating_again_changes_nothing(provider: LabProvider, lab: str) -> None:
    found = provider.records.find(lab)
    assert found is not None
    before = processes.servers(found)
    assert "ready" == provider.create(lab).state
    assert before == processes.servers(found)
