"""A model as a file: skops, which loads named classes only and runs no code of the file's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagster_mlflow.resources import MlFlow

    from datamill_pipelines.training.calibration import Calibrated

REQUIREMENTS = ("scikit-learn", "skops", "pandas")
TRUSTED_MODULES = ("sklearn.", "datamill_pipelines.training.", "numpy.")


def classes_to_trust(model: Calibrated) -> list[str]:
    """The classes that reading the model needs and skops does not know.

    Raises:
        ValueError: one is neither scikit-learn's nor ours.
    """
    from skops.io import dumps, get_untrusted_types  # noqa: PLC0415  (slow to import)

    needed = sorted(get_untrusted_types(data=dumps(model)))
    foreign = [name for name in needed if not name.startswith(TRUSTED_MODULES)]
    if foreign:
        message = f"The model holds classes that are not to be trusted: {', '.join(foreign)}."
        raise ValueError(message)
    return needed


def megabytes(model: Calibrated) -> float:
    """Size of the model's file."""
    from skops.io import dumps  # noqa: PLC0415

    return len(dumps(model)) / 1e6


def log(tracked: MlFlow, model: Calibrated, name: str) -> str:
    """Log and register a model in the tracked run.

    Returns:
        The registered version.
    """
    import mlflow.sklearn  # noqa: PLC0415

    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        registered_model_name=name,
        pip_requirements=list(REQUIREMENTS),
        skops_trusted_types=classes_to_trust(model),
    )
    tracked.log.info("Registered %s version %s.", name, logged.registered_model_version)
    return str(logged.registered_model_version)


def fetch(url: str, name: str, version: str, directory: Path) -> tuple[Path, list[str]]:
    """Download a registered version's file.

    Args:
        url: of the tracking server.
        name: of the model.
        version: of the model.
        directory: where to.

    Returns:
        The file, and the classes that reading it needs to trust.
    """
    import mlflow  # noqa: PLC0415
    import yaml  # noqa: PLC0415

    mlflow.set_tracking_uri(url)
    source = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}", dst_path=str(directory)))
    flavour = yaml.safe_load((source / "MLmodel").read_text(encoding="utf-8"))["flavors"]["sklearn"]
    return source / flavour["pickled_model"], list(flavour.get("skops_trusted_types") or [])


def read(file: Path, trusted: list[str]) -> Any:  # noqa: ANN401  (scikit-learn has no types)
    """Read a model's file, trusting the named classes."""
    from skops.io import load  # noqa: PLC0415

    return load(file, trusted=trusted)
