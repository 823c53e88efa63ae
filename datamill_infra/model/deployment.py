"""Deployments: one flavour on one target, in one directory, which is the Dagster home too."""

from __future__ import annotations

import functools
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.model.catalogue import Catalogue, default_catalogue_folders
from datamill_infra.model.claims import claimed_secret
from datamill_infra.model.definition import define
from datamill_infra.model.deployment_file import DeploymentFile
from datamill_infra.model.desired import desired_state
from datamill_infra.model.documents import load_document, parse_document
from datamill_infra.model.errors import ConfigurationError
from datamill_infra.model.external import external_secrets
from datamill_infra.model.flavours import Flavours, default_flavour_folders
from datamill_infra.model.home import Home
from datamill_infra.model.rendering import Renderer
from datamill_infra.model.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from datamill_infra.model.components import ComponentSpec
    from datamill_infra.model.connections import Connection
    from datamill_infra.model.definition import Definition
    from datamill_infra.model.deployment_file import ComponentChoice, SecretSource
    from datamill_infra.model.documents import Document
    from datamill_infra.model.merging import Merged
    from datamill_infra.model.rendering import Rendered
    from datamill_infra.model.resolution import Resolution
    from datamill_infra.model.states import Desired

Ports = dict[str, dict[str, int]]
"""Component to port names and numbers."""


@dataclass(frozen=True, eq=False)
class Deployment(Home):
    """One deployment, read and resolved.

    Attributes:
        home: its directory.
        definition: ``deployment.yaml``, and what it resolves to.
        catalogue: where its components are found: ``home/catalogue``, then the package.
        flavours: where its flavours are found: ``home/flavours``, then the package.
    """

    definition: Definition = field(kw_only=True)
    catalogue: Catalogue = field(kw_only=True)
    flavours: Flavours = field(kw_only=True)

    @classmethod
    def load(cls, home: Path, *, extra: Iterable[str] = ()) -> Deployment:
        """Read a deployment and check all of it.

        Args:
            home: its directory.
            extra: components in addition to the flavour and the file's own ``extra``, for this command only.

        Raises:
            ConfigurationError: there is no deployment in ``home``, or anything about it is wrong.
        """
        file = Home(home).deployment_file
        if not file.exists():
            raise ConfigurationError(
                f"There is no deployment in {home}.",
                instruction="Make one with `datamill up`, or name the right directory with --home or DATAMILL_HOME.",
            )
        return cls._of(home, load_document(file), extra)

    @classmethod
    def preview(
        cls,
        home: Path,
        flavour: str,
        target: str = "embedded",
        *,
        context: str | None = None,
        capabilities: Iterable[str] = (),
        extra: Iterable[str] = (),
    ) -> Deployment:
        """What a new deployment would be; nothing is written.

        Raises:
            ConfigurationError: the flavour does not resolve on the target.
        """
        text = _text(flavour, target, context, capabilities)
        return cls._of(home, parse_document(text, Home(home).deployment_file), extra)

    @classmethod
    def write_default(
        cls,
        home: Path,
        flavour: str,
        target: str = "embedded",
        *,
        context: str | None = None,
        capabilities: Iterable[str] = (),
    ) -> Deployment:
        """Make a deployment; one that is there already, with this flavour and target, is left as it is.

        Raises:
            ConfigurationError: the flavour does not resolve on the target, or ``home`` has another deployment.
                Nothing is written then.
        """
        if Home(home).deployment_file.exists():
            present = cls.load(home)
            if (present.flavour, present.target, present.context) != (flavour, target, context):
                where = f"{present.target!r}" + (f" (context {present.context!r})" if present.context else "")
                raise ConfigurationError(
                    f"{home} already has a deployment: flavour {present.flavour!r} on {where}.",
                    instruction=f"Use another directory (--home), or edit {present.deployment_file}.",
                )
            return present
        given = tuple(capabilities)
        made = cls.preview(home, flavour, target, context=context, capabilities=given)
        _write(made.deployment_file, _text(flavour, target, context, given))
        return made

    @classmethod
    def _of(cls, home: Path, document: Document, extra: Iterable[str]) -> Deployment:
        catalogue = Catalogue.load(default_catalogue_folders(home))
        flavours = Flavours.load(default_flavour_folders(home))
        definition = define(validate(DeploymentFile, document), document, catalogue, flavours, extra)
        deployment = cls(home, definition=definition, catalogue=catalogue, flavours=flavours)
        for component in definition.resolution.sequence():
            deployment.rendered(component)  # a wrong value or template is found now, whatever the command is about
        return deployment

    @property
    def flavour(self) -> str:
        """Name of the flavour."""
        return self.definition.file.flavour

    @property
    def target(self) -> str:
        """Kind of the target."""
        return self.definition.file.target

    @property
    def context(self) -> str | None:
        """The Kubernetes context, or ``None``."""
        return self.definition.file.context

    @property
    def extra(self) -> tuple[str, ...]:
        """Components that ``deployment.yaml`` names in addition to the flavour."""
        return self.definition.file.extra

    @property
    def components(self) -> Mapping[str, ComponentChoice]:
        """The user's choices, by component; components without one are not in it."""
        return self.definition.file.components

    @property
    def resolution(self) -> Resolution:
        """The closed set of components."""
        return self.definition.resolution

    def spec(self, component: str) -> ComponentSpec:
        """One component of the deployment.

        Raises:
            UnknownNameError: the deployment does not have it.
        """
        self.resolution.closure([component])
        return self.resolution.components[component]

    def provider(self, component: str) -> str:
        """How a component is obtained: ``embedded``, ``helm`` or ``external``."""
        self.spec(component)
        return self.resolution.members[component].provider

    def including(self, *names: str) -> Deployment:
        """The same deployment with components in addition, and what they need; nothing is written."""
        return self._of(self.home, self.definition.document, names)

    def rendered(self, component: str, ports: Mapping[str, Mapping[str, int]] | None = None) -> Rendered:
        """Values, claims and connections of a component with every template resolved.

        Args:
            component: its name.
            ports: allocated ports by component; without them, ports and paths stand in as ``<port ...>``.
        """
        self.spec(component)
        return self._renderer(ports)[component]

    def values(self, component: str, ports: Mapping[str, Mapping[str, int]] | None = None) -> Merged:
        """The merged values of a component, each with its origin."""
        return self.rendered(component, ports).values

    def needs(self, component: str, ports: Mapping[str, Mapping[str, int]] | None = None) -> Mapping[str, Connection]:
        """Capability to connection as the component itself sees it, its claims included."""
        return self.rendered(component, ports).needs

    def claims(self, component: str) -> list[tuple[str, str, Mapping[str, object]]]:
        """What others claim of a component: consumer, capability, claim."""
        self.spec(component)
        return [
            (consumer, capability, self.rendered(consumer).claims[capability])
            for (consumer, capability), provider in sorted(self.resolution.bindings.items())
            if provider == component
        ]

    def declared_connections(self, ports: Mapping[str, Mapping[str, int]] | None = None) -> dict[str, Connection]:
        """Capability to the connection that pipelines get, for every capability of the deployment."""
        renderer = self._renderer(ports)
        return {
            capability: renderer[component].connections[capability]
            for capability, component in sorted(self.resolution.bound.items())
        }

    def desired(self, component: str, ports: Mapping[str, Mapping[str, int]] | None = None) -> Desired:
        """What is wanted of a component, and a digest over it.

        With ``ports``, addresses count: what a driver compares to decide whether something runs as it should. Without,
        the digest is the same for equal definitions on every machine: a code version.
        """
        return desired_state(self.resolution.members[component], self.rendered(component, ports))

    def secrets(self, component: str) -> list[str]:
        """Full names of the secrets that are generated when a component is deployed: its own, and one set per claim.

        Those of an external component are the user's; what is claimed of it is generated like everywhere.
        """
        member = self.resolution.members[self.spec(component).name]
        names: set[str] = set()
        if member.provider == "embedded" and member.spec.embedded:
            names |= {f"{component}.{name}" for name in member.spec.embedded.secrets}
        if member.provider == "helm" and member.spec.helm:
            names |= {f"{component}.{name}" for name in member.spec.helm.selected(member.variant).secrets}
        entries = member.spec.connection_of(member.provider, member.variant)
        for consumer, capability, claim in self.claims(component):
            part = entries[capability].claims
            if part and claim:
                names |= {claimed_secret(consumer, capability, name) for name in part.secrets}
        return sorted(names)

    def secret_sources(self, component: str) -> dict[str, SecretSource]:
        """Full names of the secrets a user gives for an external component, each with where it is read from."""
        return external_secrets(self.definition, self.spec(component).name)

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "home": str(self.home),
            "flavour": self.flavour,
            "target": self.target,
            "context": self.context,
            "extra": list(self.extra),
            **self.resolution.to_dict(),
        }

    def add_extra(self, names: Iterable[str]) -> Deployment:
        """Write components into ``extra`` of ``deployment.yaml``, leaving the rest of the file as it is.

        Raises:
            ConfigurationError: they do not resolve; nothing is written then.
        """
        added = [name for name in dict.fromkeys(names) if name not in self.extra]
        if not added:
            return self
        self.including(*added)
        lines = self.deployment_file.read_text(encoding="utf-8").splitlines()
        line = f"extra: [{', '.join([*self.extra, *added])}]"
        document = self.definition.document
        if "extra" in document.data:
            start = document.line(("extra",)) - 1
            later = [document.line((key,)) - 1 for key in document.data if document.line((key,)) - 1 > start]
            end = min(later, default=len(lines))
            kept = [text for text in lines[start + 1 : end] if text.lstrip().startswith("#") or not text.strip()]
            lines[start:end] = [line, *kept]
        else:
            lines.append(line)
        _write(self.deployment_file, "\n".join(lines) + "\n")
        return self.load(self.home)

    def _renderer(self, ports: Mapping[str, Mapping[str, int]] | None) -> Renderer:
        numbers = None if ports is None else {component: dict(named) for component, named in ports.items()}
        key = json.dumps(numbers, sort_keys=True)
        if key not in self._renderers:
            self._renderers[key] = Renderer(self.definition, ports, self.component_paths)
        return self._renderers[key]

    @functools.cached_property
    def _renderers(self) -> dict[str, Renderer]:
        return {}


def _text(flavour: str, target: str, context: str | None, capabilities: Iterable[str] = ()) -> str:
    text = f"# One flavour on one target. Every key: docs/values-and-merging.md\nflavour: {flavour}\ntarget: {target}\n"
    text += f'context: "{context}"\n' if context else ""
    given = ", ".join(capabilities)
    return text + (f"capabilities: [{given}]  # what the cluster was seen to give\n" if given else "")


def _write(file: Path, text: str) -> None:
    """Replace a file as a whole, so that a reader never sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
