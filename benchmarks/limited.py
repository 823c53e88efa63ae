"""Come under a memory limit, then become another command. Arguments: the group's file of processes, the command.

The limit is there before the command loads anything, so nothing of it escapes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

Path(sys.argv[1]).write_text(str(os.getpid()), encoding="ascii")
os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - becoming the command is the point
