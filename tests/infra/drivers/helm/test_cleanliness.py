from __future__ import annotations

from infra.drivers.helm.pond import NAMESPACE, Pond

from datamill_infra.drivers.helm.cleanliness import ClusterProof
from datamill_infra.kubernetes.objects import Object, Ref
from datamill_infra.model.leftovers import Verdict

HELM = {"meta.helm.sh/release-name": "toad", "meta.helm.sh/release-namespace": NAMESPACE}


def put(pond: Pond, kind: str, name: str, *, manager: str = "", **more: object) -> None:
    namespace = {} if kind in ("PersistentVolume", "ClusterRole", "Namespace") else {"namespace": NAMESPACE}
    managers = [{"manager": manager}] if manager else []
    metadata = {"name": name, **namespace, "managedFields": managers, **more.pop("metadata", {})}  # type: ignore[dict-item]
    pond.cluster.put({"apiVersion": "v1", "kind": kind, "metadata": metadata, **more})


def claim(pond: Pond) -> None:
    """What a StatefulSet leaves behind, with the volume that was made for it."""
    labels = {"app.kubernetes.io/instance": "frog"}
    put(pond, "PersistentVolumeClaim", "data-frog-0", manager="kube-controller-manager", metadata={"labels": labels})
    spec = {"claimRef": {"namespace": NAMESPACE, "name": "data-frog-0"}, "persistentVolumeReclaimPolicy": "Delete"}
    put(pond, "PersistentVolume", "pv-1", manager="provisioner", spec=spec)


def proved(pond: Pond, *, delete_data: bool = False, waited: list[float] | None = None) -> Verdict:
    """Down, and what is said of it, without waiting but for what is told in ``waited``."""
    rollout = pond.rollout
    ticks = iter(range(0, 10_000, 50))
    (proof,) = rollout.proofs()
    assert isinstance(proof, ClusterProof)
    proof._clock = lambda: float(next(ticks))
    proof._sleep = [].append if waited is None else waited.append
    rollout.down(delete_data=delete_data)
    return proof.verdict(delete_data=delete_data)


def left(found: Verdict) -> dict[str, str | None]:
    return {one.what: one.reason for one in found.leftovers}


def test_up_and_down_leave_nothing(pond: Pond) -> None:
    put(pond, "ClusterRole", "was-there", manager="helm")
    pond.up()
    found = proved(pond, delete_data=True)
    assert {} == left(found)
    assert "objects that were there before the first `up`" in found.basis
    found.require()


def test_kept_data_is_listed_with_what_holds_it(pond: Pond) -> None:
    pond.up()
    claim(pond)
    found = proved(pond)
    assert {
        "PersistentVolumeClaim data-frog-0 in datamill": "data is kept; `datamill down --delete-data` deletes it",
        "PersistentVolume pv-1": "it is the volume of claim data-frog-0, which is kept",
        "Namespace datamill": "it holds 1 PersistentVolumeClaim that stay",
    } == left(found)
    found.require()


def test_a_volume_that_was_to_go_and_did_not_is_unexplained(pond: Pond) -> None:
    pond.up()
    claim(pond)
    found = proved(pond, delete_data=True)
    assert ["PersistentVolume pv-1"] == [one.what for one in found.unexplained]


def test_a_volume_of_a_class_that_keeps_them_says_so(pond: Pond) -> None:
    pond.up()
    claim(pond)
    pond.cluster.objects[Ref("v1", "PersistentVolume", "", "pv-1")]["spec"]["persistentVolumeReclaimPolicy"] = "Retain"
    reason = left(proved(pond, delete_data=True))["PersistentVolume pv-1"]
    assert reason is not None
    assert reason.startswith("its storage class keeps volumes")


def test_an_object_of_a_release_of_ours_is_unexplained_and_one_of_another_is_not(pond: Pond) -> None:
    pond.up()
    put(pond, "ClusterRole", "stray", manager="helm", metadata={"annotations": HELM})
    elsewhere = {**HELM, "meta.helm.sh/release-namespace": "elsewhere"}
    put(pond, "ClusterRole", "theirs", manager="helm", metadata={"annotations": elsewhere})
    found = proved(pond, delete_data=True)
    assert {
        "ClusterRole stray": None,
        "ClusterRole theirs": "it belongs to the release toad in namespace elsewhere",
    } == (left(found))
    assert found.to_dict()["clean"] is False


def test_only_what_goes_by_itself_is_waited_for(pond: Pond) -> None:
    pond.up()
    put(pond, "ClusterRole", "stray", manager="helm", metadata={"annotations": HELM})
    waited: list[float] = []
    assert not proved(pond, delete_data=True, waited=waited).to_dict()["clean"]
    assert [] == waited
    pond.up()
    claim(pond)
    proved(pond, delete_data=True, waited=waited)
    assert waited


def test_what_somebody_made_meanwhile_keeps_the_namespace_and_is_not_blamed(pond: Pond) -> None:
    pond.up()
    put(pond, "ConfigMap", "mine", manager="kubectl-create")
    put(pond, "Namespace", "other", manager="kubectl-create")
    put(pond, "ClusterRole", "pods", manager="some-operator")
    found = proved(pond, delete_data=True)
    assert {
        "ConfigMap mine in datamill": "it was made with kubectl-create, and not by this deployment",
        "Namespace datamill": "it holds 1 ConfigMap that stay",
        "Namespace other": "it is none of this deployment's namespaces",
        "ClusterRole pods": None,
    } == left(found)


def _owned(item: Object) -> None:
    item["metadata"]["ownerReferences"] = [{"kind": "ConfigMap", "name": "mine", "uid": "u1"}]


def test_what_belongs_to_something_that_stays_stays_with_it(pond: Pond) -> None:
    pond.up()
    put(pond, "ConfigMap", "mine", manager="kubectl-create", metadata={"uid": "u1"})
    put(pond, "ConfigMap", "child", manager="controller")
    pond.cluster.edit(Ref("v1", "ConfigMap", NAMESPACE, "child"), _owned)
    assert "it belongs to ConfigMap mine in datamill" == left(proved(pond))["ConfigMap child in datamill"]


def test_another_machine_computes_what_was_there_before(pond: Pond) -> None:
    put(pond, "ClusterRole", "was-there", manager="helm")
    pond.up()
    pond.driver.baseline.file.unlink()
    claim(pond)
    found = proved(pond)
    assert "was not recorded on this machine" in found.basis
    assert {"PersistentVolumeClaim data-frog-0 in datamill", "PersistentVolume pv-1", "Namespace datamill"} == set(
        left(found)
    )


def test_what_was_there_before_is_written_down_once(pond: Pond) -> None:
    pond.up()
    before = pond.driver.baseline.read()
    pond.write("components: {frog: {values: {colour: blue}}}\n")
    pond.up()
    assert before == pond.driver.baseline.read()
