"""Why a job does not come to run, or has ended: what its pods and its events say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.kubernetes.pods import given_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamill_infra.kubernetes.objects import Object

REFUSED = "FailedCreate"
"""Kubernetes' reason when the pod of a job was refused: by a quota, by the level of Pod Security."""


def hopeless(pods: Sequence[Object], events: Sequence[Object]) -> str | None:
    """Why a job that has not ended will never run, a clause; ``None`` while waiting may help.

    Args:
        pods: of the job.
        events: about the job itself.
    """
    if cause := given_up(*pods):
        return str(cause)
    refused = [event for event in events if event.get("reason") == REFUSED]
    if refused and not pods:
        return f"no pod could be made: {refused[-1].get('message', REFUSED)}"
    return None


def ended(pods: Sequence[Object]) -> str:
    """How the pods of a job ended, a clause; empty when nothing is known of them."""
    told = [clause for pod in pods if (clause := _ended(pod))]
    return "; ".join(told)


def _ended(pod: Object) -> str:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if status.get("reason"):  # of the pod itself: it was evicted, or its node went away
        message = status.get("message", "")
        return f"pod {name}: {status['reason']}" + (f" ({message})" if message else "")
    for container in status.get("containerStatuses") or []:
        end = container.get("state", {}).get("terminated")
        if end and end.get("exitCode"):
            return f"pod {name}: its container ended with status {end['exitCode']} ({end.get('reason', 'no reason')})"
    return f"pod {name} was deleted" if "deletionTimestamp" in pod["metadata"] else ""
