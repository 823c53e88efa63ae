"""Objects of units that are no charts: upstream manifests, a kustomization, or resources of our own."""

from __future__ import annotations

import copy
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from datamill_infra.drivers.helm.programs import run
from datamill_infra.kubernetes.objects import INSTANCE_LABEL
from datamill_infra.model.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datamill_infra.kubernetes.objects import Object

TEMPLATED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job"})
"""Kinds whose pods get the label of the release."""


def read(text: str, where: str) -> list[Object]:
    """The objects of a YAML stream; lists are taken apart.

    Args:
        text: the stream.
        where: for messages.

    Raises:
        ConfigurationError: it is no YAML, or has something in it that is no object.
    """
    try:
        documents = [one for one in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if one]
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{where} is no YAML: {error}", instruction="Correct its source.") from error
    return checked([item for document in documents for item in _items(document)], where)


def checked(items: Iterable[Any], where: str) -> list[Object]:
    """``items``, when each is an object of Kubernetes.

    Raises:
        ConfigurationError: one is not.
    """
    found = list(items)
    for item in found:
        if not isinstance(item, dict) or not {"apiVersion", "kind", "metadata"} <= item.keys():
            raise ConfigurationError(
                f"{where}: {str(item)[:80]!r} is no object of Kubernetes.",
                instruction="Give apiVersion, kind and metadata.",
            )
    return found


def kustomized(tree: Path, path: str, overlay: Path | None) -> list[Object]:
    """What ``kustomize`` builds.

    Args:
        tree: the files of the repository.
        path: the folder in it with ``kustomization.yaml``.
        overlay: a folder whose ``kustomization.yaml`` refers to it as ``../base``, or ``None``.

    Raises:
        ProgramError: there is no ``kustomize``, or it failed.
    """
    if overlay is None:
        return read(run(["kustomize", "build", str(tree / path)]), f"kustomize build {path}")
    with tempfile.TemporaryDirectory(prefix="datamill-kustomize-") as scratch:
        folder = Path(scratch)
        (folder / "tree").symlink_to(tree)
        (folder / "base").mkdir()
        (folder / "base" / "kustomization.yaml").write_text(f"resources: [../tree/{path}]\n", encoding="utf-8")
        # A copy: what it refers to is beside it here, not where it is kept.
        shutil.copytree(overlay, folder / "overlay")
        return read(run(["kustomize", "build", str(folder / "overlay")]), f"kustomize build {overlay.name}")


def labelled(item: Object, release: str) -> Object:
    """A copy with the label by which the objects and pods of a release are found."""
    made = copy.deepcopy(item)
    _label(made, release)
    if made["kind"] in TEMPLATED:
        _label(made["spec"].setdefault("template", {}).setdefault("metadata", {}), release, below=True)
    return made


def _label(item: Object, release: str, *, below: bool = False) -> None:
    metadata = item if below else item["metadata"]
    metadata["labels"] = {INSTANCE_LABEL: release, **(metadata.get("labels") or {})}


def _items(document: Any) -> list[Any]:  # noqa: ANN401  (YAML)
    if isinstance(document, dict) and document.get("kind") == "List":
        return list(document.get("items") or [])
    return [document]
