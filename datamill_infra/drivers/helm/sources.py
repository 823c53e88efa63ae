"""What units are made from, when it is not in this project: each thing once, in the user's cache, by its digest.

What is there is used without a network, so a plan can be made anywhere a deploy was made before. Files enter the cache
by rename, so that any number of commands can fill it at once.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.drivers.embedded.artifacts import cache_root, sha256
from datamill_infra.drivers.helm.programs import run
from datamill_infra.model.errors import ArtifactError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_infra.drivers.helm.door import Helm
    from datamill_infra.model.units import ChartUnit, KustomizeUnit, ManifestsUnit

SECONDS = 60
SHA256, COMMIT = "sha256", "commit"


class Sources:
    """The cache, and how things get into it.

    Args:
        helm: pulls charts.
        root: the cache's directory.
    """

    def __init__(self, helm: Helm, root: Path | None = None) -> None:
        self.helm = helm
        self.root = root or cache_root()

    def chart(self, unit: ChartUnit) -> Path:
        """The packaged chart of a unit.

        Raises:
            HelmError: it cannot be pulled.
            ArtifactError: what came has another digest.
        """
        wanted = _digest(unit.name, unit.digest, SHA256)
        kept = self.root / "charts" / f"{wanted}.tgz"
        if not kept.exists():
            with self._scratch() as folder:
                pulled = self.helm.pull(unit.source, unit.chart, unit.version, folder)
                self._keep(pulled, kept, wanted, f"{unit.source} {unit.version}")
        return kept

    def manifests(self, unit: ManifestsUnit) -> Path:
        """The file of a unit of manifests.

        Raises:
            ArtifactError: it cannot be fetched, or has another digest.
        """
        wanted = _digest(unit.name, unit.digest, SHA256)
        kept = self.root / "manifests" / f"{wanted}.yaml"
        if not kept.exists():
            with self._scratch() as folder:
                file = folder / "manifests.yaml"
                try:
                    with urllib.request.urlopen(unit.source, timeout=SECONDS) as answer, file.open("wb") as into:  # noqa: S310  (https, by the model)
                        shutil.copyfileobj(answer, into)
                except (urllib.error.URLError, TimeoutError) as error:
                    raise ArtifactError(
                        f"{unit.source} cannot be fetched: {error}", instruction="See whether this machine reaches it."
                    ) from error
                self._keep(file, kept, wanted, unit.source)
        return kept

    def tree(self, unit: KustomizeUnit) -> Path:
        """The files of the Git commit of a kustomization.

        Raises:
            ProgramError: there is no git, or it cannot fetch the commit.
        """
        return self.commit(unit.source, _digest(unit.name, unit.digest, COMMIT))

    def commit(self, repository: str, commit: str) -> Path:
        """The files of a commit.

        Args:
            repository: address for ``git``.
            commit: 40 hexadecimal digits; Git itself checks what comes against it.

        Raises:
            ProgramError: there is no git, or it cannot fetch the commit.
        """
        kept = self.root / "trees" / commit
        if not kept.exists():
            with self._scratch() as folder:
                tree = folder / "tree"
                run(["git", "init", "--quiet", str(tree)])
                run(["git", "fetch", "--quiet", "--depth", "1", repository, commit], directory=tree)
                run(["git", "checkout", "--quiet", "--detach", commit], directory=tree)
                shutil.rmtree(tree / ".git")
                kept.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError, OSError):  # another command was faster
                    tree.rename(kept)
        return kept

    def _keep(self, file: Path, kept: Path, wanted: str, what: str) -> None:
        if (found := sha256(file)) != wanted:
            raise ArtifactError(
                f"{what} has SHA-256 {found}, but the component says {wanted}. It was not stored.",
                instruction="Find out why it changed before you change `digest` in the component's component.yaml.",
            )
        kept.parent.mkdir(parents=True, exist_ok=True)
        file.rename(kept)

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Path]:
        """On the same file system as the cache, so that a rename is one."""
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=self.root) as folder:
            yield Path(folder)


def _digest(name: str, digest: str | None, form: str) -> str:
    given, _, value = (digest or "").partition(":")
    if given != form:
        raise ConfigurationError(
            f"The unit {name!r} has the digest {digest!r}, and a {form} is needed for what it is made from.",
            instruction=f"Write `digest: {form}:...` in the component's component.yaml.",
        )
    return value
