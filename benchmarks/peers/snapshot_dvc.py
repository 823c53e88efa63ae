"""A directory under DVC's control: first, and again after one file changed. Argument: a directory with ``data/``."""

import json
import os
import sys
import time
from pathlib import Path

from dvc.repo import Repo

directory = Path(sys.argv[1])
os.chdir(directory)
repo = Repo.init(no_scm=True)
started = time.monotonic()
repo.add("data")
first = time.monotonic() - started
changed = directory / "data" / "000007"
changed.write_bytes(b"changed" + changed.read_bytes()[7:])
started = time.monotonic()
repo.add("data")
again = time.monotonic() - started
print(json.dumps({"first": first, "again": again, "seconds": first + again}))
