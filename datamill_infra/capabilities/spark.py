"""``spark``: what a pipeline needs to run a Spark driver, and the master it connects to.

Fields: ``master`` (``local[2]``, ``spark://host:port``, ``k8s://address`` with drivers in that cluster), ``java_home``,
``jars`` (directory with the jars of the s3a file system, with ``SHA256SUMS`` in it when it is ours; may be empty).

Starting Spark takes ten seconds, so the probe starts Java as Spark does, verifies the jars, and connects to the master.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.capabilities.attempt import Attempt, host_and_port

if TYPE_CHECKING:
    from datamill_infra.capabilities.attempt import Observation
    from datamill_infra.model.connections import ResolvedConnection

SUMS = "SHA256SUMS"
OLDEST_JAVA = 17
SHOWN_LINES = 3
STANDALONE, DEFAULT_PORT = "spark://", 7077
KUBERNETES, IN_A_POD = "k8s://", "KUBERNETES_SERVICE_HOST"
# As Spark's own launcher starts a driver; the runtime that the environment brings does not have this module.
LAUNCHER_OPTION = "--add-modules=jdk.incubator.vector"


def probe(connection: ResolvedConnection, *, timeout: float) -> Observation:
    """Start Java, verify the jars, and reach the master if it is a server.

    Raises:
        UnhealthyError: a driver could not be started with this.
    """
    master = connection.text("master")
    attempt = Attempt(connection, master, timeout)
    spark = _spark_version(attempt)
    if master.startswith(KUBERNETES) and IN_A_POD not in os.environ:
        # Drivers are pods of the cluster: Java and the jars are those of their image, and a run looks at them there.
        return attempt.observed(f"Spark {spark}, whose drivers and executors are pods", spark=spark)
    java = _java_version(Path(connection.text("java_home")), attempt)
    jars = _verified_jars(str(connection.get("jars") or ""), attempt)
    if master.startswith(STANDALONE):
        attempt.reach(*host_and_port(master.split(",")[0], DEFAULT_PORT))
    return attempt.observed(f"Spark {spark} on Java {java}, {jars} jars for s3a", spark=spark, java=java, jars=jars)


def environment(connection: ResolvedConnection) -> dict[str, str]:
    """What ``pyspark`` and ``spark-submit`` read."""
    arguments = ["--master", connection.text("master")]
    if jars := connection.get("jars"):
        arguments += ["--driver-class-path", f"{jars}/*"]
    return {
        "JAVA_HOME": connection.text("java_home"),
        # The last word is what makes it valid for a session that Python starts.
        "PYSPARK_SUBMIT_ARGS": " ".join([*arguments, "pyspark-shell"]),
    }


def _spark_version(attempt: Attempt) -> str:
    attempt.left("looking for the package pyspark")
    try:
        return importlib.metadata.version("pyspark")
    except importlib.metadata.PackageNotFoundError:
        raise attempt.failed(
            "pyspark is not installed in this environment",
            instruction="Install the project's dependencies: `make install`.",
        ) from None


def _java_version(home: Path, attempt: Attempt) -> str:
    java = home / "bin" / "java"
    remaining = attempt.left(f"starting {java}")
    try:
        finished = subprocess.run(
            [java, LAUNCHER_OPTION, "-version"],
            capture_output=True,
            text=True,
            timeout=remaining,
            check=False,
        )
    except FileNotFoundError:
        raise attempt.failed("there is no such file") from None
    except subprocess.TimeoutExpired:
        raise attempt.failed("it does not end") from None
    except OSError as error:
        raise attempt.failed(f"it cannot be executed ({error.strerror})") from None
    said = finished.stderr + finished.stdout
    version = re.search(r'version "(?P<full>(?P<major>\d+)[^"]*)"', said)
    if finished.returncode != 0 or version is None:
        shown = "; ".join(said.split("\n")[:SHOWN_LINES]) or "it said nothing"
        raise attempt.failed(f"Java ended with status {finished.returncode}: {shown}")
    if int(version["major"]) < OLDEST_JAVA:
        raise attempt.failed(f"Java {version['full']} is too old for Spark, which needs {OLDEST_JAVA}")
    return version["full"]


def _verified_jars(folder: str, attempt: Attempt) -> int:
    if not folder:
        return 0
    attempt.left(f"verifying the jars in {folder}")
    directory = Path(folder)
    present = {path.name for path in directory.glob("*.jar")}
    if not any(name.startswith("hadoop-aws-") for name in present):
        raise attempt.failed("there is no hadoop-aws jar")
    try:
        sums = (directory / SUMS).read_text(encoding="utf-8")
    except FileNotFoundError:  # somebody else's directory
        return len(present)
    expected = {name: digest for digest, name in (line.split(maxsplit=1) for line in sums.splitlines())}
    for name, digest in expected.items():
        attempt.left(f"verifying {name}")
        if name not in present:
            raise attempt.failed("the file is missing")
        with (directory / name).open("rb") as jar:
            if hashlib.file_digest(jar, "sha256").hexdigest() != digest:
                raise attempt.failed("its content has changed")
    if foreign := sorted(present - expected.keys()):
        raise attempt.failed(f"{foreign[0]} does not belong there")
    return len(present)
