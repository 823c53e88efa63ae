"""The shapes that are hard to install can be said in a component file, and come out in the right order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from infra.model.room import FIXTURES

from datamill_infra.model.catalogue import Catalogue
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.flavours import FlatFlavour
from datamill_infra.model.resolution import Choice, resolve
from datamill_infra.model.targets import Target
from datamill_infra.model.units import ChartUnit, KustomizeUnit, ManifestsUnit, ResourcesUnit, WebhookReady


def cluster(home: Path, flavour: str, rest: str = "") -> Deployment:
    """A deployment on the fixture catalogue."""
    (home / "flavours").mkdir(parents=True)
    (home / "catalogue").symlink_to(FIXTURES / "catalogue")
    (home / "flavours" / "small.yaml").write_text(f"title: T\nsummary: S.\n{flavour}\n")
    (home / "deployment.yaml").write_text(f"flavour: small\ntarget: kind\ncontext: kind-test\n{rest}")
    return Deployment.load(home)


def test_kserve_is_two_charts_after_cert_manager(tmp_path: Path) -> None:
    deployment = cluster(tmp_path, "components: [kserve, cert-manager]")
    assert deployment.resolution.order == [["cert-manager"], ["kserve"]]
    helm = deployment.spec("kserve").helm
    assert helm
    definitions, resources = helm.units
    assert isinstance(definitions, ChartUnit)
    assert isinstance(resources, ChartUnit)
    assert (definitions.name, definitions.crds, definitions.keep) == ("kserve-crd", "upgrade", ("crds",))
    assert (resources.name, resources.crds) == ("kserve-resources", "separate")
    values: Any = deployment.rendered("kserve").units["kserve-resources"].tree()
    assert values["kserve"]["controller"]["deploymentMode"] == "Standard"


def test_metallb_has_its_webhook_before_its_resources(tmp_path: Path) -> None:
    deployment = cluster(tmp_path, "components: [metallb]\noverride: {metallb: {values: {addresses: [10.0.0.1/32]}}}")
    helm = deployment.spec("metallb").helm
    assert helm
    controller, addresses = helm.units
    assert any(isinstance(ready, WebhookReady) and ready.seconds == 120 for ready in controller.ready)
    assert isinstance(addresses, ResourcesUnit)
    assert [item["kind"] for item in addresses.objects] == ["IPAddressPool", "L2Advertisement"]
    assert deployment.values("metallb").tree() == {"addresses": ["10.0.0.1/32"]}


def test_rabbitmq_is_an_operator_manifest_and_a_resource_with_three_conditions(tmp_path: Path) -> None:
    deployment = cluster(tmp_path, "components: [rabbitmq]")
    helm = deployment.spec("rabbitmq").helm
    assert helm
    operator, resource = helm.units
    assert isinstance(operator, ManifestsUnit)
    assert (operator.scope, operator.namespace) == ("cluster", "rabbitmq-system")
    assert isinstance(resource, ResourcesUnit)
    assert resource.stateful
    assert [getattr(ready, "condition", None) for ready in resource.ready] == [
        "AllReplicasReady",
        "ClusterAvailable",
        "ReconcileSuccess",
    ]
    mqtt = deployment.declared_connections()["mqtt"]
    assert mqtt.fields == {"host": "rabbitmq.datamill.svc", "port": 1883, "username": "datamill"}
    assert mqtt.secrets == {"password": "rabbitmq.password"}


def test_kubeflow_is_a_kustomization_pinned_by_commit(tmp_path: Path) -> None:
    deployment = cluster(tmp_path, "components: [kubeflow, cert-manager, istio]")
    assert deployment.resolution.order == [["cert-manager", "istio"], ["kubeflow"]]
    helm = deployment.spec("kubeflow").helm
    assert helm
    (unit,) = helm.units
    assert isinstance(unit, KustomizeUnit)
    assert unit.digest.startswith("commit:")
    assert deployment.resolution.bindings["kubeflow", "storage-class"] == "target"


@pytest.mark.parametrize(
    ("variant", "kinds", "address"),
    [
        ("apache", ["chart"], "kafka.datamill.svc:9092"),
        ("strimzi", ["manifests", "chart", "resources"], "datamill-kafka-bootstrap.datamill.svc:9093"),
    ],
)
def test_kafka_has_two_variants_with_one_connection(
    tmp_path: Path, variant: str, kinds: list[str], address: str
) -> None:
    rest = f"components: {{kafka: {{variant: {variant}}}}}\n"
    deployment = cluster(tmp_path, "components: [kafka]", rest)
    member = deployment.resolution.members["kafka"]
    assert member.variant == variant
    assert member.spec.helm
    assert [unit.kind for unit in member.spec.helm.selected(variant).units] == kinds
    connection = deployment.declared_connections()["kafka"]
    assert connection.fields["bootstrap_servers"] == address
    assert connection.secrets == {"password": "kafka.password"}


def test_a_flavour_may_choose_the_variant_and_a_user_another(tmp_path: Path) -> None:
    chosen = "components: [kafka]\noverride: {kafka: {variant: strimzi}}"
    assert cluster(tmp_path / "a", chosen).resolution.members["kafka"].variant == "strimzi"
    rest = "components: {kafka: {variant: apache}}\n"
    assert cluster(tmp_path / "b", chosen, rest).resolution.members["kafka"].variant == "apache"


def test_every_fixture_component_renders_in_every_variant(hard_catalogue: Catalogue, tmp_path: Path) -> None:
    rest = "components:\n  kafka: {variant: strimzi}\n"
    names = [spec.name for spec in hard_catalogue if spec.status == "active"]
    bind = "bind: {gateway: traefik}"
    deployment = cluster(tmp_path, f"components: [{', '.join(names)}]\n{bind}", rest)
    assert sorted(deployment.resolution.sequence()) == names
    for name in names:
        assert deployment.desired(name).digest.startswith("sha256:")


def test_a_claim_gives_each_consumer_a_database_user_and_password_of_its_own(tmp_path: Path) -> None:
    deployment = cluster(tmp_path, "components: [mlflow, lakefs, postgres, seaweedfs]")
    views = {name: deployment.needs(name)["postgres"] for name in ("mlflow", "lakefs")}
    for name, view in views.items():
        assert view.fields == {"host": "postgres.datamill.svc", "port": 5432, "database": name, "username": name}
        assert view.secrets == {"password": f"{name}.postgres.password"}
    assert deployment.secrets("postgres") == ["lakefs.postgres.password", "mlflow.postgres.password"]


def test_the_same_flavour_resolves_on_this_machine_for_what_runs_here(hard_catalogue: Catalogue) -> None:
    flat = FlatFlavour("small", "T", "S.", ("small",), {"kafka": "small.yaml:1"})
    resolution = resolve(flat, hard_catalogue, target=Target.of("embedded"))
    assert resolution.members["kafka"].provider == "embedded"
    assert resolution.bindings == {}
    external = resolve(flat, hard_catalogue, target=Target.of("eks"), choices={"kafka": Choice(provider="external")})
    assert external.bindings == {}
