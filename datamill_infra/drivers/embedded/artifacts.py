"""Server artifacts: Maven coordinates with SHA-256 in the repository, one verified copy per user in a cache.

``artifacts.lock`` in a component's folder lists what a server needs, one artifact per line, in class path order::

    # comment
    group:artifact:version[:classifier] sha256

A digest is checked when a file is downloaded and again each time a component is applied: hashing all jars of the
demo takes a tenth of a second, and a damaged jar found here is a sentence instead of a class loader's stack trace.
Files enter the cache by rename, so that any number of checkouts can fill it at once.

:mod:`datamill_infra.drivers.embedded.registry` is the door to the registry, and
``python -m datamill_infra.drivers.embedded.lock_artifacts FOLDER`` writes the lock file of a component.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from filelock import FileLock

from datamill_infra.drivers.embedded.registry import MavenRegistry, Registry
from datamill_infra.model.errors import ArtifactError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

REWRITE = "Write it again: python -m datamill_infra.drivers.embedded.lock_artifacts"
LINE = re.compile(r"(?P<coordinate>[^\s:]+:[^\s:]+:[^\s:]+(:[^\s:]+)?)\s+(?P<sha256>[0-9a-f]{64})")
# Beyond eight the registry's answers, not our waiting for them, take the time.
PARALLEL_DOWNLOADS = 8


def cache_root() -> Path:
    """The per-user cache directory: ``DATAMILL_CACHE``, or the platform's default."""
    chosen = os.environ.get("DATAMILL_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else platformdirs.user_cache_path("datamill")


@dataclass(frozen=True)
class Artifact:
    """One file of the registry.

    Attributes:
        coordinate: ``group:artifact:version`` or ``group:artifact:version:classifier``.
        sha256: lower-case hexadecimal digest of the jar.
    """

    coordinate: str
    sha256: str

    @property
    def group(self) -> str:
        """Its group, e.g. ``"org.apache.kafka"``."""
        return self.coordinate.split(":", 1)[0]

    @property
    def filename(self) -> str:
        """Its file name, e.g. ``"kafka-clients-4.3.1.jar"``."""
        return "-".join(self.coordinate.split(":")[1:]) + ".jar"


def read_lock(lock: Path) -> tuple[Artifact, ...]:
    """The artifacts of a lock file, in its order.

    Raises:
        ConfigurationError: a line is malformed, or the file cannot be read.
    """
    try:
        lines = lock.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError(
            f"{lock} cannot be read: {error.strerror}.",
            instruction=f"{REWRITE} {lock.parent}",
        ) from error
    artifacts = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise ConfigurationError(
                f"{lock}:{number}: {line!r} is not `group:artifact:version[:classifier] sha256`.",
                instruction=f"{REWRITE} {lock.parent}",
            )
        artifacts.append(Artifact(match["coordinate"], match["sha256"]))
    return tuple(artifacts)


def sha256(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _refuse_other(artifact: Artifact, digest: str) -> None:
    if digest != artifact.sha256:
        raise ArtifactError(
            f"The registry's {artifact.filename} has SHA-256 {digest}, but artifacts.lock says {artifact.sha256}."
            " It was not stored.",
            instruction="A proxy or mirror may have answered with something else: try again, or without it."
            " Change artifacts.lock only when you know why the digest changed.",
        )


def _ignore(_: str) -> None:
    """Nobody listens."""


class ArtifactCache:
    """Verified copies of artifacts.

    Args:
        root: the cache directory; by default :func:`cache_root`.
        registry: where missing artifacts come from; by default Maven Central, or what the user's jgo settings name.
    """

    def __init__(self, root: Path | None = None, registry: Registry | None = None) -> None:
        self.directory = (root or cache_root()) / "artifacts"
        self.registry = registry or MavenRegistry()

    def path(self, artifact: Artifact) -> Path:
        """Where the artifact lies once it has been ensured."""
        return self.directory / artifact.group / artifact.filename

    def ensure(self, artifacts: Sequence[Artifact], notify: Callable[[str], None] = _ignore) -> tuple[Path, ...]:
        """Make every artifact present and intact, and return the paths in the given order.

        Args:
            artifacts: what is needed.
            notify: receives one sentence per thing the user may want to know (downloads, damaged copies).

        Raises:
            ArtifactError: one could not be fetched, has another digest than the lock says, or cannot be stored.
        """
        with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
            intact = all(state == "intact" for state in pool.map(self._state, artifacts))
        if not intact:
            with self._one_at_a_time():
                self._fetch_missing(artifacts, notify)
        return tuple(self.path(artifact) for artifact in artifacts)

    def _fetch_missing(self, artifacts: Sequence[Artifact], notify: Callable[[str], None]) -> None:
        with ThreadPoolExecutor(PARALLEL_DOWNLOADS, thread_name_prefix="artifacts") as pool:
            states = list(pool.map(self._state, artifacts))
            for artifact, state in zip(artifacts, states, strict=True):
                if state == "damaged":
                    notify(f"The cached {artifact.filename} is damaged (wrong SHA-256); fetching it again.")
            wanted = [(a, state == "damaged") for a, state in zip(artifacts, states, strict=True) if state != "intact"]
            if wanted:
                notify(f"Fetching {len(wanted)} server artifacts ({wanted[0][0].filename}, ...).")
            fetched = [pool.submit(self._fetch, artifact, damaged=damaged) for artifact, damaged in wanted]
            try:
                for count, future in enumerate(as_completed(fetched), start=1):
                    future.result()
                    notify(f"{count} of {len(fetched)} server artifacts fetched.")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Of components and processes that need the same artifacts, the first fetches them and the others find them."""
        lock = FileLock(self.directory.with_suffix(".lock"))
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise self._unusable(error) from error
        try:
            yield
        finally:
            lock.release()

    def _state(self, artifact: Artifact) -> str:
        try:
            return "intact" if sha256(self.path(artifact)) == artifact.sha256 else "damaged"
        except FileNotFoundError:
            return "missing"
        except OSError as error:
            raise self._unusable(error) from error

    def _fetch(self, artifact: Artifact, *, damaged: bool) -> None:
        final = self.path(artifact)
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".fetch-", dir=self.directory))
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fetched = self.registry.fetch(artifact.coordinate, scratch)
            _refuse_other(artifact, sha256(fetched))
            fetched.replace(final)
        except ArtifactError as error:
            if damaged:
                error.reason = f"The cached copy {final} is damaged, and fetching it again failed. {error.reason}"
            raise
        except OSError as error:
            raise self._unusable(error) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _unusable(self, error: OSError) -> ArtifactError:
        return ArtifactError(
            f"Server artifacts cannot be kept in {self.directory}: {error.strerror}.",
            instruction="Free some space there, or choose another directory by DATAMILL_CACHE.",
        )
