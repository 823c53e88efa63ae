"""Order in a graph of dependencies."""

from __future__ import annotations

import graphlib
import itertools
from typing import TYPE_CHECKING

from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Edges = dict[str, dict[str, str]]
"""Node to the nodes it depends on, each with the capability that makes it so."""


def levels(edges: Mapping[str, Mapping[str, str]]) -> list[list[str]]:
    """Nodes in order: each level depends on earlier ones only, and is sorted by name.

    Raises:
        ConfigurationError: there is a cycle; its path is named.
    """
    sorter = graphlib.TopologicalSorter({node: sorted(edges[node]) for node in sorted(edges)})
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        path = list(reversed(error.args[1]))
        steps = [f"{node} needs {edges[node][other]!r} of {other}" for node, other in itertools.pairwise(path)]
        raise ConfigurationError(
            f"The components need each other in a circle: {', '.join(steps)}.",
            instruction="Bind one of these capabilities to another component, or drop the need.",
        ) from None
    order = []
    while ready := sorter.get_ready():
        order.append(sorted(ready))
        sorter.done(*ready)
    return order


def reachable(start: Iterable[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    """``start`` and everything it depends on, directly or not."""
    found: set[str] = set()
    pending = list(start)
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += edges.get(node, ())
    return found
