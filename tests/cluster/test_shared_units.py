"""Two deployments that share an operator, on a real API server with the real Helm. One test: a life in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.keepers import PLACE, PONDS, Keepers

from datamill_infra.clusters.lab.provider import LabProvider
from datamill_infra.drivers.helm.singletons import singletons
from datamill_infra.kubernetes.objects import Ref

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


@pytest.fixture
def context(provider: LabProvider, lab: str, helm: Path, tmp_path: Path) -> Iterator[str]:
    del helm
    file = tmp_path / "kubeconfig"
    file.write_text(provider.kubeconfig(lab))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(file))
        yield provider.context(lab)


def test_an_operator_is_shared_upgraded_and_removed_by_the_last(context: str, tmp_path: Path) -> None:
    one, two = Keepers(tmp_path / "one", context, "mill-one"), Keepers(tmp_path / "two", context, "mill-two")
    for keepers in (one, two):
        assert "changed" == keepers.up().status
    assert ["unchanged", "unchanged"] == [one.up().status, two.up().status]
    assert {"mill-one", "mill-two"} == set(singletons(one.cluster)[0].claims)

    two.write("2.0.0")
    told = two.up()
    assert "the deployment in namespace mill-one claims version 1.0.0 of keeper" in told.message
    assert "1.0.0" == two.version()

    assert "keeper stays, because the deployment in namespace mill-two claims it" in one.down(delete_data=True).message
    assert one.pond() is None
    assert two.pond() is not None

    two.fields = ("depth",)
    two.write("2.0.0")
    assert "field v1.spec.width is removed" in two.up().message
    assert ("1.0.0", {"depth", "width"}) == (two.version(), two.defined())
    two.lossy = True
    assert "changed" == two.up().status
    assert ("2.0.0", {"depth"}) == (two.version(), two.defined())
    assert "unchanged" == two.up().status

    assert "definition" not in two.down(delete_data=True).message
    assert (None, set()) == (two.version(), two.defined())
    for name in (PLACE, "mill-one", "mill-two"):
        assert two.cluster.get(Ref("v1", "Namespace", "", name)) is None
    assert [] == two.cluster.find(
        "rbac.authorization.k8s.io/v1", "ClusterRole", labels="app.kubernetes.io/instance=keeper"
    )
    assert PONDS not in {
        item["metadata"]["name"] for item in two.cluster.find("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    }
