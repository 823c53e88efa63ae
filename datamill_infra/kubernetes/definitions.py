"""Custom resource definitions: which they are, whether they are served, and what a change of one would lose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datamill_infra.kubernetes.objects import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datamill_infra.kubernetes.cluster import Cluster
    from datamill_infra.kubernetes.objects import Object

API_VERSION = "apiextensions.k8s.io/v1"
KIND = "CustomResourceDefinition"


def is_definition(item: Mapping[str, Any]) -> bool:
    """Whether an object defines a kind."""
    return bool(item["kind"] == KIND)


def ref(name: str) -> Ref:
    """A definition by name, e.g. ``kafkas.kafka.strimzi.io``."""
    return Ref(API_VERSION, KIND, "", name)


def established(found: Object) -> bool:
    """Whether the API server serves its kind."""
    conditions = found.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def resources(cluster: Cluster, found: Object) -> list[Object]:
    """Every object of the kind that a definition defines, in all namespaces."""
    spec = found["spec"]
    version = next(one["name"] for one in spec["versions"] if one.get("served"))
    return cluster.find(f"{spec['group']}/{version}", spec["names"]["kind"])


def losses(before: Object, after: Object) -> list[str]:
    """What objects, or programs that use them, would lose by a change of a definition, a clause each.

    Args:
        before: the definition as it is.
        after: as it is to be.
    """
    return list(_losses(before["spec"], after["spec"]))


def _losses(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in ("scope", "group"):
        if before.get(key) != after.get(key):
            yield f"{key} changes from {before.get(key)} to {after.get(key)}"
    versions = {one["name"]: one for one in after["versions"]}
    for one in before["versions"]:
        name = one["name"]
        if name not in versions:
            yield f"version {name} is removed"
        elif one.get("served") and not versions[name].get("served"):
            yield f"version {name} is not served any more"
        else:
            yield from _narrowed(_schema(one), _schema(versions[name]), name)


def _schema(version: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return found


def _narrowed(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> Iterator[str]:
    """What a schema accepts or keeps that the other does not."""
    if before.get("type") != after.get("type"):
        yield f"{path} changes from {before.get('type')} to {after.get('type')}"
        return
    open_ended = after.get("x-kubernetes-preserve-unknown-fields") or after.get("additionalProperties")
    if before.get("x-kubernetes-preserve-unknown-fields") and not open_ended:
        yield f"{path} keeps no fields any more that it does not name"
    properties = after.get("properties") or {}
    for name, below in (before.get("properties") or {}).items():
        if name in properties:
            yield from _narrowed(below, properties[name], f"{path}.{name}")
        elif not open_ended:
            yield f"field {path}.{name} is removed"
    for name in sorted(set(after.get("required") or []) - set(before.get("required") or [])):
        yield f"field {path}.{name} becomes required"
    for value in before.get("enum") or []:
        if after.get("enum") and value not in after["enum"]:
            yield f"{path} does not take {value!r} any more"
    if isinstance(before.get("items"), dict) and isinstance(after.get("items"), dict):
        yield from _narrowed(before["items"], after["items"], f"{path}[]")
