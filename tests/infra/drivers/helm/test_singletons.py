"""Units that deployments share, and the definitions that they bring."""

from __future__ import annotations

from pathlib import Path

import pytest
from infra.drivers.helm.marsh import PLACE, PONDS, Keeper, definition, render

from datamill_infra.drivers.helm.singletons import singletons
from datamill_infra.kubernetes.definitions import losses, ref
from datamill_infra.kubernetes.memory import MemoryCluster
from datamill_infra.kubernetes.objects import Ref
from datamill_infra.model.errors import ConfigurationError


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


@pytest.fixture
def one(tmp_path: Path, cluster: MemoryCluster) -> Keeper:
    return Keeper(tmp_path / "one", cluster, "mill-one")


@pytest.fixture
def two(tmp_path: Path, cluster: MemoryCluster) -> Keeper:
    return Keeper(tmp_path / "two", cluster, "mill-two")


def test_definitions_come_before_the_release_and_are_no_part_of_it(one: Keeper) -> None:
    assert "changed" == one.up().status
    written = [(verb, where.kind) for verb, where in one.cluster.writes]
    assert written.index(("apply", "CustomResourceDefinition")) < written.index(("apply", "ClusterRole"))
    definition_there = one.cluster.get(ref(PONDS))
    assert definition_there is not None
    assert "meta.helm.sh/release-name" not in definition_there["metadata"].get("annotations", {})


def test_a_second_up_writes_nothing(one: Keeper, two: Keeper) -> None:
    for keeper in (one, two):
        keeper.up()
    one.cluster.writes.clear()
    assert ["unchanged", "unchanged"] == [one.up().status, two.up().status]
    assert [] == one.cluster.writes


def test_the_second_deployment_claims_what_is_there_and_changes_nothing_else(one: Keeper, two: Keeper) -> None:
    one.up()
    one.cluster.writes.clear()
    assert "changed" == two.up().status
    assert {"ConfigMap", "Lease", "Namespace"} >= {where.kind for _, where in one.cluster.writes}
    assert [("keeper", {"mill-one", "mill-two"})] == [
        (found.release, set(found.claims)) for found in singletons(one.cluster)
    ]


def test_down_leaves_what_another_claims_and_says_so(one: Keeper, two: Keeper) -> None:
    one.up()
    two.up()
    outcome = one.down(delete_data=True)
    assert "keeper stays, because the deployment in namespace mill-two claims it" in outcome.message
    assert one.there()
    assert "unchanged" == two.up().status


def test_the_last_one_removes_it(one: Keeper, two: Keeper) -> None:
    one.up()
    two.up()
    one.down(delete_data=True)
    two.down(delete_data=True)
    assert not two.there()
    assert two.defined() is None
    assert [] == singletons(two.cluster)
    assert two.cluster.get(Ref("v1", "Namespace", "", PLACE)) is None


def test_definitions_stay_unless_data_is_deleted(one: Keeper) -> None:
    one.up()
    assert f"the definition {PONDS} stays" in one.down().message
    assert one.defined() is not None


def test_definition_stays_while_there_are_objects_of_its_kind(one: Keeper) -> None:
    one.up()
    metadata = {"name": "mine", "namespace": "elsewhere"}
    one.cluster.put({"apiVersion": "example.org/v1", "kind": "Pond", "metadata": metadata})
    assert "there are 1 objects of its kind" in one.down(delete_data=True).message
    assert one.defined() is not None


def test_conflicting_versions_are_told_and_nothing_is_changed(one: Keeper, two: Keeper) -> None:
    one.up()
    two.write("2.0.0")
    assert any("claims version 1.2.3 of keeper" in told and "wants 2.0.0" in told for told in two.obstacles())
    one.cluster.writes.clear()
    outcome = two.up()
    assert "failed" == outcome.status
    assert isinstance(outcome.error, ConfigurationError)
    assert not any(where.namespace == PLACE and where.kind != "Lease" for _, where in one.cluster.writes)


def test_other_settings_of_the_same_version_conflict_too(one: Keeper, two: Keeper) -> None:
    one.up()
    two.write("1.2.3", colour="red")
    assert any("with other settings" in told for told in two.obstacles())


def test_who_claims_alone_may_change_the_version(one: Keeper, two: Keeper) -> None:
    one.up()
    two.up()
    one.down()
    two.write("2.0.0", colour="red")
    assert "changed" == two.up().status
    assert {"mill-two": "2.0.0"} == {name: claim[0] for name, claim in singletons(two.cluster)[0].claims.items()}


def test_what_was_there_before_is_adopted_and_never_removed(one: Keeper) -> None:
    for item in (*render("keeper", PLACE, {"colour": "blue"}), definition(depth="integer")):
        one.cluster.applied(item, "somebody")
    before = one.cluster.get(Ref("v1", "ConfigMap", PLACE, "keeper"))
    assert "changed" == one.up().status
    assert "unchanged" == one.up().status
    assert "keeper stays, because it was there before" in one.down(delete_data=True).message
    assert before == one.cluster.get(Ref("v1", "ConfigMap", PLACE, "keeper"))


def test_what_says_that_it_is_another_version_is_not_adopted(one: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    def labelled(chart: str) -> list[dict[str, object]]:
        items = render("keeper", PLACE, {"colour": "blue"})
        for item in items:
            item["metadata"]["labels"]["helm.sh/chart"] = chart
        return items

    monkeypatch.setitem(one.helm.render, "keeper", lambda *_: labelled("keeper-1.2.3"))  # type: ignore[arg-type]
    for item in labelled("keeper-0.9.0"):
        one.cluster.put(item)
    assert "keeper-0.9.0" in one.up().message


def test_a_wider_definition_is_applied(one: Keeper) -> None:
    one.up()
    one.fields = {**one.fields, "colour": "string"}
    one.write("1.3.0")
    assert "changed" == one.up().status
    assert {"depth", "name", "colour"} == set(one.defined() or {})


def test_a_definition_that_loses_a_field_needs_the_flag(one: Keeper) -> None:
    one.up()
    one.fields = {"depth": "integer"}
    one.write("2.0.0")
    assert any("field v1.spec.name is removed" in told for told in one.obstacles())
    outcome = one.up()
    assert "field v1.spec.name is removed" in outcome.message
    assert "--allow-crd-losses" in getattr(outcome.error, "instruction", "")
    assert {"depth", "name"} == set(one.defined() or {})
    one.lossy = True
    assert "changed" == one.up().status
    assert ("apply", ref(PONDS)) in one.cluster.writes[-20:]


def test_a_definition_that_is_installed_once_stays_as_it_is(tmp_path: Path, cluster: MemoryCluster) -> None:
    keeper = Keeper(tmp_path / "once", cluster, "mill", crds="install")
    keeper.up()
    keeper.fields = {"other": "string"}
    keeper.write("2.0.0")
    assert "changed" == keeper.up().status
    assert {"depth", "name"} == set(keeper.defined() or {})
    assert "unchanged" == keeper.up().status


def test_a_chart_that_brings_definitions_must_say_so(tmp_path: Path, cluster: MemoryCluster) -> None:
    keeper = Keeper(tmp_path / "none", cluster, "mill", crds="none")
    with pytest.raises(ConfigurationError, match=PONDS):
        keeper.rollout.plan()


def test_definitions_belong_to_no_single_deployment(one: Keeper) -> None:
    file = one.home / "catalogue" / "keeper" / "component.yaml"
    file.write_text(file.read_text().replace("scope: cluster", "scope: namespace"))
    with pytest.raises(ConfigurationError, match="all deployments of a cluster share"):
        one.rollout.plan()


def test_an_edited_definition_is_drift(one: Keeper) -> None:
    one.up()
    one.cluster.edit(ref(PONDS), lambda item: item["spec"]["names"].update(kind="Puddle"))
    change = one.rollout.plan()["keeper"]
    assert "spec.names.kind is 'Puddle' instead of 'Pond'" in change.reason


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda spec: spec.update(scope="Cluster"), "scope changes from Namespaced to Cluster"),
        (lambda spec: spec["versions"][0].update(name="v2"), "version v1 is removed"),
        (lambda spec: spec["versions"][0].update(served=False), "version v1 is not served any more"),
        (lambda spec: _spec(spec)["properties"].pop("depth"), "field v1.spec.depth is removed"),
        (lambda spec: _spec(spec)["properties"]["depth"].update(type="string"), "v1.spec.depth changes from integer"),
        (lambda spec: _spec(spec).update(required=["depth"]), "field v1.spec.depth becomes required"),
    ],
)
def test_each_loss_is_told(change: object, told: str) -> None:
    before, after = definition(depth="integer"), definition(depth="integer")
    assert [] == losses(before, after)
    change(after["spec"])  # type: ignore[operator]
    assert [told] == [found[: len(told)] for found in losses(before, after)]


def _spec(spec: dict[str, object]) -> dict[str, object]:
    versions: list[dict[str, object]] = spec["versions"]  # type: ignore[assignment]
    return versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]  # type: ignore[index,no-any-return]
