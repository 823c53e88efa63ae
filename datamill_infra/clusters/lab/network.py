"""The link between this machine and a node, and the addresses that labs may use."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from datamill_infra.clusters.lab.layout import SLOTS, Lab

if TYPE_CHECKING:
    from datamill_infra.clusters.commands import Commands

NODE_LINK = "eth0"
COMMAND_SECONDS = 30.0


def connect(commands: Commands, lab: Lab, init: int) -> None:
    """Join this machine and the node's network namespace by a pair of interfaces.

    Nothing is forwarded or translated on this machine: it reaches node, pods and services through the node, and they
    reach what listens on its end of the link. When the namespace goes, the link and the routes go with it.

    Args:
        commands: the door to programs.
        lab: which one.
        init: process id of the node's first process.
    """

    def ip(*arguments: object) -> None:
        commands.run(["ip", *map(str, arguments)], seconds=COMMAND_SECONDS)

    def in_node(*argv: object) -> None:
        commands.run(["nsenter", f"--net=/proc/{init}/ns/net", "--", *map(str, argv)], seconds=COMMAND_SECONDS)

    ip("link", "add", lab.link, "type", "veth", "peer", "name", NODE_LINK, "netns", init)
    ip("address", "add", f"{lab.host_address}/{lab.link_network.prefixlen}", "dev", lab.link)
    ip("link", "set", lab.link, "up")
    in_node("ip", "link", "set", "lo", "up")
    in_node("ip", "address", "add", f"{lab.node_address}/{lab.link_network.prefixlen}", "dev", NODE_LINK)
    in_node("ip", "link", "set", NODE_LINK, "up")
    # Only so that a process of the node finds a route to a service; the address is translated before it is used.
    in_node("ip", "route", "add", lab.services, "via", lab.host_address)
    for network in (lab.pods, lab.services):
        ip("route", "add", network, "via", lab.node_address)


def used_networks(commands: Commands) -> list[IPv4Network]:
    """What this machine has routes to, defaults aside."""
    routes = json.loads(commands.run(["ip", "-json", "-4", "route", "show"], seconds=COMMAND_SECONDS) or "[]")
    return [IPv4Network(route["dst"], strict=False) for route in routes if route["dst"] != "default"]


def free_slot(taken: set[int], used: list[IPv4Network], probe: Lab) -> int | None:
    """The first slot that no lab has and none of whose networks this machine already has a route to.

    Args:
        taken: slots of labs that exist.
        used: see :func:`used_networks`.
        probe: any lab; only its slot is varied.

    Returns:
        The slot, or ``None`` when all are in use.
    """
    for slot in range(SLOTS):
        lab = Lab(probe.name, slot, probe.directory)
        ours = (lab.link_network, lab.pods, lab.services)
        if slot not in taken and not any(network.overlaps(other) for network in ours for other in used):
            return slot
    return None
