"""The catalogue: component folders, the user's own first.

A component is read when it is first asked for, so that a broken file of one component does not stand in the way of
another.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datamill_infra.model.components import load_component
from datamill_infra.model.documents import load_document
from datamill_infra.model.errors import UnknownNameError
from datamill_infra.model.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from datamill_infra.model.components import ComponentSpec

_PACKAGE = Path(__file__).parent.parent


def default_catalogue_folders(home: Path | None = None) -> list[Path]:
    """Where components are looked for: the user's own first, then the package's."""
    own = [Home(home).catalogue_dir] if home else []
    return [*own, _PACKAGE / "catalogue"]


class Catalogue:
    """Components by name.

    Args:
        folders: each holds component folders; the first that has a name wins. Folders that do not exist are empty.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._index: dict[str, Path] = {}
        self._specs: dict[str, ComponentSpec] = {}
        for folder in reversed(self.folders):
            for file in sorted(folder.glob("*/component.yaml")):
                self._index[file.parent.name] = file.parent

    @classmethod
    def load(cls, folders: Sequence[Path] | None = None) -> Catalogue:
        """The catalogue of ``folders``, or of the package alone."""
        return cls(default_catalogue_folders() if folders is None else folders)

    def names(self) -> list[str]:
        """All components, sorted."""
        return sorted(self._index)

    def __contains__(self, name: object) -> bool:
        """Whether a component of this name exists."""
        return name in self._index

    def __iter__(self) -> Iterator[ComponentSpec]:
        """All components, read, by name."""
        return (self[name] for name in self.names())

    def __len__(self) -> int:
        """How many components there are."""
        return len(self._index)

    def __getitem__(self, name: str) -> ComponentSpec:
        """One component.

        Raises:
            UnknownNameError: there is none of this name.
            ConfigurationError: its file is wrong.
        """
        return self.find(name)

    def find(self, name: str, *, where: str | None = None) -> ComponentSpec:
        """One component; ``where`` is the file and key that named it, for the message.

        Raises:
            UnknownNameError: there is none of this name.
            ConfigurationError: its file is wrong.
        """
        if name not in self._specs:
            if name not in self._index:
                raise UnknownNameError("component", name, self._index, where=where)
            self._specs[name] = load_component(self._index[name])
        return self._specs[name]

    def providing(self, capability: str) -> list[ComponentSpec]:
        """The active components that provide a capability, by name; the others are not checked."""
        names = [name for name, provided in self._provided().items() if capability in provided]
        return [spec for name in sorted(names) if (spec := self[name]).status == "active"]

    def capabilities(self) -> list[str]:
        """Every capability that some component provides, sorted."""
        return sorted({str(capability) for provided in self._provided().values() for capability in provided})

    def _provided(self) -> dict[str, list[object]]:
        """Component to what its file says it provides, read without checking the rest of it."""
        found = {name: load_document(folder / "component.yaml").data for name, folder in self._index.items()}
        return {name: said for name, data in found.items() if isinstance(said := data.get("provides"), list)}
