"""Which images there are, and where their files lie."""

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
    """

    name: str
    component: str | None = None
    official: str | None = None
    java: bool = False
    python: bool = False

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
        Image("pipelines", python=True),
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
