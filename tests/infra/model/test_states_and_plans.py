"""States are decided by what was observed and what is wanted; plans say what a deploy would do, and why."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamill_infra.model.desired import digest
from datamill_infra.model.plan import Action, plan
from datamill_infra.model.states import Desired, Observed, ReleaseState, decide

FACTS = {"values": {"heap": "512m", "jvm": {"gc": "G1"}}, "files": {}}
DESIRED = Desired("kafka", "embedded", None, FACTS, digest(FACTS))
RUNNING = Observed("kafka", exists=True, managed=True, digest=DESIRED.digest, facts=FACTS)

TABLE = [
    (Observed("kafka"), ReleaseState.ABSENT, Action.CREATE),
    (replace(RUNNING, managed=False), ReleaseState.UNMANAGED, Action.REFUSE),
    (replace(RUNNING, digest="sha256:other"), ReleaseState.OUT_OF_SYNC, Action.UPDATE),
    (replace(RUNNING, digest=None), ReleaseState.OUT_OF_SYNC, Action.UPDATE),
    (replace(RUNNING, drift=("The process is gone.",)), ReleaseState.DRIFTED, Action.RESTART),
    (replace(RUNNING, locked_by="pid 7"), ReleaseState.LOCKED, Action.REFUSE),
    (Observed("kafka", locked_by="pid 7"), ReleaseState.LOCKED, Action.REFUSE),
    (replace(RUNNING, failure="It was killed."), ReleaseState.FAILED, Action.UPDATE),
    (Observed("kafka", failure="The port is taken."), ReleaseState.FAILED, Action.CREATE),
    (RUNNING, ReleaseState.IN_SYNC, Action.NONE),
]


@pytest.mark.parametrize(("observed", "state", "action"), TABLE)
def test_each_observation_has_one_state_and_one_action(observed: Observed, state: ReleaseState, action: Action) -> None:
    assert decide(observed, DESIRED) is state
    change = plan({"kafka": DESIRED}, {"kafka": observed})["kafka"]
    assert (change.state, change.action) == (state, action)
    assert change.reason


def test_every_state_can_be_reached() -> None:
    assert {state for _, state, _ in TABLE} == set(ReleaseState)


@given(
    st.builds(
        Observed,
        st.just("kafka"),
        exists=st.booleans(),
        managed=st.booleans(),
        digest=st.sampled_from([None, DESIRED.digest, "sha256:other"]),
        drift=st.sampled_from([(), ("gone",)]),
        failure=st.sampled_from([None, "broke"]),
        locked_by=st.sampled_from([None, "pid 7"]),
    )
)
def test_in_sync_means_there_managed_as_wanted_and_undisturbed(observed: Observed) -> None:
    calm = observed.failure is None and observed.locked_by is None and not observed.drift
    as_wanted = observed.exists and observed.managed and observed.digest == DESIRED.digest
    assert (decide(observed, DESIRED) is ReleaseState.IN_SYNC) == (calm and as_wanted)
    assert plan({"kafka": DESIRED}, {"kafka": observed}).has_changes == (not (calm and as_wanted))


def test_an_update_says_which_facts_change() -> None:
    before = {"values": {"heap": "1g", "jvm": {"gc": "G1"}, "old": 1}, "files": {}}
    observed = replace(RUNNING, digest=digest(before), facts=before)
    change = plan({"kafka": DESIRED}, {"kafka": observed})["kafka"]
    assert [str(item) for item in change.differences] == ['values.heap: "1g" -> "512m"', "values.old: 1 -> (none)"]


def test_what_was_never_looked_at_counts_as_absent() -> None:
    assert plan({"kafka": DESIRED}, {})["kafka"].action is Action.CREATE


def test_changes_come_in_order_and_removals_last_in_reverse() -> None:
    desired = {name: replace(DESIRED, component=name) for name in ("a", "b")}
    observed = {name: replace(RUNNING, component=name) for name in ("old-1", "old-2", "a")}
    changes = plan(desired, observed, ["b", "a"])
    assert [(change.component, change.action.value) for change in changes] == [
        ("b", "create"),
        ("a", "none"),
        ("old-2", "remove"),
        ("old-1", "remove"),
    ]


@pytest.mark.parametrize(
    ("observed", "actions"),
    [
        (Observed("old"), []),
        (replace(RUNNING, component="old", managed=False), []),
        (replace(RUNNING, component="old", locked_by="pid 7"), ["refuse"]),
        (replace(RUNNING, component="old", failure="broke"), ["remove"]),
    ],
)
def test_only_what_this_deployment_put_there_is_removed(observed: Observed, actions: list[str]) -> None:
    assert [change.action.value for change in plan({}, {"old": observed})] == actions


def test_nothing_to_do_is_said() -> None:
    done = plan({"kafka": DESIRED}, {"kafka": RUNNING})
    assert not done.has_changes
    assert json.loads(json.dumps(done.to_dict())) == {
        "has_changes": False,
        "changes": [
            {
                "component": "kafka",
                "state": "in-sync",
                "action": "none",
                "reason": "It runs as defined.",
                "differences": [],
            }
        ],
    }


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(st.text(max_size=3), below, max_size=3)),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), JSON), st.randoms(use_true_random=False))
def test_a_digest_does_not_depend_on_the_order_of_keys(facts: dict[str, object], random: object) -> None:
    keys = list(facts)
    random.shuffle(keys)  # type: ignore[attr-defined]
    assert digest(facts) == digest({key: facts[key] for key in keys})


@given(st.dictionaries(st.text(max_size=3), JSON), st.dictionaries(st.text(max_size=3), JSON))
def test_digests_are_equal_for_equal_facts_only(one: dict[str, object], other: dict[str, object]) -> None:
    assert (digest(one) == digest(other)) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))
