"""Ports on loopback: chosen free when a deployment is planned, remembered, and never those of another deployment.

A number is taken from outside the kernel's ephemeral range: inside it, any outgoing connection could be given the
number while the server that owns it restarts. Numbers that other deployments of this user remember are left alone even
while those are down, by a register in the user's cache.
"""

from __future__ import annotations

import contextlib
import errno
import json
import random
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from datamill_infra.drivers.embedded.artifacts import cache_root
from datamill_infra.drivers.files import write_private
from datamill_infra.model.errors import ConfigurationError, PlatformError, PortTakenError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

HOST = "127.0.0.1"
LOWEST, HIGHEST = 12_000, 65_000
KERNEL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
# The register is held for milliseconds.
REGISTER_SECONDS = 30.0
# Of a command line, in messages.
SHOWN = 100

Ports = dict[str, dict[str, int]]


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` of loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of a predecessor that linger in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def candidates(ephemeral: tuple[int, int]) -> list[int]:
    """The numbers to choose from: those that the kernel does not give to outgoing connections, if any."""
    low, high = ephemeral
    everything = range(LOWEST, HIGHEST)
    return [port for port in everything if not low <= port <= high] or list(everything)


def kernel_range() -> tuple[int, int]:
    """The kernel's ephemeral range; its default when the kernel does not tell."""
    try:
        low, high = KERNEL_RANGE.read_text(encoding="ascii").split()
    except FileNotFoundError:
        return 32_768, 60_999
    return int(low), int(high)


class PortBook:
    """The ports of one deployment.

    Args:
        file: where they are remembered, ``state/ports.json``.
        register: where all deployments of this user are; by default in the user's cache.
    """

    def __init__(self, file: Path, register: Path | None = None) -> None:
        self.file = file.absolute()
        self.register = register or cache_root() / "ports.json"

    def read(self) -> Ports:
        """What is remembered: component to port name to number.

        Raises:
            ConfigurationError: the file is damaged.
        """
        return _read(self.file)

    def allocate(self, wanted: Mapping[str, Iterable[str]]) -> Ports:
        """Remember a number for every wanted name, and return all that are remembered.

        Args:
            wanted: component to port names.

        Raises:
            PlatformError: there is no free port left.
            ConfigurationError: the file is damaged.
            StateError: it cannot be written.
        """
        known = self.read()
        missing = [(c, name) for c, names in wanted.items() for name in names if name not in known.get(c, {})]
        if not missing:
            return known
        self.register.parent.mkdir(parents=True, exist_ok=True)
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(self.register.with_suffix(".lock"), timeout=REGISTER_SECONDS):
            known = self.read()
            taken = {port for ports in known.values() for port in ports.values()} | self._of_others()
            choice = [port for port in candidates(kernel_range()) if port not in taken]
            # Deployments start from different places, so that they rarely meet even without the register.
            random.SystemRandom().shuffle(choice)
            free = (port for port in choice if is_free(port))
            for component, name in missing:
                number = next(free, None)
                if number is None:
                    raise PlatformError(
                        "No port of loopback is free outside the kernel's ephemeral range.",
                        instruction=f"Narrow the range in {KERNEL_RANGE}, or stop what listens on so many ports.",
                    )
                known.setdefault(component, {})[name] = number
            write_private(self.file, json.dumps(known, indent=2, sort_keys=True))
            self._announce()
        return known

    def forget(self, components: Iterable[str]) -> None:
        """Give up the numbers of ``components``; the next :meth:`allocate` chooses new ones."""
        gone = set(components)
        known = self.read()
        if gone & set(known):
            kept = {name: ports for name, ports in known.items() if name not in gone}
            write_private(self.file, json.dumps(kept, indent=2, sort_keys=True))

    def _of_others(self) -> set[int]:
        taken = set()
        for name in set(_read_register(self.register)) - {str(self.file)}:
            # A damaged or unreadable file is its own deployment's error, not ours.
            with contextlib.suppress(ConfigurationError, OSError):
                taken |= {port for ports in _read(Path(name)).values() for port in ports.values()}
        return taken

    def _announce(self) -> None:
        known = {name for name in _read_register(self.register) if Path(name).exists()} | {str(self.file)}
        write_private(self.register, json.dumps(sorted(known), indent=2))


def _read_register(register: Path) -> list[str]:
    try:
        return [str(name) for name in json.loads(register.read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError):  # in a cache: whoever empties or damages it loses a precaution, no data
        return []


def _read(file: Path) -> Ports:
    try:
        return {
            str(component): {str(name): int(port) for name, port in ports.items()}
            for component, ports in json.loads(file.read_text(encoding="utf-8")).items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigurationError(
            f"{file} is damaged: {error}.",
            instruction="Delete it while the deployment is down; other ports are chosen then.",
        ) from error


@dataclass(frozen=True)
class Listener:
    """Who listens on a port.

    Attributes:
        pid: or ``None`` when the process belongs to another user.
        description: for a person.
    """

    pid: int | None
    description: str


def listeners(numbers: Collection[int]) -> dict[int, Listener]:
    """Who listens on which of these ports; ports on which nobody does are left out."""
    if not numbers:
        return {}
    import psutil  # noqa: PLC0415  (0.03 s, and most commands do not look)

    found = {}
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port in numbers:
            found[connection.laddr.port] = Listener(connection.pid, _described(connection.pid))
    return found


def foreign_listeners(numbers: Collection[int], own: Iterable[int]) -> dict[int, Listener]:
    """Those :func:`listeners` that are neither the processes ``own`` nor descend from them."""
    found = listeners(numbers)
    if not found:
        return {}
    import psutil  # noqa: PLC0415  (as above)

    ours = set(own)
    for pid in tuple(ours):
        with contextlib.suppress(psutil.NoSuchProcess):
            ours |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
    return {port: listener for port, listener in found.items() if listener.pid not in ours}


def _described(pid: int | None) -> str:
    import psutil  # noqa: PLC0415  (as above)

    if pid is None:
        return "a process of another user"
    try:
        command = " ".join(psutil.Process(pid).cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        command = "?"
    return f"process {pid} ({command if len(command) <= SHOWN else command[:SHOWN] + '...'})"


def taken(component: str, name: str, port: int, file: Path) -> PortTakenError:
    """The error for a foreign process on a remembered port."""
    found = listeners([port]).get(port, Listener(None, "something that went away again"))
    stop = f"Stop it (kill {found.pid})" if found.pid else "Stop it"
    return PortTakenError(
        f"{component} listens on {HOST}:{port} ({name}), but {found.description} is there already.",
        instruction=f"{stop} and run the command again. To move {component} to another port instead, remove"
        f' "{component}" from {file} and run `datamill up`.',
    )
