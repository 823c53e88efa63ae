"""The directory of a deployment: what lies where."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CODE = "DATAMILL_CODE"
"""Set by images, in which ``catalogue`` and ``pipelines`` are not where the deployment is."""


@dataclass(frozen=True)
class Home:
    """The layout of a deployment's directory, whether there is a deployment in it or not.

    Attributes:
        home: the directory.
    """

    home: Path

    @property
    def code(self) -> Path:
        """Where the user's own components and pipelines are: here, unless an image has them and says where."""
        return Path(os.environ.get(CODE) or self.home)

    @property
    def deployment_file(self) -> Path:
        """What the deployment is; written by the user."""
        return self.home / "deployment.yaml"

    @property
    def catalogue_dir(self) -> Path:
        """The user's own components."""
        return self.code / "catalogue"

    @property
    def flavour_dir(self) -> Path:
        """The user's own flavours."""
        return self.home / "flavours"

    @property
    def pipeline_dir(self) -> Path:
        """The user's own pipelines."""
        return self.code / "pipelines"

    @property
    def state_dir(self) -> Path:
        """What is remembered between commands."""
        return self.home / "state"

    @property
    def ports_file(self) -> Path:
        """Allocated ports."""
        return self.state_file("ports")

    @property
    def secrets_file(self) -> Path:
        """Generated secrets, readable by the owner only."""
        return self.state_file("secrets")

    @property
    def connections_file(self) -> Path:
        """Published connections, secrets by name."""
        return self.state_file("connections")

    @property
    def releases_file(self) -> Path:
        """What was applied, when, with what result."""
        return self.state_file("releases")

    @property
    def lock_file(self) -> Path:
        """Held by the one writer."""
        return self.state_dir / "writer.lock"

    @property
    def run_dir(self) -> Path:
        """The supervisor's configuration and socket."""
        return self.home / "run"

    @property
    def log_dir(self) -> Path:
        """Logs of the servers.

        Not ``logs``: in a directory of that name in its home, Dagster keeps what it sends to its makers, and its web
        server and daemon move and upload every file they find there, even with telemetry switched off.
        """
        return self.home / "log"

    @property
    def storage(self) -> Path:
        """Dagster's own databases."""
        return self.home / "storage"

    def state_file(self, name: str) -> Path:
        """One remembered fact: ``state/<name>.json``."""
        return self.state_dir / f"{name}.json"

    def component_dir(self, component: str) -> Path:
        """Everything a component keeps on this machine."""
        return self.home / "components" / component

    def component_paths(self, component: str) -> dict[str, Path]:
        """A component's directories: ``data``, ``config``, ``logs``."""
        folder = self.component_dir(component)
        return {"data": folder / "data", "config": folder / "config", "logs": self.log_dir}

    def log_file(self, component: str) -> Path:
        """A component's log."""
        return self.log_dir / f"{component}.log"
