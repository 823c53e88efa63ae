"""MLflow's tracking server and registry, in one process and without what it does not need.

``mlflow server`` starts uvicorn as a child with four workers, and a consumer for each queue of background jobs: ten
processes, 16 s, and a child that outlives a killed parent and keeps the port. This serves the same application in the
process that the supervisor knows, and makes it ready in a quarter of the processor time.

Started as ``python serve.py PORT ARTIFACTS`` in the directory that has the database.
"""

from __future__ import annotations

import os
import sys

# MLflow looks for these to describe datasets that a *client* logs. A server that cannot import them takes the same
# branch as one in an environment without them; importing them took a third of the time to start.
for _unused in ("polars", "pyspark", "scipy", "sklearn"):
    sys.modules[_unused] = None  # type: ignore[assignment]  # documented: makes `import` raise ModuleNotFoundError

# Before MLflow, which protects its application against foreign hosts only when it sees a server around it.
import uvicorn  # noqa: E402
from mlflow.server import constants  # noqa: E402
from mlflow.server.handlers import initialize_backend_stores  # noqa: E402

# Relative: SQLAlchemy would interpret some characters that a user's directories may have.
DATABASE = "sqlite:///mlflow.db"
PROXIED = "mlflow-artifacts:/"


def serve(port: int, artifacts: str) -> None:
    """Create or migrate the database, and serve until a signal.

    Args:
        port: on loopback.
        artifacts: where the server keeps artifacts, e.g. ``"s3://mlflow"``; clients reach them only through it.
    """
    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = DATABASE
    os.environ[constants.ARTIFACT_ROOT_ENV_VAR] = PROXIED
    os.environ[constants.ARTIFACTS_DESTINATION_ENV_VAR] = artifacts
    os.environ[constants.SERVE_ARTIFACTS_ENV_VAR] = "true"
    initialize_backend_stores(DATABASE, default_artifact_root=PROXIED)
    # Not importable before the environment says where the stores are.
    from mlflow.server.fastapi_app import app  # noqa: PLC0415

    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
