"""Whether a deployment is gone from this machine: its processes, its ports, and the files of its components."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from datamill_infra.drivers.embedded.ports import HOST, listeners
from datamill_infra.model.leftovers import Leftover, Proof, Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from datamill_infra.model.home import Home

GOING_SECONDS = 15.0
POLL_SECONDS = 0.5


class MachineProof(Proof):
    """See the module. Made before the deployment is taken down, because its ports are forgotten with its data.

    Args:
        home: of the deployment.
        ports: component to name to number.
        sleep: between two looks at what is still going.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        home: Home,
        ports: Mapping[str, Mapping[str, int]],
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.home = home
        self.ports = {number: f"{component} {name}" for component, own in ports.items() for name, number in own.items()}
        self._sleep, self._clock = sleep, clock

    def verdict(self, *, delete_data: bool) -> Verdict:
        """See :meth:`Proof.verdict`; what is still ending is waited for."""
        deadline = self._clock() + GOING_SECONDS
        basis = f"Looked at: processes, {len(self.ports)} ports, and files of components below {self.home.home}."
        while True:
            found = verdict(basis, [*self._processes(), *self._listening(), *self._files(delete_data=delete_data)])
            if not found.unexplained or self._clock() > deadline:
                return found
            self._sleep(POLL_SECONDS)

    def _processes(self) -> Iterator[Leftover]:
        import psutil  # noqa: PLC0415  (0.03 s, and most commands do not look)

        places = (str(self.home.home / "components"), str(self.home.run_dir))
        for process in psutil.process_iter(["pid", "cmdline"]):
            command = " ".join(process.info["cmdline"] or [])
            if any(f"{place}/" in command for place in places):
                yield Leftover(f"process {process.info['pid']} ({command[:80]})")

    def _listening(self) -> Iterator[Leftover]:
        for number, listener in listeners(self.ports).items():
            yield Leftover(f"port {HOST}:{number} ({self.ports[number]}): {listener.description}")

    def _files(self, *, delete_data: bool) -> Iterator[Leftover]:
        reason = None if delete_data else "data is kept; `datamill down --delete-data` deletes it"
        folder = self.home.home / "components"
        for entry in sorted(folder.iterdir()) if folder.exists() else ():
            yield Leftover(str(entry), reason)
        if self.home.run_dir.exists() and delete_data:
            yield Leftover(str(self.home.run_dir))
