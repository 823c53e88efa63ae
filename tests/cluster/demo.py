"""The demo on a real cluster, with the platform itself as a code location, as users and machines of CI drive it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from cluster.mill import DATAMILL, Mill

from datamill_infra.drivers.rollout import Rollout
from datamill_infra.kubernetes.api import ApiServer
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.published import published_connection
from datamill_infra.orchestration.launching import RunEnd, RunEvent, follow, launch
from datamill_infra.orchestration.web import DagsterWeb
from datamill_pipelines.datasets import DatasetStore, open_store
from datamill_pipelines.datasets.logical import logical_digest

JOB_SECONDS = 900
OWN = Path(__file__).parent / "own"
"""A user's component with secrets, and a user's pipeline."""
# The lab's RabbitMQ is that of the distribution (3.10), which does not speak MQTT 5, where the id of a message is.
BY_AMQP = {"ops": {name: {"config": {"via": "amqp"}} for name in ("events__weather", "raw__weather")}}


MONTHS = "2013-01..2013-02"
RAW = ("raw/flights", "raw/weather", "raw/planes", "raw/airports")
FEATURES = "features/flight_delay"
Content = dict[str, str]
"""Dataset to the digest of what is in it: of its bytes, or logical for what Spark or Dask wrote."""


def content_of(store: DatasetStore) -> Content:
    """What the example has made in a store."""
    trees = {name: store.commit_view(name).commit.tree for name in RAW}
    return {**trees, FEATURES: logical_digest(store.commit_view(FEATURES).table())}


def content_made_here(home: Path) -> Content:
    """Run the example on this machine, in a platform that comes for it and goes again."""

    def run(*arguments: str) -> None:
        command = [*DATAMILL, "--home", str(home), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=JOB_SECONDS, check=False)
        assert 0 == done.returncode, done.stderr

    run("up", "demo")
    try:
        run("run", "flight_delay", "--months", MONTHS)
        with open_store(published_connection(Deployment.load(home), "datasets")) as store:
            return content_of(store)
    finally:
        run("down", "--delete-data", "--yes")


class Demo(Mill):
    """The deployment."""

    def __post_init__(self) -> None:
        shutil.copytree(OWN, self.home)
        self.write()
        self.cluster = ApiServer(self.context)
        self.heard: list[tuple[float, str]] = []

    def write(self, **components: object) -> None:
        stateful = ("kafka", "s3proxy", "postgres", "rabbitmq", "mlflow")
        file = {
            "flavour": "demo",
            "extra": ["vault"],
            "target": "lab",
            "context": self.context,
            "namespaces": {"system": self.namespace, "runs": f"{self.namespace}-runs"},
            "components": {
                **{name: {"values": {"storage": {"size": "1Gi"}}} for name in stateful},
                "datamill": {"values": {"infrastructure": True}},
                **components,
            },
        }
        (self.home / "deployment.yaml").write_text(yaml.safe_dump(file))

    @property
    def deployment(self) -> Deployment:
        return Deployment.load(self.home)

    def bring_up(self) -> None:
        """``datamill up``; what it shows is kept, with the second at which it was heard."""
        with subprocess.Popen(
            [*DATAMILL, "--home", str(self.home), "up"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            self.heard = [(time.monotonic(), line.rstrip()) for line in process.stdout]
        assert 0 == process.returncode, "\n".join(line for _, line in self.heard)

    def ask(self, text: str, **variables: object) -> Any:  # noqa: ANN401  (JSON)
        """GraphQL, through the proxy."""
        with Rollout(self.deployment).door("dagster") as connection:
            return DagsterWeb(connection).query(text, variables)

    def launched(self, location: str, job: str, **options: Any) -> tuple[str, RunEnd, list[RunEvent]]:  # noqa: ANN401
        """A run that the user interface would start, to its end."""
        heard: list[RunEvent] = []
        with Rollout(self.deployment).door("dagster") as connection:
            web = DagsterWeb(connection)
            run = launch(web, job, location=location, **options)
            return run, follow(lambda: web, run, heard.append), heard

    def dagster(self, module: str, job: str, home: Path, config: object = None) -> subprocess.CompletedProcess[str]:
        """``dagster job execute`` on a machine of CI."""
        file = home / "run.yaml"
        file.write_text(yaml.safe_dump(config or {}))
        return subprocess.run(
            [sys.executable, "-m", "dagster", "job", "execute", "-m", module, "-j", job, "-c", str(file)],
            env={**self.environment, "DAGSTER_HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=JOB_SECONDS,
            check=False,
        )

    @contextlib.contextmanager
    def store(self) -> Iterator[DatasetStore]:
        """The versioned datasets in the cluster."""
        with Rollout(self.deployment).door("datasets") as connection, open_store(connection) as store:
            yield store


class Arguments(threading.Thread):
    """Listens to the arguments of every process of this machine; the pods of a lab are processes of it, too."""

    def __init__(self) -> None:
        super().__init__(name="arguments", daemon=True)
        self.seen: set[str] = set()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.5):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.seen.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))

    def stop(self) -> set[str]:
        self._over.set()
        self.join()
        return self.seen


def critical_path(deployment: Deployment, heard: list[tuple[float, str]]) -> tuple[float, float]:
    """Seconds of a whole ``up``, and of the longest chain of components that depend on each other.

    A component takes the time from its first line to the one that says that it is healthy.
    """
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for at, line in heard:
        name = line.strip().partition(":")[0]
        if name in deployment.resolution.components:
            first.setdefault(name, at)
            last[name] = at
    chain: Mapping[str, float] = {}
    for name in deployment.resolution.sequence():
        below = [chain[other] for other in deployment.resolution.dependencies(name)]
        chain = {**chain, name: max(below, default=0.0) + last[name] - first[name]}
    return max(last.values()) - min(first.values()), max(chain.values())
