"""Whether what pods ask for fits into the quotas of their namespace."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from kubernetes.utils.quantity import parse_quantity

from datamill_infra.kubernetes.fit import amount_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from datamill_infra.kubernetes.fit import Demand
    from datamill_infra.kubernetes.objects import Object

REQUESTS = "requests."
SCOPED = ("scopes", "scopeSelector")


def exceeded(wanted: Sequence[Demand], quotas: Iterable[Object], freed: Sequence[Demand] = ()) -> list[str]:
    """Which quotas of a namespace would be exceeded, one sentence per resource, with the numbers.

    Args:
        wanted: the pods that are to be there.
        quotas: of their namespace; those for some pods only are left out.
        freed: pods that go when these come.
    """
    told = []
    for quota in quotas:
        status = quota.get("status") or {}
        if any(quota["spec"].get(scope) for scope in SCOPED):
            continue
        for name, hard in (status.get("hard") or {}).items():
            resource = name.removeprefix(REQUESTS)
            asked = _total(wanted, resource)
            free = (
                parse_quantity(hard)
                - parse_quantity((status.get("used") or {}).get(name, "0"))
                + _total(freed, resource)
            )
            if asked > free:
                told.append(
                    f"The pods ask for {amount_told(resource, asked)} in total;"
                    f" the quota {quota['metadata']['name']} has {amount_told(resource, max(free, Decimal(0)))} left."
                )
    return told


def _total(demands: Sequence[Demand], resource: str) -> Decimal:
    return sum((one.amounts.get(resource, Decimal(0)) for one in demands), Decimal(0))
