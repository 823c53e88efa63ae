"""The model as an asset: trained on one month, judged on the next, registered, and promoted if the gate lets it."""

# No postponed annotations here: Dagster looks at those of assets when they are defined.
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from datamill_infra.model.told import told
from datamill_pipelines.batch.resources import DaskClients
from datamill_pipelines.code_version import code_version
from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.registry import PREFIX, ModelVersion, Registry
from datamill_pipelines.step_resources import step_resources
from datamill_pipelines.training import gate, model_file
from datamill_pipelines.training.tracking import tracked_run

if TYPE_CHECKING:
    from datamill_pipelines.datasets import CommitView
    from datamill_pipelines.training.evaluation import Evaluation
    from datamill_pipelines.training.training import Trained

MODEL = "flight_delay"
FEATURES = "features/flight_delay"


class TrainConfig(dg.Config):
    """Which months.

    Attributes:
        train_month: fitted on.
        test_month: judged on, without its last day.
    """

    train_month: str = "2013-01"
    test_month: str = "2013-02"


@dg.asset(
    key=["models", MODEL],
    deps=[["features", MODEL], ["capability", "datasets"], ["capability", "mlflow"], ["capability", "dask"]],
    group_name="training",
    owners=["team:ml"],
    kinds={"sklearn", "mlflow", "dask"},
    op_tags=step_resources(cpu="250m", memory="1Gi", at_most="3Gi"),  # every sample is in memory
    description="A registered version of flight_delay: will this flight arrive more than 15 minutes late, asked two"
    " hours before its scheduled departure. The gate decides whether it becomes champion.",
)
def models_flight_delay(
    context: dg.AssetExecutionContext, config: TrainConfig, platform: PlatformConnections, dask: DaskClients
) -> dg.MaterializeResult[None]:
    """Train, judge, register, and promote if every criterion is met; equal input gives the version that is there."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  (loads the libraries that it limits)

    # Threads of this step would only take the cores from Dask's workers, and wait for them busily.
    with threadpool_limits(1):
        return _train_and_judge(context, config, platform, dask)


def _train_and_judge(
    context: dg.AssetExecutionContext, config: TrainConfig, platform: PlatformConnections, dask: DaskClients
) -> dg.MaterializeResult[None]:
    from datamill_pipelines.training.training import train, training_key  # noqa: PLC0415  (loads scikit-learn)

    url = platform.get("mlflow").text("url")
    view = platform.store().commit_view(f"{FEATURES}@main")
    key = training_key(view.tree_digest, config.train_month, config.test_month, code_version())
    registry = Registry(url)
    known = [version for version in registry.versions(MODEL) if version.training_key == key and version.gate]
    if known:
        context.log.info("Nothing has changed since version %s.", known[-1].version)
        return _result(registry, known[-1], changed=False)
    months = [f"{month}" for month in (config.train_month, config.test_month)]
    facts = _facts(context, view, key)
    with tracked_run(context, url, MODEL, {PREFIX + name: value for name, value in facts.items()}) as tracked:
        tracked.log_params({"train_month": months[0], "test_month": months[1]})
        with dask.client() as client:
            trained = train(client, view.table(), config.train_month, config.test_month)
        tracked.log_params(trained.found.candidate.to_dict())
        tracked.log_metrics(trained.evaluation.metrics())
        tracked.log_metrics({f"search_pr_auc_{number}": score for number, score in trained.found.scores.items()})
        verdicts = _judge(trained, _champion(url, registry, trained))
        judged = [verdict.to_dict() for verdict in verdicts]
        tracked.log_dict({"evaluation": trained.evaluation.to_dict(), "gate": judged}, "gate.json")
        version = model_file.log(tracked, trained.found.model, MODEL)
        registry.tag(MODEL, version, facts | {"gate": json.dumps(judged)})
    if gate.passed(verdicts):
        registry.promote(MODEL, version)
    else:
        context.log.warning("The champion stays. Not met: %s.", ", ".join(gate.failed_names(verdicts)))
    return _result(registry, registry.version(MODEL, version), changed=True)


def _champion(url: str, registry: Registry, trained: "Trained") -> "Evaluation | None":
    """The present champion, judged on the rows that the challenger was judged on."""
    from datamill_pipelines.training.training import evaluate_on  # noqa: PLC0415  (loads scikit-learn)

    present = registry.champion_version(MODEL)
    if present is None:
        return None
    with tempfile.TemporaryDirectory() as directory:
        model = model_file.read(*model_file.fetch(url, MODEL, present, Path(directory)))
    return evaluate_on(model, trained.train, trained.test)


def _judge(trained: "Trained", champion: "Evaluation | None") -> list[gate.Criterion]:
    model = trained.found.model
    return gate.judge(
        trained.evaluation,
        champion,
        megabytes=model_file.megabytes(model),
        seconds=gate.seconds_for_one_row(model.predict_proba, trained.test.frame),
        robust=gate.answers_anything(model.predict_proba, trained.test.frame),
        input_faults=gate.faults_of_input(model.predict_proba, trained.test.frame),
    )


def _facts(context: dg.AssetExecutionContext, view: "CommitView", key: str) -> dict[str, str]:
    raw = [f"{source.repo}@{source.commit}" for source in view.commit.provenance]
    return {
        "features": f"{FEATURES}@{view.id}",
        "raw": json.dumps(raw),
        "run_id": context.run.run_id,
        "code_version": code_version(),
        "training_key": key,
    }


def _result(registry: Registry, version: ModelVersion, *, changed: bool) -> dg.MaterializeResult[None]:
    verdict = "champion" if version.champion else "not the champion"
    metrics = registry.metrics(version.tracking_run_id) if version.tracking_run_id else {}
    return dg.MaterializeResult(
        metadata={
            **told(f"version {version.version}, {verdict}", changed=changed),
            "model": version.name,
            "version": version.version,
            "champion": version.champion,
            "features": version.features,
            "raw": list(version.raw),
            "gate": [dict(verdict) for verdict in version.gate],
            "mlflow_run_id": version.tracking_run_id,
            **{f"metric/{name}": value for name, value in metrics.items()},
        },
        data_version=dg.DataVersion(version.training_key),
    )
