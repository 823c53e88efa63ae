"""The gate lets a challenger through only if it meets every criterion."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from datamill_pipelines.batch.schema import FEATURES
from datamill_pipelines.training.evaluation import Difference, Evaluation
from datamill_pipelines.training.gate import (
    answers_anything,
    failed_names,
    faults_of_input,
    judge,
    passed,
    seconds_for_one_row,
)

GOOD = Evaluation(
    pr_auc=0.42,
    brier=0.16,
    mean_probability=0.25,
    late_share=0.24,
    baselines={"prevalence": {"pr_auc": 0.23, "brier": 0.18}},
    differences=(
        Difference("pr_auc", "prevalence", 0.19, 0.1, 0.25),
        Difference("brier", "prevalence", 0.02, 0.01, 0.03),
    ),
)
EASY = {"megabytes": 1.0, "seconds": 0.01, "robust": True, "input_faults": []}


def test_a_challenger_that_meets_every_criterion_passes() -> None:
    assert passed(judge(GOOD, None, **EASY))
    assert passed(judge(GOOD, GOOD, **EASY))


def _worse_interval(position: int) -> Evaluation:
    differences = list(GOOD.differences)
    differences[position] = dataclasses.replace(differences[position], low=-0.001)
    return dataclasses.replace(GOOD, differences=tuple(differences))


@pytest.mark.parametrize(
    ("name", "evaluation", "champion", "facts"),
    [
        ("pr_auc_better_than_prevalence", _worse_interval(0), None, {}),
        ("brier_better_than_prevalence", _worse_interval(1), None, {}),
        ("calibrated", dataclasses.replace(GOOD, mean_probability=0.31), None, {}),
        ("pr_auc_no_worse_than_champion", GOOD, dataclasses.replace(GOOD, pr_auc=0.43), {}),
        ("brier_no_worse_than_champion", GOOD, dataclasses.replace(GOOD, brier=0.15), {}),
        ("small", GOOD, None, {"megabytes": 21.0}),
        ("fast", GOOD, None, {"seconds": 0.6}),
        ("answers_anything", GOOD, None, {"robust": False}),
        ("input_schema", GOOD, None, {"input_faults": ["temp is missing"]}),
    ],
)
def test_each_criterion_alone_keeps_the_champion(
    name: str, evaluation: Evaluation, champion: Evaluation | None, facts: dict
) -> None:
    verdicts = judge(evaluation, champion, **(EASY | facts))

    assert [name] == failed_names(verdicts)
    assert not passed(verdicts)


def test_an_interval_that_touches_zero_does_not_pass() -> None:
    touching = dataclasses.replace(GOOD, differences=(dataclasses.replace(GOOD.differences[0], low=0.0),))

    assert failed_names(judge(touching, None, **EASY)) == ["pr_auc_better_than_prevalence"]


def test_a_model_that_fails_on_missing_numbers_is_found() -> None:
    frame = pd.DataFrame({"carrier": ["AA"], "distance": [100.0]})

    def answer(rows: pd.DataFrame) -> np.ndarray:
        value = rows["distance"].to_numpy() / 1000
        return np.column_stack([1 - value, value])

    assert not answers_anything(answer, frame)
    assert answers_anything(lambda rows: np.full((len(rows), 2), 0.5), frame)


def by_name(rows: pd.DataFrame) -> np.ndarray:
    return np.column_stack([rows["distance"], rows["temp"]])


def declared_frame() -> pd.DataFrame:
    return pd.DataFrame({column.name: ["UA"] if column.role == "category" else [1.5] for column in FEATURES})


def test_declared_features_by_name_are_the_input_of_a_model() -> None:
    frame = declared_frame()
    frame["temp"] = 2.5
    assert faults_of_input(by_name, frame) == []


def test_a_model_that_takes_features_by_position_is_found() -> None:
    frame = declared_frame().assign(carrier="AA")
    assert faults_of_input(lambda rows: rows.to_numpy(), frame) == ["features are taken by position"]


def test_an_input_that_is_not_what_is_declared_is_found() -> None:
    frame = declared_frame().drop(columns="humid").assign(late=1.0, distance=1)
    assert [
        "humid is missing",
        "late is not declared",
        "distance is int64, not float",
    ] == faults_of_input(by_name, frame)


def test_the_time_of_one_row_is_the_median() -> None:
    ticks = iter([0, 1, 1, 2, 2, 3, 3, 4, 4, 104])
    frame = pd.DataFrame({"distance": [1.0, 2.0]})

    assert seconds_for_one_row(lambda rows: rows.to_numpy(), frame, clock=lambda: next(ticks)) == 1
