"""What the pages say is what the code does: examples are read, every key is explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from datamill_infra.model.components import ComponentSpec, HealthPart, TargetPart, load_component
from datamill_infra.model.deployment_file import ComponentChoice, DeploymentFile, NamespacesPart
from datamill_infra.model.documents import parse_document
from datamill_infra.model.flavours import Flavour, OverridePart
from datamill_infra.model.merging import LAYERS
from datamill_infra.model.providers import (
    ClaimsPart,
    ConnectionPart,
    EmbeddedPart,
    ExternalField,
    ExternalPart,
    ExternalSecret,
    HelmPart,
    UsePart,
)
from datamill_infra.model.rendering import CONNECTIONS
from datamill_infra.model.targets import target_kinds
from datamill_infra.model.units import ChartUnit, KustomizeUnit, ManifestsUnit, ResourcesUnit
from datamill_infra.model.validation import Part, validate

DOCS = Path(__file__).parents[3] / "docs"
COMPONENTS = (DOCS / "components.md").read_text(encoding="utf-8")
VALUES = (DOCS / "values-and-merging.md").read_text(encoding="utf-8")
GIVEN = {"name", "folder", "document"}


def examples(text: str, first: str) -> list[str]:
    """The YAML blocks that have a line starting with ``first``."""
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    return [block for block in blocks if re.search(rf"^{first}", block, flags=re.MULTILINE)]


@pytest.mark.parametrize("number", [0, 1])
def test_the_worked_examples_of_components_can_be_read(number: int, tmp_path: Path) -> None:
    example = examples(COMPONENTS, "title:")[number]
    folder = tmp_path / "example"
    folder.mkdir()
    (folder / "component.yaml").write_text(example)
    for file in ("embedded.py", "artifacts.lock"):
        (folder / file).write_text("")
    assert "embedded" in load_component(folder).providers


def test_the_example_of_a_deployment_can_be_read() -> None:
    (example,) = examples(VALUES, "flavour:")
    file = validate(DeploymentFile, parse_document(example, Path("docs")))
    assert file.components["mlflow"].provider == "external"
    everything = re.sub(r"# (context|namespaces|capabilities|secrets):", r"\1:", example).replace(
        "embedded  ", "kind  "
    )
    assert validate(DeploymentFile, parse_document(everything, Path("docs"))).context == "kind-datamill"


def test_the_examples_of_flavours_can_be_read() -> None:
    for example in examples(VALUES, "extends:"):
        document = parse_document(example, Path("docs"))
        assert validate(Flavour, document, given={"name": "example", "document": document}).extends


@pytest.mark.parametrize(
    "part",
    [
        *(
            ComponentSpec,
            HealthPart,
            EmbeddedPart,
            HelmPart,
            ExternalPart,
            ExternalField,
            ExternalSecret,
            ConnectionPart,
        ),
        *(ClaimsPart, UsePart, ChartUnit, ManifestsUnit, KustomizeUnit, ResourcesUnit, TargetPart),
    ],
)
def test_every_key_of_a_component_is_on_its_page(part: type[Part]) -> None:
    for key in set(part.model_fields) - (GIVEN if part is ComponentSpec else set()):
        assert re.search(rf"\b{key}\b", COMPONENTS), key


@pytest.mark.parametrize("part", [DeploymentFile, ComponentChoice, NamespacesPart, Flavour, OverridePart])
def test_every_key_of_a_deployment_and_a_flavour_is_on_its_page(part: type[Part]) -> None:
    for key in set(part.model_fields) - (GIVEN if part is Flavour else set()):
        assert re.search(rf"\b{key}\b", VALUES), key


def test_the_layers_are_listed_in_their_order() -> None:
    listed = re.findall(r"^\| \d \| `(\w+)`", VALUES, flags=re.MULTILINE)
    assert [*LAYERS, CONNECTIONS] == listed


def test_every_target_is_named() -> None:
    for kind in target_kinds():
        assert re.search(rf"\b{kind}\b", VALUES), kind


@pytest.mark.parametrize("page", sorted([*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md")]), ids=lambda page: page.name)
def test_every_link_to_a_page_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
