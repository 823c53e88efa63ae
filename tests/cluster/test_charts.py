"""The charts, rendered by the real ``helm``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from datamill_infra.drivers.helm.binary import HelmBinary
from datamill_infra.drivers.helm.charts import chart_names, charts_folder, image_files, stage
from datamill_infra.drivers.helm.door import HelmError
from datamill_infra.kubernetes.comparison import fields
from datamill_infra.kubernetes.objects import Object

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("helm")]

CHARTS = chart_names(charts_folder())
STATEFUL = ["kafka", "mlflow", "s3proxy"]
CONFIGURED = ["kafka", "s3proxy"]
Render = Callable[..., list[Object]]


@pytest.fixture
def render(tmp_path: Path) -> Render:
    def rendered(chart: str, values: Mapping[str, Any] | None = None, *, target: str = "kind") -> list[Object]:
        folder = tmp_path / target
        folder.mkdir(exist_ok=True)
        staged = folder / chart
        if not staged.exists():
            stage(charts_folder(), chart, folder)
        file = folder / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values or {})))
        return HelmBinary().template(chart, "mill", staged, [*image_files(charts_folder(), target), file])

    return rendered


def one(objects: list[Object], kind: str) -> Object:
    (found,) = [item for item in objects if item["kind"] == kind]
    return found


def pods(objects: list[Object]) -> list[dict[str, Any]]:
    return [item["spec"]["template"] for item in objects if "template" in item.get("spec", {})]


@pytest.mark.parametrize("chart", CHARTS)
def test_pods_keep_to_the_level_restricted_and_more(chart: str, render: Render) -> None:
    found = pods(render(chart))
    assert found
    for pod in found:
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert {"type": "RuntimeDefault"} == spec["securityContext"]["seccompProfile"]
        assert (False, False) == (spec["automountServiceAccountToken"], spec["enableServiceLinks"])
        for container in spec["containers"]:
            assert {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            } == container["securityContext"]


@pytest.mark.parametrize("chart", CHARTS)
def test_containers_have_requests_limits_and_probes(chart: str, render: Render) -> None:
    for pod in pods(render(chart)):
        for container in pod["spec"]["containers"]:
            assert {"cpu", "memory"} == set(container["resources"]["requests"])
            assert {"cpu", "memory"} == set(container["resources"]["limits"])
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)


@pytest.mark.parametrize("chart", CHARTS)
def test_every_object_has_the_labels_of_the_conventions(chart: str, render: Render) -> None:
    for item in render(chart):
        labels = item["metadata"]["labels"]
        assert (chart, chart, "datamill", "Helm") == tuple(
            labels[f"app.kubernetes.io/{key}"] for key in ("name", "instance", "part-of", "managed-by")
        )
        assert labels["app.kubernetes.io/version"]


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_makes_no_secret_and_refers_to_the_one_that_is_named(chart: str, render: Render) -> None:
    assert [] == [item for item in render(chart) if item["kind"] == "Secret"]
    if chart != "dask":
        assert "canary-secret" in repr(pods(render(chart, {"secret": {"name": "canary-secret"}})))


@pytest.mark.parametrize("chart", CHARTS)
def test_lab_and_official_differ_in_image_references_only(chart: str, render: Render) -> None:
    def all_fields(target: str) -> dict[str, object]:
        objects = render(chart, target=target)
        return {f"{item['kind']} {path}": value for item in objects for path, value in fields(item).items()}

    official, lab = all_fields("kind"), all_fields("lab")
    differing = {path.rpartition(".")[2] for path in official | lab if official.get(path) != lab.get(path)}
    assert {"image", "imagePullPolicy"} == differing


@pytest.mark.parametrize("chart", CHARTS)
def test_only_named_clients_and_the_run_namespace_may_connect(chart: str, render: Render) -> None:
    alone = one(render(chart), "NetworkPolicy")["spec"]
    assert ["Ingress", "Egress"] == alone["policyTypes"]
    own = {"app.kubernetes.io/name": chart, "app.kubernetes.io/instance": chart}
    assert [{"from": [{"podSelector": {"matchLabels": own}}]}] == alone["ingress"]
    graph = {"clients": ["mlflow"], "runs": "mill-runs"}
    named = one(render(chart, {"global": graph}), "NetworkPolicy")["spec"]["ingress"][1]["from"]
    assert [["mlflow"]] == [e["values"] for peer in named for e in peer["podSelector"].get("matchExpressions", [])]
    namespaces = [peer["namespaceSelector"]["matchLabels"] for peer in named if "namespaceSelector" in peer]
    assert [{"kubernetes.io/metadata.name": "mill-runs"}] == namespaces


@pytest.mark.parametrize("chart", STATEFUL)
def test_data_is_on_a_volume_of_the_asked_size(chart: str, render: Render) -> None:
    (claim,) = one(render(chart, {"storage": {"size": "3Gi"}}), "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert "3Gi" == claim["spec"]["resources"]["requests"]["storage"]
    assert "storageClassName" not in claim["spec"]
    given = render(chart, {"storage": {"className": "fast"}})
    (claim,) = one(given, "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert "fast" == claim["spec"]["storageClassName"]


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize(
    "values",
    [
        {"heapp": "1g"},
        {"heap": 512},
        {"heap": "lots"},
        {"storage": {"size": "8 gigabytes"}},
        {"storage": {"sise": "8Gi"}},
        {"resources": {"limits": {"memory": "-1"}}},
        {"global": {"clients": "mlflow"}},
        {"global": {"images": {"x": {"repository": "x"}}}},
    ],
)
def test_values_that_mean_nothing_are_refused(chart: str, values: dict[str, Any], render: Render) -> None:
    with pytest.raises(HelmError, match=r"schema|additional|does not match|got "):
        render(chart, values)


@pytest.mark.parametrize("chart", CHARTS)
def test_an_image_that_no_file_names_is_refused(chart: str, tmp_path: Path) -> None:
    staged = stage(charts_folder(), chart, tmp_path)
    with pytest.raises(HelmError, match=r"helm/images\.yaml"):
        HelmBinary().template(chart, "mill", staged, [])


@pytest.mark.parametrize("chart", CONFIGURED)
def test_pods_are_replaced_when_their_configuration_changes_and_only_then(chart: str, render: Render) -> None:
    def annotations(values: dict[str, Any]) -> dict[str, str]:
        (pod,) = pods(render(chart, values))
        return dict(pod["metadata"]["annotations"])

    same = annotations({})
    assert same == annotations({"global": {"clients": ["mlflow"]}})
    assert same != annotations({"secret": {"key": "other"}} if chart == "kafka" else {"heap": "300m"})


def test_kafka_takes_its_password_from_a_file_and_settings_win(render: Render) -> None:
    objects = render("kafka", {"settings": {"message.max.bytes": 2000000, "num.partitions": 7}})
    lines = one(objects, "ConfigMap")["data"]["server.properties"].splitlines()
    settings = dict(line.split("=", 1) for line in lines)
    assert ("2000000", "7") == (settings["message.max.bytes"], settings["num.partitions"])
    assert 'password="${dir:/etc/kafka/secret:password}"' in settings["listener.name.broker.plain.sasl.jaas.config"]
    assert "BROKER://kafka.mill.svc:9092" == settings["advertised.listeners"]


def test_a_component_may_connect_to_what_it_needs_and_nowhere_else(render: Render) -> None:
    policy = one(render("mlflow", {"global": {"providers": ["s3proxy"]}}), "NetworkPolicy")
    peers = [rule["to"] for rule in policy["spec"]["egress"] if "to" in rule]
    named = [e["values"] for to in peers for peer in to for e in peer["podSelector"].get("matchExpressions", [])]
    assert [["s3proxy"]] == named
    assert {} not in policy["spec"]["egress"]
    open_policy = one(render("mlflow", {"global": {"outside": True}}), "NetworkPolicy")
    assert {} in open_policy["spec"]["egress"]


def test_a_dask_worker_spills_before_its_pod_is_killed(render: Render) -> None:
    (worker,) = [item for item in render("dask", {"memory": "3GiB"}) if item["metadata"]["name"] == "dask-worker"]
    (container,) = worker["spec"]["template"]["spec"]["containers"]
    assert "3Gi" == container["resources"]["limits"]["memory"]
    assert "3GiB" == container["command"][container["command"].index("--memory-limit") + 1]
