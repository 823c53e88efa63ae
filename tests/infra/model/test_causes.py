from __future__ import annotations

import random

from datamill_infra.model.causes import CauseKind, Condition, Finding, causes_first, walk

NEEDS = {"mlflow": ["s3proxy", "postgres"], "datasets": ["s3proxy"], "s3proxy": [], "postgres": []}


def finding(kind: CauseKind) -> Finding:
    return Finding(kind, "pod", f"has a {kind}", "Repair it.")


def conditions(**broken: CauseKind) -> dict[str, Condition]:
    return {
        name: Condition(name, "in-sync", healthy=name not in broken, findings=(finding(broken[name]),))
        if name in broken
        else Condition(name, "in-sync", healthy=True)
        for name in NEEDS
    }


def names(*found: Condition) -> list[str]:
    return [one.component for one in found]


def test_what_works_leads_nowhere() -> None:
    trail = walk("mlflow", conditions(postgres=CauseKind.CRASH), NEEDS)
    assert ["mlflow"] == names(*trail.conditions)
    assert trail.bottom.first is None
    assert trail.to_dict()["healthy"]


def test_the_walk_goes_to_what_is_needed_and_does_not_work_either() -> None:
    found = conditions(datasets=CauseKind.HEALTH, s3proxy=CauseKind.CRASH)
    trail = walk("datasets", found, NEEDS)
    assert ["datasets", "s3proxy"] == names(*trail.conditions)
    assert finding(CauseKind.CRASH) == trail.bottom.first


def test_what_is_needed_and_works_is_not_the_cause() -> None:
    trail = walk("datasets", conditions(datasets=CauseKind.HEALTH), NEEDS)
    assert ["datasets"] == names(*trail.conditions)


def test_two_causes_are_both_named() -> None:
    found = conditions(mlflow=CauseKind.HEALTH, s3proxy=CauseKind.CRASH, postgres=CauseKind.VOLUME)
    trail = walk("mlflow", found, NEEDS)
    assert ["mlflow", "postgres"] == names(*trail.conditions)
    assert ["s3proxy"] == names(*trail.others)


def test_a_reason_of_its_own_is_named_beside_the_one_below() -> None:
    found = conditions(datasets=CauseKind.IMAGE, s3proxy=CauseKind.QUOTA)
    trail = walk("datasets", found, NEEDS)
    assert ["datasets", "s3proxy"] == names(*trail.conditions)
    assert finding(CauseKind.IMAGE) == trail.conditions[0].first


def test_a_crash_may_be_because_of_what_is_needed() -> None:
    found = conditions(mlflow=CauseKind.CRASH, s3proxy=CauseKind.CRASH)
    assert ["mlflow", "s3proxy"] == names(*walk("mlflow", found, NEEDS).conditions)


def test_findings_are_told_once_in_the_order_of_causes_whatever_order_they_come_in() -> None:
    given = [finding(kind) for kind in CauseKind]
    shuffled = [*given, *given]
    random.Random(7).shuffle(shuffled)
    assert tuple(given) == causes_first(shuffled)
