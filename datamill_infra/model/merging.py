"""Merging values in layers, remembering where each one comes from.

Mappings merge key by key; everything else (text, numbers, booleans, lists) replaces what was below it. A ``null``
replaces too. Layers above the defaults may only set keys that the defaults have, unless the defaults leave a mapping
empty, which opens it. A value may not turn into another kind of value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from datamill_infra.model.errors import ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LayerName = Literal["base", "variant", "flavour", "target", "user"]
LAYERS: tuple[LayerName, ...] = ("base", "variant", "flavour", "target", "user")
"""Lowest first; the layer ``connections``, in which templates are resolved, lies above them all."""

Path = tuple[str, ...]
Tree = Mapping[str, object]


def _nowhere(path: Path) -> str:
    return ".".join(path)


@dataclass(frozen=True)
class Layer:
    """Values of one source.

    Attributes:
        name: which layer it belongs to; several sources may share one (a flavour and what it extends).
        tree: the values.
        where: path of a value to the file, line and key that says it.
        defaults: it declares keys; a layer that does not may only set keys that are declared.
    """

    name: LayerName
    tree: Tree
    where: Callable[[Path], str] = field(default=_nowhere)
    defaults: bool = False


@dataclass(frozen=True)
class Leaf:
    """One merged value.

    Attributes:
        value: text, number, boolean, list, ``None``, or an empty mapping.
        layer: that it comes from.
        source: file, line and key.
    """

    value: object
    layer: str
    source: str


@dataclass
class Branch:
    """A merged mapping.

    Attributes:
        origin: where the mapping itself comes from, shown while it is empty.
        open: any key may be added.
        children: key to mapping or value.
    """

    origin: Leaf
    open: bool
    children: dict[str, Branch | Leaf] = field(default_factory=dict)


@dataclass(frozen=True)
class Merged:
    """Values and their origins."""

    root: Branch

    @property
    def leaves(self) -> dict[Path, Leaf]:
        """Path to value, in the order in which keys first appeared."""
        return dict(_leaves(self.root, ()))

    def tree(self) -> dict[str, object]:
        """Nested, without origins."""
        return _tree(self.root)

    def to_dict(self) -> dict[str, object]:
        """For ``--json``: dotted key to value, layer and source."""
        return {
            ".".join(path): {"value": leaf.value, "layer": leaf.layer, "source": leaf.source}
            for path, leaf in self.leaves.items()
        }

    def mapped(self, change: Callable[[Leaf], Leaf]) -> Merged:
        """The same mappings with other values."""
        return Merged(_mapped(self.root, change))


def merge(
    layers: Iterable[Layer], *, subject: str = "", closed: bool = True, elsewhere: Iterable[Merged] = ()
) -> Merged:
    """Merge layers, lowest first.

    Args:
        layers: in order.
        subject: whose values they are, for messages.
        closed: layers that are not defaults may only set declared keys. A chart's values are not closed: the chart
            has a schema of its own.
        elsewhere: the defaults of the other ways to obtain the component; a key that only they declare is passed
            over, so that one flavour serves them all.

    Raises:
        UnknownNameError: a key that is not declared.
        ConfigurationError: a mapping where a single value is declared, or the other way round, or another kind.
    """
    root = Branch(Leaf({}, "base", ""), open=not closed)
    others = [merged.root for merged in elsewhere]
    for layer in layers:
        _lay(root, layer.tree, _Pass(layer, subject, others))
    return Merged(root)


@dataclass(frozen=True)
class _Pass:
    """One layer on its way down."""

    layer: Layer
    subject: str
    elsewhere: list[Branch]
    path: Path = ()

    def into(self, key: str) -> _Pass:
        below = [child for other in self.elsewhere if isinstance(child := other.children.get(key), Branch)]
        return _Pass(self.layer, self.subject, below, (*self.path, key))

    def declared_elsewhere(self, key: str) -> bool:
        return any(other.open or key in other.children for other in self.elsewhere)


def _lay(branch: Branch, tree: Tree, on: _Pass) -> None:
    layer = on.layer
    for key, value in tree.items():
        here = (*on.path, key)
        present = branch.children.get(key)
        if present is None and not (layer.defaults or branch.open):
            if on.declared_elsewhere(key):
                continue
            kind = f"value of {on.subject}" if on.subject else "value"
            valid = [".".join((*on.path, name)) for name in branch.children]
            raise UnknownNameError(kind, ".".join(here), valid, where=layer.where(here))
        if not _compatible(present, value):
            raise _conflict(on, here, value, present)
        leaf = Leaf(value, layer.name, layer.where(here))
        if not isinstance(value, Mapping):
            branch.children[key] = leaf
            continue
        if not isinstance(present, Branch):
            # A mapping that nobody declared keys for is open; so is what lies inside an open one.
            present = branch.children[key] = Branch(leaf, open=branch.open or not layer.defaults or not value)
        _lay(present, value, on.into(key))


def _leaves(branch: Branch, path: Path) -> Iterator[tuple[Path, Leaf]]:
    for key, child in branch.children.items():
        if isinstance(child, Leaf):
            yield (*path, key), child
        elif child.children:
            yield from _leaves(child, (*path, key))
        else:
            yield (*path, key), child.origin


def _tree(branch: Branch) -> dict[str, object]:
    return {key: child.value if isinstance(child, Leaf) else _tree(child) for key, child in branch.children.items()}


def _mapped(branch: Branch, change: Callable[[Leaf], Leaf]) -> Branch:
    children: dict[str, Branch | Leaf] = {
        key: change(child) if isinstance(child, Leaf) else _mapped(child, change)
        for key, child in branch.children.items()
    }
    return Branch(branch.origin, branch.open, children)


def _compatible(present: Branch | Leaf | None, value: object) -> bool:
    if value is None or present is None:
        return True
    if isinstance(present, Branch):
        return isinstance(value, Mapping)
    below = present.value
    return below is None or _is_template(below) or _is_template(value) or _kind(below) == _kind(value)


def _is_template(value: object) -> bool:
    return isinstance(value, str) and value.startswith("${") and value.endswith("}")


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (Mapping, Branch)):
        return "a mapping"
    return "empty" if value is None else "a list"


def _conflict(on: _Pass, path: Path, value: object, present: Branch | Leaf | None) -> ConfigurationError:
    wanted = _kind(present.value if isinstance(present, Leaf) else present)
    of = f" of {on.subject}" if on.subject else ""
    return ConfigurationError(
        f"{on.layer.where(path)}: the value {'.'.join(path)!r}{of} is {wanted}, and {_kind(value)} was given.",
        instruction=f"Write {wanted}" + (', in quotes: "..."' if wanted == "text" else "") + ".",
    )
