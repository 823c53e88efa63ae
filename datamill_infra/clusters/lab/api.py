"""Asking a lab's API server, and giving it the few objects that make a cluster of it."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING, Any

import requests
import yaml

from datamill_infra.clusters.commands import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from datamill_infra.clusters.lab.layout import Lab

ANSWER_SECONDS = 10.0
# Under this name the lab owns the fields that it sets.
FIELD_MANAGER = "datamill-lab"
# Plural, and whether objects of the kind belong to a namespace.
KINDS: Mapping[str, tuple[str, bool]] = {
    "ClusterRole": ("clusterroles", False),
    "ClusterRoleBinding": ("clusterrolebindings", False),
    "ConfigMap": ("configmaps", True),
    "Deployment": ("deployments", True),
    "Service": ("services", True),
    "ServiceAccount": ("serviceaccounts", True),
    "StorageClass": ("storageclasses", False),
}


class ApiServer:
    """The API server of a lab, as its administrator.

    Args:
        lab: it has its PKI.
    """

    def __init__(self, lab: Lab) -> None:
        self._server = lab.server
        self._session = requests.Session()
        # Proxies and authorities of the environment are for the internet, not for a namespace of this machine.
        self._session.trust_env = False
        pki = lab.path("pki")
        self._session.verify = str(pki / "ca.crt")
        self._session.cert = (str(pki / "admin.crt"), str(pki / "admin.key"))

    def get(self, path: str) -> dict[str, Any]:
        """One object or list.

        Args:
            path: e.g. ``/api/v1/nodes``.

        Raises:
            ClusterError: the server does not answer, or refuses.
        """
        found: dict[str, Any] = self._ask("GET", path).json()
        return found

    def ready(self) -> str | None:
        """``None`` when the server says that it is ready; otherwise what it says."""
        try:
            self._ask("GET", "/readyz")
        except ClusterError as error:
            return error.reason
        return None

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """Make an object what its manifest says, by server-side apply."""
        plural, in_namespace = KINDS[manifest["kind"]]
        version = manifest["apiVersion"]
        path = f"/{'apis' if '/' in version else 'api'}/{version}"
        if in_namespace:
            path += f"/namespaces/{manifest['metadata']['namespace']}"
        self._ask(
            "PATCH",
            f"{path}/{plural}/{manifest['metadata']['name']}?fieldManager={FIELD_MANAGER}&force=true",
            data=yaml.safe_dump(dict(manifest)),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    def _ask(self, method: str, path: str, **arguments: Any) -> requests.Response:  # noqa: ANN401  (as requests has it)
        try:
            answer = self._session.request(method, f"{self._server}{path}", timeout=ANSWER_SECONDS, **arguments)
        except requests.RequestException as error:
            raise ClusterError(
                f"The API server at {self._server} does not answer: {_innermost(error)}.",
                instruction="See `datamill cluster status` for the state of its processes and the end of their logs.",
            ) from error
        if not answer.ok:
            raise ClusterError(
                f"The API server answered {answer.status_code} to {method} {path}: {answer.text.strip()[:600]}",
                instruction="See the log of kube-apiserver in the lab's directory.",
            )
        return answer


def manifests(folder: Path, values: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """The objects of every file of a folder, with ``$name`` replaced."""
    for file in sorted(folder.glob("*.yaml")):
        yield from yaml.safe_load_all(Template(file.read_text(encoding="utf-8")).substitute(values))


def _innermost(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]  # the condition excludes None
    return str(error) or type(error).__name__
