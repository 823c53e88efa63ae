"""Runs in the cluster, launched and followed from outside."""

from __future__ import annotations

import pytest
from infra.orchestration.script import REPOSITORIES, Script, page, said, silence

from datamill_infra.model.errors import ConfigurationError, PlatformError, UnhealthyError, UnknownNameError
from datamill_infra.orchestration.launching import JOBS, LAUNCH, RUN, RunEvent, follow, launch
from datamill_infra.orchestration.web import DagsterWeb


def test_a_job_is_launched_in_the_location_of_the_pipelines_with_its_tags() -> None:
    web = Script(REPOSITORIES, {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": "4711"}}})
    assert "4711" == launch(web, "flight_delay", tags={"month": "2013-01"}, config={"ops": {}})
    assert [JOBS, LAUNCH] == [text for text, _ in web.asked]
    selector = {
        "repositoryLocationName": "datamill_pipelines",
        "repositoryName": "mine",
        "pipelineName": "flight_delay",
    }
    tags = [{"key": "month", "value": "2013-01"}]
    assert {
        "selector": selector,
        "runConfigData": {"ops": {}},
        "executionMetadata": {"tags": tags},
    } == web.asked[1][1]["params"]


def test_a_job_that_the_cluster_does_not_have_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(UnknownNameError, match="flight_delay"):
        launch(Script(REPOSITORIES), "flight_delai")


def test_a_location_that_is_not_loaded_is_told() -> None:
    nothing = {"repositoriesOrError": {"__typename": "RepositoryConnection", "nodes": []}}
    with pytest.raises(PlatformError, match="has not loaded the location datamill_pipelines"):
        launch(Script(nothing), "flight_delay")


def test_a_refused_configuration_is_told_with_its_reasons() -> None:
    refused = {"__typename": "RunConfigValidationInvalid", "errors": [{"message": "no op x"}]}
    with pytest.raises(ConfigurationError, match="RunConfigValidationInvalid no op x"):
        launch(Script(REPOSITORIES, {"launchRun": refused}), "flight_delay")


def test_every_event_is_heard_once_and_the_end_is_that_of_the_run() -> None:
    web = Script(
        page("STARTED", "a", said("one"), more=True),
        page("SUCCESS", "b", said("two"), more=True),
        page("SUCCESS", "c", said("three", "STEP_FAILURE", "ValueError: four")),
    )
    heard: list[RunEvent] = []
    ended = follow(lambda: web, "4711", heard.append, sleep=lambda _: None)
    assert ["one", "two", "three\nValueError: four"] == [event.message for event in heard]
    assert [None, "a", "b"] == [variables["after"] for text, variables in web.asked if text == RUN]
    assert ("SUCCESS", {"month": "2013-01"}) == (ended.status, ended.tags)


def test_a_web_server_that_is_away_for_a_while_is_asked_by_a_new_way() -> None:
    web, ways = Script(page("STARTED", "a"), silence(), page("SUCCESS", "b")), list[int]()

    def door() -> DagsterWeb:
        ways.append(1)
        return web

    assert "SUCCESS" == follow(door, "4711", lambda _: None, sleep=lambda _: None).status
    assert 2 == len(ways)


def test_one_that_stays_away_ends_the_wait() -> None:
    moments = iter([0.0, 60.0, 121.0])
    with pytest.raises(UnhealthyError):
        follow(lambda: Script(silence()), "4711", lambda _: None, sleep=lambda _: None, clock=lambda: next(moments))


def test_a_run_that_is_not_there_is_told() -> None:
    answer = {"runOrError": {"__typename": "RunNotFoundError"}, "logsForRun": {"__typename": "RunNotFoundError"}}
    with pytest.raises(PlatformError, match="There is no run 4711"):
        follow(lambda: Script(answer), "4711", lambda _: None)
