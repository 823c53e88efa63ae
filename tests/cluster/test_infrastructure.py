"""The platform as a code location in a real cluster: told from outside, run from inside, with no right too many."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cluster.demo import OWN, Demo

from datamill_infra.drivers.helm.binary import HelmBinary
from datamill_infra.drivers.helm.units import UnitRenderer
from datamill_infra.kubernetes.objects import Ref

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

ASSETS = ["capability/datasets", "raw/planes", "raw/airports"]
GRAPH = """query Graph($path: [String!]!) {
  assetOrError(assetKey: {path: $path}) { ... on Asset { assetMaterializations(limit: 1) { runId } } }
  assetCheckExecutions(assetKey: {path: $path}, checkName: "healthy", limit: 1) { evaluation { success } } }"""


def test_what_was_deployed_from_outside_is_in_the_graph_of_the_cluster(demo: Demo) -> None:
    for component in demo.deployment.resolution.components:
        answer = demo.ask(GRAPH, path=["infra", component])
        assert answer["assetOrError"]["assetMaterializations"], component
        (check,) = answer["assetCheckExecutions"]
        assert check["evaluation"]["success"], component


def test_the_account_may_do_what_plan_shows_and_nothing_that_would_grant_or_destroy(demo: Demo) -> None:
    rights = UnitRenderer(demo.deployment, HelmBinary()).rights()
    shown = demo.run("plan").stdout
    assert [] == [str(right) for right in rights if str(right) not in shown]
    system, runs = demo.namespace, f"{demo.namespace}-runs"
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
    answers = {one: _may(demo, *one) for one in (*wanted, *never)}
    assert set() == {one for one in wanted if not answers[one]}
    assert set() == {one for one in never if answers[one]}


def test_a_deploy_from_the_web_server_repairs_from_inside(demo: Demo) -> None:
    ref = Ref("policy/v1", "PodDisruptionBudget", demo.namespace, "s3proxy")
    demo.cluster.delete(ref)
    demo.run("plan", expect=2)
    run, ended, heard = demo.launched("datamill_infra", "deploy_demo")
    assert "SUCCESS" == ended.status, [event.message for event in heard][-8:]
    job = Ref("batch/v1", "Job", demo.namespace, f"dagster-run-{run}")
    found = demo.cluster.get(job)
    assert found is not None
    assert "datamill-infrastructure" == found["spec"]["template"]["spec"]["serviceAccountName"]
    assert demo.cluster.get(ref) is not None
    demo.run("plan", expect=0)


def test_what_grants_rights_is_not_changed_from_inside(demo: Demo) -> None:
    ref = Ref("rbac.authorization.k8s.io/v1", "Role", demo.namespace, "datamill-infrastructure")
    before = demo.cluster.get(ref)
    assert before is not None
    more = {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}  # none less: it could not see the difference
    demo.cluster.patch(ref, [{"op": "add", "path": "/rules/-", "value": more}])
    _, ended, heard = demo.launched("datamill_infra", "deploy_demo")
    assert "FAILURE" == ended.status
    told = "\n".join(one.message for one in heard)
    assert "datamill is changed from outside the cluster only: it has roles" in told
    demo.run("up")
    after = demo.cluster.get(ref)
    assert after is not None
    assert before["rules"] == after["rules"]


@pytest.fixture
def elsewhere(demo: Demo, tmp_path: Path) -> Path:
    """A machine of CI: what a user wrote, and nothing that was generated."""
    shutil.copytree(OWN, tmp_path, dirs_exist_ok=True)
    for file in (demo.home / "deployment.yaml", Path(__file__).parents[2] / "dagster.yaml"):
        shutil.copy(file, tmp_path)
    return tmp_path


def test_ci_deploys_and_runs_a_pipeline_with_a_kubeconfig(demo: Demo, elsewhere: Path) -> None:
    done = demo.dagster("datamill_infra.definitions", "deploy_demo", elsewhere)
    assert 0 == done.returncode, done.stderr[-3000:]
    config = {"ops": {"in_the_cluster": {"config": {"assets": ASSETS}}}}
    done = demo.dagster("datamill_infra.cluster_runs", "ingest", elsewhere, config)
    assert 0 == done.returncode, done.stderr[-3000:]
    answer = demo.ask(GRAPH, path=["raw", "planes"])
    assert answer["assetOrError"]["assetMaterializations"]


def _may(demo: Demo, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
    """Whether the location's account may."""
    plural, _, sub = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": plural, "subresource": sub, "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {
            "user": f"system:serviceaccount:{demo.namespace}:datamill-infrastructure",
            "resourceAttributes": {**attributes, "name": name},
        },
    }
    return bool(demo.cluster.create(review)["status"]["allowed"])
