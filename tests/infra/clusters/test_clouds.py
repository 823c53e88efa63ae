"""What is asked of the tools of clouds and of multipass. They take only flags that their help has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from infra.clusters.fakes import FakeCommands
from infra.clusters.recorded import RecordedTool

from datamill_infra.cli.root import run
from datamill_infra.clusters.commands import ClusterError, CommandFailedError
from datamill_infra.clusters.place import Place
from datamill_infra.clusters.providers import provider
from datamill_infra.clusters.tools.eks import EksProvider
from datamill_infra.clusters.tools.gke import GkeProvider
from datamill_infra.clusters.tools.kind import KindProvider
from datamill_infra.clusters.tools.kops import KopsProvider
from datamill_infra.clusters.tools.multipass import MultipassProvider
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from datamill_infra.clusters.tools.tool import ToolProvider

EKS = Place(region="eu-west-1")
GKE = Place(region="europe-west1", project="mill")
KOPS = Place(region="eu-west-1", state="s3://states")
USED = """
apiVersion: v1
kind: Config
clusters: [{name: a.eu-west-1.eksctl.io, cluster: {server: "https://example.com"}}]
contexts: [{name: me@a.eu-west-1.eksctl.io, context: {cluster: a.eu-west-1.eksctl.io, user: me@a.eu-west-1.eksctl.io}}]
users: [{name: me@a.eu-west-1.eksctl.io, user: {exec: {command: aws}}}]
"""


@pytest.mark.parametrize(
    ("made", "place", "program"),
    [(MultipassProvider, Place(), "multipass"), (EksProvider, EKS, "eksctl"), (GkeProvider, GKE, "gcloud")],
)
def test_tool_that_is_not_here_says_how_to_get_it(made: type[ToolProvider], place: Place, program: str) -> None:
    with pytest.raises(ClusterError, match=f"There is no `{program}`") as caught:
        made(FakeCommands(), place).status("a")
    assert "Install" in caught.value.instruction


def test_kops_that_is_not_here_says_how_to_get_it() -> None:
    with pytest.raises(ClusterError, match="There is no `kops`") as caught:
        KopsProvider(FakeCommands(), KOPS).create("a.k8s.local")
    assert "Install kops" in caught.value.instruction


@pytest.mark.parametrize(
    ("kind", "place", "missing"),
    [
        ("eks", Place(), "--region"),
        ("gke", Place(region="r"), "--project"),
        ("gke", Place(project="p"), "--region"),
        ("kops", Place(region="r"), "--state"),
        ("kops", Place(state="s3://s"), "--region"),
    ],
)
def test_no_default_of_a_tool_stands_in_for_a_place(kind: str, place: Place, missing: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        provider(kind, place)
    assert f"Add {missing};" in caught.value.instruction


@pytest.mark.parametrize("kind", ["lab", "kind", "multipass"])
def test_cluster_of_this_machine_has_no_region(kind: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        provider(kind, EKS)
    assert "Leave out --region" in caught.value.instruction


def test_command_line_names_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert 5 == run(["cluster", "status", "a", "--provider", "kops", "--region", "eu-west-1"])
    assert "--state" in capsys.readouterr().err


def test_kind_takes_only_flags_of_its_help() -> None:
    tool = RecordedTool("kind", {"get clusters": "a\n"})
    KindProvider(tool).create("b")
    KindProvider(tool).load_image("a", Path("x.tar"))
    KindProvider(tool).kubeconfig("a")
    KindProvider(tool).delete("a")
    assert 1 == len(tool.commands("create cluster"))


def test_multipass_tells_stopped_and_deleted_machines() -> None:
    chosen = MultipassProvider(RecordedTool("multipass"))
    assert ["ready", "stopped", "absent", "absent"] == [chosen.status(name).state for name in ("a", "b", "gone", "no")]


def test_machine_without_microk8s_is_not_ready() -> None:
    tool = RecordedTool("multipass", fails={"exec a -- sudo microk8s status": "microk8s: command not found"})
    assert "stopped" == MultipassProvider(tool).status("a").state


def test_multipass_makes_a_machine_with_microk8s_in_it() -> None:
    tool = RecordedTool("multipass")
    MultipassProvider(tool).create("new")
    assert [["launch", "24.04", "--name", "new"]] == [argv[:4] for argv in tool.commands("launch")]
    inside = [argv[4:6] for argv in tool.commands("exec new -- sudo")]
    assert [["snap", "install"], ["microk8s", "status"], ["microk8s", "enable"], ["microk8s", "enable"]] == inside


def test_stopped_machine_is_started_not_made_again() -> None:
    tool = RecordedTool("multipass")
    MultipassProvider(tool).create("b")
    assert [["start", "b"]] == tool.commands("start")
    assert not tool.commands("launch")


def test_every_machine_has_a_context_of_its_own() -> None:
    config = yaml.safe_load(MultipassProvider(RecordedTool("multipass")).kubeconfig("a"))
    names = {config[part][0]["name"] for part in ("clusters", "contexts", "users")}
    assert {"multipass-a"} == names
    assert {"cluster": "multipass-a", "user": "multipass-a"} == config["contexts"][0]["context"]


def test_eks_reads_both_forms_of_the_list() -> None:
    chosen = EksProvider(RecordedTool("eksctl"), EKS)
    assert ["ready", "stopped", "absent"] == [chosen.status(name).state for name in ("a", "b", "c")]


def test_eks_is_made_and_removed_by_name_and_region() -> None:
    tool = RecordedTool("eksctl")
    EksProvider(tool, EKS).create("c")
    EksProvider(tool, EKS).delete("a")
    assert [["create", "cluster", "--name", "c", "--region", "eu-west-1", "--write-kubeconfig=false"]] == tool.commands(
        "create"
    )
    assert [["delete", "cluster", "--name", "a", "--region", "eu-west-1", "--wait"]] == tool.commands("delete")


def test_context_of_eks_does_not_depend_on_who_asks() -> None:
    chosen = EksProvider(RecordedTool("eksctl", {"kubeconfig": USED}), EKS)
    assert [chosen.context("a")] == [one["name"] for one in yaml.safe_load(chosen.kubeconfig("a"))["contexts"]]


def test_gke_is_asked_for_its_region_and_project_each_time() -> None:
    tool = RecordedTool("gcloud")
    chosen = GkeProvider(tool, GKE)
    assert ["ready", "stopped", "absent"] == [chosen.status(name).state for name in ("a", "b", "c")]
    chosen.create("c")
    chosen.delete("a")
    where = ["--location", "europe-west1", "--project", "mill", "--quiet"]
    assert all(argv[-5:] == where for argv in tool.commands("container clusters"))
    assert "gke_mill_europe-west1_c" == chosen.context("c")


@pytest.mark.parametrize("verb", ["create", "delete"])
def test_gcloud_never_sees_the_users_kubeconfig(verb: str) -> None:
    tool = RecordedTool("gcloud")
    chosen = GkeProvider(tool, GKE)
    chosen.create("c") if verb == "create" else chosen.delete("a")
    ran = next(i for i, argv in enumerate(tool.ran) if argv[3] == verb)
    environment = tool.environments[ran]
    assert environment is not None
    assert not Path(environment["KUBECONFIG"]).is_relative_to(Path.home() / ".kube")


def test_kops_is_made_by_name_state_and_zone() -> None:
    tool = RecordedTool("kops")
    KopsProvider(tool, KOPS).create("c.k8s.local")
    named = ["--name", "c.k8s.local", "--state", "s3://states"]
    assert [["create", "cluster", *named, "--zones", "eu-west-1a", "--yes"]] == tool.commands("create")
    assert [["validate", "cluster", *named, "--wait", "20m"]] == tool.commands("validate")


def test_empty_state_store_has_no_cluster() -> None:
    tool = RecordedTool("kops", fails={"get clusters": "Error: no clusters found"})
    assert "absent" == KopsProvider(tool, KOPS).status("a.k8s.local").state


def test_state_store_that_cannot_be_read_is_no_absence() -> None:
    tool = RecordedTool("kops", fails={"get clusters": "Error: AccessDenied"})
    with pytest.raises(CommandFailedError, match="AccessDenied"):
        KopsProvider(tool, KOPS).status("a.k8s.local")


def test_kops_says_what_does_not_work_yet() -> None:
    failures = '{"failures": [{"type": "dns", "message": "the API server does not answer"}]}'
    status = KopsProvider(RecordedTool("kops", {"validate cluster": failures}), KOPS).status("a.k8s.local")
    assert ("stopped", "the API server does not answer") == (status.state, status.checks[0].answer)
    assert "ready" == KopsProvider(RecordedTool("kops"), KOPS).status("a.k8s.local").state


def test_cluster_of_kops_has_a_dns_name() -> None:
    with pytest.raises(ConfigurationError, match="'mill'"):
        KopsProvider(RecordedTool("kops"), KOPS).create("mill")


def test_state_store_of_another_cloud_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="tells no cloud"):
        KopsProvider(RecordedTool("kops"), Place(region="r", state="do://x")).create("c.k8s.local")


def test_clouds_take_no_image_archives(tmp_path: Path) -> None:
    with pytest.raises(ClusterError) as caught:
        EksProvider(RecordedTool("eksctl"), EKS).load_image("a", tmp_path / "x.tar")
    assert "registry" in caught.value.instruction
