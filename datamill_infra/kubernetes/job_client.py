"""Jobs as Dagster's client of Kubernetes sees them, with the rights of a daemon or a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datamill_infra.kubernetes.jobs import ended, hopeless

if TYPE_CHECKING:
    from dagster_k8s.client import DagsterKubernetesClient

    from datamill_infra.kubernetes.objects import Object


def cause_of(client: DagsterKubernetesClient, namespace: str, job: str) -> str | None:
    """Why a job will never run; ``None`` while waiting may help."""
    return hopeless(pods_of_job(client, namespace, job), events_of_job(client, namespace, job))


def loss_of(client: DagsterKubernetesClient, namespace: str, job: str) -> str | None:
    """How a job came to its end, when it has failed; ``None`` while it has not."""
    status = client.get_job_status(job, namespace)
    if status is None or not status.failed or status.active:
        return None
    return ended(pods_of_job(client, namespace, job)) or f"the pod of the job {job} was taken away"


def pods_of_job(client: DagsterKubernetesClient, namespace: str, job: str) -> list[Object]:
    """The pods that a job has, as the API server has them."""
    return _plain(client.core_api, client.core_api.list_namespaced_pod(namespace, label_selector=f"job-name={job}"))


def events_of_job(client: DagsterKubernetesClient, namespace: str, job: str) -> list[Object]:
    """The events about a job itself."""
    about = f"involvedObject.kind=Job,involvedObject.name={job}"
    return _plain(client.core_api, client.core_api.list_namespaced_event(namespace, field_selector=about))


def _plain(api: Any, found: Any) -> list[Object]:  # noqa: ANN401  (the client ships no types)
    return [dict(api.api_client.sanitize_for_serialization(item)) for item in found.items]
