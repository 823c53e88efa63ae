"""Training on real servers: the gate checks everything, and a refused challenger changes nothing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from mlflow import MlflowClient

from datamill_pipelines.batch.schema import REPO, SORT_BY, file_of
from datamill_pipelines.registry import ALIAS, Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embedded.room import Platform

    from datamill_pipelines.registry import ModelVersion

pytestmark = pytest.mark.timeout(600)

MODEL = "flight_delay"
SEED = 7
FEW = 4_000
CRITERIA = {
    "pr_auc_better_than_prevalence",
    "brier_better_than_prevalence",
    "pr_auc_better_than_rate",
    "brier_better_than_rate",
    "calibrated",
    "small",
    "fast",
    "answers_anything",
    "input_schema",
}
AGAINST_A_CHAMPION = {"pr_auc_no_worse_than_champion", "brier_no_worse_than_champion"}


@pytest.fixture(scope="module")
def registry(platform: Platform, flight_delay: dict[str, Any]) -> Registry:
    """With the version that the example has registered."""
    assert flight_delay["status"] == "success"
    return Registry(platform.connection("mlflow").text("url"))


def verdicts(version: ModelVersion) -> dict[str, bool]:
    return {str(verdict["name"]): bool(verdict["passed"]) for verdict in version.gate}


@contextlib.contextmanager
def other_features(platform: Platform, month: str, table: pa.Table) -> Iterator[None]:
    """A month's features are these; afterwards the branch is where it was."""
    with platform.connections.store() as store:
        repo = store.repo(REPO)
        before = repo.resolve("main").id
        with repo.commit(message="Features that teach nothing") as commit:
            commit.put_table(file_of(month), table, sort_by=SORT_BY)
        try:
            yield
        finally:
            repo.rollback("main", before)


def with_shuffled_lateness(platform: Platform, month: str) -> pa.Table:
    """Some flights of a month, each with the outcome of another one."""
    with platform.connections.store() as store:
        table = store.commit_view(f"{REPO}@main").table(f"{month}/")
    chance = np.random.default_rng(SEED)
    few = table.take(np.sort(chance.choice(table.num_rows, FEW, replace=False)))
    late = few.column("late").take(pa.array(chance.permutation(FEW)))
    return few.set_column(few.schema.get_field_index("late"), few.schema.field("late"), late)


def test_the_first_version_met_every_criterion_and_is_champion(registry: Registry) -> None:
    (first, *_) = registry.versions(MODEL)
    assert dict.fromkeys(CRITERIA, True) == verdicts(first)
    assert registry.champion_version(MODEL) == first.version
    metrics = registry.metrics(first.tracking_run_id)
    lower_ends = [value for name, value in metrics.items() if name.startswith("gain_") and name.endswith("_low")]
    assert len(lower_ends) == 4
    assert min(lower_ends) > 0


def test_equal_features_and_code_train_nothing(platform: Platform, registry: Registry) -> None:
    before = registry.versions(MODEL)
    platform.run("train")
    assert before == registry.versions(MODEL)


def test_a_challenger_that_learned_nothing_is_registered_with_its_verdicts_and_the_champion_stays(
    platform: Platform, registry: Registry
) -> None:
    champion = registry.champion_version(MODEL)
    with other_features(platform, "2013-01", with_shuffled_lateness(platform, "2013-01")):
        report = platform.run("train")
    challenger = registry.versions(MODEL)[-1]
    assert challenger.version != champion
    assert challenger.run_id == report["run_id"]
    judged = verdicts(challenger)
    assert CRITERIA | AGAINST_A_CHAMPION == set(judged)
    refused = {name for name, passed in judged.items() if not passed}
    assert {"pr_auc_better_than_rate", "pr_auc_no_worse_than_champion", "brier_no_worse_than_champion"} <= refused
    assert judged["small"]
    assert judged["answers_anything"]
    assert champion == registry.champion_version(MODEL)
    assert registry.version(MODEL, ALIAS).version == champion
    (trained,) = (step for step in report["steps"] if "models/flight_delay" in step["assets"])
    assert trained["checks_failed"] == []


def test_a_month_without_features_is_refused_with_an_instruction_and_its_tracked_run_failed(
    platform: Platform, registry: Registry, tmp_path: Path
) -> None:
    before = [version.version for version in registry.versions(MODEL)]
    config = tmp_path / "july.yaml"
    config.write_text("ops: {models__flight_delay: {config: {train_month: 2013-07}}}\n", encoding="utf-8")
    refused = platform.datamill("run", "train", "--config", str(config))
    assert refused.returncode == 1
    assert "no flights of 2013-07 to learn from" in refused.stderr
    assert "datamill run features --month 2013-07" in refused.stderr
    assert before == [version.version for version in registry.versions(MODEL)]
    client = MlflowClient(platform.connection("mlflow").text("url"))
    experiment = client.get_experiment_by_name(MODEL)
    assert experiment is not None
    (latest, *_) = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    assert latest.info.status == "FAILED"
