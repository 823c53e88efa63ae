"""What those who run in the cluster know of the deployment."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from datamill_infra.drivers.helm.publication import Publication
from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.kubernetes.objects import Object, Ref
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import BlockedError
from datamill_infra.model.home import Home
from datamill_infra.model.published import published_connection

COMPONENT = "datamill"


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    (tmp_path / "flavours").mkdir()
    text = "title: T\nsummary: S.\ncomponents: [s3proxy, kafka, postgres, datamill]\n"
    (tmp_path / "flavours" / "mine.yaml").write_text(text)
    return Deployment.write_default(tmp_path, "mine", "kind", context="memory")


@pytest.fixture
def secrets(deployment: Deployment) -> dict[str, str]:
    names = [name for component in deployment.resolution.components for name in deployment.secrets(component)]
    return {name: f"canary-{name}" for name in names}


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


@pytest.fixture
def publication(deployment: Deployment, cluster: MemoryCluster) -> Publication:
    return Publication(deployment, cluster)


def found(cluster: MemoryCluster, kind: str, namespace: str, name: str) -> Object:
    return cluster.objects[Ref("v1", kind, namespace, name)]


def decoded(secret: Object) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def test_a_home_made_of_it_has_the_connections_of_the_deployment(
    publication: Publication, cluster: MemoryCluster, secrets: dict[str, str], deployment: Deployment, tmp_path: Path
) -> None:
    publication.write(COMPONENT, secrets)
    runs = deployment.definition.file.namespaces.runs
    home = Home(tmp_path / "pod")
    (home.state_dir / "secrets").mkdir(parents=True)
    files = found(cluster, "ConfigMap", runs, "datamill-deployment")["data"]
    home.deployment_file.write_text(files["deployment.yaml"])
    home.connections_file.write_text(files["connections.json"])
    for name, value in decoded(found(cluster, "Secret", runs, "datamill-secrets")).items():
        (home.state_dir / "secrets" / name).write_text(value)
    home.flavour_dir.mkdir()
    for name, text in found(cluster, "ConfigMap", runs, "datamill-flavours")["data"].items():
        (home.flavour_dir / name).write_text(text)
    assert deployment.resolution.bound == Deployment.load(home.home).resolution.bound
    assert "canary-kafka.password" == published_connection(home, "kafka").text("password")
    assert "canary-s3proxy.secret_key" == published_connection(home, "s3").text("secret_key")


def test_administrators_connections_are_withheld(
    publication: Publication, cluster: MemoryCluster, secrets: dict[str, str], deployment: Deployment
) -> None:
    publication.write(COMPONENT, secrets)
    for namespace in publication.namespaces:
        names = set(decoded(found(cluster, "Secret", namespace, "datamill-secrets")))
        assert {"kafka.password", "s3proxy.access_key", "s3proxy.secret_key"} == names
        connections = json.loads(
            found(cluster, "ConfigMap", namespace, "datamill-deployment")["data"]["connections.json"]
        )
        assert {"kafka", "s3"} == set(connections)
    with pytest.raises(BlockedError):
        published_connection(deployment, "postgres")


def test_runs_have_a_copy_of_what_the_component_needs(
    publication: Publication, cluster: MemoryCluster, secrets: dict[str, str]
) -> None:
    publication.write(COMPONENT, secrets)
    copy = decoded(found(cluster, "Secret", publication.namespaces[1], "datamill-connections"))
    assert "canary-datamill.postgres.password" == copy["postgres.password"]
    assert {"postgres.password", "s3.access_key", "s3.secret_key"} == set(copy)


def test_what_is_as_published_is_not_written_again(
    publication: Publication, cluster: MemoryCluster, secrets: dict[str, str]
) -> None:
    assert 7 == len(publication.differences(COMPONENT, secrets, publication.cluster))
    publication.write(COMPONENT, secrets)
    cluster.writes.clear()
    publication.write(COMPONENT, secrets)
    assert [] == cluster.writes
    assert [] == publication.differences(COMPONENT, secrets, publication.cluster)


def test_an_edit_is_told_without_values_and_put_right(
    publication: Publication, cluster: MemoryCluster, secrets: dict[str, str]
) -> None:
    publication.write(COMPONENT, secrets)
    namespace = publication.namespaces[1]
    found(cluster, "Secret", namespace, "datamill-secrets")["data"]["kafka.password"] = "eA=="
    (told,) = publication.differences(COMPONENT, secrets, publication.cluster)
    assert f"Secret datamill-secrets in {namespace} is not as published" == told
    publication.write(COMPONENT, secrets)
    assert [] == publication.differences(COMPONENT, secrets, publication.cluster)


def test_other_components_have_nothing_published_for_them(
    publication: Publication, cluster: MemoryCluster, secrets: dict[str, str]
) -> None:
    publication.write("kafka", secrets)
    assert {} == cluster.objects


def test_all_of_it_is_removed(publication: Publication, cluster: MemoryCluster, secrets: dict[str, str]) -> None:
    publication.write(COMPONENT, secrets)
    publication.remove(COMPONENT)
    assert {} == cluster.objects


def test_runs_end_with_what_started_them(publication: Publication, cluster: MemoryCluster) -> None:
    system, runs = publication.namespaces
    ours = {"app.kubernetes.io/part-of": "datamill"}
    platform = {**ours, "app.kubernetes.io/name": "datamill-run"}
    for kind, version in (("Job", "batch/v1"), ("Pod", "v1")):
        for name, namespace, labels in (
            ("ours", runs, ours),
            ("theirs", runs, {}),
            ("platform", system, platform),
            ("server", system, ours),
        ):
            metadata = {"name": name, "namespace": namespace, "labels": labels}
            cluster.put({"apiVersion": version, "kind": kind, "metadata": metadata})
    assert ["Job platform", "Pod platform", "Job ours", "Pod ours"] == [str(ref) for ref in publication.runs()]
    publication.end_runs()
    # Pods go with their job, which is the cluster's part.
    left = ["Job server", "Job theirs", "Pod ours", "Pod platform", "Pod server", "Pod theirs"]
    assert left == sorted(map(str, cluster.objects))
