"""What differs between two snapshots as a list to choose from: the largest change first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, isnan
from typing import Any

from snapshot.compare import Change, Comparison
from snapshot.model import Role, Snapshot, Variable
from snapshot.widgets.words import number, shape_text, shorten

#: What the list can be ranked by -> what a person reads.
RANKINGS = {"relative": "Size of change", "share": "Share of elements", "largest": "Largest change", "path": "Name"}
_LONGEST = 70
_GAP = "\u00a0\u00a0"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that differs. ``change`` is None for text, and for what is on one side only.

    ``texts`` are both sides as text where there is no array to draw, None where a side has
    nothing; ``only`` names the one side that has this, ``"A"`` or ``"B"``.
    """

    path: str
    change: Change | None = None
    texts: tuple[str | None, str | None] | None = None
    only: str = ""
    variable: Variable | None = None

    @property
    def label(self) -> str:
        """A line of the list: how far, which, of what shape."""
        return f"{self._amount.rjust(10, chr(0xA0))}{_GAP}{shorten(self.path, _LONGEST)}{_GAP}{self._facts}".rstrip()

    @property
    def _amount(self) -> str:
        if self.only:
            return "added" if self.only == "B" else "removed"
        if self.change is None:
            return "changed"
        if self.change.before.shape != self.change.after.shape:
            return "shape"
        return "unknown" if isnan(self.change.relative) else f"{number(100 * self.change.relative)} %"

    @property
    def _facts(self) -> str:
        if self.variable is None:
            return "text"
        if self.texts is not None:
            return " → ".join(shorten(text or "", 24) for text in self.texts if text is not None)
        return f"{shape_text(tuple(self.variable.shape))} {self.variable.dtype}"


def items_of(comparison: Comparison) -> tuple[Item, ...]:
    """Everything that differs; the states of random generators, which say nothing, are left out."""
    changes = [change for change in comparison.changed.values() if change.after.role != Role.RNG]
    return (*map(_changed, changes), *_texts(comparison), *_one_sided(comparison))


def ranked(items: Sequence[Item], by: str) -> list[Item]:
    """By one of :data:`RANKINGS`; a change whose size is unknown leads, what has none ends the list."""
    if by == "path":
        return sorted(items, key=lambda item: item.path)

    def rank(item: Item) -> tuple[int, float, str]:
        if item.change is None:
            return 1 + bool(item.only), 0.0, item.path
        size = float(getattr(item.change, by))
        return 0, -inf if isnan(size) else -size, item.path

    return sorted(items, key=rank)


def matching(items: Sequence[Item], text: str) -> list[Item]:
    """Those whose path contains ``text``, whatever its case."""
    wanted = text.strip().casefold()
    return [item for item in items if wanted in item.path.casefold()]


def name_of(snapshot: Snapshot) -> str:
    """``before (#1, step 10)``; ``now`` for what is live."""
    if snapshot.label == "now":
        return "now"
    where = f"#{snapshot.id}, step {number(snapshot.step)}"
    return f"{shorten(snapshot.label, 40)} ({where})" if snapshot.label else where


def _changed(change: Change) -> Item:
    texts = None if change.values is None else (_text(change.values[0]), _text(change.values[1]))
    return Item(change.path, change, texts, variable=change.after)


def _texts(comparison: Comparison) -> Iterator[Item]:
    for path, (old, new) in comparison.values.items():
        yield Item(path, texts=(_text(old), _text(new)))
    for path, sides in comparison.contents.items():
        if path not in comparison.values:
            yield Item(path, texts=sides)
    for name, (old_type, new_type) in comparison.names_retyped.items():
        if name not in comparison.changed:
            yield Item(name, texts=(f"a {old_type}", f"a {new_type}"))


def _one_sided(comparison: Comparison) -> Iterator[Item]:
    for only, variables in (("B", comparison.added), ("A", comparison.removed)):
        for path, variable in variables.items():
            if variable.role != Role.RNG:
                yield Item(path, only=only, variable=variable)


def _text(value: Any) -> str:
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, str):
        return plain
    return number(plain, 6) if isinstance(plain, float) else repr(plain)
