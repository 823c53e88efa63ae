"""MLflow's tracking server and registry, in one process and without what it does not need.

``mlflow server`` starts uvicorn as a child with four workers, and a consumer for each queue of background jobs: ten
processes, 16 s, and a child that outlives a killed parent and keeps the port. This serves the same application in the
process that the supervisor knows, and makes it ready in a quarter of the processor time.

Started as ``python serve.py PORT ARTIFACTS TEMPLATES`` in the directory that has the database.
"""

from __future__ import annotations

import gc
import os
import sys

# Two thousand modules are about to be imported. None of their objects is garbage; looking for some is 12% of the time.
gc.disable()
# MLflow looks for these to describe datasets that a *client* logs. A server that cannot import them takes the same
# branch as one in an environment without them; importing them took a third of the time to start.
for _unused in ("polars", "pyspark", "scipy", "sklearn"):
    sys.modules[_unused] = None  # type: ignore[assignment]  # documented: makes `import` raise ModuleNotFoundError

import hashlib  # noqa: E402  (after the two measures above)
import shutil  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

# Before MLflow, which protects its application against foreign hosts only when it sees a server around it.
import uvicorn  # noqa: E402
from mlflow.server import constants  # noqa: E402
from mlflow.server.handlers import initialize_backend_stores  # noqa: E402
from mlflow.version import VERSION  # noqa: E402

# Relative: SQLAlchemy would interpret some characters that a user's directories may have.
DATABASE = Path("mlflow.db")
PROXIED = "mlflow-artifacts:/"


def serve(port: int, artifacts: str, templates: Path) -> None:
    """Create the database if there is none, and serve until a signal.

    Args:
        port: on loopback.
        artifacts: where the server keeps artifacts, e.g. ``"s3://mlflow"``; clients reach them only through it.
        templates: directory, in the user's cache, of empty databases.
    """
    if not DATABASE.exists():
        create_database(templates)
    url = f"sqlite:///{DATABASE}"
    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = url
    os.environ[constants.ARTIFACT_ROOT_ENV_VAR] = PROXIED
    os.environ[constants.ARTIFACTS_DESTINATION_ENV_VAR] = artifacts
    os.environ[constants.SERVE_ARTIFACTS_ENV_VAR] = "true"
    initialize_backend_stores(url, default_artifact_root=PROXIED)
    # Not importable before the environment says where the stores are.
    from mlflow.server.fastapi_app import app  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False)


def create_database(templates: Path) -> None:
    """Copy an empty database of this version of MLflow.

    Seventy migrations make one out of nothing, which takes a second of processor time: once per user is enough. The
    name of a template carries its digest, so that a damaged one is made again.
    """
    template = next(filter(_is_intact, templates.glob(f"{VERSION}-*.db")), None) or _make_template(templates)
    new = DATABASE.with_name(".mlflow.db.new")
    shutil.copyfile(template, new)
    new.replace(DATABASE)


def _make_template(templates: Path) -> Path:
    from mlflow.db import upgrade  # noqa: PLC0415  (rarely needed)

    templates.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=templates) as scratch:
        new = Path(scratch) / "new.db"
        upgrade.main([f"sqlite:///{new}"], standalone_mode=False)
        return new.replace(templates / f"{VERSION}-{_digest(new)}.db")


def _is_intact(template: Path) -> bool:
    return template.stem == f"{VERSION}-{_digest(template)}"


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
