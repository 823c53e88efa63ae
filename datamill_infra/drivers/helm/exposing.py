"""Ports of a component's services on this machine, for a person who wants to reach them."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_infra.drivers.driver import Forwarded
from datamill_infra.drivers.embedded.ports import listeners
from datamill_infra.kubernetes.forwarding import ADDRESS, LOOPBACK, split_address
from datamill_infra.kubernetes.objects import Ref
from datamill_infra.model.connections import Connection
from datamill_infra.model.errors import ConfigurationError, PortTakenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from datamill_infra.drivers.helm.units import RenderedUnit
    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.forwarding import Forwards


@dataclass(frozen=True)
class ServicePort:
    """One port of a service."""

    namespace: str
    service: str
    port: int
    name: str

    @property
    def address(self) -> str:
        """As pods see it."""
        return f"{self.service}.{self.namespace}.svc:{self.port}"


def service_ports(
    cluster: Cluster, connections: Iterable[Connection], units: Iterable[RenderedUnit]
) -> list[ServicePort]:
    """The ports that a component's connections name, and then all others of its services.

    Args:
        cluster: where.
        connections: of the component; those of one without units of its own name services of others.
        units: of the component.
    """
    refs = list(dict.fromkeys([*_named(connections), *_rendered(units)]))
    found: list[ServicePort] = []
    for ref in refs:
        service = cluster.get(ref)
        for entry in service["spec"]["ports"] if service else ():
            number = int(entry["port"])
            found.append(ServicePort(ref.namespace, ref.name, number, str(entry.get("name") or number)))
    return found


def open_ports(
    forwards: Forwards, component: str, found: Sequence[ServicePort], wanted: Mapping[int, int]
) -> list[Forwarded]:
    """Open ports on loopback.

    Args:
        forwards: ends them.
        component: whose, for messages.
        found: what there is.
        wanted: port of the service to port here; all, each under its own number, when empty.

    Raises:
        ConfigurationError: there is no such port.
        PortTakenError: somebody listens on a port here.
        UnhealthyError: no pod of a service runs.
    """
    unknown = sorted(set(wanted) - {one.port for one in found})
    if unknown or not found:
        there = ", ".join(f"{one.port} ({one.name})" for one in found) or "none; is it up?"
        raise ConfigurationError(
            f"{component} has no port {', '.join(map(str, unknown)) or 'at all'} on the cluster.",
            instruction=f"Its ports: {there}.",
        )
    opened: list[Forwarded] = []
    used: set[int] = set()
    for one in found:
        if wanted and one.port not in wanted:
            continue
        local = wanted.get(one.port, 0 if one.port in used else one.port)
        used.add(local)
        opened.append(Forwarded(one.name, one.address, f"{LOOPBACK}:{_open(forwards, component, one, local)}"))
    return opened


def _open(forwards: Forwards, component: str, one: ServicePort, local: int) -> int:
    subject = Connection(one.name, component, {}, {})
    try:
        return forwards.open(subject, one.namespace, one.service, one.port, local)
    except PermissionError as error:
        raise ConfigurationError(
            f"Port {local} on {LOOPBACK} is for the administrator of this machine only.",
            instruction=f"Choose another: `datamill forward {component} --port 0:{one.port}` takes any that is free.",
        ) from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        there = listeners([local]).get(local)
        raise PortTakenError(
            f"Port {local} on {LOOPBACK} is taken by {there.description if there else 'another process'}.",
            instruction=f"Choose another: `datamill forward {component} --port 0:{one.port}` takes any that is free.",
        ) from error


def _named(connections: Iterable[Connection]) -> Iterator[Ref]:
    for connection in connections:
        for value in (*connection.fields.values(), split_address(connection)):
            for match in ADDRESS.finditer(str(value)):
                yield Ref("v1", "Service", match[2], match[1])


def _rendered(units: Iterable[RenderedUnit]) -> Iterator[Ref]:
    """Services with an address; those without are for pods that look for one another."""
    for unit in units:
        for ref, item in unit.by_ref.items():
            if ref.kind == "Service" and item["spec"].get("clusterIP") != "None":
                yield ref
