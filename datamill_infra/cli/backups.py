"""A backup is a folder: ``backup.json``, which is written last, and what it describes.

``postgres/<database>.dump`` is what ``pg_dump`` writes in its custom format; ``datasets`` is a dataset store in a
directory, which every verb of ``datamill data`` opens. Secrets are in neither.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from datamill_infra.drivers.helm.dumps import Dumps
    from datamill_infra.model.connections import ResolvedConnection
    from datamill_infra.model.deployment import Deployment

FORMAT = 1
FILE = "backup.json"
PARTS = ("postgres", "datasets")


@dataclass(frozen=True)
class Backup:
    """What ``backup.json`` says.

    Attributes:
        made_at: when it was finished.
        flavour: of the deployment.
        postgres: name, owner, file, bytes and digest of each database.
        datasets: how many objects and bytes, or ``None``.
    """

    made_at: str
    flavour: str
    postgres: Sequence[Mapping[str, Any]] = ()
    datasets: Mapping[str, int] | None = None
    format: int = field(default=FORMAT)

    @property
    def parts(self) -> tuple[str, ...]:
        """What is in it."""
        return tuple(name for name, there in (("postgres", self.postgres), ("datasets", self.datasets)) if there)


def read(folder: Path) -> Backup:
    """What a folder holds.

    Raises:
        ConfigurationError: it is no backup, an unfinished one, or one of another format.
    """
    try:
        data = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{folder} is no finished backup: {FILE} cannot be read ({error}).", instruction="Name another folder."
        ) from error
    if data.get("format") != FORMAT:
        raise ConfigurationError(
            f"{folder} is a backup of format {data.get('format')}, and this version knows {FORMAT}.",
            instruction="Restore it by the version of Data Mill that made it.",
        )
    return Backup(**data)


def possible(deployment: Deployment) -> list[str]:
    """The parts of a deployment that can be backed up."""
    bound = deployment.resolution.bound
    return [name for name in PARTS if name in bound and not (name == "postgres" and not _inside(deployment))]


def make(deployment: Deployment, folder: Path, parts: Sequence[str], tell: Callable[[str], None]) -> Backup:
    """Write a backup.

    Args:
        deployment: whose; it runs, and may be at work.
        folder: a new or empty one.
        parts: of :func:`possible`.
        tell: hears a sentence for each step.

    Raises:
        ConfigurationError: the folder is not empty.
        DatamillError: something cannot be read or written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty.", instruction="Name a new folder for each backup.")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    postgres = _dump(dumps(deployment), folder, tell) if "postgres" in parts else []
    datasets = None
    if "datasets" in parts:
        from datamill_pipelines.datasets.copying import copy_store
        from datamill_pipelines.datasets.store import open_objects

        tell("Copying the dataset store.")
        with (
            store(deployment) as connection,
            open_objects(connection) as source,
            open_objects(_address(folder)) as target,
        ):
            datasets = asdict(copy_store(source, target))
    made = Backup(datetime.now(UTC).isoformat(timespec="seconds"), deployment.flavour, postgres, datasets)
    (folder / FILE).write_text(json.dumps(asdict(made), indent=2) + "\n", encoding="utf-8")
    return made


def put_back(
    deployment: Deployment, folder: Path, parts: Sequence[str], tell: Callable[[str], None], *, replace: bool
) -> None:
    """Restore parts of a backup into a deployment that runs.

    Raises:
        ConfigurationError: the target is not empty and ``replace`` was not said, or a file of the backup is damaged.
        DatamillError: something cannot be read or written.
    """
    backup = read(folder)
    if "postgres" in parts:
        from datamill_infra.drivers.helm.dumps import Database

        _check(backup, folder)
        server = dumps(deployment)
        for entry in backup.postgres:
            tell(f"Restoring the database {entry['name']}.")
            with (folder / entry["file"]).open("rb") as content:
                server.restore(Database(entry["name"], entry["owner"]), content, entry["bytes"], replace=replace)
    if "datasets" in parts:
        from datamill_pipelines.datasets.copying import copy_store
        from datamill_pipelines.datasets.store import open_objects

        tell("Copying the dataset store.")
        with (
            store(deployment) as connection,
            open_objects(connection) as target,
            open_objects(_address(folder)) as source,
        ):
            copy_store(source, target, replace=replace)


def dumps(deployment: Deployment) -> Dumps:
    """The databases of the deployment's own server."""
    from datamill_infra.drivers.helm.dumps import Dumps
    from datamill_infra.kubernetes.api import ApiServer

    component = deployment.resolution.bound["postgres"]
    connection = deployment.declared_connections({})["postgres"]
    namespace = deployment.definition.file.namespaces.system
    return Dumps(ApiServer(str(deployment.context)), namespace, component, str(connection.fields["username"]))


@contextlib.contextmanager
def store(deployment: Deployment) -> Iterator[ResolvedConnection]:
    """The deployment's dataset store, as it is reached from here.

    Raises:
        ConfigurationError: it is none of ours, but a server's that has its own way to be backed up.
    """
    from datamill_infra.drivers.embedded.ports import PortBook
    from datamill_infra.drivers.rollout import Rollout
    from datamill_infra.drivers.secrets import SecretStore

    connection = deployment.declared_connections(PortBook(deployment.ports_file).read())["datasets"]
    if connection.fields.get("provider", "native") != "native":
        raise ConfigurationError(
            f"The datasets are kept by {connection.fields['provider']}.", instruction="Back them up by its own means."
        )
    rollout = Rollout(deployment)
    driver = rollout.driver(connection.component)
    needed = sorted({name.partition(".")[0] for name in connection.secrets.values()})
    secrets = {**SecretStore(deployment.secrets_file).read(), **driver.known_secrets(needed)}
    with driver.reachable(connection) as here:
        yield here.resolve(secrets)


def _address(folder: Path) -> str:
    return (folder / "datasets").resolve().as_uri()


def _inside(deployment: Deployment) -> bool:
    return deployment.provider(deployment.resolution.bound["postgres"]) == "helm"


def _dump(server: Dumps, folder: Path, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    made = []
    (folder / "postgres").mkdir()
    for database in server.databases():
        tell(f"Dumping the database {database.name}.")
        file = folder / "postgres" / f"{database.name}.dump"
        with file.open("xb") as into:
            server.dump(database.name, into)
        entry = {**asdict(database), "file": f"postgres/{file.name}", "bytes": file.stat().st_size}
        made.append({**entry, "sha256": _sha256(file)})
    return made


def _check(backup: Backup, folder: Path) -> None:
    """Every dump is whole, before anything is deleted for it."""
    for entry in backup.postgres:
        file = folder / entry["file"]
        if not file.exists() or _sha256(file) != entry["sha256"]:
            raise ConfigurationError(
                f"{file} is missing or damaged: it is not what the backup was made of.",
                instruction="Restore another backup.",
            )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
