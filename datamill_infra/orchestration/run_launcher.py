"""Runs as Kubernetes jobs: Dagster's launcher, and the reason when the pod of a run cannot start or has vanished.

Dagster's own daemon sees that a run does not start when a timeout has passed, and says nothing of why. What cannot be
cured by waiting ends the run as soon as it is seen here; a slow pull of an image is not such a thing.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from dagster import DagsterRunStatus
from dagster._core.launcher.base import WorkerStatus
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import get_job_name_from_run_id
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from datamill_infra.kubernetes.job_client import cause_of, loss_of, pods_of_job
from datamill_infra.kubernetes.jobs import ended

if TYPE_CHECKING:
    from dagster import DagsterRun
    from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext

POLL_SECONDS = 5.0
WATCH_SECONDS = 600.0
"""By then Dagster's own timeout has ended a run that did not start."""

_log = logging.getLogger(__name__)


class DeploymentRunLauncher(K8sRunLauncher):
    """Dagster's launcher for Kubernetes, with reasons."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Make the job of a run, and watch its start."""
        super().launch_run(context)
        # It reads and reports; when this process ends, the daemon's timeout is still there.
        threading.Thread(target=self._watch, args=(context.dagster_run,), name="watch-start", daemon=True).start()

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """How the pod of a run is; with the reason when it is not well."""
        result: CheckRunHealthResult = super().check_run_worker_health(run)
        if result.status not in (WorkerStatus.FAILED, WorkerStatus.UNKNOWN):
            return result
        namespace, job = self._place(run)
        told = ended(pods_of_job(self._api_client, namespace, job))
        return result._replace(msg="; ".join(filter(None, (result.msg, told))))

    def _place(self, run: DagsterRun) -> tuple[str, str]:
        return str(self.get_container_context_for_run(run).namespace), str(get_job_name_from_run_id(run.run_id))  # type: ignore[no-untyped-call]

    def _watch(self, run: DagsterRun) -> None:
        namespace, job = self._place(run)
        deadline = time.monotonic() + WATCH_SECONDS
        while time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            now = self._instance.get_run_by_id(run.run_id)
            if now is None or now.status is not DagsterRunStatus.STARTING:
                return
            try:
                cause = cause_of(self._api_client, namespace, job) or loss_of(self._api_client, namespace, job)
            except (ApiException, HTTPError):  # the next look may see more
                _log.exception("The job %s could not be looked at.", job)
                continue
            if cause:
                self._instance.report_run_failed(now, f"The run did not start: {cause}.")
                self._api_client.delete_job(job, namespace)
                return
