"""The demo on a real cluster: healthy, nothing written twice, pipelines as jobs, the same bytes as on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import requests
import yaml
from cluster.demo import BY_AMQP, MONTHS, Arguments, Content, Demo, content_of, critical_path
from cluster.mill import readable
from cluster.policies import Pod, Policies
from cluster.test_graph import DOORS, NEEDS, reachable
from sqlalchemy import text

from datamill_infra.drivers.rollout import Rollout
from datamill_infra.kubernetes.objects import Object, labels_of
from datamill_infra.kubernetes.pods import container_statuses, last_end
from datamill_infra.orchestration.cluster_instance import cluster_instance

pytestmark = pytest.mark.timeout(1800)

STEPS = {"capabilities", "events__flights", "raw__flights", "raw__weather", "features__flight_delay"}


def test_every_component_is_healthy_and_none_waited_for_longer_than_the_graph_asks(demo: Demo) -> None:
    states = {name: (one["state"], one["health"]) for name, one in demo.status().items()}
    assert {("in-sync", "healthy")} == set(states.values()), states
    whole, chain = critical_path(demo.deployment, demo.heard)
    assert whole <= 1.25 * chain, f"{whole:.1f} s, and the longest chain takes {chain:.1f} s"
    pods = demo.cluster.find("v1", "Pod", demo.namespace)
    assert [] == [told for pod in pods for told in _restarts(demo, pod)]


def test_a_second_up_writes_nothing(demo: Demo, audited: Callable[[], list[str]]) -> None:
    before = audited()
    assert "nothing had to be changed" in demo.run("up").stdout
    assert before == audited()


def test_the_live_policies_allow_the_connections_of_the_graph_and_no_other(demo: Demo) -> None:
    objects = demo.cluster.find("networking.k8s.io/v1", "NetworkPolicy", demo.namespace)
    objects += demo.cluster.find("networking.k8s.io/v1", "NetworkPolicy", f"{demo.namespace}-runs")
    policies = Policies(tuple(objects), demo.namespace)
    pods = [_as_policies_see(pod) for pod in demo.cluster.find("v1", "Pod", demo.namespace)]
    pods = [pod for pod in pods if pod.labels.get("app.kubernetes.io/name") in DOORS]
    assert set(DOORS) == {pod.labels["app.kubernetes.io/name"] for pod in pods}
    for source in pods:
        name = source.labels["app.kubernetes.io/name"]
        if source.labels.get("app.kubernetes.io/component") == "infrastructure":
            continue  # it probes every door: tests/cluster/test_graph.py
        others = [pod for pod in pods if pod.labels["app.kubernetes.io/name"] != name]
        found = {one for one in reachable(source, others, policies) if one[1] not in {443, 6443}}
        assert {(needed, port) for needed in NEEDS.get(name, ()) for port in DOORS[needed]} == found, source.name
    (vault,) = demo.cluster.find("v1", "Pod", demo.namespace, "app=vault")
    assert {("postgres", 5432)} == reachable(_as_policies_see(vault), pods, policies)


def test_nobody_gets_to_the_web_server_without_the_password(demo: Demo) -> None:
    with Rollout(demo.deployment).door("dagster") as connection:
        url, query = connection.text("url"), {"query": "{ version }"}
        assert [401, 401] == [requests.get(url, timeout=30).status_code, _asked(url, query)]
        assert 401 == _asked(url, query, ("datamill", "wrong"))
        assert 200 == _asked(url, query, (connection.text("username"), connection.text("password")))


@pytest.fixture(scope="module")
def ran(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, set[str]]:
    """The id of a run of the pipelines, and the arguments of all processes meanwhile."""
    config = tmp_path_factory.mktemp("config") / "amqp.yaml"
    config.write_text(yaml.safe_dump(BY_AMQP))
    arguments = Arguments()
    arguments.start()
    done = demo.run("run", "flight_delay", "--months", MONTHS, "--config", str(config), "--json", seconds=1500)
    return json.loads(done.stdout)["run_id"], arguments.stop()


def test_the_run_and_each_step_was_a_job(demo: Demo, ran: tuple[str, set[str]]) -> None:
    jobs = demo.cluster.find("batch/v1", "Job", f"{demo.namespace}-runs")
    mine = [job for job in jobs if labels_of(job).get("dagster/run-id") == ran[0]]
    steps = {labels_of(job).get("dagster/op") for job in mine}
    assert steps >= STEPS
    assert any(job["metadata"]["name"] == f"dagster-run-{ran[0]}" for job in mine)
    (features,) = [job for job in mine if labels_of(job).get("dagster/op") == "features__flight_delay"]
    (container,) = features["spec"]["template"]["spec"]["containers"]
    assert {"cpu": "2", "memory": "3Gi"} == container["resources"]["limits"]


def test_a_pipeline_of_a_users_own_is_in_the_image(demo: Demo) -> None:
    _, ended, heard = demo.launched("datamill_pipelines", "greet")
    assert "SUCCESS" == ended.status
    assert any("hello from a pipeline of the user's own" in event.message for event in heard)


@pytest.mark.usefixtures("ran")
def test_datasets_are_the_same_as_on_this_machine(demo: Demo, here: Content) -> None:
    with demo.store() as there:
        assert here == content_of(there)


def test_no_secret_is_anywhere_but_where_it_belongs(demo: Demo, ran: tuple[str, set[str]]) -> None:
    secrets = json.loads((demo.home / "state" / "secrets.json").read_text())
    del secrets["kafka.cluster_id"]  # kept with its password, and told to everybody
    assert len(secrets) >= 20
    homes = {"datamill-secrets", *(f"{name}-{kind}" for name in demo.deployment.resolution.components
                                   for kind in ("credentials", "connections"))}  # fmt: skip
    items = [item for ref, item in demo.live().items() if ref.name not in homes]
    items += demo.cluster.find("v1", "Event", demo.namespace) + demo.cluster.find(
        "v1", "Event", f"{demo.namespace}-runs"
    )
    places = {
        "objects": "".join(said for item in items for said in readable(item)),
        "logs": "".join(
            demo.run("logs", name, "-n", "100000").stdout for name in demo.deployment.resolution.components
        ),
        "arguments": "\n".join(ran[1]),
        "database": _dagster_database(demo),
    }
    assert '"chart":' in places["objects"]  # what Helm keeps was read
    assert "flight_delay" in places["database"]
    assert "open" in places["logs"]
    found = [(name, place) for name, secret in secrets.items() for place, said in places.items() if secret in said]
    assert [] == found


def _restarts(demo: Demo, pod: Object) -> list[str]:
    """Each container that was started again: how it had ended, and what it had said last."""
    name = pod["metadata"]["name"]
    return [
        f"{name}/{one['name']} {last_end(one)}: "
        + "\n".join(demo.cluster.log(demo.namespace, name, one["name"], lines=30, previous=True))
        for one in container_statuses(pod)
        if one.get("restartCount")
    ]


def _as_policies_see(pod: Object) -> Pod:
    ports = [port for one in pod["spec"]["containers"] for port in one.get("ports", ())]
    named = {port.get("name", str(port["containerPort"])): port["containerPort"] for port in ports}
    return Pod(pod["metadata"]["name"], pod["metadata"]["namespace"], labels_of(pod), named)


def _asked(url: str, query: object, login: tuple[str, str] | None = None) -> int:
    return requests.post(f"{url}/graphql", json=query, auth=login, timeout=30).status_code


def _dagster_database(demo: Demo) -> str:
    """Every row of every table, as text."""
    with cluster_instance(demo.deployment, "datamill") as instance:
        storage = instance.event_log_storage
        with storage.index_connection() as connection:  # type: ignore[attr-defined]
            tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
            rows = [connection.execute(text(f'SELECT t::text FROM "{table}" AS t')).scalars() for table in tables]  # noqa: S608
            return "\n".join(str(row) for found in rows for row in found)
