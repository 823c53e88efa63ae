from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from datamill_infra.cli.project import link_dagster_yaml
from datamill_infra.cli.subjects import resolve
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import UnknownNameError

# The pipelines' assets say how they are backfilled, which Dagster 1.13 calls beta; it may go when Dagster does not.
pytestmark = pytest.mark.filterwarnings("ignore:Parameter `backfill_policy`:dagster_shared.utils.warnings.BetaWarning")


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    home = tmp_path / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    made = Deployment.write_default(home, "demo", "embedded", context=None, capabilities=())
    link_dagster_yaml(home)
    return made


@pytest.mark.parametrize(
    ("subject", "components"),
    [
        ("infra/kafka", ["kafka"]),
        ("capability/s3", ["s3proxy"]),
        ("raw/flights", ["datasets", "kafka"]),
    ],
)
def test_an_asset_is_known_by_the_components_that_it_rests_on(
    deployment: Deployment, subject: str, components: list[str]
) -> None:
    found = resolve(deployment, subject)
    assert (components, False) == (found.components, found.failed)


def test_what_nothing_is_called_is_refused_with_the_nearest(deployment: Deployment) -> None:
    with pytest.raises(UnknownNameError) as caught:
        resolve(deployment, "raw/flight")
    assert "raw/flights" == caught.value.nearest


@dg.op
def failing() -> None:
    """Fails as a step does whose component is away."""
    raise dg.Failure("The pond is dry.")


@dg.job
def draining() -> None:
    failing()


def test_a_run_is_found_by_the_beginning_of_its_id_and_says_what_failed(deployment: Deployment) -> None:
    with dg.DagsterInstance.get() as instance:
        tags = {"datamill/blocked-by": "kafka"}
        run = draining.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    found = resolve(deployment, run.run_id[:8])
    assert (run.run_id, ["kafka"], True) == (found.subject, found.components, found.failed)
    assert "  failing: The pond is dry." in found.told.splitlines()
