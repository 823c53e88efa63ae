"""Run a script in N processes at once. Arguments: how many, script, its arguments; ``{n}`` is the process's number."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

count, script, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
subprocess.run([sys.executable, script, *arguments], env=os.environ | {"BENCH_PREPARE": "1"}, check=True, timeout=120)
with tempfile.TemporaryDirectory() as gate:
    environment = os.environ | {"BENCH_GATE": gate}
    processes = [
        subprocess.Popen(
            [sys.executable, script, *(argument.replace("{n}", str(number)) for argument in arguments)],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        for number in range(count)
    ]
    while len(list(Path(gate).glob("ready-*"))) < count:
        if any(process.poll() is not None for process in processes):
            raise SystemExit("a process ended before the start")
        time.sleep(0.01)
    started = time.monotonic()
    (Path(gate) / "go").touch()
    failed = [process.returncode for process in processes if process.wait() != 0]
    seconds = time.monotonic() - started
if failed:
    raise SystemExit(f"{len(failed)} of {count} processes failed")
print(json.dumps({"seconds": seconds}))
