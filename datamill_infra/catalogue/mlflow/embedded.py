"""MLflow: one process, SQLite in the data directory, artifacts in a bucket that only the server opens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.drivers.embedded.artifacts import cache_root
from datamill_infra.drivers.embedded.program import Program

if TYPE_CHECKING:
    from datamill_infra.drivers.embedded.program import EmbeddedContext

SERVE = Path(__file__).with_name("serve.py")


def programs(context: EmbeddedContext) -> list[Program]:
    """The server; the keys of the object store reach it through its environment."""
    s3 = context.connections["s3"]
    return [
        Program(
            name=context.name,
            argv=(
                *(str(context.python), "-P", str(SERVE)),
                *(str(context.ports["http"]), f"s3://{s3.text('bucket')}", str(cache_root() / "mlflow")),
            ),
            environment={
                "MLFLOW_S3_ENDPOINT_URL": s3.text("endpoint"),
                "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "path" if s3.get("path_style", True) else "auto",
                "AWS_ACCESS_KEY_ID": s3.text("access_key"),
                "AWS_SECRET_ACCESS_KEY": s3.text("secret_key"),
                "AWS_DEFAULT_REGION": s3.text("region"),
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
            },
        )
    ]
