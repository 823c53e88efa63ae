"""The real door: the ``helm`` program of this machine, version 4."""

from __future__ import annotations

import ctypes
import functools
import logging
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from datamill_infra.drivers.helm.door import Helm, HelmError, HelmMissingError
from datamill_infra.drivers.helm.renderings import Renderings, digest_of
from datamill_infra.kubernetes.objects import annotations_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datamill_infra.kubernetes.objects import Object

logger = logging.getLogger("datamill.helm")

MAJOR = 4
"""Version 3 applies on the client, which cannot take back a field that somebody else owns."""

HOOK = "helm.sh/hook"
VALUES_STEP = "Correct what it names; `datamill show COMPONENT --values` has the origin of each value."
SECONDS = 120
KEPT_REVISIONS = 5
PR_SET_PDEATHSIG = 1
INSTALL = (
    "Install Helm 4 (https://helm.sh/docs/intro/install) and put it into PATH; with Go:"
    " `go install helm.sh/helm/v4/cmd/helm@v4.3.1`."
)


class HelmBinary(Helm):
    """``helm`` in ``PATH``. It is ended when whoever called it ends, so no orphan goes on writing to a cluster.

    Args:
        renderings: what was rendered before.
    """

    def __init__(self, renderings: Renderings | None = None) -> None:
        self._renderings = renderings or Renderings()

    def template(self, release: str, namespace: str, chart: Path, values: Sequence[Path]) -> list[Object]:
        """See :meth:`Helm.template`."""

        def render() -> list[Object]:
            text = self._run("template", release, str(chart), "--namespace", namespace, "--skip-tests", *_files(values))
            return [document for document in _documents(text) if HOOK not in annotations_of(document)]

        return self._renderings.get(digest_of(_found(), release, namespace, chart, values), render)

    def definitions(self, chart: Path) -> list[Object]:
        """See :meth:`Helm.definitions`."""
        return _documents(self._run("show", "crds", str(chart)))

    def pull(self, source: str, chart: str | None, version: str, into: Path) -> Path:
        """See :meth:`Helm.pull`."""
        named = [source] if chart is None else [chart, "--repo", source]
        step = "See whether this machine reaches it. What was pulled once is kept, and needs no network."
        self._run("pull", *named, "--version", version, "--destination", str(into), step=step)
        return next(into.glob("*.tgz"))

    def upgrade(
        self,
        context: str,
        release: str,
        namespace: str,
        chart: Path,
        values: Sequence[Path],
        labels: Mapping[str, str],
    ) -> None:
        """See :meth:`Helm.upgrade`."""
        self._run(
            *("upgrade", release, str(chart), "--install", "--kube-context", context, "--namespace", namespace),
            *("--server-side=true", "--force-conflicts", "--skip-crds", "--reset-values", "--hide-notes"),
            *("--history-max", str(KEPT_REVISIONS), "--timeout", f"{SECONDS}s", *_files(values)),
            *("--labels", ",".join(f"{key}={value}" for key, value in labels.items())),
        )

    def rollback(self, context: str, release: str, namespace: str, revision: int) -> None:
        """See :meth:`Helm.rollback`."""
        self._run(
            *("rollback", release, str(revision), "--kube-context", context, "--namespace", namespace),
            *("--server-side=true", "--force-conflicts"),
            *("--history-max", str(KEPT_REVISIONS), "--timeout", f"{SECONDS}s"),
        )

    def uninstall(self, context: str, release: str, namespace: str) -> None:
        """See :meth:`Helm.uninstall`."""
        options = ("--kube-context", context, "--namespace", namespace, "--timeout", f"{SECONDS}s")
        self._run("uninstall", release, "--ignore-not-found", *options)

    def _run(self, *arguments: str, step: str = VALUES_STEP) -> str:
        command = [_program(), *arguments]
        logger.info("%s", shlex.join(command))
        try:
            finished = _finished(command)
        except subprocess.TimeoutExpired as error:
            raise HelmError(
                f"`{shlex.join(command)}` did not end within {SECONDS} s.",
                instruction="Look at the cluster (`datamill status`); then run the command again.",
            ) from error
        if finished.returncode != 0:
            raise HelmError(
                f"helm {arguments[0]} {arguments[1]} failed: {_said(finished.stderr)}",
                instruction=step,
            )
        return finished.stdout


@functools.cache
def _program() -> str:
    """Where ``helm`` is, once it has been seen to be of the right version.

    Raises:
        HelmMissingError: it is not there, or too old.
    """
    found = str(_found())
    said = _finished([found, "version", "--template", "{{.Version}}"]).stdout.strip()
    match = re.match(r"v?(\d+)\.", said)
    if match is None or int(match[1]) < MAJOR:
        raise HelmMissingError(f"{found} is version {said or '(unknown)'}; version 4 is needed.", instruction=INSTALL)
    return found


def _found() -> Path:
    found = shutil.which("helm")
    if found is None:
        raise HelmMissingError("There is no `helm` in PATH, and Kubernetes targets need it.", instruction=INSTALL)
    return Path(found)


def _finished(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS + 10,
        check=False,
        preexec_fn=_end_with_parent,
    )


def _end_with_parent() -> None:
    """In the child, before exec: ask the kernel to kill it when the calling thread ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _documents(text: str) -> list[Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [document for document in yaml.load_all(text, Loader=loader) if document]


def _files(values: Sequence[Path]) -> list[str]:
    return [argument for file in values for argument in ("--values", str(file))]


def _said(stderr: str) -> str:
    """What Helm says, without its own decoration."""
    lines = [line.removeprefix("Error: ") for line in stderr.splitlines() if line.strip()]
    return " ".join(line.strip() for line in lines if not line.startswith(("level=", "I0", "W0"))) or stderr.strip()
