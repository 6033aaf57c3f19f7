"""Writing only the blocks that differ.

Where a leaf's memory is at hand, they go straight into it, by all cores. Other leaves are
assigned to block by block; while one from disk is written, the next are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from snapshot.capture import Capture
from snapshot.cutting import spans
from snapshot.handles import AnyHandle, Handle
from snapshot.model import parse_dtype
from snapshot.pool import Blocks
from snapshot.staging import Bytes
from snapshot.threads import ALONE, ahead, in_threads

#: How many blocks are read while one is written.
_AHEAD = 4


class _Straight(NamedTuple):
    """A block to be written into the memory of its leaf."""

    digest: bytes
    memory: Bytes


class _Part(NamedTuple):
    """A block to be assigned: its first byte in the leaf; its position among those from disk, if it is one."""

    digest: bytes
    start: int
    arrival: int | None


class BlockWrites:
    """The blocks in which leaves of ``target`` differ from ``present``; each leaf is written once, in their order."""

    def __init__(self, leaves: Iterable[AnyHandle], target: Capture, present: Capture, blocks: Blocks) -> None:
        self._target = target
        self._blocks = blocks
        self._away: list[tuple[bytes, int]] = []
        self.straight: dict[Handle, list[_Straight]] = {}  #: leaves whose memory is at hand
        self._parts: dict[AnyHandle, list[_Part]] = {}
        for handle in leaves:
            if not self._fits(handle, present):
                continue
            memory = _memory_of(handle)
            if type(handle) is Handle and memory is not None:
                differing = self._differing(handle, present)
                self.straight[handle] = [_Straight(digest, memory[first:last]) for digest, first, last in differing]
            else:
                self._parts[handle] = [self._part(*one) for one in self._differing(handle, present)]
        # one is being written, and as many are read as the reading is ahead
        largest = max((nbytes for _, nbytes in self._away), default=0)
        self._ring = [np.empty(largest, np.uint8) for _ in range(min(_AHEAD + 1, len(self._away)))]
        self._arrived = 0
        self._arrivals = ahead(self._read, range(len(self._away)), _AHEAD)

    def write_straight(self) -> None:
        """Write the leaves whose memory is at hand. Raises Damaged, and some are written then."""
        parts = [part for parts in self.straight.values() for part in parts]
        in_threads(lambda part: self._blocks.copy_into(*part), parts, lambda part: part.memory.nbytes)
        for handle in self.straight:
            touched = getattr(handle.adapter, "touched", None)
            if touched is not None:
                touched(handle.get())

    def write(self, handle: Handle, obj: Any) -> bool:
        """Assign to one leaf; False when it is to be assigned to as a whole. Raises Damaged."""
        parts = self._parts.get(handle)
        if parts is None:
            return False
        dtype = parse_dtype(self._target.leaves[handle].leaf.dtype)
        for digest, start, arrival in parts:
            if arrival is not None:
                done = handle.adapter.assign_span(obj, start // dtype.itemsize, self._take(arrival).view(dtype))
            else:
                block = self._blocks.borrow(digest)
                try:
                    done = handle.adapter.assign_span(obj, start // dtype.itemsize, block.view(dtype))
                finally:
                    self._blocks.give_back((digest,))
            if not done:
                return False
        return True

    def close(self) -> None:
        """Read no more."""
        self._arrivals.close()

    def _fits(self, handle: AnyHandle, present: Capture) -> bool:
        before = present.leaves.get(handle)
        if before is None:
            return False
        leaf, old = self._target.leaves[handle].leaf, before.leaf
        same = (old.shape, old.dtype, old.order) == (leaf.shape, leaf.dtype, leaf.order)
        return same and leaf.view is None and old.view is None and leaf.nbytes >= ALONE

    def _differing(self, handle: AnyHandle, present: Capture) -> Iterator[tuple[bytes, int, int]]:
        """Digest, first byte and the byte after the last of each block that is another now."""
        leaf, old = self._target.leaves[handle].leaf, present.leaves[handle].leaf
        where = spans(leaf.stored_shape, parse_dtype(leaf.dtype).itemsize)
        for digest, known, (start, stop) in zip(leaf.blocks, old.blocks, where, strict=True):
            if digest != known:
                yield digest, start, stop

    def _part(self, digest: bytes, start: int, stop: int) -> _Part:
        if self._blocks.is_here(digest):
            return _Part(digest, start, None)
        self._away.append((digest, stop - start))
        return _Part(digest, start, len(self._away) - 1)

    def _take(self, arrival: int) -> Bytes:
        """Bytes that stay as they are until the next are taken; what a leaf refused before is passed over."""
        while True:
            contents = next(self._arrivals)
            self._arrived += 1
            if self._arrived > arrival:
                return contents

    def _read(self, arrival: int) -> Bytes:
        digest, nbytes = self._away[arrival]
        contents = self._ring[arrival % len(self._ring)][:nbytes]
        self._blocks.copy_into(digest, contents)
        return contents


def _memory_of(handle: AnyHandle) -> Bytes | None:
    obj = handle.get() if type(handle) is Handle else None
    memory = getattr(handle.adapter, "memory", None)
    return memory(obj) if memory is not None and obj is not None else None
