"""The driver's promises once more, with the real ``helm`` and the official client instead of the fakes."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from infra.drivers.helm import test_helm_driver as promises
from infra.drivers.helm.pond import Pond
from infra.kubernetes.standin import StandIn

from datamill_infra.drivers.helm.binary import HelmBinary
from datamill_infra.drivers.helm.door import HelmError
from datamill_infra.kubernetes.api import ApiServer
from datamill_infra.kubernetes.cluster import Cluster
from datamill_infra.kubernetes.objects import Ref

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("helm")]


class KillableHelm(HelmBinary):
    """The real one; ``killed`` says that it is to be killed when it has applied its first object."""

    killed = False


class RealPond(Pond):
    """Everything real but the API server."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.helm = KillableHelm()

    def door(self) -> Cluster:
        return ApiServer("stand-in")

    def _control(self, ref: Ref) -> None:
        super()._control(ref)
        if self.helm.killed and ref.kind == "ConfigMap":
            self.helm.killed = False
            for child in psutil.Process().children():
                if child.name() == "helm":  # a lab that other tests use is a child of this process, too
                    child.kill()


@pytest.fixture
def pond(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pond]:
    made = RealPond(tmp_path)
    with StandIn(made.cluster, tmp_path) as serving:
        monkeypatch.setenv("KUBECONFIG", str(serving.kubeconfig))
        yield made
    made.close()


test_in_order = promises.test_everything_is_applied_in_order_and_becomes_healthy
test_planning = promises.test_planning_writes_nothing
test_second_up = promises.test_a_second_up_writes_nothing_at_all
test_secrets = promises.test_secrets_are_in_a_secret_and_nowhere_else
test_machines = promises.test_another_machine_takes_the_secrets_of_the_cluster
test_fields = promises.test_a_plan_says_which_fields_of_which_objects_change
test_edits = promises.test_an_edit_is_told_with_its_field_and_repaired
test_deleted = promises.test_a_deleted_object_is_missed_and_made_again
test_added = promises.test_an_object_added_to_a_release_is_told_and_removed
test_killed = promises.test_what_a_killed_helm_left_pending_is_recovered
test_killed_first = promises.test_a_first_installation_that_was_killed_is_recovered
test_strangers = promises.test_what_somebody_else_put_in_the_place_is_never_touched
test_image = promises.test_an_image_that_is_not_to_be_had_fails_at_once_and_stops_only_what_needs_it
test_back = promises.test_a_failed_upgrade_of_a_stateless_unit_goes_back_to_the_last_good_revision
test_holds = promises.test_a_failed_upgrade_of_a_stateful_unit_holds_and_says_so
test_good = promises.test_a_revision_that_never_was_healthy_is_not_gone_back_to
test_lease = promises.test_the_lease_is_held_only_while_something_is_written
test_down = promises.test_down_removes_everything_but_data
test_leftover = promises.test_a_component_that_left_the_deployment_is_removed


def test_chart_of_a_repository_is_pulled_and_its_definitions_are_apart(tmp_path: Path) -> None:
    chart, served, into = tmp_path / "frog", tmp_path / "served", tmp_path / "into"
    for folder in (chart / "templates", chart / "crds", served, into):
        folder.mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: frog\nversion: 1.2.3\n")
    (chart / "templates" / "all.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: frog}\n")
    defined = "kind: CustomResourceDefinition\nmetadata: {name: ponds.example.org}\n"
    (chart / "crds" / "ponds.yaml").write_text(f"apiVersion: apiextensions.k8s.io/v1\n{defined}")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        for command in (["package", str(chart), "--destination", str(served)], ["repo", "index", str(served)]):
            subprocess.run([str(shutil.which("helm")), *command], check=True, capture_output=True)
        pulled = HelmBinary().pull(url, "frog", "1.2.3", into)
        server.shutdown()
    assert "frog-1.2.3.tgz" == pulled.name
    assert ["ponds.example.org"] == [item["metadata"]["name"] for item in HelmBinary().definitions(pulled)]
    assert ["ConfigMap"] == [item["kind"] for item in HelmBinary().template("frog", "pond", pulled, [])]


def test_a_repository_that_cannot_be_reached_is_told_with_what_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(HelmError, match="cannot be reached") as caught:
        HelmBinary().pull("http://127.0.0.1:9", "frog", "1.2.3", tmp_path)
    assert "whether this machine reaches it" in str(caught.value.instruction)
