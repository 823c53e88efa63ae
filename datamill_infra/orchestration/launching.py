"""Runs in the cluster, started and followed from outside.

The connections of a cluster's components mean something in the cluster only, and so do the rights and the images of its
runs. So a pipeline is not run outside: its run is launched by the Dagster there, and whoever launched it hears what
happens, ends as the run ends, and ends the run when they are interrupted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datamill_infra.model.errors import ConfigurationError, PlatformError, UnhealthyError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from datamill_infra.orchestration.web import DagsterWeb

PIPELINES = "datamill_pipelines"
POLL_SECONDS = 2.0
SILENT_SECONDS = 120.0
"""So long the web server may be away, e.g. because its pod is replaced."""

ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
PAGE = 500

JOBS = """{ repositoriesOrError { __typename ... on RepositoryConnection {
  nodes { name location { name } jobs { name } } } ... on PythonError { message } } }"""
LAUNCH = """mutation Launch($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } ... on InvalidSubsetError { message }
  ... on RunConfigValidationInvalid { errors { message } } ... on UnauthorizedError { message } } }"""
RUN = """query Run($id: ID!, $after: String, $limit: Int) {
  runOrError(runId: $id) { __typename ... on Run { status tags { key value } } }
  logsForRun(runId: $id, afterCursor: $after, limit: $limit) { __typename ... on EventConnection { cursor hasMore
    events { __typename ... on MessageEvent { message level stepKey eventType }
      ... on ExecutionStepFailureEvent { error { message } } ... on RunFailureEvent { error { message } } } } } }"""
END = """mutation End($id: String!) { terminateRun(runId: $id) { __typename } }"""


@dataclass(frozen=True)
class RunEvent:
    """Something that happened in a run.

    Attributes:
        step: its key; empty for the run itself.
        kind: Dagster's word, e.g. ``STEP_SUCCESS``; ``LOG`` for what a step has written.
        level: of logging, e.g. ``INFO``.
        message: what is said, with the cause of a failure.
    """

    step: str
    kind: str
    level: str
    message: str


@dataclass(frozen=True)
class RunEnd:
    """How a run ended.

    Attributes:
        status: ``SUCCESS``, ``FAILURE`` or ``CANCELED``.
        tags: of the run.
    """

    status: str
    tags: Mapping[str, str]


def launch(
    web: DagsterWeb,
    job: str,
    *,
    location: str = PIPELINES,
    assets: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    config: Mapping[str, object] | None = None,
) -> str:
    """Have a job of a code location run.

    Args:
        web: the cluster's Dagster.
        job: its name.
        location: whose it is.
        assets: only these of the job, as ``a/b``; all when empty.
        tags: of the run.
        config: of the run.

    Returns:
        The run's id.

    Raises:
        UnknownNameError: there is no such job in the cluster.
        ConfigurationError: the run was refused.
        UnhealthyError: the web server does not answer.
    """
    repository = _repository(web, location, job)
    selector: dict[str, object] = {
        "repositoryLocationName": location,
        "repositoryName": repository,
        "pipelineName": job,
    }
    if assets:
        selector["assetSelection"] = [{"path": name.split("/")} for name in assets]
    metadata = {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]}
    params = {"selector": selector, "runConfigData": dict(config or {}), "executionMetadata": metadata}
    answer = web.query(LAUNCH, {"params": params})["launchRun"]
    if answer["__typename"] != "LaunchRunSuccess":
        told = answer.get("message") or "; ".join(one["message"] for one in answer.get("errors", ()))
        raise ConfigurationError(
            f"The Dagster in the cluster does not launch {job}: {answer['__typename']} {told}".rstrip(),
            instruction="Correct the configuration of the run, or deploy the pipelines' image again.",
        )
    return str(answer["run"]["runId"])


def end(web: DagsterWeb, run_id: str) -> None:
    """Have a run ended."""
    web.query(END, {"id": run_id})


def follow(
    door: Callable[[], DagsterWeb],
    run_id: str,
    heard: Callable[[RunEvent], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> RunEnd:
    """Wait for the end of a run.

    Args:
        door: opens a way to the web server; called again when one is lost.
        run_id: of the run.
        heard: is told what happens.
        sleep: between two looks.
        clock: monotonic seconds.

    Raises:
        UnhealthyError: the web server was away for too long; the run may go on.
        PlatformError: there is no such run.
    """
    web, cursor, last = door(), None, clock()
    while True:
        try:
            answer = web.query(RUN, {"id": run_id, "after": cursor, "limit": PAGE})
        except UnhealthyError:
            if clock() - last > SILENT_SECONDS:
                raise
            sleep(POLL_SECONDS)
            web = door()
            continue
        last, log, run = clock(), answer["logsForRun"], answer["runOrError"]
        if run["__typename"] != "Run":
            raise PlatformError(f"There is no run {run_id} in the cluster.", instruction="Launch it again.")
        for event in _events(log):
            heard(event)
        cursor = log.get("cursor") or cursor
        if run["status"] in ENDED and not log.get("hasMore"):
            return RunEnd(run["status"], {tag["key"]: tag["value"] for tag in run["tags"]})
        if not log.get("hasMore"):
            sleep(POLL_SECONDS)


def _repository(web: DagsterWeb, location: str, job: str) -> str:
    answer = web.query(JOBS)["repositoriesOrError"]
    here = [node for node in answer.get("nodes", ()) if node["location"]["name"] == location]
    if not here:
        raise PlatformError(
            f"The Dagster in the cluster has not loaded the location {location}: {answer.get('message', 'no reason')}.",
            instruction="`datamill logs datamill` shows what its server says.",
        )
    known = {one["name"]: node["name"] for node in here for one in node["jobs"]}
    if job not in known:
        raise UnknownNameError(f"job of {location} in the cluster", job, sorted(known))
    return str(known[job])


def _events(log: Mapping[str, Any]) -> Iterator[RunEvent]:
    for event in log.get("events", ()):
        message = "\n".join(filter(None, (event.get("message"), (event.get("error") or {}).get("message"))))
        yield RunEvent(
            event.get("stepKey") or "", event.get("eventType") or "LOG", event.get("level") or "INFO", message
        )
