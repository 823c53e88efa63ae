"""The desired state of one component: everything that decides what would run, and a digest over it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from datamill_infra.model.states import Desired
from datamill_infra.model.units import ChartUnit, KustomizeUnit, ResourcesUnit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from datamill_infra.model.components import ComponentSpec
    from datamill_infra.model.members import Member
    from datamill_infra.model.providers import VariantPart
    from datamill_infra.model.rendering import Rendered

_NOT_RUN = (".md", ".pyc")
"""Files that change nothing about what runs."""


def desired_state(member: Member, rendered: Rendered) -> Desired:
    """What is wanted of a component; texts for people and health budgets do not count, secrets only by name."""
    facts: dict[str, object] = {
        "provider": member.provider,
        "variant": member.variant,
        "values": rendered.values.tree(),
        "claims": {name: dict(claim) for name, claim in rendered.claims.items()},
        "needs": {name: connection.to_dict() for name, connection in rendered.needs.items()},
        "connections": {name: connection.to_dict() for name, connection in rendered.connections.items()},
        **_provider_facts(member, rendered),
    }
    return Desired(member.spec.name, member.provider, member.variant, facts, digest(facts))


def digest(facts: Mapping[str, object]) -> str:
    """``sha256:`` over the canonical JSON of ``facts``: sorted keys, no white space, UTF-8."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _provider_facts(member: Member, rendered: Rendered) -> dict[str, object]:
    spec = member.spec
    if member.provider == "embedded" and spec.embedded:
        return {
            "ports": list(spec.embedded.ports),
            "secrets": [f"{spec.name}.{name}" for name in spec.embedded.secrets],
            "files": _digests(spec.folder, _embedded_files(spec)),
        }
    if member.provider == "helm" and spec.helm:
        part = spec.helm.selected(member.variant)
        hidden = {"values", "values_files", "files", "objects"}  # their rendered result is among the facts already
        return {
            "units": [unit.model_dump(mode="json", exclude=hidden) for unit in part.units],
            "unit_values": {name: merged.tree() for name, merged in rendered.units.items()},
            "resources": dict(rendered.resources),
            "secrets": {name: secret.model_dump(mode="json") for name, secret in part.secrets.items()},
            "files": _digests(spec.folder, _overlays(spec, part)),
        }
    return {}


def _embedded_files(spec: ComponentSpec) -> list[Path]:
    """The code, lock and templates beside ``component.yaml``, without what only a cluster reads."""
    if spec.embedded is None or spec.embedded.entry is None:
        return []
    cluster: set[Path] = set()
    if spec.helm:
        parts = [spec.helm, *spec.helm.variants.values()]
        names = {file for part in parts for file in (*_applied_files(part), *_values_files(part))}
        cluster = {spec.folder / name for name in names}
    return [
        file
        for file in sorted(spec.folder.rglob("*"))
        if file.is_file()
        and file.suffix not in _NOT_RUN
        and file.name != "component.yaml"
        and not file.name.startswith("capability_")
        and not any(part in cluster for part in (file, *file.parents))
    ]


def _applied_files(part: VariantPart) -> list[str]:
    files: list[str] = []
    for unit in part.units:
        files += unit.files if isinstance(unit, ResourcesUnit) else ()
        files += [unit.overlay] if isinstance(unit, KustomizeUnit) and unit.overlay else []
        files += [unit.local] if isinstance(unit, ChartUnit) and unit.local else []
    return files


def _overlays(spec: ComponentSpec, part: VariantPart) -> list[Path]:
    overlays = [spec.folder / unit.overlay for unit in part.units if isinstance(unit, KustomizeUnit) and unit.overlay]
    return [*overlays, *(spec.folder / unit.local for unit in part.units if isinstance(unit, ChartUnit) and unit.local)]


def _values_files(part: VariantPart) -> list[str]:
    charts = [unit for unit in part.units if isinstance(unit, ChartUnit)]
    return [*part.values_files, *(file for chart in charts for file in chart.values_files)]


def _digests(folder: Path, files: list[Path]) -> dict[str, str]:
    single = sorted(
        {file for path in files for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()}
    )
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in single}
