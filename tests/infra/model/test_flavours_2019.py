"""The five flavours of 2019 resolve over all their components, legacy ones by what does their job today."""

from __future__ import annotations

import pytest

from datamill_infra.model.catalogue import Catalogue
from datamill_infra.model.flavours import Flavours, resolve_flavour
from datamill_infra.model.resolution import Resolution
from datamill_infra.model.targets import Target

ALL_2019 = [
    *("ambassador", "arangodb", "argo", "cassandra", "dask", "druid", "elasticsearch", "flink", "grafana", "horovod"),
    *("influxdb", "jupyterhub", "kafka", "kibana", "kubebox", "kubedb", "kubeflow", "kubemq", "longhorn", "metallb"),
    *("minio", "mlflow", "monitoring-stack", "nginx-ingress", "nifi", "pachyderm", "rabbitmq", "seldon", "spark"),
    *("storageos", "superset", "traefik"),
]

COMPONENTS_2019 = {
    "datalake": ["minio", "pachyderm"],
    "datawarehouse": ["minio", "pachyderm", "kafka", "rabbitmq", "superset", "spark", "monitoring-stack"],
    "ds": ["minio", "pachyderm", "arangodb", "influxdb", "superset", "dask", "seldon", "jupyterhub", "mlflow"],
    "kubeflow": ["minio", "pachyderm", "kubeflow"],
    "all": ALL_2019,
}


def on(target: str, name: str, flavours: Flavours, catalogue: Catalogue) -> Resolution:
    return resolve_flavour(name, flavours, catalogue, target=Target.of(target, ["storage-class", "load-balancer"]))


@pytest.mark.parametrize("name", sorted(COMPONENTS_2019))
@pytest.mark.parametrize("target", ["minikube", "microk8s", "multipass", "eks", "gke", "context"])
def test_every_component_of_a_flavour_is_there_or_replaced(
    name: str, target: str, flavours_2019: Flavours, hard_catalogue: Catalogue
) -> None:
    resolution = on(target, name, flavours_2019, hard_catalogue)
    replaced = {item.component: item for item in resolution.substitutions}
    for component in COMPONENTS_2019[name]:
        assert hard_catalogue[component].status == ("legacy" if component in replaced else "active")
        for present in replaced[component].replaced_by if component in replaced else (component,):
            assert present in resolution.components
    for item in replaced.values():
        assert item.reason


@pytest.mark.parametrize("name", sorted(COMPONENTS_2019))
def test_every_dependency_lies_in_an_earlier_level(
    name: str, flavours_2019: Flavours, hard_catalogue: Catalogue
) -> None:
    resolution = on("eks", name, flavours_2019, hard_catalogue)
    level = {component: number for number, row in enumerate(resolution.order) for component in row}
    assert sorted(level) == sorted(resolution.components)
    for component in resolution.components:
        for other in resolution.dependencies(component):
            assert level[other] < level[component]


def test_the_needs_that_2019_left_out_are_edges_now(flavours_2019: Flavours, hard_catalogue: Catalogue) -> None:
    resolution = on("context", "all", flavours_2019, hard_catalogue)
    for consumer, capability, provider in [
        ("lakefs", "s3", "seaweedfs"),
        ("mlflow", "s3", "seaweedfs"),
        ("mlflow", "postgres", "postgres"),
        ("opensearch-dashboards", "search", "opensearch"),
        ("envoy-gateway", "load-balancer", "metallb"),
        ("kserve", "cert-manager", "cert-manager"),
        ("grafana", "metrics", "monitoring-stack"),
        ("grafana", "timeseries", "influxdb"),
        ("jupyterhub", "mlflow", "mlflow"),
        ("jupyterhub", "kafka", "kafka"),
        ("postgres", "storage-class", "longhorn"),
    ]:
        assert provider == resolution.bindings[consumer, capability]


def test_every_legacy_component_has_a_reason_and_a_living_replacement(hard_catalogue: Catalogue) -> None:
    legacy = [spec for spec in hard_catalogue if spec.legacy]
    assert len(legacy) == 12
    for spec in legacy:
        assert spec.legacy
        assert spec.legacy.reason
        assert spec.legacy.replaced_by
        for name in spec.legacy.replaced_by:
            assert hard_catalogue[name].status == "active"
