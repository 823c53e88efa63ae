"""Maintenance: resolve a component's ``artifacts.yaml`` and write its ``artifacts.lock``.

``python -m datamill_infra.drivers.embedded.lock_artifacts FOLDER [FOLDER ...]``

``artifacts.yaml`` has three keys, each a list::

    roots:    coordinates taken with everything they need at run time
    alone:    coordinates taken without what they need; a version named here wins over the one the roots ask for
    exclude:  ``group:artifact`` or ``group:*``, left out wherever it appears below the roots

The digests are those of the files as the registry gives them now. Whoever updates a lock reads the difference.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

import yaml

from datamill_infra.drivers.embedded.artifacts import PARALLEL_DOWNLOADS, Artifact, sha256
from datamill_infra.drivers.embedded.registry import MavenRegistry, maven_context
from datamill_infra.model.errors import ArtifactError, ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYS = ("roots", "alone", "exclude")
# What a server needs to run. `provided`, `system` and `test` are not shipped with it; neither is what is optional.
RUN_TIME_SCOPES = {None, "compile", "runtime"}


def resolve(roots: Sequence[str], alone: Sequence[str], exclude: Sequence[str], scratch: Path) -> list[str]:
    """The coordinates of a class path: what was named first, in its order, then the rest by name.

    Args:
        roots: see the module.
        alone: see the module.
        exclude: see the module.
        scratch: directory for the POMs that are read on the way.

    Raises:
        ArtifactError: a POM cannot be had or understood, so it is not known what its jar needs.
    """
    found: list[Any] = []
    while True:
        named, needed = _resolve_once(roots, alone, exclude, scratch)
        # jgo goes on without what a jar needs when its POM cannot be built, and only says so in a debug log. So each is
        # built again; when one came that had failed before, it may need more, and everything is resolved anew.
        for dependency in [*named[: len(roots)], *needed]:
            _require_pom(dependency)
        before, found = found, [dependency for dependency in [*named, *needed] if dependency.type == "jar"]
        if list(map(_coordinate, before)) == list(map(_coordinate, found)):
            return [_coordinate(dependency) for dependency in found]


def _resolve_once(
    roots: Sequence[str], alone: Sequence[str], exclude: Sequence[str], scratch: Path
) -> tuple[list[Any], list[Any]]:
    context = maven_context(scratch)
    left_out = [context.project(*pattern.split(":")) for pattern in exclude]
    everything = [context.project("*", "*")]
    wanted = [context.create_dependency(root, left_out) for root in roots]
    wanted += [context.create_dependency(single, everything) for single in alone]
    for dependency in wanted:
        # jgo's default imports the dependency management of every root for all of them; log4j's then brings the broker
        # an old Kafka client. Raw is Maven's own behaviour: a POM manages what is below it.
        dependency.raw = True
    try:
        named, needed = context.resolver.resolve(wanted)
    except ParseError as error:
        raise ArtifactError(
            f"A POM below {', '.join([*roots, *alone])} cannot be built: it is not XML ({error}).",
            instruction="The registry, or a mirror of it, has a damaged file. Take another one.",
        ) from error
    return named, sorted((d for d in needed if d.scope in RUN_TIME_SCOPES and not d.optional), key=str)


def _require_pom(dependency: Any) -> None:  # noqa: ANN401  (jgo ships no types)
    """Build a POM as jgo does.

    Raises:
        ArtifactError: it cannot be built.
    """
    from jgo.maven import Model  # noqa: PLC0415  (as in registry.py: most commands never resolve)

    component = dependency.artifact.component
    try:
        Model(component.pom(), component.context)
    except (OSError, ValueError, RuntimeError, KeyError, ParseError) as error:
        raise ArtifactError(
            f"The POM of {_coordinate(dependency)} cannot be built ({error}), so what it needs is not known.",
            instruction="Run it again when the registry answers. If the POM itself is wrong, name its jar under `alone`"
            " and what that needs under `roots`.",
        ) from error


def _coordinate(dependency: Any) -> str:  # noqa: ANN401  (jgo ships no types)
    parts = [dependency.groupId, dependency.artifactId, dependency.version, dependency.classifier]
    return ":".join(part for part in parts if part)


def lock(folder: Path) -> list[Artifact]:
    """Resolve ``folder/artifacts.yaml``, download everything once and write ``folder/artifacts.lock``.

    Raises:
        ConfigurationError: ``artifacts.yaml`` is missing or malformed.
        ArtifactError: the registry lacks something, or a POM cannot be built.
    """
    source = folder / "artifacts.yaml"
    try:
        wanted = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"{source} cannot be read: {error}", instruction="It has the keys roots, alone and exclude."
        ) from error
    for key in wanted:
        if key not in KEYS:
            raise UnknownNameError("key", key, KEYS, where=str(source))
    with tempfile.TemporaryDirectory() as scratch:
        coordinates = resolve(
            wanted.get("roots", []), wanted.get("alone", []), wanted.get("exclude", []), Path(scratch) / "poms"
        )
        registry = MavenRegistry()

        def digest(coordinate: str) -> Artifact:
            directory = Path(tempfile.mkdtemp(dir=scratch))
            return Artifact(coordinate, sha256(registry.fetch(coordinate, directory)))

        with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
            artifacts = list(pool.map(digest, coordinates))
    lines = ["# Written by datamill_infra.drivers.embedded.lock_artifacts from artifacts.yaml; not edited by hand."]
    lines += [f"{artifact.coordinate} {artifact.sha256}" for artifact in artifacts]
    (folder / "artifacts.lock").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return artifacts


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        sys.stdout.write(f"{argument}: {len(lock(Path(argument)))} artifacts\n")
