"""What a driver in the cluster may do: from what is rendered, and never more than it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from datamill_infra.drivers.helm.packages import OwnChart
from datamill_infra.drivers.helm.rights import Right, location, outside_only, rights
from datamill_infra.drivers.helm.units import RenderedUnit
from datamill_infra.kubernetes.objects import Object, plural
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.units import ChartUnit

SYSTEM, RUNS = "mill", "mill-runs"
CHANGING = {"create", "delete", "patch", "update"}


def item(api_version: str, kind: str, name: str = "frog", namespace: str = SYSTEM) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def unit(*objects: Object) -> RenderedUnit:
    chart = ChartUnit(name="frog", kind="chart", source="own:frog", version="1.0.0")
    return RenderedUnit("frog", chart, "frog", SYSTEM, OwnChart(Path(), "frog"), (), objects)


def allowed(found: list[Right], namespace: str, resource: str) -> set[str]:
    return {
        verb
        for right in found
        if right.namespace == namespace and resource in right.resources and not right.names
        for verb in right.verbs
    }


PLAIN = unit(item("v1", "Service"), item("apps/v1", "StatefulSet"), item("example.org/v1", "Policy"))
GRANTING = unit(item("apps/v1", "Deployment"), item("rbac.authorization.k8s.io/v1", "Role"))
SPREAD = unit(item("apps/v1", "Deployment"), item("v1", "ConfigMap", "toad", RUNS))


def test_every_kind_that_a_release_renders_may_be_changed() -> None:
    found = rights([PLAIN], SYSTEM, RUNS, "datamill")
    for resource in ("services", "statefulsets", "policies"):
        assert {"create", "delete", "get", "list", "patch"} == allowed(found, SYSTEM, resource)
    assert {"get", "list"} == allowed(found, SYSTEM, "deployments")


@pytest.mark.parametrize("other", [GRANTING, SPREAD])
def test_a_release_that_is_changed_from_outside_only_may_be_read(other: RenderedUnit) -> None:
    found = rights([PLAIN, other], SYSTEM, RUNS, "datamill")
    assert set() == CHANGING & allowed(found, SYSTEM, "deployments")
    assert {"get", "list"} == allowed(found, SYSTEM, "deployments")


def test_nobody_in_the_cluster_may_grant_rights_or_change_the_namespace_of_runs() -> None:
    found = rights([PLAIN, GRANTING, SPREAD], SYSTEM, RUNS, "datamill")
    granting = [right for right in found if "rbac" in right.group and CHANGING & set(right.verbs)]
    assert [] == granting
    assert {("get",)} == {right.verbs for right in found if right.namespace == RUNS}
    assert all(right.names for right in found if right.namespace == RUNS)
    assert not {"escalate", "bind", "impersonate"} & {verb for right in found for verb in right.verbs}


def test_nothing_is_for_all() -> None:
    for right in rights([PLAIN, GRANTING, SPREAD], SYSTEM, RUNS, "datamill"):
        rule = right.rule()
        assert "*" not in str(rule)
        assert rule["apiGroups"] == [right.group]
        assert rule.get("resourceNames", ["x"])


def test_only_the_deployments_own_lease_is_changed_and_volumes_are_not() -> None:
    found = rights([PLAIN], SYSTEM, RUNS, "datamill")
    named = {(right.verbs, right.names) for right in found if "leases" in right.resources}
    assert {(("create",), ()), (("get", "update"), ("datamill-writer",))} == named
    assert {"list"} == allowed(found, SYSTEM, "persistentvolumeclaims")


def test_a_release_says_why_it_is_changed_from_outside_only() -> None:
    assert outside_only(PLAIN) is None
    assert "it has roles, and nobody in the cluster may grant rights" == outside_only(GRANTING)
    assert "it has objects in mill-runs" == outside_only(SPREAD)
    assert "it has objects of the whole cluster" == outside_only(unit(item("v1", "Namespace", namespace="")))


def test_kinds_are_called_as_the_api_server_calls_them() -> None:
    kinds = {"Service": "services", "NetworkPolicy": "networkpolicies", "Ingress": "ingresses", "Pod": "pods"}
    assert kinds == {kind: plural(kind) for kind in kinds}


@pytest.mark.parametrize(("values", "found"), [("{}", None), ("{values: {infrastructure: true}}", "datamill")])
def test_the_location_is_there_when_its_values_say_so(tmp_path: Path, values: str, found: str | None) -> None:
    (tmp_path / "flavours").mkdir()
    (tmp_path / "flavours" / "mine.yaml").write_text(
        "title: T\nsummary: S.\ncomponents: [s3proxy, postgres, datamill]\n"
    )
    text = f"flavour: mine\ntarget: kind\ncontext: c\ncomponents: {{datamill: {values}}}\n"
    (tmp_path / "deployment.yaml").write_text(text)
    assert found == location(Deployment.load(tmp_path))
