"""One tracked MLflow run for one Dagster run, through dagster-mlflow.

The resource wants its address in run configuration; ours is known when the connection is read. So it is made here, from
the same class, and ended here: left to itself it records a failed run as finished.
"""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import dagster as dg
    from dagster_mlflow.resources import MlFlow

FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"


@contextmanager
def tracked_run(
    context: dg.AssetExecutionContext, url: str, experiment: str, tags: Mapping[str, str]
) -> Iterator[MlFlow]:
    """A run that ends as its block ended.

    Args:
        context: of the asset; the run is found again by Dagster's run id.
        url: of the tracking server.
        experiment: created if it does not exist.
        tags: of the run.
    """
    from dagster_mlflow.resources import MlFlow  # noqa: PLC0415  (slow to import)

    tracked = MlFlow(
        SimpleNamespace(
            log=context.log,
            dagster_run=context.run,
            run_id=context.run.run_id,
            resource_config={"mlflow_tracking_uri": url, "experiment_name": experiment, "extra_tags": dict(tags)},
        )
    )
    try:
        yield tracked
    except Exception:
        tracked.end_run(status=FAILED)
        raise
    except BaseException:
        tracked.end_run(status=KILLED)
        raise
    tracked.end_run(status=FINISHED)
