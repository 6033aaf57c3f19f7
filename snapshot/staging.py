"""Buffers of blocks that are gone, kept for the next ones.

Writing into pages that the process already owns is several times faster than into fresh
ones, and a training loop that stores at every step needs the same sizes again and again.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import Any

import numpy as np

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

#: Buffers of this size and more are worth keeping for reuse.
REUSE_FROM = 64 * 1024
#: The operating system gives pieces of this size, which is that of most blocks, in huge pages
#: where it has them; in small ones the first touch takes twice as long. Smaller buffers share one.
PIECE = 4 * 1024 * 1024
#: Buffers from this size on do: one that stays keeps sixteen times as much at most.
SHARED = PIECE // 16
#: How many bytes of free buffers are kept in any case.
KEEP_FREE = 256 * 1024 * 1024


class Buffers:
    """Free buffers by size. Not safe for threads: the pool that owns them has a lock."""

    def __init__(self, keep: int = KEEP_FREE) -> None:
        self._least = self._keep = keep
        self._free: dict[int, list[Bytes]] = {}
        self._piece = np.empty(0, np.uint8)  #: what is left of the newest
        self.nbytes = 0

    def expect(self, nbytes: int) -> None:
        """Keep what a store of this many bytes needs."""
        self._keep = max(self._least, nbytes)
        self._shrink(self._keep)

    def take(self, nbytes: int) -> Bytes:
        """A writable buffer; its contents are anything."""
        free = self._free.get(nbytes)
        if free:
            self.nbytes -= nbytes
            return free.pop()
        if not SHARED <= nbytes <= PIECE // 2:
            return _fresh(nbytes)
        if self._piece.nbytes < nbytes:
            self._piece = _fresh(PIECE)
        buffer, self._piece = self._piece[:nbytes], self._piece[nbytes:]
        return buffer

    def give(self, buffer: Bytes) -> None:
        """Take a buffer back that nobody looks at any more."""
        if buffer.nbytes >= REUSE_FROM and self.nbytes + buffer.nbytes <= self._keep:
            buffer.flags.writeable = True
            self._free.setdefault(buffer.nbytes, []).append(buffer)
            self.nbytes += buffer.nbytes

    def clear(self) -> None:
        """Give the memory back."""
        self._piece = np.empty(0, np.uint8)
        self._shrink(0)

    def _shrink(self, most: int) -> None:
        while self.nbytes > most:
            size = next(size for size, free in self._free.items() if free)
            self._free[size].pop()
            self.nbytes -= size


def _fresh(nbytes: int) -> Bytes:
    if nbytes != PIECE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.empty(nbytes, np.uint8)
    # numpy asks for them as well, but its memory does not begin where a huge page can
    piece = mmap.mmap(-1, nbytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without them
        piece.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(piece, np.uint8)
