"""Names, addresses and paths of a lab: pure arithmetic on its name and its slot."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SLOTS = 64
DOMAIN = "cluster.local"
API_PORT = 6443
# Three blocks of 10.0.0.0/8 in which each slot has 256 addresses. They exist on this machine only, while labs run.
_LINKS, _PODS, _SERVICES = IPv4Address("10.199.0.0"), IPv4Address("10.198.0.0"), IPv4Address("10.197.0.0")


@dataclass(frozen=True)
class Lab:
    """One lab.

    Attributes:
        name: as the user says it.
        slot: 0 to 63; two labs of a machine never have the same one.
        directory: everything it writes.
    """

    name: str
    slot: int
    directory: Path

    @property
    def node(self) -> str:
        """The node's name."""
        return f"lab-{self.name}"

    @property
    def context(self) -> str:
        """The name in kubeconfig files, and of the control group."""
        return f"datamill-lab-{self.name}"

    @property
    def link(self) -> str:
        """The host's end of the link to the node; an interface's name has at most 15 characters."""
        return f"dmlab{self.slot}"

    @property
    def link_network(self) -> IPv4Network:
        """Host and node."""
        return self._network(_LINKS)

    @property
    def host_address(self) -> IPv4Address:
        """Of this machine, as the node sees it."""
        return self.link_network[1]

    @property
    def node_address(self) -> IPv4Address:
        """Of the node; the API server listens here."""
        return self.link_network[2]

    @property
    def pods(self) -> IPv4Network:
        """Addresses of pods."""
        return self._network(_PODS)

    @property
    def services(self) -> IPv4Network:
        """Addresses of services."""
        return self._network(_SERVICES)

    @property
    def dns_address(self) -> IPv4Address:
        """The service that resolves names."""
        return self.services[10]

    @property
    def server(self) -> str:
        """Where the API server is, from this machine and from the node."""
        return f"https://{self.node_address}:{API_PORT}"

    def path(self, *parts: str) -> Path:
        """A path below the lab's directory."""
        return self.directory.joinpath(*parts)

    def _network(self, block: IPv4Address) -> IPv4Network:
        return IPv4Network((block + 256 * self.slot, 24))


def reserved_networks() -> tuple[IPv4Network, ...]:
    """The blocks that all labs together can use."""
    return tuple(IPv4Network((block, 18)) for block in (_LINKS, _PODS, _SERVICES))
