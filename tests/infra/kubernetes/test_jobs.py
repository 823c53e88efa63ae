"""Why a job does not come to run, and how its pods ended."""

from __future__ import annotations

import pytest

from datamill_infra.kubernetes.jobs import ended, hopeless
from datamill_infra.kubernetes.objects import Object

REFUSED = {"reason": "FailedCreate", "message": 'pods "a" is forbidden: exceeded quota: small'}


def pod(**status: object) -> Object:
    return {"metadata": {"name": "a"}, "status": status}


def waiting(reason: str) -> Object:
    return pod(containerStatuses=[{"name": "main", "state": {"waiting": {"reason": reason, "message": "why"}}}])


@pytest.mark.parametrize("reason", ["ErrImageNeverPull", "ImagePullBackOff", "CreateContainerConfigError"])
def test_what_waiting_does_not_cure_is_told(reason: str) -> None:
    assert f"pod a: {reason} (why)" == hopeless([waiting(reason)], [])


@pytest.mark.parametrize("reason", ["ContainerCreating", "ErrImagePull"])
def test_a_slow_pull_is_waited_for(reason: str) -> None:
    assert hopeless([waiting(reason)], []) is None


def test_a_quota_is_told_until_a_pod_could_be_made() -> None:
    assert 'no pod could be made: pods "a" is forbidden: exceeded quota: small' == hopeless([], [REFUSED])
    assert hopeless([pod(phase="Running")], [REFUSED]) is None
    assert hopeless([], [{"reason": "SuccessfulCreate"}]) is None


def test_how_a_pod_ended_is_told() -> None:
    killed = {"name": "main", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    assert "pod a: its container ended with status 137 (OOMKilled)" == ended([pod(containerStatuses=[killed])])
    assert "pod a: Evicted (The node was low on memory)" == ended(
        [pod(reason="Evicted", message="The node was low on memory", containerStatuses=[killed])]
    )
    gone = {"metadata": {"name": "a", "deletionTimestamp": "2026-11-26T05:00:00Z"}}
    assert "pod a was deleted" == ended([gone])
    done = {"name": "main", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    assert "" == ended([pod(containerStatuses=[done])])
