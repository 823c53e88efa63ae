"""The chart of Data Mill itself, rendered by the real ``helm`` and read by the real Dagster: doors, rights, runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import kubernetes.client
import pytest
import yaml
from cluster.policies import Pod, Policies
from cluster.test_charts import Render, assert_restricted, one, render
from dagster._core.instance.ref import InstanceRef
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import construct_dagster_k8s_job
from dagster_k8s.launcher import K8sRunLauncher

from datamill_infra.drivers.helm.door import HelmError
from datamill_infra.kubernetes.objects import Object

__all__ = ["render"]

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("helm")]

CANARY = "canary-of-the-database"
ON = {"infrastructure": {"enabled": True}}


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, render: Render) -> InstanceRef:
    """As a pod of the release would read it."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", CANARY)
    maps = [item for item in render("datamill", ON) if item["kind"] == "ConfigMap"]
    (tmp_path / "dagster.yaml").write_text(maps[0]["data"]["dagster.yaml"])
    assert maps[0]["data"]["dagster.yaml"] == maps[1]["data"]["dagster.yaml"]
    return InstanceRef.from_dir(str(tmp_path))


def job_of(instance: InstanceRef, render: Render, part: str) -> tuple[str, dict[str, Any]]:
    """Namespace and job of a run of one code location."""
    deployment = one(render("datamill", ON), "Deployment", f"datamill-{part}")
    (server,) = deployment["spec"]["template"]["spec"]["containers"]
    command = server["command"]
    context = json.loads(command[command.index("--container-context") + 1])
    assert instance.run_launcher_data is not None
    with mock.patch("dagster_k8s.launcher.load_kubernetes_config"):
        launcher = instance.run_launcher_data.rehydrate(as_type=K8sRunLauncher)
    origin = mock.Mock(repository_origin=mock.Mock(container_context=context))
    merged = K8sContainerContext.create_for_run(
        mock.Mock(job_code_origin=origin, tags={}), launcher, include_run_tags=False
    )
    image = command[command.index("--container-image") + 1]
    made = construct_dagster_k8s_job(
        merged.get_k8s_job_config(image, launcher), ["dagster"], "run", user_defined_k8s_config=merged.run_k8s_config
    )
    return str(merged.namespace), kubernetes.client.ApiClient().sanitize_for_serialization(made)


def test_a_run_is_a_restricted_job_in_its_own_namespace(instance: InstanceRef, render: Render) -> None:
    namespace, job = job_of(instance, render, "pipelines")
    spec = job["spec"]["template"]["spec"]
    assert ("mill-runs", "datamill-runs") == (namespace, spec["serviceAccountName"])
    # Its executor makes jobs of steps; nothing else about it differs from what all pods keep to.
    assert_restricted({**spec, "automountServiceAccountToken": False})
    assert "datamill" == job["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/part-of"]
    assert (0, 600) == (job["spec"]["backoffLimit"], job["spec"]["ttlSecondsAfterFinished"])
    (container,) = spec["containers"]
    paths = {mount["mountPath"].removeprefix("/var/lib/datamill/") for mount in container["volumeMounts"]}
    assert {"dagster.yaml", "deployment.yaml", "flavours", "state/connections.json", "state/secrets"} <= paths
    volumes = {volume["name"] for volume in spec["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_a_run_of_the_platform_is_where_pipelines_cannot_make_jobs(instance: InstanceRef, render: Render) -> None:
    namespace, job = job_of(instance, render, "infrastructure")
    spec = job["spec"]["template"]["spec"]
    assert ("mill", "datamill-infrastructure") == (namespace, spec["serviceAccountName"])
    assert "localhost/datamill/infrastructure:0.1.0" == spec["containers"][0]["image"]
    assert_restricted({**spec, "automountServiceAccountToken": False})


def test_no_password_is_in_what_a_run_is_told(instance: InstanceRef, render: Render) -> None:
    _, job = job_of(instance, render, "pipelines")
    assert CANARY not in json.dumps([instance.to_dict(), job], default=str)


def test_storage_names_the_driver_that_dagster_brings(instance: InstanceRef) -> None:
    assert instance.storage_data is not None
    assert "DeploymentStorage" == instance.storage_data.class_name
    config = instance.storage_data.config_dict["postgres_db"]
    assert "postgresql+psycopg2" == config["scheme"]
    assert {"env": "DAGSTER_PG_PASSWORD"} == config["password"]


def rules(objects: list[Object], name: str, namespace: str) -> set[str]:
    (role,) = [
        item
        for item in objects
        if (item["kind"], item["metadata"]["name"], item["metadata"].get("namespace")) == ("Role", name, namespace)
    ]
    return {f"{verb} {resource}" for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}


STEPS = {"create jobs", "delete jobs", "get jobs/status", "get pods", "list pods", "delete pods", "list events"}
EXECUTORS = {f"{verb} pods" for verb in ("create", "delete", "deletecollection", "get", "list", "patch", "watch")}
WATCHED = {"create jobs", "delete jobs", "list jobs", "get jobs/status", "list pods", "delete pods"}
WATCHED |= {"get pods/log", "list events"}


def test_rights_are_those_that_dagster_uses_and_none_is_for_all(render: Render) -> None:
    objects = render("datamill")
    assert WATCHED == rules(objects, "datamill-daemon", "mill-runs")
    assert {"delete jobs", "list pods", "delete pods"} == rules(objects, "datamill-web", "mill-runs")
    assert STEPS == rules(objects, "datamill-runs", "mill-runs")
    assert {"mill-runs"} == {item["metadata"]["namespace"] for item in objects if item["kind"].startswith("Role")}
    assert [] == [item for item in objects if item["kind"].startswith("Cluster")]
    assert "*" not in json.dumps([item["rules"] for item in objects if item["kind"] == "Role"])


def test_only_with_spark_may_a_run_make_pods_and_talk_to_them(render: Render) -> None:
    plain, spark = render("datamill"), render("datamill", {"runs": {"executors": True}})
    name = "datamill-drivers"
    assert name not in {item["metadata"]["name"] for item in plain}
    assert EXECUTORS == rules(spark, name, "mill-runs")
    run, other = (Pod(which, "mill-runs", {"app.kubernetes.io/part-of": "datamill"}) for which in ("run", "other"))
    talk = [[port for port in (22, 4040, 7078, 7079) if Policies(tuple(found), "mill").allows(run, other, port)]
            for found in (plain, spark)]  # fmt: skip
    assert [[], [7078, 7079]] == talk


def test_a_right_for_all_is_refused(render: Render) -> None:
    for rule in (
        {"apiGroups": [""], "resources": ["*"], "verbs": ["get"]},
        {"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]},
    ):
        with pytest.raises(HelmError, match="rules"):
            render("datamill", {"infrastructure": {"enabled": True, "rules": [rule]}})


def test_each_binding_is_for_the_account_that_it_is_named_after(render: Render) -> None:
    objects = render("datamill", ON)
    accounts = {
        (item["metadata"]["name"], item["metadata"].get("namespace", "mill"))
        for item in objects
        if item["kind"] == "ServiceAccount"
    }
    subjects = {
        (subject["name"], subject["namespace"])
        for item in objects
        if item["kind"] == "RoleBinding"
        for subject in item["subjects"]
    }
    assert set() == subjects - accounts
    assert {("datamill-runs", "mill-runs")} == {one for one in subjects if one[1] == "mill-runs"}
    assert {False} == {item["automountServiceAccountToken"] for item in objects if item["kind"] == "ServiceAccount"}


def test_only_who_calls_the_api_server_has_a_token(render: Render) -> None:
    have = set()
    for item in render("datamill"):
        if item["kind"] == "Deployment":
            for container in item["spec"]["template"]["spec"]["containers"]:
                if any("serviceaccount" in mount["mountPath"] for mount in container["volumeMounts"]):
                    have.add(container["name"])
    assert {"web", "daemon"} == have


def test_nothing_but_the_proxy_listens_beyond_the_web_servers_pod(render: Render) -> None:
    web = one(render("datamill"), "Deployment", "datamill-web")["spec"]["template"]["spec"]
    containers = {container["name"]: container for container in web["containers"]}
    command = containers["web"]["command"]
    assert "127.0.0.1" == command[command.index("--host") + 1]
    assert "ports" not in containers["web"]
    assert [8080] == [port["containerPort"] for port in containers["proxy"]["ports"]]


def test_the_proxy_asks_everybody_but_those_who_ask_whether_it_lives(render: Render) -> None:
    (first, _) = [item for item in render("datamill") if item["kind"] == "ConfigMap"]
    conf = first["data"]["nginx.conf"]
    assert 'auth_basic "Data Mill";' in conf
    blocks = {block.partition("{")[0].strip(): block for block in conf.split("location ")[1:]}
    assert {"= /healthz", "@alive"} == {name for name, block in blocks.items() if "auth_basic off" in block}
    assert "return 204" in blocks["@alive"]
    assert "proxy_method POST" in blocks["= /healthz"]


def test_runs_in_the_namespace_of_the_release_are_refused(render: Render) -> None:
    for runs in ("", "mill"):
        with pytest.raises(HelmError, match="a namespace for runs"):
            render("datamill", {"global": {"runs": runs}})


def test_the_infrastructure_is_not_there_unless_asked_for(render: Render) -> None:
    assert "infrastructure" not in yaml.safe_dump(render("datamill"))
    objects = render("datamill", ON)
    assert (
        "datamill_infra"
        in one(objects, "Deployment", "datamill-infrastructure")["spec"]["template"]["spec"]["containers"][0]["command"]
    )
