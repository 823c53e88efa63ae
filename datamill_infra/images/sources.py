"""Which images there are, and where their files lie.

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
        python: it needs the packages of ``requirements.lock`` and this project.
        on: the image of ours that it stands on; ``None`` for one that stands on the base.
        helm: it needs the program ``helm`` and our charts.
    """

    name: str
    component: str | None = None
    official: str | None = None
    java: bool = False
    python: bool = False
    on: str | None = None
    helm: bool = False

    @property
    def reference(self) -> str:
        """Name and tag in the lab."""
        return f"{REGISTRY}/{self.name}:lab"

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
        Image("pipelines", component="spark", java=True, python=True),
        Image("infrastructure", on="pipelines", helm=True),
    )
}


def image(name: str) -> Image:
    """The image of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in IMAGES:
        raise UnknownNameError("image", name, IMAGES)
    return IMAGES[name]
