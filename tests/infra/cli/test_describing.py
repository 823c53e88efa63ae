"""``show`` and ``plan`` of components that are not set up here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from datamill_infra.cli.root import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A deployment whose datasets are somebody else's."""
    home = tmp_path / ".datamill"
    (home / "flavours").mkdir(parents=True)
    (home / "flavours" / "store.yaml").write_text(
        "title: Store\nsummary: Datasets only.\ncomponents: [datasets]\n", encoding="utf-8"
    )
    (home / "deployment.yaml").write_text(
        "flavour: store\n"
        f"components: {{datasets: {{provider: external, connection: {{datasets: {{url: 'file://{tmp_path}/s'}}}}}}}}\n",
        encoding="utf-8",
    )
    return home


def told(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str, code: int = 0) -> str:
    assert code == run(["--home", str(home), *arguments])
    captured = capsys.readouterr()
    return captured.out + captured.err


@pytest.mark.parametrize("component", ["mosquitto", "rabbitmq"])
def test_a_component_that_cannot_be_set_up_here_is_described_with_what_it_takes_to_use_one(
    component: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = told(capsys, home, "show", component)
    assert "embedded: external" in described
    assert "not set up on the target 'embedded'" in described
    assert "mqtt.host: host name" in described
    assert "(required)" in described
    assert f"components: {{{component}: {{provider: external, connection: {{" in described
    facts: dict[str, Any] = json.loads(told(capsys, home, "show", component, "--json"))
    assert facts["targets"]["embedded"] == ["external"]
    assert facts["provider"] is None
    assert facts["external"]["mqtt"]["fields"]["host"]["about"] == "host name of the broker"


def test_values_of_a_component_that_is_not_set_up_here_are_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "mosquitto has no values" in told(capsys, home, "show", "mosquitto", "--values", code=5)


def test_a_component_that_can_be_had_here_is_described_as_it_would_be(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = told(capsys, home, "show", "kafka")
    assert "embedded: embedded, external" in described
    assert "here       embedded (asked for in addition)" in described
    assert "yields     kafka: bootstrap_servers=" in described


def test_a_plan_says_what_is_used_instead_of_being_set_up(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "instead of datasets: external (one that runs already" in told(capsys, home, "plan", code=2)
    planned = json.loads(told(capsys, home, "plan", "--json", code=2))
    assert ["datasets"] == [each["component"] for each in planned["substitutions"]]
