"""What the jobs of a flavour are called."""

from __future__ import annotations


def deploy_job_name(flavour: str) -> str:
    """Dagster's names have no hyphens."""
    return f"deploy_{flavour.replace('-', '_')}"


def teardown_job_name(flavour: str) -> str:
    """Dagster's names have no hyphens."""
    return f"teardown_{flavour.replace('-', '_')}"
