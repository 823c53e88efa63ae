from __future__ import annotations

import base64
import shutil
from collections.abc import Mapping
from typing import Any

import pytest
from infra.drivers.helm.pond import NAMESPACE, Pond, render

from datamill_infra.drivers.helm import applying
from datamill_infra.drivers.helm.fake import FakeHelm
from datamill_infra.drivers.passes import Event
from datamill_infra.kubernetes.objects import Object, Ref
from datamill_infra.kubernetes.pods import is_ready
from datamill_infra.model.errors import ConfigurationError, LockedError, UnhealthyError

RUNS = "datamill-runs"


def test_everything_is_applied_in_order_and_becomes_healthy(pond: Pond) -> None:
    assert {"frog": "absent", "fly": "absent"} == pond.states()
    outcomes = pond.up()
    assert {"frog": "changed", "fly": "changed"} == {name: one.status for name, one in outcomes.items()}
    assert "answers 204" == outcomes["frog"].message
    assert {"frog": "in-sync", "fly": "in-sync"} == pond.states()


def test_planning_writes_nothing(pond: Pond) -> None:
    pond.states()
    assert [] == pond.written()


def test_a_second_up_writes_nothing_at_all(pond: Pond) -> None:
    pond.up()
    pond.written()
    assert {"frog": "unchanged", "fly": "unchanged"} == pond.statuses()
    assert [] == pond.written()


def test_the_namespace_enforces_restricted_pods_and_is_known_as_ours(pond: Pond) -> None:
    pond.up()
    labels = pond.cluster.objects[Ref("v1", "Namespace", "", NAMESPACE)]["metadata"]["labels"]
    assert "restricted" == labels["pod-security.kubernetes.io/enforce"]
    assert "datamill" == labels["app.kubernetes.io/managed-by"]


def test_secrets_are_in_a_secret_and_nowhere_else(pond: Pond) -> None:
    outcome = pond.up()["frog"]
    password = pond.driver.secret_store.read()["frog.password"]
    assert password == outcome.observations["frog"].facts["password"]
    secret = pond.cluster.objects[pond.ref("Secret", "frog-credentials")]
    assert password == base64.b64decode(secret["data"]["password"]).decode()
    others = [item for ref, item in pond.cluster.objects.items() if not ref.name.endswith("-credentials")]
    assert password not in repr(others)


def test_another_machine_takes_the_secrets_of_the_cluster(pond: Pond) -> None:
    pond.up()
    before = pond.driver.secret_store.read()
    shutil.rmtree(pond.home / "state")
    pond.written()
    assert {"frog": "unchanged", "fly": "unchanged"} == pond.statuses()
    assert before == pond.driver.secret_store.read()
    assert [] == pond.written()


def test_what_another_machine_deployed_is_not_confirmed_before_it_is_known_here(pond: Pond) -> None:
    pond.up()
    assert {"frog", "fly"} == pond.rollout.confirm().keys()
    pond.driver.deployment.releases_file.unlink()
    assert {} == pond.rollout.confirm()


def test_a_plan_says_which_fields_of_which_objects_change(pond: Pond) -> None:
    pond.up()
    pond.write("components: {frog: {values: {colour: blue}}}\n")
    change = pond.rollout.plan()["frog"]
    assert "out-of-sync" == change.state
    assert [
        'objects.ConfigMap frog.data.colour: "green" -> "blue"',
        'objects.StatefulSet frog.spec.template.spec.containers[web].env[COLOUR].value: "green" -> "blue"',
    ] == [str(item) for item in change.differences]
    assert {"frog": "changed", "fly": "unchanged"} == pond.statuses()
    assert {"frog": "in-sync", "fly": "in-sync"} == pond.states()


def _scale(item: Object) -> None:
    item["spec"]["replicas"] = 3


def _environment(item: Object) -> None:
    item["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "EXTRA", "value": "1"})


def _image(item: Object) -> None:
    item["spec"]["template"]["spec"]["containers"][0]["image"] = "toad:1"


def _container(item: Object) -> None:
    item["spec"]["template"]["spec"]["containers"].append({"name": "leech", "image": "leech:1"})


def _label(item: Object) -> None:
    item["metadata"]["labels"]["mood"] = "sad"


def _own_label(item: Object) -> None:
    del item["metadata"]["labels"]["app.kubernetes.io/managed-by"]


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (_scale, "StatefulSet frog: spec.replicas is 3 instead of 1."),
        (_image, "spec.template.spec.containers[web].image is 'toad:1' instead of 'frog:1'."),
        (_environment, "spec.template.spec.containers[web].env[EXTRA] was added."),
        (_container, "spec.template.spec.containers[leech] was added."),
        (_label, "metadata.labels.mood was added by kubectl-edit."),
        (_own_label, "metadata.labels.app.kubernetes.io/managed-by is missing."),
    ],
)
def test_an_edit_is_told_with_its_field_and_repaired(pond: Pond, edit: object, told: str) -> None:
    pond.up()
    pond.cluster.edit(pond.ref("StatefulSet"), edit)  # type: ignore[arg-type]
    change = pond.rollout.plan()["frog"]
    assert "drifted" == change.state
    assert told in change.reason
    assert {"frog": "changed", "fly": "unchanged"} == pond.statuses()
    assert {"frog": "in-sync", "fly": "in-sync"} == pond.states()


def test_a_deleted_object_is_missed_and_made_again(pond: Pond) -> None:
    pond.up()
    pond.cluster.objects.pop(pond.ref("Service"))
    assert "Service frog is missing." == pond.rollout.plan()["frog"].reason
    pond.up()
    assert pond.ref("Service") in pond.cluster.objects


def test_an_object_added_to_a_release_is_told_and_removed(pond: Pond) -> None:
    pond.up()
    item = pond.cluster.objects[pond.ref("ConfigMap")]
    pond.cluster.put({**item, "metadata": {**item["metadata"], "name": "stowaway"}})
    assert "ConfigMap stowaway was added." == pond.rollout.plan()["frog"].reason
    pond.up()
    assert pond.ref("ConfigMap", "stowaway") not in pond.cluster.objects


def test_a_secret_that_was_changed_is_told_without_its_value_and_put_right(pond: Pond) -> None:
    pond.up()
    ref = pond.ref("Secret", "frog-credentials")

    def change(item: Object) -> None:
        item["data"]["password"] = base64.b64encode(b"toad").decode()

    pond.cluster.edit(ref, change)
    told = pond.driver.observe("frog").drift
    assert ("Secret frog-credentials has not the deployment's values.",) == told
    before = pond.driver.secret_store.read()["frog.password"]
    pond.driver.apply("frog")
    assert before == base64.b64decode(pond.cluster.objects[ref]["data"]["password"]).decode()


def test_what_a_killed_helm_left_pending_is_recovered(pond: Pond) -> None:
    pond.up()
    pond.write("components: {frog: {values: {colour: blue}}}\n")
    pond.helm.killed = True
    assert "failed" == pond.up()["frog"].status
    assert "failed" == pond.states()["frog"]
    assert {"frog": "changed", "fly": "unchanged"} == pond.statuses()
    assert "blue" == pond.cluster.objects[pond.ref("ConfigMap")]["data"]["colour"]


def test_a_first_installation_that_was_killed_is_recovered(pond: Pond) -> None:
    pond.helm.killed = True
    assert {"frog": "failed", "fly": "skipped"} == pond.statuses()
    assert {"frog": "changed", "fly": "changed"} == pond.statuses()


def test_what_somebody_else_put_in_the_place_is_never_touched(pond: Pond) -> None:
    stranger = render("frog", NAMESPACE, {"colour": "brown"})[1]
    pond.cluster.put(stranger)
    assert "unmanaged" == pond.states()["frog"]
    outcome = pond.up()["frog"]
    assert isinstance(outcome.error, ConfigurationError)
    assert "there is already Service frog" in outcome.message
    assert "brown" not in repr(pond.written())


def test_an_image_that_is_not_to_be_had_fails_at_once_and_stops_only_what_needs_it(pond: Pond) -> None:
    pond.trouble["frog"] = "ErrImageNeverPull"
    outcomes = pond.up()
    assert {"frog": "failed", "fly": "skipped"} == {name: one.status for name, one in outcomes.items()}
    assert "pod frog-0: ErrImageNeverPull (no such image)" in outcomes["frog"].message


def test_a_display_hears_what_is_lacking_and_that_the_work_goes_on(pond: Pond) -> None:
    heard: list[Event] = []
    pond.trouble["frog"] = "ContainerCreating"
    pond.up("frog", on_event=heard.append)
    (waited,) = {event.message for event in heard if event.state == "rolling out"}
    assert "StatefulSet frog: 0 of 1 pods are ready" == waited
    assert ["waiting"] == [event.state for event in heard if event.state == "waiting"]  # only before it begins


def test_a_failed_upgrade_of_a_stateless_unit_goes_back_to_the_last_good_revision(pond: Pond) -> None:
    pond.up()
    pond.trouble["fly"], pond.sick = "ErrImageNeverPull", "blue"
    pond.write("components: {fly: {values: {colour: blue}}}\n")
    for _ in range(2):  # what was gone back to is good, too
        outcome = pond.up()["fly"]
        assert "failed" == outcome.status
        assert "pod fly-0: ErrImageNeverPull" in outcome.message
        assert "fly went back to revision" in outcome.message
        assert "green" == pond.cluster.objects[pond.ref("ConfigMap", "fly")]["data"]["colour"]
        assert is_ready(pond.cluster.objects[pond.ref("Pod", "fly-0")])
        assert {"frog": "in-sync", "fly": "failed"} == pond.states()
    pond.trouble.clear()
    assert {"frog": "unchanged", "fly": "changed"} == pond.statuses()
    assert {"frog": "in-sync", "fly": "in-sync"} == pond.states()


def test_an_upgrade_that_helm_refuses_goes_back_too(pond: Pond) -> None:
    if not isinstance(pond.helm, FakeHelm):
        raise TypeError("This needs a Helm that fails on demand.")
    pond.up()
    pond.helm.fails = "the server refused an object"
    pond.write("components: {fly: {values: {colour: blue}}}\n")
    assert "fly went back to revision 1" in pond.up()["fly"].message


def test_a_failed_upgrade_of_a_stateful_unit_holds_and_says_so(pond: Pond) -> None:
    pond.up()
    pond.trouble["frog"], pond.sick = "ErrImageNeverPull", "blue"
    pond.write("components: {frog: {values: {colour: blue}}}\n")
    outcome = pond.up()["frog"]
    assert "frog keeps data, so it stays at revision 2; the last good one is 1." in outcome.message
    assert "blue" == pond.cluster.objects[pond.ref("ConfigMap", "frog")]["data"]["colour"]


def test_a_revision_that_never_was_healthy_is_not_gone_back_to(pond: Pond) -> None:
    pond.up()
    pond.trouble["frog"] = "ErrImageNeverPull"
    for colour in ("blue", "red"):
        pond.write(f"components: {{frog: {{values: {{colour: {colour}}}}}}}\n")
        assert "the last good one is 1." in pond.up()["frog"].message


def test_a_first_installation_that_fails_has_nothing_to_go_back_to(pond: Pond) -> None:
    pond.trouble["frog"] = "ErrImageNeverPull"
    message = pond.up()["frog"].message
    assert "revision" not in message


def test_an_upgrade_over_one_that_never_was_healthy_stays(pond: Pond) -> None:
    pond.trouble["fly"] = "ErrImageNeverPull"
    pond.up()
    pond.write("components: {fly: {values: {colour: blue}}}\n")
    assert "fly stays at revision 2: no earlier one is known to have been healthy." in pond.up()["fly"].message


def test_a_pod_that_never_ran_makes_room_for_the_next_revision(pond: Pond) -> None:
    pond.up()
    pond.trouble["frog"] = "ErrImageNeverPull"
    pond.write("components: {frog: {values: {colour: blue}}}\n")
    assert "failed" == pond.up()["frog"].status
    pond.trouble.clear()
    pond.write()
    assert {"frog": "changed", "fly": "unchanged"} == pond.statuses()
    assert "in-sync" == pond.states()["frog"]


def test_a_pod_that_had_given_up_is_made_anew_once_what_it_lacked_is_there(pond: Pond) -> None:
    pond.trouble["frog"] = "ErrImageNeverPull"
    pond.up()
    pond.trouble.clear()  # an image has been loaded, say; the kubelet looks again in its own time
    assert "ErrImageNeverPull" in str(pond.cluster.objects[pond.ref("Pod", "frog-0")])
    pond.written()
    assert {"frog": "changed", "fly": "changed"} == pond.statuses()
    assert "delete Pod frog-0" in pond.written()


def test_a_pod_that_had_given_up_and_does_so_again_is_told_again(pond: Pond) -> None:
    pond.trouble["frog"] = "ErrImageNeverPull"
    pond.up()
    pond.written()
    assert "pod frog-0: ErrImageNeverPull (no such image)" in pond.up()["frog"].message
    assert 1 == pond.written().count("delete Pod frog-0")


def test_a_pod_that_never_ran_and_was_left_by_a_killed_up_is_told_and_replaced(
    pond: Pond, monkeypatch: pytest.MonkeyPatch
) -> None:
    pond.up()
    pond.trouble["frog"] = "ErrImageNeverPull"
    pond.write("components: {frog: {values: {colour: blue}}}\n")
    pond.up()
    pond.trouble.clear()
    pond.write()
    driver = pond.driver
    (seen,) = driver.observer.look("frog", driver.cluster)
    with monkeypatch.context() as killed:  # after Helm's work
        killed.setattr(applying, "given_up", lambda _: None)
        driver.applier.apply(seen, driver.desired("frog").digest, lambda *_: None)
    assert ("Pod frog-0 is of an older revision and does not run.",) == pond.driver.observe("frog").drift
    assert {"frog": "changed", "fly": "unchanged"} == pond.statuses()
    assert "in-sync" == pond.states()["frog"]


def test_a_second_up_lists_each_kind_of_the_namespace_once(pond: Pond, monkeypatch: pytest.MonkeyPatch) -> None:
    pond.up()
    asked: list[str] = []
    find = pond.cluster.find

    def heard(api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Object]:
        asked.append(kind)
        return find(api_version, kind, namespace, labels)

    monkeypatch.setattr(pond.cluster, "find", heard)
    assert {"frog": "unchanged", "fly": "unchanged"} == pond.statuses()
    assert {1} == {asked.count(kind) for kind in ("StatefulSet", "ConfigMap", "NetworkPolicy")}


def test_the_lease_is_held_only_while_something_is_written(pond: Pond) -> None:
    pond.up()
    lease = pond.cluster.objects[pond.ref("Lease", "datamill-writer")]
    assert "holderIdentity" not in lease["spec"]


def test_a_deployment_that_somebody_else_is_changing_is_left_alone(pond: Pond) -> None:
    pond.up()
    pond.write("components: {frog: {values: {colour: blue}}}\n")
    other = pond.driver
    other.lease.holder = "somebody else"
    other.lease.acquire()
    ours = pond.driver
    ours.lease._sleep = lambda _: other.lease.cluster.replace(
        other.lease._written(other.lease.cluster.get(other.lease.ref))
    )
    pond.written()
    with pytest.raises(LockedError, match="somebody else"):
        ours.apply("frog")
    assert {"Lease datamill-writer"} == {written.partition(" ")[2] for written in pond.written()}
    other.lease.release()


def test_down_removes_everything_but_data(pond: Pond) -> None:
    pond.up()
    labels = {"app.kubernetes.io/instance": "frog"}
    claim = {"name": "data-frog-0", "namespace": NAMESPACE, "labels": labels}
    pond.cluster.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim})
    outcomes = pond.rollout.down()
    assert ["removed", "removed"] == [one.status for one in outcomes.values()]
    assert ["Namespace datamill", "PersistentVolumeClaim data-frog-0"] == sorted(map(str, pond.cluster.objects))
    pond.rollout.down(delete_data=True)
    assert {} == pond.cluster.objects


def test_a_namespace_that_was_there_before_stays(pond: Pond) -> None:
    pond.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    pond.up()
    pond.rollout.down(delete_data=True)
    assert ["Namespace datamill"] == list(map(str, pond.cluster.objects))


def test_a_component_that_left_the_deployment_is_removed(pond: Pond) -> None:
    pond.up()
    (pond.home / "flavours" / "pond.yaml").write_text("title: Pond\nsummary: One.\ncomponents: [frog]\n")
    assert "removed" == pond.up()["fly"].status
    assert pond.ref("StatefulSet", "fly") not in pond.cluster.objects
    assert pond.ref("StatefulSet", "frog") in pond.cluster.objects


def test_status_shows_pods_and_addresses(pond: Pond) -> None:
    pond.trouble["frog"] = "ImagePullBackOff"
    pond.up()
    report = pond.driver.report("frog")
    assert {"frog": "frog.datamill.svc:80"} == report.addresses
    assert [("frog-0", "ImagePullBackOff")] == [(one.name, one.state) for one in report.processes]


def test_the_message_of_a_failed_probe_names_the_service(pond: Pond) -> None:
    pond.up()
    pond.close()
    with pytest.raises(Exception, match=r"http://frog\.datamill\.svc:80 is silent"):
        pond.driver.probe("frog")


def test_a_plan_names_what_we_may_not_do(pond: Pond, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pond.cluster, "allowed", lambda verb, _version, kind, _namespace: (verb, kind) != ("create", "Service")
    )
    rollout = pond.rollout
    assert [
        "The context 'memory' may not create objects of the kind Service in namespace datamill.",
        "StatefulSet frog asks for nothing, and no node of the cluster takes pods.",
        "StatefulSet fly asks for nothing, and no node of the cluster takes pods.",
    ] == rollout.obstacles(rollout.plan())


def test_a_plan_without_changes_has_no_obstacles(pond: Pond) -> None:
    pond.up()
    rollout = pond.rollout
    assert [] == rollout.obstacles(rollout.plan())


def test_a_component_without_units_is_healthy_through_what_it_needs(pond: Pond) -> None:
    pond.write("extra: [echo]\n")
    assert "changed" == pond.up()["echo"].status
    pond.written()
    assert "unchanged" == pond.up()["echo"].status
    assert [] == pond.written()


def test_a_consumer_has_the_secrets_of_what_it_needs_in_a_secret_of_its_own(pond: Pond) -> None:
    pond.up()
    password = pond.driver.secret_store.read()["frog.password"]
    secret = pond.cluster.objects[pond.ref("Secret", "fly-connections")]
    assert {"frog.password": base64.b64encode(password.encode()).decode()} == secret["data"]
    pond.rollout.down()
    assert pond.ref("Secret", "fly-connections") not in pond.cluster.objects


def _render_with_rights_elsewhere(release: str, namespace: str, values: Mapping[str, Any]) -> list[Object]:
    metadata = {"name": release, "namespace": RUNS, "labels": {"app.kubernetes.io/instance": release}}
    elsewhere = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"jump": "far"}}
    return [*render(release, namespace, values), elsewhere]


def test_a_release_may_have_objects_in_the_namespace_of_runs(pond: Pond) -> None:
    pond.helm.render = {**pond.helm.render, "frog": _render_with_rights_elsewhere}
    assert {"frog": "changed", "fly": "changed"} == pond.statuses()
    namespace = pond.cluster.objects[Ref("v1", "Namespace", "", RUNS)]
    assert "restricted" == namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    pond.written()
    assert {"frog": "unchanged", "fly": "unchanged"} == pond.statuses()
    assert [] == pond.written()
    ref = Ref("v1", "ConfigMap", RUNS, "frog")  # as another one in the namespace of the release
    pond.cluster.edit(ref, lambda item: item["data"].update(jump="near"))
    told = f"ConfigMap frog in {RUNS}: data.jump is 'near' instead of 'far'."
    assert told == pond.rollout.plan()["frog"].reason
    pond.up()
    pond.write("components: {frog: {values: {colour: blue}}}\n")
    assert [
        'objects.ConfigMap frog.data.colour: "green" -> "blue"',
        'objects.StatefulSet frog.spec.template.spec.containers[web].env[COLOUR].value: "green" -> "blue"',
    ] == [str(item) for item in pond.rollout.plan()["frog"].differences]
    pond.up()
    assert "far" == pond.cluster.objects[ref]["data"]["jump"]
    pond.rollout.down(delete_data=True)
    assert {} == pond.cluster.objects


def test_a_plan_asks_for_rights_in_every_namespace_that_it_writes_to(
    pond: Pond, monkeypatch: pytest.MonkeyPatch
) -> None:
    pond.helm.render = {**pond.helm.render, "frog": _render_with_rights_elsewhere}
    monkeypatch.setattr(pond.cluster, "allowed", lambda _verb, _version, _kind, namespace: namespace != RUNS)
    rollout = pond.rollout
    refused = [told for told in rollout.obstacles(rollout.plan()) if "may not" in told]
    assert [
        f"The context 'memory' may not create, delete, get, list, patch objects of the kind {kind} in namespace {RUNS}."
        for kind in ("ConfigMap", "Secret")
    ] == [told.replace("get, list, create, patch, delete", "create, delete, get, list, patch") for told in refused]


def _render_with_roles(release: str, namespace: str, values: Mapping[str, Any]) -> list[Object]:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": release}, "rules": []}
    return [*render(release, namespace, values), role]


def test_from_inside_a_service_is_reached_by_its_own_name(pond: Pond) -> None:
    pond.up()
    driver = pond.driver
    connection = driver.deployment.rendered("frog", {}).connections["frog"]
    with driver.reachable(connection) as outside:
        assert str(outside.fields["url"]).startswith("http://127.0.0.1:")
    pond.cluster.inside = True
    with pond.driver.reachable(connection) as inside:
        assert "http://frog.datamill.svc:80" == inside.fields["url"]


def test_from_inside_what_has_roles_is_compared_and_never_changed(pond: Pond) -> None:
    pond.helm.render = {**pond.helm.render, "frog": _render_with_roles}
    pond.up()
    pond.cluster.inside = True
    assert {"frog": "in-sync", "fly": "in-sync"} == pond.states()
    pond.write("components: {frog: {values: {colour: blue}}, fly: {values: {colour: blue}}}\n")
    pond.written()
    driver = pond.driver
    with pytest.raises(ConfigurationError, match="frog is changed from outside the cluster only: it has roles"):
        driver.apply("frog")
    with pytest.raises(ConfigurationError, match="frog is changed from outside the cluster only"):
        driver.remove("frog", delete_data=False)
    assert [] == pond.written()
    driver.apply("fly")
    driver.finish()
    assert "apply StatefulSet fly" in pond.written()


def test_from_inside_no_data_is_deleted(pond: Pond) -> None:
    pond.up()
    pond.cluster.inside = True
    with pytest.raises(ConfigurationError, match="deleting data is not among the rights"):
        pond.driver.remove("fly", delete_data=True)
    pond.driver.remove("fly", delete_data=False)
    assert pond.ref("StatefulSet", "fly") not in pond.cluster.objects


def test_what_provides_nothing_is_healthy_while_its_units_are_ready(pond: Pond) -> None:
    component = pond.home / "catalogue" / "fly" / "component.yaml"
    text = component.read_text().replace("provides: [fly]", "provides: []")
    component.write_text(text[: text.index("connection:")] + "connection: {}\n" + text[text.index("health:") :])
    pond.up()
    assert {} == pond.driver.probe("fly")
    pond.trouble["fly"] = "ErrImageNeverPull"
    pond.cluster.delete(pond.ref("Pod", "fly-0"))
    with pytest.raises(UnhealthyError, match="statefulset/fly: 0 of 1 pods are ready"):
        pond.driver.probe("fly")
