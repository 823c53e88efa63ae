"""Kafka on this machine: one KRaft node, broker and controller in one process."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.drivers.embedded.artifacts import cache_root
from datamill_infra.drivers.files import write_private
from datamill_infra.model.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.drivers.embedded.program import EmbeddedContext, Program

NODE = 1
FORMAT_SECONDS = 120.0
# The second compiler costs 3 s of processor time at every start, and one node on one machine is never that busy.
JVM_OPTIONS = ("-XX:TieredStopAtLevel=1",)

LOGGING = """\
rootLogger.level=INFO
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c{1.}: %m%n
# Hundreds of lines with every setting, at each start and for each internal client.
logger.settings.name=org.apache.kafka.common.config.AbstractConfig
logger.settings.level=WARN
"""


def programs(context: EmbeddedContext) -> list[Program]:
    """The node."""
    config = context.paths.config
    return [
        context.java_program(
            "kafka.Kafka",
            str(config / "server.properties"),
            heap=str(context.values["heap"]),
            options=(*JVM_OPTIONS, f"-Dlog4j2.configurationFile={config / 'log4j2.properties'}"),
            files={"server.properties": _properties(_settings(context)), "log4j2.properties": LOGGING},
            prepare=lambda: _format(context),
            stop_seconds=30.0,
        )
    ]


def _settings(context: EmbeddedContext) -> dict[str, object]:
    user, password = context.values["username"], context.secrets["password"]
    broker, controller = context.ports["broker"], context.ports["controller"]
    login = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required"
        f' username="{user}" password="{password}" user_{user}="{password}";'
    )
    overrides: Mapping[str, object] = context.values["settings"]  # type: ignore[assignment]  # a mapping by its default
    return {
        "process.roles": "broker,controller",
        "node.id": NODE,
        # The static form: the node's address is not stored in its data, so that its port can be moved.
        "controller.quorum.voters": f"{NODE}@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"BROKER://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"BROKER://127.0.0.1:{broker}",
        "inter.broker.listener.name": "BROKER",
        "listener.security.protocol.map": "BROKER:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.broker.plain.sasl.jaas.config": login,
        "listener.name.controller.plain.sasl.jaas.config": login,
        "log.dirs": context.paths.data,
        "num.partitions": context.values["partitions"],
        "log.retention.hours": context.values["retention_hours"],
        "auto.create.topics.enable": "false",
        # One node: internal topics have one replica, and as few partitions as consumers here can tell apart. The
        # defaults (50) would be created one by one when the first consumer group or transaction waits for them.
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        # Several consumers that join at once is a matter of large clusters.
        "group.initial.rebalance.delay.ms": 0,
        **overrides,
    }


def _properties(settings: Mapping[str, object]) -> str:
    return "".join(f"{key}={str(value).replace(chr(92), chr(92) * 2)}\n" for key, value in settings.items())


def _format(context: EmbeddedContext) -> None:
    """Make an empty data directory one of a new cluster, as Kafka's own storage tool does.

    Of what the tool writes, only ``meta.properties`` differs from cluster to cluster. ``bootstrap.checkpoint`` holds
    the release's feature levels: it is made by the tool once and kept in the user's cache, which saves each new
    deployment a second Java start, longer than half of the broker's own.
    """
    meta = context.paths.data / "meta.properties"
    if meta.exists():
        return
    checkpoint = _bootstrap_checkpoint(context)
    (context.paths.data / "bootstrap.checkpoint").write_bytes(checkpoint)
    # Last: a directory with this file is formatted.
    write_private(meta, f"version=1\ncluster.id={_kafka_id()}\nnode.id={NODE}\ndirectory.id={_kafka_id()}\n")


def _kafka_id() -> str:
    """A random id as Kafka writes it: 16 bytes in URL-safe base64, not beginning with a dash."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def _bootstrap_checkpoint(context: EmbeddedContext) -> bytes:
    version = next(jar.stem for jar in context.classpath if jar.stem.startswith("kafka_"))
    folder = cache_root() / "kafka"
    # The name carries the digest of the content, so that a damaged file is made again.
    for kept in folder.glob(f"{version}-*.checkpoint"):
        content = kept.read_bytes()
        if kept.stem == f"{version}-{hashlib.sha256(content).hexdigest()}":
            return content
        kept.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder, prefix=".format-"))
    try:
        content = _run_storage_tool(context, scratch)
        new = scratch / "new"
        new.write_bytes(content)
        new.replace(folder / f"{version}-{hashlib.sha256(content).hexdigest()}.checkpoint")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return content


def _run_storage_tool(context: EmbeddedContext, scratch: Path) -> bytes:
    settings = {**_settings(context), "log.dirs": scratch / "data"}
    (scratch / "server.properties").touch(mode=0o600)
    (scratch / "server.properties").write_text(_properties(settings), encoding="utf-8")
    tool = context.java_program("kafka.tools.StorageTool", options=JVM_OPTIONS)
    finished = subprocess.run(
        [*tool.argv, "format", "-t", _kafka_id(), "-c", "server.properties"],
        cwd=scratch,
        env=dict(tool.environment),
        capture_output=True,
        text=True,
        timeout=FORMAT_SECONDS,
        check=False,
    )
    if finished.returncode != 0:
        said = (finished.stderr or finished.stdout).strip().splitlines()
        raise PlatformError(
            f"Kafka's storage tool ended with status {finished.returncode}: {' '.join(said[-3:])}",
            instruction="Check the values of kafka: `datamill show kafka --values`.",
        )
    return (scratch / "data" / "bootstrap.checkpoint").read_bytes()
