"""A Dagster in a cluster that answers from a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datamill_infra.model.connections import ResolvedConnection
from datamill_infra.model.errors import UnhealthyError
from datamill_infra.orchestration.web import DagsterWeb

REPOSITORIES = {
    "repositoriesOrError": {
        "__typename": "RepositoryConnection",
        "nodes": [
            {"name": "__repository__", "location": {"name": "datamill_infra"}, "jobs": [{"name": "deploy_demo"}]},
            {"name": "mine", "location": {"name": "datamill_pipelines"}, "jobs": [{"name": "flight_delay"}]},
        ],
    }
}


class Script(DagsterWeb):
    """Answers in the order of a script; an error is raised."""

    def __init__(self, *answers: Mapping[str, Any] | Exception) -> None:
        super().__init__(ResolvedConnection("dagster", "datamill", {"url": "http://127.0.0.1:1"}, frozenset()))
        self.answers, self.asked = list(answers), list[tuple[str, Mapping[str, object]]]()

    def query(self, text: str, variables: Mapping[str, object] | None = None) -> dict[str, Any]:
        self.asked.append((text, variables or {}))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


def page(status: str, cursor: str, *events: Mapping[str, object], more: bool = False) -> dict[str, Any]:
    run = {"__typename": "Run", "status": status, "tags": [{"key": "month", "value": "2013-01"}]}
    log = {"__typename": "EventConnection", "cursor": cursor, "hasMore": more, "events": list(events)}
    return {"runOrError": run, "logsForRun": log}


def said(message: str, kind: str = "STEP_SUCCESS", error: str = "") -> dict[str, object]:
    event: dict[str, object] = {"message": message, "level": "INFO", "stepKey": "build", "eventType": kind}
    return event | ({"error": {"message": error}} if error else {})


def silence() -> UnhealthyError:
    return UnhealthyError("datamill is silent.", instruction="Wait.")
