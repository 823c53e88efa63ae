"""Small catalogues, flavours and deployments, written where a test wants them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from datamill_infra.model.catalogue import Catalogue
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.flavours import Flavours, resolve_flavour
from datamill_infra.model.resolution import Resolution
from datamill_infra.model.targets import Target

FIXTURES = Path(__file__).parent / "fixtures"

HEAD = "title: T\nsummary: S.\nhomepage: https://example.org\nlicence: Apache-2.0\n"


def says(error: Exception, pattern: str) -> bool:
    """Whether an error's reason and instruction, on one line, have the pattern."""
    text = str(error).replace("\n", " ")
    assert re.search(pattern, text), text
    return True


@dataclass(frozen=True)
class Room:
    """A deployment's directory in the making."""

    home: Path

    def component(self, name: str, body: str = "embedded: {entry: null}\n") -> Path:
        folder = self.home / "catalogue" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "component.yaml").write_text(HEAD + textwrap.dedent(body), encoding="utf-8")
        return folder

    def flavour(self, name: str, body: str) -> Path:
        file = self.home / "flavours" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("title: T\nsummary: S.\n" + textwrap.dedent(body), encoding="utf-8")
        return file

    def deploy(self, body: str) -> Deployment:
        file = self.home / "deployment.yaml"
        file.write_text(textwrap.dedent(body), encoding="utf-8")
        return Deployment.load(self.home)

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue.load([self.home / "catalogue"])

    @property
    def flavours(self) -> Flavours:
        return Flavours.load([self.home / "flavours"])

    def resolve(self, flavour: str, *extra: str, target: str = "embedded") -> Resolution:
        return resolve_flavour(flavour, self.flavours, self.catalogue, extra, target=Target.of(target))
