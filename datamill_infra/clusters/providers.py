"""The providers by name, each imported when it is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from datamill_infra.model.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.clusters.provider import ClusterProvider

PROVIDERS: Mapping[str, str] = {
    "lab": "datamill_infra.clusters.lab.provider:LabProvider",
    "kind": "datamill_infra.clusters.tools.kind:KindProvider",
    "k3d": "datamill_infra.clusters.tools.k3d:K3dProvider",
    "minikube": "datamill_infra.clusters.tools.minikube:MinikubeProvider",
    "microk8s": "datamill_infra.clusters.tools.microk8s:Microk8sProvider",
}


def provider(kind: str) -> ClusterProvider:
    """The provider of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if kind not in PROVIDERS:
        raise UnknownNameError("provider of clusters", kind, PROVIDERS)
    module, _, name = PROVIDERS[kind].partition(":")
    made: ClusterProvider = getattr(importlib.import_module(module), name)()
    return made
