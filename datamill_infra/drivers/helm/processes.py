"""Pods in the place of processes: what there is to say about one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamill_infra.drivers.driver import ProcessReport
from datamill_infra.kubernetes.pods import is_ready, restarts, started_at, story, trouble

if TYPE_CHECKING:
    from datamill_infra.kubernetes.objects import Object


def process(pod: Object) -> ProcessReport:
    """A pod as :meth:`Driver.report` tells of it."""
    cause = trouble(pod)
    phase = str(pod.get("status", {}).get("phase", "unknown")).lower()
    state = cause.reason if cause else (phase if is_ready(pod) or phase != "running" else "not ready")
    return ProcessReport(
        name=str(pod["metadata"]["name"]),
        state=state,
        pid=None,
        since=started_at(pod),
        restarts=restarts(pod),
        story=story(pod) or (str(cause) if cause else ""),
    )
