"""The charts of a whole deployment, rendered by the real ``helm``: who may connect to whom, and what is in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cluster.policies import Pod, Policies, pods_of

from datamill_infra.drivers.helm.binary import HelmBinary
from datamill_infra.drivers.helm.units import RenderedUnit, UnitRenderer
from datamill_infra.drivers.secrets import SecretStore
from datamill_infra.kubernetes.objects import Object
from datamill_infra.model.deployment import Deployment

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("helm")]

COMPONENTS = ["kafka", "s3proxy", "postgres", "rabbitmq", "mlflow", "mlserver", "dask", "datasets", "datamill"]
DOORS = {
    "dask": {8786, 8787},
    "datamill": {8080},
    "kafka": {9092},
    "mlflow": {5000},
    "mlserver": {8080, 8081},
    "postgres": {5432},
    "rabbitmq": {1883, 5672},
    "s3proxy": {8080},
}
NEEDS = {"mlflow": {"s3proxy"}, "mlserver": {"s3proxy"}, "datamill": {"postgres", "s3proxy"}}
RUN_LABELS = {"app.kubernetes.io/name": "datamill-run", "app.kubernetes.io/part-of": "datamill"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    home = tmp_path_factory.mktemp("graph")
    (home / "flavours").mkdir()
    names = ", ".join(COMPONENTS)
    (home / "flavours" / "all.yaml").write_text(f"title: All\nsummary: S.\ncomponents: [{names}]\n")
    made = Deployment.write_default(home, "all", "kind", context="nowhere")
    store = SecretStore(made.secrets_file)
    names_of_secrets = {name for one in made.resolution.components for name in made.secrets(one)}
    store.put({name: f"canary-{number}" for number, name in enumerate(sorted(names_of_secrets))})
    return made


@pytest.fixture(scope="module")
def units(deployment: Deployment, helm: Path) -> list[RenderedUnit]:
    del helm
    renderer = UnitRenderer(deployment, HelmBinary())
    return [unit for name in deployment.resolution.sequence() for unit in renderer.units(name)]


@pytest.fixture(scope="module")
def objects(units: list[RenderedUnit]) -> tuple[Object, ...]:
    return tuple(item for unit in units for item in unit.objects)


@pytest.fixture(scope="module")
def pods(deployment: Deployment, objects: tuple[Object, ...]) -> list[Pod]:
    return pods_of(objects, deployment.definition.file.namespaces.system)


@pytest.fixture(scope="module")
def policies(deployment: Deployment, objects: tuple[Object, ...]) -> Policies:
    return Policies(objects, deployment.definition.file.namespaces.system)


def reachable(source: Pod, targets: list[Pod], policies: Policies) -> set[tuple[str, int]]:
    """Chart and port of everything that a pod may connect to."""
    return {
        (target.labels["app.kubernetes.io/name"], port)
        for target in targets
        # Besides its ports: that of a server which listens without saying so, and that of every API server.
        for port in {*target.ports.values(), 22, 443, 3000, 6443}
        if policies.allows(source, target, port)
    }


def test_every_pod_reaches_what_its_component_needs_and_nothing_else(pods: list[Pod], policies: Policies) -> None:
    assert set(DOORS) == {pod.labels["app.kubernetes.io/name"] for pod in pods}
    for source in pods:
        name = source.labels["app.kubernetes.io/name"]
        others = [pod for pod in pods if pod.labels["app.kubernetes.io/name"] != name]
        # Who calls the API server may call anything on its ports, where none of ours listens.
        found = {one for one in reachable(source, others, policies) if one[1] not in {443, 6443}}
        assert {(needed, port) for needed in NEEDS.get(name, ()) for port in DOORS[needed]} == found, source.name


def test_only_who_calls_the_api_server_is_let_out_to_it(pods: list[Pod], policies: Policies) -> None:
    server = Pod("kube-apiserver", "kube-system", {})
    assert {"datamill-web", "datamill-daemon"} == {pod.name for pod in pods if policies.allows(pod, server, 6443)}
    assert not [pod.name for pod in pods if policies.allows(pod, server, 22)]


def test_a_run_reaches_the_door_of_every_component_and_nobody_reaches_a_run(
    deployment: Deployment, pods: list[Pod], policies: Policies
) -> None:
    namespaces = deployment.definition.file.namespaces
    run = Pod("run", namespaces.runs, RUN_LABELS)
    assert {(name, port) for name, ports in DOORS.items() for port in ports} == reachable(run, pods, policies)
    assert set() == {pod.name for pod in pods for port in (22, 4000, 8080) if policies.allows(pod, run, port)}
    outside = Pod("outside", "elsewhere", {}, {"web": 8080})
    assert not policies.allows(outside, run, 8080)
    assert [443, 6443] == [port for port in (22, 443, 5432, 6443, 8080) if policies.allows(run, outside, port)]
    stranger = Pod("stranger", namespaces.runs, {"app": "other"})
    assert set() == reachable(stranger, pods, policies)
    elsewhere = Pod("run", "elsewhere", RUN_LABELS)
    assert set() == reachable(elsewhere, pods, policies)


def test_no_secret_is_in_what_is_rendered_or_in_its_values(deployment: Deployment, units: list[RenderedUnit]) -> None:
    text = json.dumps([[unit.objects, unit.values] for unit in units])
    secrets = SecretStore(deployment.secrets_file).read()
    assert 8 <= len(secrets)
    assert [] == [name for name, value in secrets.items() if value in text]


def test_every_secret_that_a_pod_mounts_is_one_that_the_driver_makes(
    deployment: Deployment, units: list[RenderedUnit]
) -> None:
    from datamill_infra.drivers.helm.credentials import Credentials
    from datamill_infra.drivers.helm.publication import Publication
    from datamill_infra.kubernetes.memory import MemoryCluster

    cluster, secrets = MemoryCluster(), SecretStore(deployment.secrets_file).read()
    for name in deployment.resolution.components:
        Credentials(deployment, cluster).write(name, secrets)
        Publication(deployment, cluster).write(name, secrets)
    system = deployment.definition.file.namespaces.system
    made = {
        (ref.name, key)
        for ref, item in cluster.objects.items()
        if ref.kind == "Secret" and ref.namespace == system
        for key in item["data"]
    }
    named: set[tuple[str, str]] = set()
    whole: set[str] = set()
    for unit in units:
        for item in unit.objects:
            spec = item.get("spec", {}).get("template", {}).get("spec", {})
            for container in spec.get("containers", ()):
                found = [
                    entry["valueFrom"]["secretKeyRef"] for entry in container.get("env", ()) if "valueFrom" in entry
                ]
                named |= {(one["name"], one["key"]) for one in found}
            for volume in spec.get("volumes", ()):
                if "secret" in volume:
                    whole.add(volume["secret"]["secretName"])
                    keys = [one["key"] for one in volume["secret"].get("items", ())]
                    named |= {(volume["secret"]["secretName"], key) for key in keys}
    assert named
    assert set() == named - made
    assert set() == whole - {name for name, _ in made}


def test_the_platform_as_a_location_and_its_runs_reach_every_door_and_nobody_reaches_a_run(
    tmp_path: Path, helm: Path
) -> None:
    del helm
    (tmp_path / "flavours").mkdir()
    components = "s3proxy, postgres, kafka, datamill"
    (tmp_path / "flavours" / "all.yaml").write_text(f"title: All\nsummary: S.\ncomponents: [{components}]\n")
    text = "flavour: all\ntarget: kind\ncontext: nowhere\n"
    (tmp_path / "deployment.yaml").write_text(f"{text}components: {{datamill: {{values: {{infrastructure: true}}}}}}\n")
    deployment = Deployment.load(tmp_path)
    renderer, system = UnitRenderer(deployment, HelmBinary()), deployment.definition.file.namespaces.system
    names = deployment.resolution.sequence()
    objects = tuple(item for name in names for unit in renderer.units(name) for item in unit.objects)
    pods, policies = pods_of(objects, system), Policies(objects, system)
    (location,) = [pod for pod in pods if pod.name == "datamill-infrastructure"]
    run = Pod("run", system, {**RUN_LABELS, "app.kubernetes.io/component": "infrastructure"})
    doors = {(name, port) for name in ("s3proxy", "postgres", "kafka", "datamill") for port in DOORS[name]}
    for source in (location, run):
        assert doors <= reachable(source, pods, policies), source.name
        assert policies.allows(source, Pod("kube-apiserver", "kube-system", {}), 6443)
    plain = Pod("run", system, RUN_LABELS)
    assert set() == {one for one in reachable(plain, pods, policies) if one in doors}
    assert set() == {pod.name for pod in pods for port in (22, 4000, 8080) if policies.allows(pod, run, port)}
