from __future__ import annotations

from typing import Any

from datamill_infra.kubernetes.ownership import added_fields


def owned(*entries: tuple[str, dict[str, Any]], subresource: str = "") -> dict[str, Any]:
    managed = [
        {"manager": manager, "fieldsV1": tree, **({"subresource": subresource} if manager == "kubectl" else {})}
        for manager, tree in entries
    ]
    return {
        "metadata": {
            "labels": {"a": "1", "team/colour": "red"},
            "annotations": {"revision": "3"},
            "finalizers": ["example.org/keep"],
            "managedFields": managed,
        },
        "spec": {"containers": [{"name": "web", "image": "frog"}, {"name": "leech", "image": "leech"}]},
        "status": {"phase": "x"},
    }


WEB, LEECH = 'k:{"name":"web"}', 'k:{"name":"leech"}'
OURS = (
    "helm",
    {
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
        "f:spec": {"f:containers": {WEB: {".": {}, "f:name": {}, "f:image": {}}}},
    },
)


def test_a_label_that_somebody_added_is_found_with_its_owner_and_place() -> None:
    found = added_fields(owned(OURS, ("kubectl", {"f:metadata": {"f:labels": {"f:team/colour": {}}}})))
    assert [("metadata.labels.team/colour", "/metadata/labels/team~1colour", "kubectl")] == [
        (one.path, one.pointer, one.manager) for one in found
    ]


def test_an_added_container_is_one_addition() -> None:
    theirs = {"f:spec": {"f:containers": {LEECH: {".": {}, "f:name": {}, "f:image": {}}}}}
    found = added_fields(owned(OURS, ("kubectl", theirs)))
    assert [("spec.containers[leech]", "/spec/containers/1")] == [(one.path, one.pointer) for one in found]


def test_a_field_that_is_ours_as_well_is_not_added() -> None:
    assert [] == added_fields(owned(OURS, ("kubectl", {"f:spec": {"f:containers": {WEB: {"f:image": {}}}}})))


def test_an_element_of_a_set_is_found_by_its_value() -> None:
    theirs = {"f:metadata": {"f:finalizers": {".": {}, 'v:"example.org/keep"': {}}}}
    assert ["/metadata/finalizers/0"] == [one.pointer for one in added_fields(owned(OURS, ("kubectl", theirs)))]


def test_controllers_and_statuses_are_no_additions() -> None:
    revision = {"f:metadata": {"f:annotations": {"f:revision": {}}}}
    assert [] == added_fields(owned(OURS, ("kube-controller-manager", revision)))
    assert [] == added_fields(owned(OURS, ("kubectl", {"f:status": {"f:phase": {}}}), subresource="status"))


def test_what_is_gone_since_is_not_told() -> None:
    theirs = {"f:metadata": {"f:labels": {"f:gone": {}}}, "f:spec": {"f:containers": {'k:{"name":"gone"}': {".": {}}}}}
    assert [] == added_fields(owned(OURS, ("kubectl", theirs)))
