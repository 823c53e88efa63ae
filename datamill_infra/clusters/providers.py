"""The providers by name, each imported when it is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from datamill_infra.clusters.place import NOWHERE, Place
from datamill_infra.model.errors import ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datamill_infra.clusters.provider import ClusterProvider

PROVIDERS: Mapping[str, str] = {
    "lab": "datamill_infra.clusters.lab.provider:LabProvider",
    "kind": "datamill_infra.clusters.tools.kind:KindProvider",
    "k3d": "datamill_infra.clusters.tools.k3d:K3dProvider",
    "minikube": "datamill_infra.clusters.tools.minikube:MinikubeProvider",
    "microk8s": "datamill_infra.clusters.tools.microk8s:Microk8sProvider",
    "multipass": "datamill_infra.clusters.tools.multipass:MultipassProvider",
    "eks": "datamill_infra.clusters.tools.eks:EksProvider",
    "gke": "datamill_infra.clusters.tools.gke:GkeProvider",
    "kops": "datamill_infra.clusters.tools.kops:KopsProvider",
}


def provider(kind: str, place: Place = NOWHERE) -> ClusterProvider:
    """The provider of this name.

    Args:
        kind: its name.
        place: where its clusters are.

    Raises:
        UnknownNameError: there is none.
        ConfigurationError: the place does not suit it.
    """
    if kind not in PROVIDERS:
        raise UnknownNameError("provider of clusters", kind, PROVIDERS)
    module, _, name = PROVIDERS[kind].partition(":")
    factory = getattr(importlib.import_module(module), name)
    if kind == "lab":
        if place.said:
            raise ConfigurationError("A lab is on this machine.", instruction="Leave out --region and the like.")
        lab: ClusterProvider = factory()
        return lab
    made: ClusterProvider = factory(place=place)
    return made
