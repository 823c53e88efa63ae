"""The model is pure, and what it imports does not grow."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import datamill_infra.model

MODEL = Path(datamill_infra.model.__file__).parent
IMPURE = {
    "dagster",
    "kubernetes",
    "requests",
    "subprocess",
    "socket",
    "time",
    "datetime",
    "random",
    "threading",
    "urllib",
}


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("file", sorted(MODEL.glob("*.py")), ids=lambda file: file.stem)
def test_no_module_of_the_model_imports_clock_network_processes_or_frameworks(file: Path) -> None:
    names = imported(file)
    assert not {name.split(".")[0] for name in names} & IMPURE
    assert not {n for n in names if n.startswith(("datamill_infra", "datamill_pipelines"))} - {
        n for n in names if n.startswith("datamill_infra.model")
    }


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_planning_needs_neither_dagster_nor_a_kubernetes_client() -> None:
    loaded = modules_after("import datamill_infra.model.deployment, datamill_infra.model.plan")
    assert "pydantic" in loaded
    assert not loaded & {"dagster", "kubernetes", "requests", "rich", "click", "supervisor"}


def test_errors_connections_states_and_plans_do_not_need_pydantic() -> None:
    names = ("errors", "connections", "home", "states", "plan", "merging", "templates", "graph", "targets")
    loaded = modules_after("; ".join(f"import datamill_infra.model.{name}" for name in names))
    assert not loaded & {"pydantic", "yaml", "dagster"}
