from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path

import pytest

from datamill_infra.clusters.lab.layout import SLOTS, Lab, reserved_networks
from datamill_infra.clusters.lab.network import free_slot
from datamill_infra.clusters.provider import checked_name
from datamill_infra.model.errors import ConfigurationError

LABS = [Lab("a", slot, Path("/labs/a")) for slot in range(SLOTS)]


def test_no_two_networks_of_all_labs_overlap() -> None:
    networks = [network for lab in LABS for network in (lab.link_network, lab.pods, lab.services)]
    assert [] == [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]


def test_every_network_lies_in_a_reserved_block() -> None:
    blocks = reserved_networks()
    for lab in LABS:
        for network in (lab.link_network, lab.pods, lab.services):
            assert any(network.subnet_of(block) for block in blocks)


def test_interface_names_fit_the_kernel() -> None:
    assert max(len(lab.link) for lab in LABS) <= 15


def test_slot_of_a_lab_or_of_a_foreign_route_is_passed_over() -> None:
    foreign = [IPv4Network("10.198.1.0/24"), IPv4Network("192.168.0.0/16")]
    assert 2 == free_slot({0}, foreign, LABS[0])


def test_no_slot_is_left_when_a_route_covers_everything() -> None:
    assert None is free_slot(set(), [IPv4Network("10.0.0.0/8")], LABS[0])


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a" * 31, "a/b", "..", "a\n"])
def test_name_that_would_not_fit_everywhere_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name of a cluster"):
        checked_name(name)


def test_ordinary_name_is_accepted() -> None:
    assert "team-1" == checked_name("team-1")
