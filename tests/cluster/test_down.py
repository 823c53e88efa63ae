"""Up and down leave nothing on a real cluster but what is listed with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.mill import Mill

from datamill_infra.kubernetes.objects import Object, Ref

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def mill(lab_kubeconfig: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """S3Proxy alone; not up yet."""
    file, context = lab_kubeconfig
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(file))
        made = Mill(tmp_path_factory.mktemp("mill") / "home", file, context, "mill-down")
        (made.home / "flavours" / "small.yaml").write_text("title: Small\nsummary: One.\ncomponents: [s3proxy]\n")
        yield made


def _write(mill: Mill) -> None:
    text = (
        f"flavour: small\ntarget: lab\ncontext: {mill.context}\n"
        f"namespaces: {{system: {mill.namespace}, runs: {mill.namespace}-runs}}\n"
        "components: {s3proxy: {values: {storage: {size: 1Gi}}}}\n"
    )
    (mill.home / "deployment.yaml").write_text(text)


def proved(mill: Mill, *arguments: str, expect: int) -> dict[str, Any]:
    """What ``down --prove-clean`` says."""
    done = mill.run("down", "--prove-clean", "--json", *arguments, expect=expect)
    (proof,) = json.loads(done.stdout)["proof"]
    return dict(proof)


def kinds(proof: dict[str, Any]) -> dict[str, str | None]:
    return {one["what"].split()[0]: one["reason"] for one in proof["leftovers"]}


def _role(mill: Mill) -> Object:
    annotations = {"meta.helm.sh/release-name": "s3proxy", "meta.helm.sh/release-namespace": mill.namespace}
    metadata = {"name": "mill-down-stray", "annotations": annotations}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": []}


def test_everything_is_gone_or_explained(mill: Mill) -> None:
    _write(mill)
    mill.run("up")
    kept = proved(mill, expect=0)
    assert kept["clean"]
    assert "objects that were there before the first `up`" in kept["basis"]
    found = kinds(kept)
    assert "data is kept; `datamill down --delete-data` deletes it" == found["PersistentVolumeClaim"]
    assert "it is the volume of claim data-s3proxy-0, which is kept" == found["PersistentVolume"]
    assert "it holds 1 PersistentVolumeClaim that stay" == found["Namespace"]
    assert all(found.values())
    gone = proved(mill, "--delete-data", "--yes", expect=0)
    assert {"clean": True, "leftovers": []} == {key: gone[key] for key in ("clean", "leftovers")}
    assert mill.cluster.get(Ref("v1", "Namespace", "", mill.namespace)) is None


def test_what_nothing_explains_is_told_and_ends_with_one(mill: Mill) -> None:
    _write(mill)
    mill.run("up")
    mill.cluster.create(_role(mill))
    proof = proved(mill, "--delete-data", "--yes", expect=1)
    mill.cluster.delete(Ref("rbac.authorization.k8s.io/v1", "ClusterRole", "", "mill-down-stray"))
    assert {"ClusterRole": None} == kinds(proof)
