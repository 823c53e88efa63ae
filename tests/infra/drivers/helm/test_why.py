from __future__ import annotations

from infra.drivers.helm.pond import Pond

from datamill_infra.drivers.causes import trail
from datamill_infra.kubernetes.objects import Object
from datamill_infra.model.causes import CauseKind


def kinds(pond: Pond, component: str) -> dict[str, list[CauseKind]]:
    found = trail(pond.rollout, component)
    return {one.component: [finding.kind for finding in one.findings] for one in found.conditions}


def test_a_component_that_works_has_no_cause_and_looking_writes_nothing(pond: Pond) -> None:
    pond.up()
    pond.written()
    assert {"fly": []} == kinds(pond, "fly")
    assert [] == pond.written()


def test_what_was_not_started_leads_to_what_it_waits_for(pond: Pond) -> None:
    pond.trouble["frog"] = "ErrImageNeverPull"
    pond.up()
    found = trail(pond.rollout, "fly")
    assert ["fly", "frog"] == [one.component for one in found.conditions]
    assert "pod frog-0: ErrImageNeverPull (no such image)" == str(found.bottom.first)
    assert [CauseKind.IMAGE, CauseKind.RELEASE, CauseKind.HEALTH] == kinds(pond, "fly")["frog"]


def test_what_is_absent_says_so(pond: Pond) -> None:
    assert {"fly": [CauseKind.ABSENT], "frog": [CauseKind.ABSENT]} == kinds(pond, "fly")


def _stop(item: Object) -> None:
    item["spec"]["replicas"] = 0


def _label(item: Object) -> None:
    item["metadata"]["labels"]["mood"] = "sad"


def test_an_edit_that_can_be_the_reason_is_the_first_cause_and_a_label_is_not(pond: Pond) -> None:
    pond.up()
    pond.cluster.edit(pond.ref("StatefulSet"), _label)
    pond.cluster.edit(pond.ref("StatefulSet"), _stop)
    del pond.cluster.objects[pond.ref("Pod", "frog-0")]
    first = trail(pond.rollout, "frog").bottom.first
    assert first is not None
    assert "frog: StatefulSet frog: spec.replicas is 0 instead of 1" == str(first)
    assert "`datamill up -c frog` puts it right." == first.step
    assert [CauseKind.DRIFT, CauseKind.HEALTH] == kinds(pond, "frog")["frog"]


def test_a_release_that_does_not_answer_though_its_pods_run_says_what_the_probe_said(pond: Pond) -> None:
    pond.up()
    pond.cluster.ports["frog-0", 8080] = 1  # nobody listens there
    assert {"frog": [CauseKind.HEALTH]} == kinds(pond, "frog")
