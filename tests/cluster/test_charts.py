"""The charts, rendered by the real ``helm``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kubernetes.client
import pytest
import yaml

from datamill_infra import capabilities
from datamill_infra.drivers.helm.binary import HelmBinary
from datamill_infra.drivers.helm.charts import chart_names, charts_folder, image_files, stage
from datamill_infra.drivers.helm.door import HelmError
from datamill_infra.kubernetes.comparison import fields
from datamill_infra.kubernetes.objects import Object, annotations_of
from datamill_infra.model.connections import Connection

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("helm")]

CHARTS = chart_names(charts_folder())
STATEFUL = ["kafka", "mlflow", "postgres", "rabbitmq", "s3proxy"]
CHANGED = {
    "mlserver": {"s3": {"bucket": "others"}},
    "kafka": {"secret": {"key": "other"}},
    "postgres": {"connections": 30},
    "rabbitmq": {"minDiskFree": "1GB"},
    "s3proxy": {"heap": "300m"},
}
GIVEN: Mapping[str, Mapping[str, Any]] = {"datamill": {"global": {"runs": "mill-runs"}}}
"""What a chart cannot do without."""

WITHOUT_SECRET = frozenset({"dask"})
OWN_DOOR = {
    "dask": ["scheduler", "dashboard"],
    "datamill": ["web"],
    "kafka": ["broker"],
    "mlflow": ["http"],
    "mlserver": ["http", "grpc"],
    "postgres": ["sql"],
    "rabbitmq": ["mqtt", "amqp"],
    "s3proxy": ["http"],
}
Render = Callable[..., list[Object]]


@pytest.fixture
def render(tmp_path: Path) -> Render:
    def rendered(
        chart: str, values: Mapping[str, Any] | None = None, *, target: str = "kind", tests: bool = False
    ) -> list[Object]:
        folder = tmp_path / target
        folder.mkdir(exist_ok=True)
        staged = folder / chart
        if not staged.exists():
            stage(charts_folder(), chart, folder)
        given, file = folder / "given.yaml", folder / "values.yaml"
        given.write_text(yaml.safe_dump(dict(GIVEN.get(chart, {}))))
        file.write_text(yaml.safe_dump(dict(values or {})))
        files = [*image_files(charts_folder(), target), given, file]
        if not tests:
            return HelmBinary().template(chart, "mill", staged, files)
        options = [argument for one in files for argument in ("--values", str(one))]
        text = HelmBinary()._run("template", chart, str(staged), "--namespace", "mill", *options)
        return [item for item in yaml.safe_load_all(text) if item and "helm.sh/hook" in annotations_of(item)]

    return rendered


def one(objects: list[Object], kind: str, name: str | None = None) -> Object:
    (found,) = [item for item in objects if item["kind"] == kind and name in (None, item["metadata"]["name"])]
    return found


def pods(objects: list[Object]) -> list[dict[str, Any]]:
    return [item["spec"]["template"] for item in objects if "template" in item.get("spec", {})]


def assert_restricted(spec: Mapping[str, Any]) -> None:
    """The level *restricted*, and what we ask for besides."""
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert {"type": "RuntimeDefault"} == spec["securityContext"]["seccompProfile"]
    assert (False, False) == (spec["automountServiceAccountToken"], spec["enableServiceLinks"])
    assert {"configMap", "emptyDir", "secret", "projected"} >= {
        kind for volume in spec["volumes"] for kind in volume if kind != "name"
    }
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        assert {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        } == container["securityContext"]
        assert {"cpu", "memory"} == set(container["resources"]["requests"])
        assert {"cpu", "memory"} == set(container["resources"]["limits"])


@pytest.mark.parametrize("chart", CHARTS)
def test_pods_keep_to_the_level_restricted_and_more(chart: str, render: Render) -> None:
    found = pods(render(chart))
    assert found
    for pod in found:
        assert_restricted(pod["spec"])


@pytest.mark.parametrize("chart", CHARTS)
def test_containers_have_probes(chart: str, render: Render) -> None:
    for pod in pods(render(chart)):
        for container in pod["spec"]["containers"]:
            # Nobody connects to Dagster's daemon.
            needed = {"startupProbe", "livenessProbe"} | (
                {"readinessProbe"} if container["name"] != "daemon" else set()
            )
            assert needed <= set(container)


@pytest.mark.parametrize("chart", CHARTS)
def test_every_object_has_the_labels_of_the_conventions(chart: str, render: Render) -> None:
    for item in render(chart):
        labels = item["metadata"]["labels"]
        assert (chart, chart, "datamill", "Helm") == tuple(
            labels[f"app.kubernetes.io/{key}"] for key in ("name", "instance", "part-of", "managed-by")
        )
        assert labels["app.kubernetes.io/version"]


def unknown(given: object, kept: object, path: str = "") -> list[str]:
    """What was lost on the way through the client's own classes: fields of which Kubernetes knows nothing."""
    if isinstance(given, dict) and isinstance(kept, dict):
        lost = [f"{path}.{key}" for key in given.keys() - kept.keys() if given[key] not in (None, [], {})]
        return lost + [
            one for key in given.keys() & kept.keys() for one in unknown(given[key], kept[key], f"{path}.{key}")
        ]
    if isinstance(given, list) and isinstance(kept, list):
        pairs = zip(given, kept, strict=True)
        return [one for at, (a, b) in enumerate(pairs) for one in unknown(a, b, f"{path}[{at}]")]
    return []


@pytest.mark.parametrize("chart", CHARTS)
def test_every_field_is_one_that_kubernetes_knows(chart: str, render: Render) -> None:
    client = kubernetes.client.ApiClient()
    values = {"nodes": 3} if chart == "kafka" else {"infrastructure": {"enabled": True}} if chart == "datamill" else {}
    for item in [*render(chart, values), *render(chart, values, tests=True)]:
        answer = SimpleNamespace(data=json.dumps(item))
        kept = client.sanitize_for_serialization(client.deserialize(answer, f"V1{item['kind']}"))
        assert [] == unknown(item, kept), f"{item['kind']} {item['metadata']['name']}"


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_makes_no_secret_and_refers_to_the_one_that_is_named(chart: str, render: Render) -> None:
    assert [] == [item for item in render(chart) if item["kind"] == "Secret"]
    if chart not in WITHOUT_SECRET:
        assert "canary-secret" in repr(pods(render(chart, {"secret": {"name": "canary-secret"}})))


@pytest.mark.parametrize("chart", CHARTS)
def test_lab_and_official_differ_in_image_references_only(chart: str, render: Render) -> None:
    def all_fields(target: str) -> dict[str, object]:
        objects = render(chart, target=target)
        return {f"{item['kind']} {path}": value for item in objects for path, value in fields(item).items()}

    official, lab = all_fields("kind"), all_fields("lab")
    differing = {path.rpartition(".")[2] for path in official | lab if official.get(path) != lab.get(path)}
    # Dagster is told the image of a code location, in which its runs are to run.
    assert {"image", "imagePullPolicy"} | ({"command"} if chart == "datamill" else set()) == differing


@pytest.mark.parametrize("chart", CHARTS)
def test_only_named_clients_the_run_namespace_and_the_test_may_connect(chart: str, render: Render) -> None:
    alone = one(render(chart, {"global": {"runs": "elsewhere"}}), "NetworkPolicy", chart)["spec"]
    assert ["Ingress", "Egress"] == alone["policyTypes"]
    own = {"app.kubernetes.io/name": chart, "app.kubernetes.io/instance": chart}
    assert own == alone["podSelector"]["matchLabels"]
    assert {"from": [{"podSelector": {"matchLabels": own}}]} == alone["ingress"][0]
    graph = {"clients": ["mlflow"], "runs": "mill-runs"}
    others = one(render(chart, {"global": graph}), "NetworkPolicy", chart)["spec"]["ingress"][1:]
    (rule,) = others
    assert OWN_DOOR[chart] == [port["port"] for port in rule["ports"]]
    named, namespaced, tests = [], [], []
    for peer in rule["from"]:
        labels = peer["podSelector"]["matchLabels"]
        assert "datamill" == labels["app.kubernetes.io/part-of"]
        named += [e["values"] for e in peer["podSelector"].get("matchExpressions", [])]
        namespaced += [peer["namespaceSelector"]["matchLabels"]] if "namespaceSelector" in peer else []
        tests += [labels["app.kubernetes.io/name"]] if "app.kubernetes.io/name" in labels else []
    assert [["mlflow"]] == named
    assert [{"kubernetes.io/metadata.name": "mill-runs"}] == namespaced
    assert [f"{chart}-test"] == tests


@pytest.mark.parametrize("chart", CHARTS)
def test_releases_of_charts_that_are_not_ours_are_known_by_their_name(chart: str, render: Render) -> None:
    graph = {"clientReleases": ["vault"], "providerReleases": ["strimzi"]}
    policy = one(render(chart, {"global": graph}), "NetworkPolicy", chart)["spec"]
    peers = [
        peer["podSelector"].get("matchExpressions")
        for peer in (*policy["ingress"][1]["from"], *policy["egress"][-1]["to"])
    ]
    known = [{"key": "app.kubernetes.io/instance", "operator": "In", "values": [name]} for name in ("vault", "strimzi")]
    assert [[one] for one in known] == [peer for peer in peers if peer]


@pytest.mark.parametrize("chart", CHARTS)
def test_a_test_of_helm_makes_a_round_trip_in_a_restricted_pod(chart: str, render: Render) -> None:
    objects = render(chart, {"secret": {"name": "canary-secret"}} if chart not in WITHOUT_SECRET else {}, tests=True)
    pod, policy = one(objects, "Pod"), one(objects, "NetworkPolicy")
    assert_restricted(pod["spec"])
    (container,) = pod["spec"]["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    for entry in json.loads(environment["DATAMILL_CONNECTIONS"]):
        connection = Connection.from_dict(entry)
        assert callable(capabilities.load(connection.capability).probe)
        mounted = [item["path"] for v in pod["spec"]["volumes"] for item in v.get("secret", {}).get("items", [])]
        assert set(connection.secrets.values()) <= set(mounted)
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert [] == policy["spec"]["ingress"]
    # Neither a server of the service, nor one of the pods that the workload or its budget counts.
    assert chart != pod["metadata"]["labels"]["app.kubernetes.io/name"]


@pytest.mark.parametrize("chart", STATEFUL)
def test_draining_nodes_takes_one_pod_at_a_time_or_as_many_as_is_said(chart: str, render: Render) -> None:
    budget = one(render(chart), "PodDisruptionBudget")["spec"]
    assert 1 == budget["maxUnavailable"]
    (pod,) = pods(render(chart))
    assert budget["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert 0 == one(render(chart, {"disruptions": 0}), "PodDisruptionBudget")["spec"]["maxUnavailable"]


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
    staged, given = stage(charts_folder(), chart, tmp_path), tmp_path / "given.yaml"
    given.write_text(yaml.safe_dump(dict(GIVEN.get(chart, {}))))
    with pytest.raises(HelmError, match=r"helm/images\.yaml"):
        HelmBinary().template(chart, "mill", staged, [given])


@pytest.mark.parametrize("chart", CHANGED)
def test_pods_are_replaced_when_their_configuration_changes_and_only_then(chart: str, render: Render) -> None:
    def annotations(values: dict[str, Any]) -> dict[str, str]:
        (pod,) = pods(render(chart, values))
        return dict(pod["metadata"]["annotations"])

    same = annotations({})
    assert same == annotations({"global": {"clients": ["mlflow"]}})
    assert same != annotations(CHANGED[chart])


def test_kafka_takes_its_password_from_a_file_and_settings_win(render: Render) -> None:
    objects = render("kafka", {"settings": {"message.max.bytes": 2000000, "num.partitions": 7}})
    lines = one(objects, "ConfigMap")["data"]["server.properties"].splitlines()
    settings = dict(line.split("=", 1) for line in lines)
    assert ("2000000", "7") == (settings["message.max.bytes"], settings["num.partitions"])
    assert 'password="${dir:/etc/kafka/secret:password}"' in settings["listener.name.broker.plain.sasl.jaas.config"]


def test_three_kafka_nodes_are_one_quorum_whose_members_log_in(render: Render) -> None:
    objects = render("kafka", {"nodes": 3})
    settings = dict(line.split("=", 1) for line in one(objects, "ConfigMap")["data"]["server.properties"].splitlines())
    voters = ",".join(f"{number + 1}@kafka-{number}.kafka.mill.svc:9093" for number in range(3))
    assert voters == settings["controller.quorum.voters"]
    assert "BROKER:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT" == settings["listener.security.protocol.map"]
    factors = {key: value for key, value in settings.items() if key.endswith("replication.factor")}
    assert {"3"} == set(factors.values())
    assert 4 == len(factors)
    assert {"2"} == {value for key, value in settings.items() if key.endswith((".min.isr", "min.insync.replicas"))}
    spec = one(objects, "StatefulSet")["spec"]
    assert (3, "Parallel") == (spec["replicas"], spec["podManagementPolicy"])
    (container,) = spec["template"]["spec"]["containers"]
    assert "$HOSTNAME.kafka.mill.svc" in container["command"][-1]


def test_one_kafka_node_keeps_its_controller_to_itself(render: Render) -> None:
    objects = render("kafka")
    settings = dict(line.split("=", 1) for line in one(objects, "ConfigMap")["data"]["server.properties"].splitlines())
    assert "BROKER://:9092,CONTROLLER://127.0.0.1:9093" == settings["listeners"]
    (container,) = one(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert " kafka.mill.svc" in container["command"][-1]
    assert ["broker"] == [port["name"] for port in container["ports"]]


def test_two_kafka_nodes_are_refused(render: Render) -> None:
    with pytest.raises(HelmError, match="nodes"):
        render("kafka", {"nodes": 2})


def test_postgres_lets_nobody_in_without_a_password(render: Render) -> None:
    objects = render("postgres", {"settings": {"work_mem": "8MB", "application_name": "it's"}})
    data = one(objects, "ConfigMap")["data"]
    assert {"scram-sha-256"} == {line.split()[-1] for line in data["pg_hba.conf"].splitlines()}
    lines = data["postgresql.conf"].splitlines()
    assert {"work_mem = '8MB'", "application_name = 'it''s'"} <= set(lines)


def test_rabbitmq_has_both_protocols_and_nothing_of_erlang_beyond_its_pod(render: Render) -> None:
    objects = render("rabbitmq")
    data = one(objects, "ConfigMap")["data"]
    assert "rabbitmq_mqtt" in data["enabled_plugins"]
    assert ["PASSWORD"] == [user["password"] for user in json.loads(data["definitions.json"])["users"]]
    (container,) = one(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert "127.0.0.1" == environment["ERL_EPMD_ADDRESS"]
    assert "{127,0,0,1}" in environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]
    assert {"mqtt", "amqp"} == {port["name"] for port in one(objects, "Service")["spec"]["ports"]}


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
