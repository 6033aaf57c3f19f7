"""Which difference of two snapshots one looks at, and what it is in words.

No widgets and no drawing here; :mod:`snapshot.widgets.compare` joins the three.
"""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from typing import Any

import numpy as np

from snapshot.compare import Comparison
from snapshot.errors import PathNotFound, SnapshotError
from snapshot.model import Snapshot
from snapshot.statistics import as_numbers, is_numeric
from snapshot.widgets.choices import nearest
from snapshot.widgets.compare_items import Item, items_of, name_of, ranked
from snapshot.widgets.compare_numbers import Array, Pair, Spectrum, is_small, spectrum
from snapshot.widgets.words import number, shape_text, shorten

_UNREADABLE = (SnapshotError, LookupError, OSError, TypeError)


class CompareViewpoint:
    """The chosen item of a comparison. ``item`` is None when nothing differs."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.items = items_of(comparison)
        self.ranking = "relative"
        self.names = name_of(comparison.before), name_of(comparison.after)
        self.item: Item | None = next(iter(self.listed()), None)
        self._spectra: dict[str, tuple[Spectrum, Spectrum]] = {}
        self._pair: Pair | None = None

    def listed(self) -> list[Item]:
        """All items in the order chosen."""
        return ranked(self.items, self.ranking)

    def choose(self, path: str) -> None:
        """Look at another item; raises :class:`PathNotFound` for one that does not differ."""
        found = next((item for item in self.items if item.path == path), None)
        if found is None:
            if path in self.comparison.unchanged:
                raise PathNotFound(f"{path} did not change from {self.names[0]} to {self.names[1]}")
            known = {item.path: item.variable for item in self.items if item.variable is not None}
            raise PathNotFound(nearest(path, known))
        self.item = found

    def texts(self) -> tuple[str | None, str | None] | None:
        """Both sides as text, where there is nothing to draw."""
        if self.item is None:
            return None
        if self.item.texts is not None:
            return self.item.texts
        if self.item.variable is not None and is_numeric(self.item.variable.dtype):
            return None
        kinds = [snapshot.variables.get(self.item.path) for snapshot in self._snapshots]
        first, second = (f"{kind.dtype} {shape_text(tuple(kind.shape))}" if kind else None for kind in kinds)
        return first, second

    def pair(self) -> Pair:
        """The numbers of the chosen item; values are read once."""
        assert self.item is not None
        if self._pair is None or self._pair.path != self.item.path:
            self._pair = self._read(self.item)
        found = self._pair
        if found.path not in self._spectra and is_small(found):
            self.compute_spectra()
        return replace(found, spectra=self._spectra.get(found.path))

    def compute_spectra(self) -> None:
        """Singular values of both sides of the chosen matrix, however large."""
        assert self._pair is not None
        first, second = (spectrum(side) for side in (self._pair.sides[0], self._pair.sides[-1]))
        self._spectra[self._pair.path] = first, second

    def summary(self) -> str:
        """``From before (#1) to now: 3 changed, 1 added, 12 did not change.``"""
        one = self.comparison
        changed = sum(not item.only for item in self.items)
        words = [f"{changed:,} changed"] if changed else ["nothing changed"]
        words += [f"{len(one.added):,} added"] if one.added else []
        words += [f"{len(one.removed):,} removed"] if one.removed else []
        words += [f"{len(one.unchanged):,} did not change"] if one.unchanged and changed else []
        return f"From {self.names[0]} to {self.names[1]}: {', '.join(words)}."

    def sentence(self) -> str:
        """The summary, then the chosen item in one sentence with its numbers."""
        return f"{self.summary()} {self._sentence_of(self.item)}".strip() if self.item else self.summary()

    def _sentence_of(self, item: Item) -> str:
        if item.only:
            there, missing = self.names[::-1] if item.only == "B" else self.names
            shape = shape_text(tuple(item.variable.shape)) if item.variable else ""
            return f"{item.path} ({shape}) is in {there} and not in {missing}."
        if item.texts is not None:
            first, second = ("nothing" if text is None else shorten(text, 60) for text in item.texts)
            return f"{item.path} was {first} and is {second}."
        change = item.change
        assert change is not None
        subject = f"{item.path} ({shape_text(tuple(change.after.shape))})"
        if change.problem:
            return f"{subject}: {change.problem.rstrip('.')}."
        if isnan(change.relative):
            return f"{subject} has no element that is finite on both sides."
        words = [
            f"{subject} changed by {number(100 * change.relative)} % of its size",
            f"{number(100 * change.share)} % of its elements differ, one by {number(change.largest)}",
            f"its norm went from {number(change.norm_before)} to {number(change.norm_after)}",
        ]
        return "; ".join(words + self._rank_words(item.path)) + "."

    def _rank_words(self, path: str) -> list[str]:
        ranks = [one.stable_rank for one in self._spectra.get(path, ())]
        if not ranks or any(isnan(rank) for rank in ranks):
            return []
        return [f"its stable rank from {number(ranks[0])} to {number(ranks[1])}"]

    @property
    def _snapshots(self) -> tuple[Snapshot, Snapshot]:
        return self.comparison.before, self.comparison.after

    def _read(self, item: Item) -> Pair:
        sides: list[Array | None] = []
        problem = ""
        for snapshot in self._snapshots:
            try:
                kind = snapshot.variables.get(item.path)
                sides.append(None if kind is None else as_numbers(snapshot[item.path], kind.dtype))
            except _UNREADABLE as error:
                sides.append(None)
                problem = str(error)
        size = item.change.size if item.change is not None else None
        return Pair(item.path, self.names, sides[0], sides[1], size, problem)


def numbers(viewpoint: CompareViewpoint) -> dict[str, Any]:
    """The raw numbers: the ranking, and both values of the chosen item with what is derived from them."""
    from snapshot.widgets.compare_numbers import counted, minus

    ranking = [
        {"path": item.path, "relative": change.relative, "share": change.share, "largest": change.largest,
         "norms": (change.norm_before, change.norm_after),
         "shapes": (tuple(change.before.shape), tuple(change.after.shape))}
        for item in viewpoint.listed()
        if (change := item.change) is not None
    ]  # fmt: skip
    one = viewpoint.comparison
    found: dict[str, Any] = {"names": viewpoint.names, "ranking": ranking, "added": list(one.added)}
    found |= {"removed": list(one.removed), "unchanged": list(one.unchanged)}
    if viewpoint.item is None:
        return found | {"path": None}
    found["path"] = viewpoint.item.path
    if (texts := viewpoint.texts()) is not None:
        return found | {"texts": texts}
    pair = viewpoint.pair()
    fits = pair.before is not None and pair.after is not None and pair.fits
    found |= {"a": pair.before, "b": pair.after}
    found["b_minus_a"] = minus(np.asarray(pair.after), np.asarray(pair.before)) if fits else None
    bins = counted(pair.sides)
    found["histogram"] = None if bins is None else {"edges": bins[0], "shares": bins[1]}
    found["singular_values"] = None if pair.spectra is None else tuple(one.values for one in pair.spectra)
    found["stable_rank"] = None if pair.spectra is None else tuple(one.stable_rank for one in pair.spectra)
    return found
