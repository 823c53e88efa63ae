from __future__ import annotations

import base64
from typing import Any

import pytest

from datamill_infra.kubernetes.comparison import differences, fields


def workload(**changes: object) -> dict[str, Any]:
    container = {
        "name": "web",
        "image": "frog:1",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "COLOUR", "value": "green"}],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        **changes,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "frog", "labels": {"a": "1"}},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container], "volumes": [{"name": "tmp"}]}}},
    }


def told(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    return [str(item) for item in differences(wanted, found)]


AT = "spec.template.spec.containers[web]"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"image": "toad:1"}, [f"{AT}.image is 'toad:1' instead of 'frog:1'"]),
        ({"env": []}, [f"{AT}.env[COLOUR] is missing"]),
        ({"env": [{"name": "COLOUR", "value": "blue"}]}, [f"{AT}.env[COLOUR].value is 'blue' instead of 'green'"]),
        ({"env": [{"name": "COLOUR", "value": "green"}, {"name": "X"}]}, [f"{AT}.env[X] was added"]),
        ({"ports": [{"containerPort": 8081}]}, [f"{AT}.ports[8080/TCP] is missing", f"{AT}.ports[8081/TCP] was added"]),
        (
            {"resources": {"limits": {"cpu": "2", "memory": "1Gi"}}},
            [f"{AT}.resources.limits.cpu is '2' instead of '1'"],
        ),
    ],
)
def test_a_changed_field_is_told_by_its_path(change: dict[str, Any], expected: list[str]) -> None:
    assert expected == told(workload(), workload(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"terminationMessagePath": "/dev/termination-log"},  # a default of the server
        {"resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}},  # the same amounts
        {"ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]},
        {"securityContext": {}},
    ],
)
def test_what_the_server_fills_in_is_no_difference(change: dict[str, Any]) -> None:
    assert [] == told(workload(), workload(**change))


def test_what_is_empty_and_what_is_not_there_are_the_same() -> None:
    wanted = workload(securityContext={}, args=[], tty=False, stdin=None, workingDir="")
    assert [] == told(wanted, workload())


def test_a_refusal_that_was_removed_is_a_difference() -> None:
    wanted = workload(securityContext={"allowPrivilegeEscalation": False, "privileged": False})
    wanted["spec"]["template"]["spec"]["automountServiceAccountToken"] = False
    assert [
        f"{AT}.securityContext.allowPrivilegeEscalation is missing",
        "spec.template.spec.automountServiceAccountToken is missing",
    ] == told(wanted, workload())
    assert [] == told(wanted, wanted)


def test_an_empty_list_that_was_filled_is_a_difference() -> None:
    assert [f"{AT}.args is ['-v'] instead of []"] == told(workload(args=[]), workload(args=["-v"]))


def test_a_metadata_name_is_not_compared_and_labels_are() -> None:
    found = workload()
    found["metadata"] = {"name": "frog", "uid": "1", "labels": {"a": "2", "b": "3"}}
    assert ["metadata.labels.a is '2' instead of '1'"] == told(workload(), found)


def test_the_authority_that_is_injected_into_a_webhook_is_no_difference() -> None:
    wanted = {
        "kind": "ValidatingWebhookConfiguration",
        "webhooks": [{"name": "a", "clientConfig": {"caBundle": "x", "url": "u"}}],
    }
    found = {"kind": wanted["kind"], "webhooks": [{"name": "a", "clientConfig": {"caBundle": "y", "url": "v"}}]}
    assert ["webhooks[0].clientConfig.url is 'v' instead of 'u'"] == told(wanted, found)


def test_values_of_secrets_are_masked() -> None:
    wanted = {"apiVersion": "v1", "kind": "Secret", "stringData": {"password": "canary-1"}}
    found = {"kind": "Secret", "data": {"password": base64.b64encode(b"canary-2").decode()}}
    assert ["data.password is '*** (another value)' instead of '***'"] == told(wanted, found)
    assert {"data.password": "***"} == fields({"metadata": {}, **wanted})
    assert [] == told(wanted, {"kind": "Secret", "data": {"password": base64.b64encode(b"canary-1").decode()}})


def test_the_fields_of_an_object_have_paths_that_people_can_read() -> None:
    assert {
        "metadata.labels.a": "1",
        "spec.replicas": 1,
        f"{AT}.name": "web",
        f"{AT}.image": "frog:1",
        f"{AT}.ports[8080/TCP].name": "http",
        f"{AT}.ports[8080/TCP].containerPort": 8080,
        f"{AT}.env[COLOUR].name": "COLOUR",
        f"{AT}.env[COLOUR].value": "green",
        f"{AT}.resources.limits.cpu": "1",
        f"{AT}.resources.limits.memory": "1Gi",
        "spec.template.spec.volumes[tmp].name": "tmp",
    } == fields(workload())
