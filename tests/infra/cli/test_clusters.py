from __future__ import annotations

from pathlib import Path

import pytest

from datamill_infra.cli.clusters import new_target, require_context, require_embedded
from datamill_infra.cli.deployments import open_deployment, open_or_make_deployment, preview_deployment
from datamill_infra.cli.root import run
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import ConfigurationError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "flavours").mkdir()
    text = "title: Small\nsummary: Two.\ncomponents: [kafka, s3proxy]\n"
    (tmp_path / "flavours" / "small.yaml").write_text(text)
    return tmp_path


def test_a_new_deployment_on_a_cluster_is_written_with_its_context(home: Path) -> None:
    made = open_or_make_deployment(str(home), "small", context="kind-mill", target="kind")
    assert ("small", "kind", "kind-mill") == (made.flavour, made.target, made.context)
    assert "kind-mill" == Deployment.load(home).context


def test_the_same_command_again_takes_what_is_there(home: Path) -> None:
    open_or_make_deployment(str(home), "small", context="kind-mill", target="kind")
    for flavour, context, target in (("small", "kind-mill", "kind"), (None, None, None), ("small", "kind-mill", None)):
        assert "kind" == open_or_make_deployment(str(home), flavour, context=context, target=target).target


@pytest.mark.parametrize("flavour", ["small", None])
def test_another_context_than_the_deployments_is_refused(home: Path, flavour: str | None) -> None:
    open_or_make_deployment(str(home), "small", context="kind-mill", target="kind")
    for refused in (open_or_make_deployment, preview_deployment):
        with pytest.raises(ConfigurationError, match="is on the context 'kind-mill', not on 'prod'"):
            refused(str(home), flavour, context="prod")
    with pytest.raises(ConfigurationError, match="not on 'prod'"):
        open_deployment(str(home), context="prod")


def test_a_context_for_a_deployment_on_this_machine_is_refused(home: Path) -> None:
    open_or_make_deployment(str(home), "small")
    with pytest.raises(ConfigurationError, match="is on this machine, not on 'prod'"):
        require_context(Deployment.load(home), "prod")


def test_a_cluster_without_a_context_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no context is named"):
        new_target(None, "kind")
    assert ["embedded", "context", "eks"] == [new_target(None, None), new_target("a", None), new_target("a", "eks")]


def test_what_runs_on_this_machine_only_is_refused_on_a_cluster(home: Path) -> None:
    made = open_or_make_deployment(str(home), "small", context="kind-mill", target="kind")
    with pytest.raises(ConfigurationError, match="pipelines run for deployments on this machine only"):
        require_embedded(made, "pipelines run")


def test_a_file_that_is_no_archive_is_not_given_to_a_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "deployment.yaml"
    file.write_text("flavour: demo\n", encoding="utf-8")
    assert 5 == run(["cluster", "load-image", "--provider", "lab", str(file)])
    assert "deployment.yaml is no archive of images." in capsys.readouterr().err
