"""Settings that hold for every test."""

from __future__ import annotations

from hypothesis import settings

# The same examples every time, no deadline (a busy machine is not a failure), and nothing written into the checkout.
settings.register_profile("datamill", derandomize=True, deadline=None, database=None)
settings.load_profile("datamill")
