"""Stand-ins for the door to the bytes, for tests of whatever uses datasets.

All pass the contract tests that the real stores pass.
"""

from __future__ import annotations

from datamill_pipelines.datasets.testing.memory import MemoryStore
from datamill_pipelines.datasets.testing.power import PowerCutFiles, UnsyncedFiles
from datamill_pipelines.datasets.testing.wrappers import (
    Crash,
    CrashingStore,
    FailingFiles,
    InterruptedStore,
    RecordingStore,
    WrappedStore,
)

__all__ = [
    "Crash",
    "CrashingStore",
    "FailingFiles",
    "InterruptedStore",
    "MemoryStore",
    "PowerCutFiles",
    "RecordingStore",
    "UnsyncedFiles",
    "WrappedStore",
]
