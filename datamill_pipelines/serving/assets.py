"""Assets of serving: the champion behind the model server, and predictions for flights it has not seen."""

# No postponed annotations here: Dagster looks at those of assets when they are defined.
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from datamill_infra.model.told import told
from datamill_pipelines.code_version import code_version
from datamill_pipelines.connections import PlatformConnections
from datamill_pipelines.serving.champion import champion
from datamill_pipelines.serving.errors import ServingError
from datamill_pipelines.serving.inputs import features, tensors
from datamill_pipelines.serving.model_server import ModelServer
from datamill_pipelines.serving.predictions import REPO, Prediction, prediction_id, record, recorded
from datamill_pipelines.serving.repository import ModelRepository
from datamill_pipelines.training import model_file

if TYPE_CHECKING:
    import pyarrow as pa

    from datamill_pipelines.serving.bucket import BucketRepository

MODEL = "flight_delay"
FEATURES = "features/flight_delay"
OUTPUT = "probability"
GROUP = "serving"
OWNERS = ["team:ml"]


@dg.asset(
    key=["serving", MODEL],
    deps=[["models", MODEL], ["capability", "inference"], ["capability", "mlflow"]],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"sklearn"},
    description="The champion of flight_delay, loaded in the model server and ready to be asked.",
)
def serving_flight_delay(
    context: dg.AssetExecutionContext, platform: PlatformConnections
) -> dg.MaterializeResult[None]:
    """Publish the champion: its successor is loaded before the version it replaces is taken away."""
    url = platform.get("mlflow").text("url")
    chosen = champion(url, MODEL)
    connection = platform.get("inference")
    repository = _repository(connection.text("model_repository"), platform)
    server = ModelServer(connection.text("url"))
    before = repository.versions(MODEL)
    if chosen.version not in before:
        with tempfile.TemporaryDirectory() as directory:
            file, trusted = model_file.fetch(url, MODEL, chosen.version, Path(directory))
            repository.add(MODEL, chosen.version, file, {"features": features(), "trusted": trusted})
    if not server.is_ready(MODEL, chosen.version) or before != [chosen.version]:
        try:
            server.load(MODEL)
            server.wait_ready(MODEL, chosen.version)
        except ServingError:
            if chosen.version not in before:
                repository.remove(MODEL, chosen.version)
            raise
        for old in before:
            if old != chosen.version:
                repository.remove(MODEL, old)
                context.log.info("Version %s gave way to version %s.", old, chosen.version)
        if before not in ([], [chosen.version]):
            server.load(MODEL)
    return dg.MaterializeResult(
        metadata={
            **told(f"version {chosen.version} answers", changed=before != [chosen.version]),
            "model": MODEL,
            "version": chosen.version,
            "url": dg.MetadataValue.url(f"{connection.text('url')}/v2/models/{MODEL}/versions/{chosen.version}"),
        },
        data_version=dg.DataVersion(f"{MODEL}@{chosen.version}"),
    )


class PredictConfig(dg.Config):
    """What to ask.

    Attributes:
        flights: how many flights, spread over the day.
        date: local date of the flights, ISO; the last one of the features when empty.
    """

    flights: int = 3
    date: str = ""


def _repository(root: str, platform: PlatformConnections) -> "BucketRepository | ModelRepository":
    """In a bucket, or in a directory that the server shares."""
    if "://" not in root:
        return ModelRepository(root)
    from datamill_pipelines.serving.bucket import BucketRepository  # noqa: PLC0415  (loads an object store's client)

    return BucketRepository(root, platform.get("s3"))


@dg.asset(
    key=["predictions", MODEL],
    deps=[
        ["serving", MODEL],
        ["features", MODEL],
        ["capability", "inference"],
        ["capability", "mlflow"],
        ["capability", "datasets"],
    ],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet"},
    description="Predictions for flights that the champion has not seen, each with its id, model version and inputs.",
)
def predictions_flight_delay(
    context: dg.AssetExecutionContext, config: PredictConfig, platform: PlatformConnections
) -> dg.MaterializeResult[None]:
    """Ask the served model, and record every answer."""
    chosen = champion(platform.get("mlflow").text("url"), MODEL)
    store, server = platform.store(), ModelServer(platform.get("inference").text("url"))
    view = store.commit_view(f"{FEATURES}@main")
    ref = f"{FEATURES}@{view.id}"
    known = recorded(store)
    rows = flights_to_ask(view.table(), config.date, config.flights)
    answers = []
    for row in rows:
        asked = {name: row[name] for name, _ in features()}
        identity = prediction_id(MODEL, chosen.version, row["flight_id"], view.tree_digest)
        if identity in known:
            answers.append(known[identity])
            continue
        (probability,) = server.infer(MODEL, chosen.version, identity, tensors([asked]), OUTPUT)
        answers.append(
            Prediction(
                prediction_id=identity,
                model=MODEL,
                model_version=chosen.version,
                flight_id=row["flight_id"],
                probability=probability,
                inputs=json.dumps(asked, sort_keys=True),
                predicted_at=datetime.now(UTC),
                features=ref,
                run_id=context.run.run_id,
            )
        )
    made = record(store, answers, features=ref, run_id=context.run.run_id, code_version=code_version())
    head = store.commit_view(f"{REPO}@main")
    on_record = len(known | {answer.prediction_id: answer for answer in answers})
    return dg.MaterializeResult(
        metadata={
            **told(
                f"{len(answers)} of {len(known | {a.prediction_id: a for a in answers})} on record",
                changed=made is not None,
            ),
            "predictions": [
                {
                    "id": answer.prediction_id,
                    "flight": answer.flight_id,
                    "probability": answer.probability,
                    "model": f"{answer.model}@{answer.model_version}",
                }
                for answer in answers
            ],
            "recorded": 0 if made is None else len(rows),
            "features": ref,
            "datamill/repo": REPO,
            "datamill/commit": head.id,
            "dagster/row_count": on_record,
        },
        data_version=dg.DataVersion(head.tree_digest),
    )


def flights_to_ask(table: "pa.Table", date: str, count: int) -> list[dict[str, Any]]:
    """Flights of one local date, spread evenly over it by scheduled departure.

    Args:
        table: rows of the features dataset.
        date: ISO; the last date of the table when empty.
        count: how many.

    Raises:
        ServingError: there is no flight on that date.
    """
    import pyarrow.compute as pc  # noqa: PLC0415  (definitions are loaded by processes that touch no table)

    wanted = date or max(map(str, table.column("flight_date").to_pylist()), default="")
    rows = table.filter(pc.field("flight_date") == wanted).to_pylist()
    if not rows or count < 1:
        raise ServingError(
            f"There is no flight on {wanted or 'any date'} in {FEATURES}.",
            instruction="Build the month's features first: `datamill run features --month YYYY-MM`.",
        )
    rows.sort(key=lambda row: (row["scheduled_departure"], row["flight_id"]))
    return [rows[(2 * number + 1) * len(rows) // (2 * count)] for number in range(min(count, len(rows)))]
