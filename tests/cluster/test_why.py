"""What goes wrong on a real cluster is told with its cause, stops only what needs it, and is gone back on if it can be.

S3Proxy counts as stateless here, by a catalogue of the user's own, so that a failed upgrade of it is taken back.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.mill import Mill

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

CATALOGUE = Path(__file__).parents[2] / "datamill_infra" / "catalogue"
STORAGE = {"storage": {"size": "1Gi"}}
TOO_SMALL = {"values": {"heap": "1m", **STORAGE}}
"""The virtual machine says so and ends."""


@pytest.fixture(scope="module")
def mill(lab_kubeconfig: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """Up, for all tests of this module; each leaves it in sync."""
    file, context = lab_kubeconfig
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(file))
        made = Mill(tmp_path_factory.mktemp("mill") / "home", file, context, "mill-why")
        own = made.home / "catalogue" / "s3proxy"
        shutil.copytree(CATALOGUE / "s3proxy", own)
        spec = own / "component.yaml"
        spec.write_text(spec.read_text().replace("stateful: true", "stateful: false"))
        text = "title: Small\nsummary: Two servers, and what rests on one.\ncomponents: [kafka, s3proxy, datasets]\n"
        (made.home / "flavours" / "small.yaml").write_text(text)
        made.run("up")
        yield made
        made.write()
        made.run("down", "--delete-data", "--yes")


def test_what_works_has_no_cause(mill: Mill) -> None:
    done = mill.run("why", "datasets")
    assert "gets s3 from s3proxy" in done.stdout
    assert "datasets is in-sync and answers." in done.stdout


def test_a_chart_that_does_not_start_is_told_stops_what_needs_it_and_is_gone_back_on(mill: Mill) -> None:
    mill.write(s3proxy=TOO_SMALL, kafka={"values": {"heap": "310m", **STORAGE}})
    failed = mill.run("up", expect=1)
    said = failed.stdout + failed.stderr
    assert "CrashLoopBackOff" in said
    assert "BackOff: Back-off restarting failed container" in said
    assert "Too small maximum heap" in said
    assert "datasets: skipped" in said
    assert "kafka: healthy" in said
    assert "s3proxy went back to revision 1, its last good one, and is ready." in said
    assert ["healthy"] * 3 == [one["health"] for one in mill.status().values()]
    assert "failed" == mill.status()["s3proxy"]["state"]
