"""What is asked of each tool, and what its answers mean. The answers are as the tools write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from infra.clusters.fakes import FakeCommands

from datamill_infra.cli.cluster import KINDS
from datamill_infra.clusters.commands import ClusterError, CommandFailedError
from datamill_infra.clusters.place import NOWHERE, Place
from datamill_infra.clusters.providers import PROVIDERS, provider
from datamill_infra.clusters.tools.k3d import K3dProvider
from datamill_infra.clusters.tools.kind import KindProvider
from datamill_infra.clusters.tools.microk8s import Microk8sProvider
from datamill_infra.clusters.tools.minikube import MinikubeProvider
from datamill_infra.model.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

K3D = [{"name": "a", "serversCount": 1, "serversRunning": 1}, {"name": "b", "serversCount": 1, "serversRunning": 0}]
PLACES = {"eks": Place(region="r"), "gke": Place(region="r", project="p"), "kops": Place(region="r", state="s3://s")}
PROFILES = {"invalid": [], "valid": [{"Name": "a"}, {"Name": "b"}]}


def _kind(argv: Sequence[str]) -> str:
    return {"get clusters": "a\n", "get kubeconfig": "apiVersion: v1\n"}.get(" ".join(argv[1:3]), "")


def _k3d(argv: Sequence[str]) -> str:
    return json.dumps(K3D) if argv[1:3] == ["cluster", "list"] else ""


def _minikube(argv: Sequence[str]) -> str:
    if argv[1] == "profile":
        return json.dumps(PROFILES)
    if argv[1] == "status" and argv[3] == "b":
        raise CommandFailedError(argv, "", "ended with status 7", instruction="")
    return json.dumps({"Host": "Running", "Kubelet": "Running", "APIServer": "Running"})


def test_command_line_offers_exactly_the_providers() -> None:
    assert tuple(PROVIDERS) == KINDS
    assert tuple(PROVIDERS) == tuple(provider(kind, PLACES.get(kind, NOWHERE)).kind for kind in PROVIDERS)


def test_nearest_provider_is_offered() -> None:
    with pytest.raises(UnknownNameError, match="mikrok8s") as caught:
        provider("mikrok8s")
    assert "microk8s" == caught.value.nearest


@pytest.mark.parametrize("made", [KindProvider, K3dProvider, MinikubeProvider, Microk8sProvider])
def test_tool_that_is_not_here_says_how_to_get_it(made: type[KindProvider]) -> None:
    with pytest.raises(ClusterError, match=f"There is no `{made.kind}`") as caught:
        made(FakeCommands()).status("microk8s")
    assert "Install" in caught.value.instruction


def test_kind_makes_a_cluster_without_touching_the_users_kubeconfig() -> None:
    commands = FakeCommands(_kind, ["kind"])
    KindProvider(commands).create("b")
    assert ["kind", "create", "cluster", "--name", "b", "--wait", "300s", "--kubeconfig", "/dev/null"] in commands.ran


def test_kind_leaves_a_cluster_that_exists_alone() -> None:
    commands = FakeCommands(_kind, ["kind"])
    assert "ready" == KindProvider(commands).create("a").state
    assert not any("create" in argv for argv in commands.ran)


def test_kind_deletes_only_what_exists() -> None:
    commands = FakeCommands(_kind, ["kind"])
    for name in ("a", "b"):
        KindProvider(commands).delete(name)
    assert [["a"]] == [[argv[argv.index("--name") + 1]] for argv in commands.ran if argv[1] == "delete"]


def test_k3d_tells_stopped_from_absent() -> None:
    chosen = K3dProvider(FakeCommands(_k3d, ["k3d"]))
    assert ["ready", "stopped", "absent"] == [chosen.status(name).state for name in ("a", "b", "c")]


def test_k3d_starts_what_is_stopped_and_makes_what_is_absent() -> None:
    commands = FakeCommands(_k3d, ["k3d"])
    for name in ("b", "c"):
        K3dProvider(commands).create(name)
    assert [["cluster", "start", "b"], ["cluster", "create", "c"]] == [
        argv[1:4] for argv in commands.ran if argv[2] in {"start", "create"}
    ]


def test_minikube_tells_stopped_from_absent() -> None:
    chosen = MinikubeProvider(FakeCommands(_minikube, ["minikube"]))
    assert ["ready", "stopped", "absent"] == [chosen.status(name).state for name in ("a", "b", "c")]


def test_minikube_writes_no_kubeconfig_of_the_user() -> None:
    commands = FakeCommands(_minikube, ["minikube"])
    MinikubeProvider(commands).create("c")
    started = next(i for i, argv in enumerate(commands.ran) if argv[1] == "start")
    environment = commands.environments[started]
    assert environment is not None
    assert not Path(environment["KUBECONFIG"]).is_relative_to(Path.home() / ".kube")


def test_microk8s_has_one_cluster_with_one_name() -> None:
    with pytest.raises(ClusterError, match="one cluster"):
        Microk8sProvider(FakeCommands(lambda _: "", ["microk8s"])).status("another")


def test_microk8s_gets_names_and_volumes() -> None:
    commands = FakeCommands(lambda _: "microk8s:\n  running: false\n", ["microk8s"])
    Microk8sProvider(commands).create("microk8s")
    assert [["dns"], ["hostpath-storage"]] == [argv[2:] for argv in commands.ran if argv[1] == "enable"]
