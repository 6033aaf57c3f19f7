"""Which arrays lie inside another array's memory. Pure: addresses in, placements out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds


class Extent(NamedTuple):
    """Where one array lies: first byte, byte after the last, address of element 0."""

    low: int
    high: int
    origin: int
    dense: bool  #: its elements fill the range without gaps

    @classmethod
    def of(cls, array: np.ndarray[Any, Any]) -> Extent:
        """The extent of a live array."""
        origin = array.__array_interface__["data"][0]
        nbytes = array.nbytes
        if not nbytes:
            return cls(origin, origin, origin, False)
        flags = array.flags
        if flags.c_contiguous or flags.f_contiguous:
            return cls(origin, origin + nbytes, origin, True)
        low, high = byte_bounds(array)
        return cls(low, high, origin, False)


class Place(NamedTuple):
    """Inside array number ``base``, ``offset`` bytes from its first."""

    base: int
    offset: int


def place_views(extents: Sequence[Extent]) -> list[Place | None]:
    """For each array, the dense array that contains its memory; None where it stands alone."""
    found: list[Place | None] = [None] * len(extents)
    order = sorted(
        (index for index, extent in enumerate(extents) if extent.high > extent.low),
        key=lambda index: (extents[index].low, -extents[index].high, not extents[index].dense, index),
    )
    base: int | None = None
    for index in order:
        extent = extents[index]
        if base is not None and extent.high <= extents[base].high:
            found[index] = Place(base, extent.origin - extents[base].low)
        elif extent.dense and (base is None or extent.high > extents[base].high):
            base = index
    return found
