"""References: how a commit is named. ``repo@revision``, with ``~n`` for the n-th first parent.

The revision is a branch, a tag, or a commit's id or a unique beginning of it (six digits or more), looked for in that
order; without ``@`` it is ``main``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from datamill_pipelines.datasets.errors import InvalidNameError
from datamill_pipelines.datasets.names import check_name

DEFAULT_BRANCH = "main"
SHORTEST_ID = 6

_REF = re.compile(r"(?P<repo>[^@~]+)(@(?P<revision>[^@~]+))?(~(?P<back>[0-9]+))?")
_ID = re.compile(rf"[0-9a-f]{{{SHORTEST_ID},64}}")


class Ref(NamedTuple):
    """A parsed reference.

    Attributes:
        repo: the repo's name.
        revision: branch, tag or commit id.
        back: first parents to go back.
    """

    repo: str
    revision: str
    back: int

    @property
    def written(self) -> str:
        """The revision with ``~n``."""
        return self.revision + (f"~{self.back}" if self.back else "")

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.repo}@{self.written}"


def parse_ref(text: str) -> Ref:
    """Parse ``repo[@revision][~n]``.

    Raises:
        InvalidNameError: it is none.
    """
    match = _REF.fullmatch(text)
    if not match:
        raise InvalidNameError(
            f"{text!r} does not name a commit.",
            instruction="Write repo@branch, repo@tag, repo@commit or repo@branch~2, for example raw/flights@main.",
        )
    return Ref(check_name("repo", match["repo"]), match["revision"] or DEFAULT_BRANCH, int(match["back"] or 0))


def looks_like_id(revision: str) -> bool:
    """Whether a revision may be the beginning of a commit's id."""
    return bool(_ID.fullmatch(revision))
