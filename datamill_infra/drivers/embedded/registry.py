"""The one door to the registry of Java artifacts.

jgo brings the Maven knowledge: its built-in default repository, or the ``[repositories]`` of the user's jgo settings
(``~/.config/jgo.conf`` or ``JGO_CONFIG_FILE``), which is how a mirror is named. Proxies and certificate authorities
come from the usual environment variables.
"""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.model.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jgo.maven import MavenContext

# Seconds a registry may stay silent. jgo's own default of ten fails on the first request through a slow proxy.
SILENCE_SECONDS = 60
# Seconds before it is tried again. Small networks' name servers drop queries when many artifacts are asked for at once.
PAUSES = (0.5, 2.0)


class Registry(ABC):
    """Gives files for coordinates. What it gives is not trusted: the caller verifies digests."""

    @abstractmethod
    def fetch(self, coordinate: str, directory: Path) -> Path:
        """Download one artifact somewhere below ``directory``, which the caller removes.

        Args:
            coordinate: ``group:artifact:version[:classifier]``.
            directory: an empty directory.

        Raises:
            ArtifactError: the registry cannot be reached, or does not have it.
            OSError: the file cannot be written.
        """


class MavenRegistry(Registry):
    """Maven repositories, through jgo."""

    def fetch(self, coordinate: str, directory: Path) -> Path:
        """See :meth:`Registry.fetch`."""
        # Imported here: most commands never fetch, and requests alone takes 0.1 s.
        import requests  # noqa: PLC0415

        group, name, version, *classifier = coordinate.split(":")
        context = maven_context(directory)
        artifact = context.project(group, name).at_version(version).artifact(*classifier)
        try:
            return _patiently(lambda: Path(artifact.resolve()), (requests.ConnectionError, requests.Timeout))
        except requests.RequestException as error:
            raise ArtifactError(
                f"{coordinate} is not in the cache and the registry cannot be reached ({_cause(error)}).",
                instruction="Connect to the network (or set HTTPS_PROXY, or name a mirror under [repositories] in"
                " ~/.config/jgo.conf) and run the command again; what has been fetched is kept.",
            ) from error
        except RuntimeError as error:
            # jgo says "not found in any remote repository" this way.
            raise ArtifactError(
                f"No registry has {coordinate}.",
                instruction="Check the coordinate in artifacts.lock, and the [repositories] of ~/.config/jgo.conf"
                " if you have that file: a mirror may be incomplete.",
            ) from error


def _patiently(fetch: Callable[[], Path], transient: tuple[type[Exception], ...]) -> Path:
    for pause in PAUSES:
        with contextlib.suppress(*transient):
            return fetch()
        time.sleep(pause)
    return fetch()


def maven_context(directory: Path) -> MavenContext:
    """A Maven context that keeps its files below ``directory`` and knows the user's mirrors.

    Args:
        directory: takes the place of ``~/.m2/repository``.
    """
    from jgo.config import GlobalSettings  # noqa: PLC0415  (same reason as above)
    from jgo.maven import MavenContext  # noqa: PLC0415

    mirrors = GlobalSettings.load().repositories or None
    return MavenContext(repo_cache=directory, remote_repos=mirrors, timeout=SILENCE_SECONDS)


def _cause(error: BaseException) -> str:
    """The innermost reason, without addresses that change from run to run."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__
