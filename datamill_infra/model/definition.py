"""A deployment's definition: what its file says, and what that resolves to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_infra.model.deployment_file import ComponentChoice
from datamill_infra.model.members import Choice
from datamill_infra.model.resolution import resolve
from datamill_infra.model.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datamill_infra.model.catalogue import Catalogue
    from datamill_infra.model.deployment_file import DeploymentFile
    from datamill_infra.model.documents import Document
    from datamill_infra.model.flavours import FlatFlavour, Flavours
    from datamill_infra.model.resolution import Resolution


@dataclass(frozen=True)
class Definition:
    """Everything that decides a deployment, read and resolved.

    Attributes:
        file: ``deployment.yaml``, typed.
        document: the same with its lines.
        flavour: flattened.
        resolution: the closed set of components.
    """

    file: DeploymentFile
    document: Document
    flavour: FlatFlavour
    resolution: Resolution

    def choice(self, component: str) -> ComponentChoice:
        """What the user chose for one component."""
        return self.file.components.get(component, ComponentChoice())


def define(
    file: DeploymentFile,
    document: Document,
    catalogue: Catalogue,
    flavours: Flavours,
    extra: Iterable[str] = (),
) -> Definition:
    """Resolve what a deployment's file says; ``extra`` is added to the file's own.

    Raises:
        ConfigurationError: it does not resolve, or speaks of a component that the deployment does not have.
    """
    target = Target.of(file.target, file.capabilities, where=document.where(("target",)))
    flavour = flavours.flatten(file.flavour, where=document.where(("flavour",)))
    choices = {
        name: Choice(choice.provider, choice.variant, choice.bind, document.where(("components", name)))
        for name, choice in file.components.items()
    }
    for index, name in enumerate(file.extra):
        catalogue.find(name, where=document.where(("extra", index)))
    resolution = resolve(
        flavour,
        catalogue,
        target=target,
        extra=[*file.extra, *(name for name in extra if name not in file.extra)],
        choices=choices,
        bind={name: (bound, document.where(("bind", name))) for name, bound in file.bind.items()},
    )
    return Definition(file, document, flavour, resolution)
