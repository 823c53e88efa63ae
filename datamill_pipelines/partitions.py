"""The months of the example data, by which flights are replayed and features are built."""

from __future__ import annotations

import dagster as dg

months = dg.MonthlyPartitionsDefinition(start_date="2013-01", end_date="2014-01", fmt="%Y-%m")
"""``2013-01`` to ``2013-12``."""
