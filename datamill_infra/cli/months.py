"""Months on the command line, as the tags by which Dagster runs a range of partitions at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

# Dagster's own names for these tags; the constants are not public.
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def month_tags(home: Path, job: str, span: tuple[str, str] | None) -> dict[str, str]:
    """The tags of a run over ``span``.

    Args:
        home: the deployment directory.
        job: name of a pipeline job.
        span: first and last month, or ``None``.

    Raises:
        ConfigurationError: the job goes by months and none is given, or the other way round; a month does not exist.
        UnknownNameError: there is no such job.
    """
    from datamill_pipelines.definitions import reconstruct_job

    os.environ["DAGSTER_HOME"] = str(home)
    partitions = reconstruct_job(job).partitions_def
    if partitions is None:
        if span is None:
            return {}
        raise ConfigurationError(f"The job {job} does not go by months.", instruction=f"Say `datamill run {job}`.")
    keys = list(partitions.get_partition_keys())
    if span is None:
        raise ConfigurationError(
            f"The job {job} goes by months.",
            instruction=f"Add --month {keys[0]}, or --months {keys[0]}..{keys[1]}. There are {keys[0]} to {keys[-1]}.",
        )
    for month in span:
        if month not in keys:
            raise ConfigurationError(
                f"There is no month {month!r} in the data.", instruction=f"There are {keys[0]} to {keys[-1]}."
            )
    if span[0] > span[1]:
        raise ConfigurationError(
            f"{span[0]} comes after {span[1]}.", instruction=f"Turn them round: --months {span[1]}..{span[0]}."
        )
    return {RANGE_START: span[0], RANGE_END: span[1]}
