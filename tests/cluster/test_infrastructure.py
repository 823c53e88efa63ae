"""The platform as a code location in a real cluster: told from outside, run from inside, with no right too many."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.mill import SECONDS, Mill

from datamill_infra.clusters.commands import RealCommands
from datamill_infra.clusters.lab.provider import LabProvider
from datamill_infra.drivers.helm.binary import HelmBinary
from datamill_infra.drivers.helm.units import UnitRenderer
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.images.building import ImageBuilder
from datamill_infra.images.sources import IMAGES
from datamill_infra.kubernetes.api import ApiServer
from datamill_infra.kubernetes.objects import Ref
from datamill_infra.model.deployment import Deployment
from datamill_infra.orchestration.launching import RunEnd, RunEvent, follow, launch
from datamill_infra.orchestration.web import DagsterWeb

pytestmark = pytest.mark.cluster

COMPONENTS = ("s3proxy", "postgres", "datasets", "datamill")
ASSETS = ["capability/datasets", "raw/planes", "raw/airports"]
GRAPH = """query Graph($path: [String!]!) {
  assetOrError(assetKey: {path: $path}) { ... on Asset { assetMaterializations(limit: 1) { runId } } }
  assetCheckExecutions(assetKey: {path: $path}, checkName: "healthy", limit: 1) { evaluation { success } } }"""


class Platform(Mill):
    """A deployment with Dagster and the platform itself in the cluster."""

    def __post_init__(self) -> None:
        (self.home / "flavours").mkdir(parents=True)
        text = f"title: Small\nsummary: With Dagster.\ncomponents: [{', '.join(COMPONENTS)}]\n"
        (self.home / "flavours" / "small.yaml").write_text(text)
        self.write()
        self.cluster = ApiServer(self.context)

    def write(self, **components: object) -> None:
        size = {"values": {"storage": {"size": "1Gi"}}}
        file = {
            "flavour": "small",
            "target": "lab",
            "context": self.context,
            "namespaces": {"system": self.namespace, "runs": f"{self.namespace}-runs"},
            "components": {
                "s3proxy": size,
                "postgres": size,
                "datamill": {"values": {"infrastructure": True}},
                **components,
            },
        }
        (self.home / "deployment.yaml").write_text(yaml.safe_dump(file))

    @property
    def deployment(self) -> Deployment:
        return Deployment.load(self.home)

    def ask(self, text: str, **variables: object) -> Any:  # noqa: ANN401  (JSON)
        """GraphQL, through the proxy."""
        with Rollout(self.deployment).door("dagster") as connection:
            return DagsterWeb(connection).query(text, variables)

    def launched(self, location: str, job: str) -> tuple[str, RunEnd, list[RunEvent]]:
        """A run that the user interface would start, to its end."""
        heard: list[RunEvent] = []
        with Rollout(self.deployment).door("dagster") as connection:
            web = DagsterWeb(connection)
            run = launch(web, job, location=location)
            return run, follow(lambda: web, run, heard.append), heard

    def dagster(self, module: str, job: str, home: Path, config: object = None) -> subprocess.CompletedProcess[str]:
        """``dagster job execute`` on a machine of CI."""
        file = home / "run.yaml"
        file.write_text(yaml.safe_dump(config or {}))
        return subprocess.run(
            [sys.executable, "-m", "dagster", "job", "execute", "-m", module, "-j", job, "-c", str(file)],
            env={**self.environment, "DAGSTER_HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@pytest.fixture(scope="module")
def platform(
    provider: LabProvider, lab: str, lab_kubeconfig: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    file, context = lab_kubeconfig
    builder = ImageBuilder(RealCommands(), notify=print)
    base = builder.build_base()
    folder = tmp_path_factory.mktemp("images")
    for name in ("postgres", "nginx", "pipelines", "infrastructure"):
        archive = builder.save(builder.build(IMAGES[name], base=base), folder / f"{name}.tar")
        provider.load_image(lab, archive)
        archive.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(file))
        made = Platform(tmp_path_factory.mktemp("platform") / "home", file, context, "mill-platform")
        made.run("up")
        yield made
        made.run("down", "--delete-data", "--yes")


def test_what_was_deployed_from_outside_is_in_the_graph_of_the_cluster(platform: Platform) -> None:
    for component in COMPONENTS:
        answer = platform.ask(GRAPH, path=["infra", component])
        assert answer["assetOrError"]["assetMaterializations"], component
        (check,) = answer["assetCheckExecutions"]
        assert check["evaluation"]["success"], component


def test_the_account_may_do_what_plan_shows_and_nothing_that_would_grant_or_destroy(platform: Platform) -> None:
    rights = UnitRenderer(platform.deployment, HelmBinary()).rights()
    shown = platform.run("plan").stdout
    assert [] == [str(right) for right in rights if str(right) not in shown]
    system, runs = platform.namespace, f"{platform.namespace}-runs"
    wanted = {
        (verb, right.group, resource, right.namespace, name)
        for right in rights
        for verb in right.verbs
        for resource in right.resources
        for name in (right.names or ("",))
    }
    core = ("pods", "pods/exec", "pods/portforward", "serviceaccounts/token", "persistentvolumeclaims", "namespaces")
    never = {("create", "", resource, system, "") for resource in core}
    never |= {("delete", "", resource, system, "") for resource in ("persistentvolumeclaims", "namespaces")}
    rbac = "rbac.authorization.k8s.io"
    never |= {
        (verb, rbac, kind, namespace, "")
        for verb in ("create", "patch", "update", "delete", "bind", "escalate")
        for kind in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
        for namespace in (system, runs, "")
    }
    never |= {(verb, "", "secrets", runs, "") for verb in ("list", "create", "patch")}
    never |= {("create", "batch", "jobs", runs, ""), ("get", "", "secrets", "kube-system", "")}
    answers = {one: _may(platform, *one) for one in (*wanted, *never)}
    assert set() == {one for one in wanted if not answers[one]}
    assert set() == {one for one in never if answers[one]}


def test_a_deploy_from_the_web_server_repairs_from_inside(platform: Platform) -> None:
    ref = Ref("policy/v1", "PodDisruptionBudget", platform.namespace, "s3proxy")
    platform.cluster.delete(ref)
    platform.run("plan", expect=2)
    run, ended, heard = platform.launched("datamill_infra", "deploy_small")
    assert "SUCCESS" == ended.status, [event.message for event in heard][-8:]
    job = Ref("batch/v1", "Job", platform.namespace, f"dagster-run-{run}")
    found = platform.cluster.get(job)
    assert found is not None
    assert "datamill-infrastructure" == found["spec"]["template"]["spec"]["serviceAccountName"]
    assert platform.cluster.get(ref) is not None
    platform.run("plan", expect=0)


def test_what_grants_rights_is_not_changed_from_inside(platform: Platform) -> None:
    ref = Ref("rbac.authorization.k8s.io/v1", "Role", platform.namespace, "datamill-infrastructure")
    before = platform.cluster.get(ref)
    assert before is not None
    platform.cluster.patch(ref, [{"op": "remove", "path": "/rules/0"}])
    _, ended, heard = platform.launched("datamill_infra", "deploy_small")
    assert "FAILURE" == ended.status
    assert any("datamill is changed from outside the cluster only: it has roles" in one.message for one in heard)
    platform.run("up")
    after = platform.cluster.get(ref)
    assert after is not None
    assert before["rules"] == after["rules"]


@pytest.fixture
def elsewhere(platform: Platform, tmp_path: Path) -> Path:
    """A machine of CI: the deployment's file, and nothing that was generated."""
    shutil.copytree(platform.home / "flavours", tmp_path / "flavours")
    for file in (platform.home / "deployment.yaml", Path(__file__).parents[2] / "dagster.yaml"):
        shutil.copy(file, tmp_path)
    return tmp_path


def test_ci_deploys_and_runs_a_pipeline_with_a_kubeconfig(platform: Platform, elsewhere: Path) -> None:
    done = platform.dagster("datamill_infra.definitions", "deploy_small", elsewhere)
    assert 0 == done.returncode, done.stderr[-3000:]
    config = {"ops": {"in_the_cluster": {"config": {"assets": ASSETS}}}}
    done = platform.dagster("datamill_infra.cluster_runs", "ingest", elsewhere, config)
    assert 0 == done.returncode, done.stderr[-3000:]
    answer = platform.ask(GRAPH, path=["raw", "planes"])
    assert answer["assetOrError"]["assetMaterializations"]


def _may(platform: Platform, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
    """Whether the location's account may."""
    plural, _, sub = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": plural, "subresource": sub, "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {
            "user": f"system:serviceaccount:{platform.namespace}:datamill-infrastructure",
            "resourceAttributes": {**attributes, "name": name},
        },
    }
    return bool(platform.cluster.create(review)["status"]["allowed"])
