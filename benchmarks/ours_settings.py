"""The sink of the comparison as Data Mill runs it, from the same environment as the peers' (``sink_settings.py``)."""

from __future__ import annotations

import os

from datamill_infra.model.connections import ResolvedConnection
from datamill_pipelines.stream.schema import Column, MessageSchema

EVENTS = MessageSchema(
    (
        Column("id", "int64", required=True),
        Column("user", "string"),
        Column("kind", "string"),
        Column("amount", "double"),
        Column("at", "string"),
        Column("session", "string"),
        Column("ok", "bool"),
    )
)
TOPIC = os.environ["BENCH_TOPIC"]
TOTAL = int(os.environ["BENCH_TOTAL"])
KAFKA = ResolvedConnection(
    "kafka",
    "kafka",
    {
        "bootstrap_servers": os.environ["BENCH_BOOTSTRAP"],
        "security_protocol": os.environ["BENCH_SECURITY_PROTOCOL"],
        "sasl_mechanism": os.environ["BENCH_SASL_MECHANISM"],
        "username": os.environ["BENCH_USERNAME"],
        "password": os.environ["BENCH_PASSWORD"],
    },
)
DATASETS = ResolvedConnection(
    "datasets",
    "s3proxy",
    {
        "url": f"s3://{os.environ['BENCH_BUCKET']}/{os.environ['BENCH_PREFIX']}",
        "endpoint": os.environ["BENCH_S3_ENDPOINT"],
        "access_key": os.environ["BENCH_ACCESS_KEY"],
        "secret_key": os.environ["BENCH_SECRET_KEY"],
    },
)
