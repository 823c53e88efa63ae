"""The node's first process, seen from outside: starting it, finding it, running something beside it, ending it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from datamill_infra.clusters.commands import ClusterError
from datamill_infra.clusters.lab import node
from datamill_infra.clusters.lab.network import connect
from datamill_infra.drivers.files import tail, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datamill_infra.clusters.commands import Commands
    from datamill_infra.clusters.lab.layout import Lab

NAMESPACES = ("--net", "--mount", "--pid", "--uts", "--ipc")
START_SECONDS = 20.0
END_SECONDS = 60.0
POLL_SECONDS = 0.05


def start(commands: Commands, lab: Lab, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Start the node's first process and give it its network.

    Raises:
        ClusterError: it ended at once, or did not begin.
    """
    log = lab.path("log", "node.log")
    with log.open("ab") as output:
        holder = subprocess.Popen(
            # When the holder is killed the kernel kills the init, and with it everything in its namespaces.
            [
                *(commands.find("unshare") or "unshare", *NAMESPACES, "--propagation", "slave", "--fork"),
                *("--kill-child", "--mount-proc", sys.executable, "-I", node.__file__, str(lab.directory)),
            ],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )
    try:
        init = _child(holder, sleep)
        _remember(lab, init)
        connect(commands, lab, init.pid)
        assert holder.stdin is not None  # noqa: S101  (opened above)
        holder.stdin.write(b"start\n")
        holder.stdin.flush()
    except BaseException:
        holder.kill()
        holder.wait(END_SECONDS)
        raise
    finally:
        if holder.stdin is not None:
            holder.stdin.close()
    # It stays; nobody waits for it here, and a later command finds it by what was remembered.
    holder.returncode = 0


def _child(holder: subprocess.Popen[bytes], sleep: Callable[[float], None]) -> psutil.Process:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and holder.poll() is None:
        children = psutil.Process(holder.pid).children()
        if children:
            return children[0]
        sleep(POLL_SECONDS)
    raise ClusterError(
        "The node's first process did not start"
        + (f": `unshare` ended with status {holder.returncode}." if holder.returncode is not None else "."),
        instruction="See log/node.log in the lab's directory; this machine may not allow new namespaces.",
    )


def _remember(lab: Lab, init: psutil.Process) -> None:
    write_private(lab.path("init.json"), json.dumps({"pid": init.pid, "started": init.create_time()}))


def find_init(lab: Lab) -> psutil.Process | None:
    """The node's first process, or ``None`` when it does not run."""
    try:
        facts = json.loads(lab.path("init.json").read_text(encoding="utf-8"))
        process = psutil.Process(facts["pid"])
        # Process ids are used again; the time of the start tells them apart.
        same = abs(process.create_time() - facts["started"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None
    return process if same else None


def inside(init: psutil.Process, argv: Sequence[str]) -> list[str]:
    """The command that runs ``argv`` in the node's namespaces."""
    return ["nsenter", f"--target={init.pid}", "--net", "--mount", "--pid", "--uts", "--ipc", "--", *argv]


def servers(lab: Lab) -> dict[str, dict[str, Any]]:
    """What became of each server: ``pid`` (in the node), ``starts``, ``ended``; empty before the first start."""
    try:
        facts: dict[str, dict[str, Any]] = json.loads(lab.path("servers.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return facts


def end(lab: Lab) -> None:
    """End the node's first process, and with it everything in its namespaces; wait until all of it is gone."""
    init = find_init(lab)
    if init is None:
        return
    everything = [init, *init.children(recursive=True), *([holder] if (holder := init.parent()) else [])]
    init.kill()
    _, alive = psutil.wait_procs(everything, timeout=END_SECONDS)
    if alive:
        raise ClusterError(
            f"{len(alive)} processes of the lab did not end within {END_SECONDS:.0f} s: "
            + ", ".join(str(process.pid) for process in alive),
            instruction="They wait for the kernel, probably for a disk: run the command again.",
        )


def last_words(lab: Lab, server: str, lines: int = 5) -> list[str]:
    """The end of a server's log."""
    log = Path(lab.path("log", f"{server}.log"))
    return tail(log, lines) if log.exists() else []
