"""What is left of a deployment after it was taken down, each thing with the reason why, or without one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamill_infra.model.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Leftover:
    """One thing that is there now and was not before.

    Attributes:
        what: it is, for people.
        reason: why it stays, a clause; ``None`` when nothing explains it.
    """

    what: str
    reason: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What a proof found.

    Attributes:
        basis: what was compared with what, sentences.
        leftovers: those without a reason first.
    """

    basis: str
    leftovers: tuple[Leftover, ...]

    @property
    def unexplained(self) -> tuple[Leftover, ...]:
        """What should not be there."""
        return tuple(one for one in self.leftovers if one.reason is None)

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "clean": not self.unexplained,
            "basis": self.basis,
            "leftovers": [{"what": one.what, "reason": one.reason} for one in self.leftovers],
        }

    def require(self) -> None:
        """Refuse to call it clean when something is left that nothing explains.

        Raises:
            PlatformError: something is.
        """
        if self.unexplained:
            raise PlatformError(
                "Not clean. Left, and nothing explains it:\n" + "\n".join(f"  {one.what}" for one in self.unexplained),
                instruction="Look at them, remove what nobody needs, and tell us: `down` should have removed them.",
            )


class Proof(ABC):
    """Made before a deployment is taken down; afterwards it says what is left."""

    @abstractmethod
    def verdict(self, *, delete_data: bool) -> Verdict:
        """Compare what is there with what was there before the deployment.

        Args:
            delete_data: whether data was to be deleted, too.
        """


def verdict(basis: str, found: Sequence[Leftover]) -> Verdict:
    """Leftovers in the order in which people should read them."""
    return Verdict(basis, tuple(sorted(dict.fromkeys(found), key=lambda one: (one.reason is not None, one.what))))
