"""What can go wrong between us and an API server.

::

    PlatformError
    └── ClusterError
        ├── UnreachableError    nobody answered, or not as an API server
        ├── RefusedError        it knows us and says no, or does not know us
        ├── ConflictError       somebody else was quicker
        └── InvalidObjectError  it does not accept the object
"""

from __future__ import annotations

from datamill_infra.model.errors import PlatformError


class ClusterError(PlatformError):
    """A request to an API server did not succeed."""


class UnreachableError(ClusterError):
    """Nobody answered, or not as an API server does."""


class RefusedError(ClusterError):
    """The server does not know us, or we may not do this."""


class ConflictError(ClusterError):
    """Somebody else changed or made the object first."""


class InvalidObjectError(ClusterError):
    """The server does not accept the object as it is."""
