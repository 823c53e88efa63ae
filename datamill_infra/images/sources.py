"""Which images there are, where their files lie, and what decides what is in them.

MLflow, Dask and MLServer have none of their own: they are packages that the pipelines' image has, with their programs
in the path as in the official images, so a node keeps one large image instead of four.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.model.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).parents[2]
PACKAGES = ("datamill_infra", "datamill_pipelines")
REGISTRY = "datamill.lab"
"""The first part of every image's name in the lab; nothing is ever pulled from it."""


@dataclass(frozen=True)
class Image:
    """One image.

    Attributes:
        name: its folder in ``images/``.
        component: of the catalogue, whose artifacts it holds; ``None`` for an image of our own.
        official: the image whose layout it keeps; ``None`` for one of our own.
        java: it needs a Java runtime.
        python: it needs the packages of ``requirements.lock``.
        project: it needs this project.
        on: the image of ours that it stands on; ``None`` for one that stands on the base.
        helm: it needs the program ``helm`` and our charts.
    """

    name: str
    component: str | None = None
    official: str | None = None
    java: bool = False
    python: bool = False
    project: bool = False
    on: str | None = None
    helm: bool = False

    @property
    def reference(self) -> str:
        """Name and tag in the lab."""
        return f"{REGISTRY}/{self.name}:lab"

    @property
    def locks(self) -> list[Path]:
        """The lock files that decide what is gathered."""
        component = [PROJECT / "datamill_infra" / "catalogue" / self.component] if self.component else []
        found = [folder / "artifacts.lock" for folder in component]
        return [*found, PROJECT / "requirements.lock"] if self.python else found

    @property
    def sources(self) -> list[Path]:
        """The files that decide what is in it, besides what it stands on."""
        folders = [self.folder]
        folders += [PROJECT / package for package in PACKAGES] if self.project else []
        folders += [PROJECT / "helm"] if self.helm else []
        return sorted([*self.locks, *(file for folder in folders for file in files_in(folder))])

    @property
    def folder(self) -> Path:
        """Its Dockerfile and what belongs to it."""
        return PROJECT / "images" / self.name


IMAGES: Mapping[str, Image] = {
    image.name: image
    for image in (
        Image("kafka", component="kafka", official="apache/kafka", java=True),
        Image("s3proxy", component="s3proxy", official="andrewgaul/s3proxy", java=True),
        Image("postgres", official="postgres"),
        Image("rabbitmq", official="rabbitmq"),
        Image("nginx", official="nginxinc/nginx-unprivileged"),
        # After what they stand on.
        Image("runtime", component="spark", java=True, python=True),
        Image("pipelines", on="runtime", project=True),
        Image("infrastructure", on="pipelines", helm=True),
    )
}


def files_in(folder: Path) -> list[Path]:
    """The files below a folder that were written by somebody, in order."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.parent.name != "__pycache__")


def image(name: str) -> Image:
    """The image of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in IMAGES:
        raise UnknownNameError("image", name, IMAGES)
    return IMAGES[name]
