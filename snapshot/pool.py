"""The pool of content-addressed blocks.

Equal blocks are kept once, whoever stored them. What is also on disk may leave memory
when the pool grows beyond its share of the budget, oldest first; its digest stays known,
so that unchanged contents are neither copied nor written again, and it comes back when
its bytes are asked for. A block is never handed out writable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain
from threading import local

import numpy as np
from xxhash import xxh3_128_digest

from snapshot.errors import Damaged
from snapshot.forking import forked_lock
from snapshot.places import Opened, Place, Stored
from snapshot.staging import KEEP_FREE, Buffers, Bytes
from snapshot.threads import ALONE, in_threads

#: The part of the budget that blocks in memory fill before those on disk leave: some room
#: is left, so that not every store has to wait for that.
FILLED = 0.75


class Blocks:
    """Digest -> bytes, counted by the captures that refer to them. Any thread may call any method."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.nbytes = 0  #: in memory
        self.nbytes_away = 0  #: of blocks that are on disk only
        #: digest -> its bytes; its size when it is on disk only
        self._blocks: dict[bytes, Bytes | int] = {}
        self._places: dict[bytes, Place] = {}
        self._removable: dict[bytes, None] = {}  #: in memory and on disk, oldest first
        self._uses: Counter[bytes] = Counter()
        self._lent: Counter[bytes] = Counter()
        self._buffers = Buffers() if limit is None else Buffers(min(KEEP_FREE, limit // 4))
        self._lock = forked_lock()
        #: Places of a block that are looked for only when the known one cannot be read.
        self.elsewhere: Callable[[bytes], Iterable[Place]] = lambda digest: ()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._blocks

    def __len__(self) -> int:
        return len(self._blocks)

    def is_here(self, digest: bytes) -> bool:
        """Whether a block is in memory."""
        return isinstance(self._blocks.get(digest), np.ndarray)

    def missing(self, digests: Iterable[bytes]) -> set[bytes]:
        """Those that would have to be copied."""
        return {digest for digest in digests if digest not in self._blocks}

    # --- in

    def put(self, digest: bytes, source: Bytes) -> bool:
        """Copy one block in; False when what was copied does not have that digest.

        The copy is hashed again because another thread may have written to the source
        since it was hashed.
        """
        return digest in self._blocks or self._take_in(digest, source)

    def add(self, source: Bytes) -> tuple[bytes, int]:
        """Copy one block in whose digest nobody knows; returns it, and how many bytes that added."""
        buffer = self._copy_of(source)
        digest = xxh3_128_digest(buffer.data)
        with self._lock:
            if digest in self._blocks:
                self._buffers.give(buffer)
                return digest, 0
            self._places.pop(digest, None)
            self._keep(digest, buffer)
        return digest, buffer.nbytes

    def _take_in(self, digest: bytes, source: Bytes) -> bool:
        buffer = self._copy_of(source)
        if xxh3_128_digest(buffer.data) != digest:
            with self._lock:
                self._buffers.give(buffer)
            return False
        with self._lock:
            known = self._blocks.get(digest)
            if isinstance(known, np.ndarray):  # another thread was faster
                self._buffers.give(buffer)
                return True
            if known is not None:
                self.nbytes_away -= known
            else:
                self._places.pop(digest, None)  # it was forgotten, so it is not there
            self._keep(digest, buffer)
        return True

    def _copy_of(self, source: Bytes) -> Bytes:
        with self._lock:
            buffer = self._buffers.take(source.nbytes)
        np.copyto(buffer, source)
        return buffer

    def _keep(self, digest: bytes, buffer: Bytes) -> None:
        buffer.flags.writeable = False
        self._blocks[digest] = buffer
        self.nbytes += buffer.nbytes
        if digest in self._places:
            self._removable[digest] = None

    # --- out

    def borrow(self, digest: bytes) -> Bytes:
        """The bytes of a block, which stay as they are until :meth:`give_back`.

        Read from disk if need be; raises Damaged when they are not there any more.
        """
        while True:
            with self._lock:
                block = self._blocks.get(digest)
                if isinstance(block, np.ndarray):
                    self._lent[digest] += 1
                    return block
            self._fetch(digest)

    def give_back(self, digests: Iterable[bytes]) -> None:
        """The opposite of :meth:`borrow`."""
        with self._lock:
            for digest in digests:
                self._lent[digest] -= 1
                if self._lent[digest] <= 0:
                    del self._lent[digest]
        self.trim()

    def fetch(self, digests: Iterable[bytes]) -> None:
        """Have each in memory, as far as there is room; raises Damaged."""
        for digest in digests:
            if not isinstance(self._blocks.get(digest), np.ndarray):
                self._fetch(digest)
                self.trim()

    def check(self, digests: Iterable[bytes], *, near: bool = True) -> None:
        """Make sure that each can be read, now and a moment later; raises Damaged.

        Without ``near`` those that are read as quickly from where they lie are not looked at.
        """
        away = [digest for digest in dict.fromkeys(digests) if not self.is_here(digest)]
        # reading these twice costs less than the memory they would take in between
        nearby = {digest for digest in away if self._is_near(digest)}
        self.fetch([digest for digest in away if digest not in nearby])
        if near:
            in_threads(self._check_away, list(nearby), self._size)

    def _is_near(self, digest: bytes) -> bool:
        place = self._places.get(digest)
        return place is not None and place.stored.is_near and self._size(digest) >= ALONE

    def _check_away(self, digest: bytes) -> None:
        size = self._size(digest)
        if size:
            self._read_away(digest, _scratch(size))

    def _size(self, digest: bytes) -> int:
        """The bytes of a block that is on disk only, else 0."""
        size = self._blocks.get(digest)
        return size if isinstance(size, int) else 0

    def copy_into(self, digest: bytes, out: Bytes) -> None:
        """Fill ``out`` with a block; one that is on disk only stays there. Raises Damaged."""
        with self._lock:
            block = self._blocks.get(digest)
            if isinstance(block, np.ndarray):
                self._lent[digest] += 1
        if not isinstance(block, np.ndarray):
            self._read_away(digest, out)
            return
        try:
            np.copyto(out, block)
        finally:
            self.give_back((digest,))

    def _read_away(self, digest: bytes, out: Bytes) -> None:
        self._read(digest, lambda place: place.read_into(out.data))

    def _fetch(self, digest: bytes) -> None:
        def take_in(place: Place) -> None:
            if not self._take_in(digest, np.frombuffer(place.read(), np.uint8)):
                raise Damaged("a block on disk does not match its hash")

        self._read(digest, take_in)

    def _read(self, digest: bytes, read: Callable[[Place], None]) -> None:
        """Read a block at its place, or where else it lies: another process may have removed the snapshot known."""
        place = self._places.get(digest)
        failure = Damaged("contents that were on disk only are gone with their repository")
        for one in chain((place,), self.elsewhere(digest)) if place is not None else ():
            try:
                read(one)
            except Damaged as error:
                failure = error if one is place else failure
                continue
            with self._lock:
                if digest in self._places:
                    self._places[digest] = one
            return
        self._forget(digest)
        raise failure

    def _forget(self, digest: bytes) -> None:
        """It cannot be read any more: whoever still has these contents is to bring them again."""
        with self._lock:
            if isinstance(size := self._blocks.get(digest), int):
                del self._blocks[digest]
                self.nbytes_away -= size

    # --- how long they stay

    def retain(self, digests: Iterable[bytes]) -> None:
        """Count one more use of each."""
        with self._lock:
            self._uses.update(digests)

    def release(self, digests: Iterable[bytes]) -> None:
        """Count one use less of each; unused blocks leave, their buffers stay for reuse."""
        with self._lock:
            for digest in digests:
                self._uses[digest] -= 1
                if self._uses[digest] <= 0:
                    del self._uses[digest]
                    self._drop(digest)

    def freed_by(self, digests: Iterable[bytes]) -> int:
        """How many bytes of memory :meth:`release` of these would free."""
        with self._lock:
            gone = [digest for digest, count in Counter(digests).items() if self._uses[digest] <= count]
            blocks = [self._blocks.get(digest) for digest in gone]
            return sum(block.nbytes for block in blocks if isinstance(block, np.ndarray))

    def sweep(self) -> None:
        """Drop blocks that nothing refers to (a store was interrupted before it counted)."""
        with self._lock:
            for digest in [digest for digest in self._blocks if digest not in self._uses]:
                self._drop(digest)

    def _drop(self, digest: bytes) -> None:
        self._places.pop(digest, None)
        self._removable.pop(digest, None)
        known = self._blocks.pop(digest, None)
        if isinstance(known, np.ndarray):
            self._free(digest, known)
        elif known is not None:
            self.nbytes_away -= known

    def _free(self, digest: bytes, buffer: Bytes) -> None:
        self.nbytes -= buffer.nbytes
        if digest not in self._lent:  # else it is let go when its borrower does
            self._buffers.give(buffer)

    # --- on disk

    def written(self, places: Mapping[bytes, Place]) -> None:
        """These lie on disk too from now on; places known before are replaced."""
        with self._lock:
            for digest, place in places.items():
                if digest in self._uses:
                    self._places[digest] = place
                    if isinstance(self._blocks.get(digest), np.ndarray):
                        self._removable.setdefault(digest)
        self.trim()

    def lie_at(self, places: Mapping[bytes, tuple[Place, int]]) -> None:
        """Blocks with their sizes that are on disk only, as far as they are not in memory."""
        with self._lock:
            for digest, (place, size) in places.items():
                if digest not in self._blocks:
                    self._blocks[digest] = size
                    self._places[digest] = place
                    self.nbytes_away += size

    def sources(self) -> list[Stored | Opened]:
        """Where the known places are."""
        with self._lock:
            return list({id(place.stored): place.stored for place in self._places.values()}.values())

    def placed_in(self, sources: Collection[Stored | Opened]) -> set[bytes]:
        """Blocks for which one of these sources is the place that is known."""
        wanted = {id(source) for source in sources}
        with self._lock:
            return {digest for digest, place in self._places.items() if id(place.stored) in wanted}

    def stay(self, digests: Iterable[bytes]) -> None:
        """Keep these in memory: their place on disk is given up. What cannot be read any more is left as it is."""
        for digest in digests:
            try:
                self.borrow(digest)  # so that it cannot leave again before its place is given up
            except Damaged:
                continue
            with self._lock:
                self._places.pop(digest, None)
                self._removable.pop(digest, None)
            self.give_back((digest,))

    def make_room(self, nbytes: int) -> bool:
        """Let what is on disk leave memory until so many more bytes fit; False when they do not even then."""
        with self._lock:
            self.trim(nbytes)
            return self.has_room(nbytes)

    def expect(self, nbytes: int) -> None:
        """A store adds so many bytes: the next one will need as many buffers."""
        with self._lock:
            self._buffers.expect(nbytes)

    def has_room(self, nbytes: int) -> bool:
        """Whether so many more bytes fit."""
        return self.limit is None or self.nbytes + nbytes <= self.limit

    def trim(self, more: int = 0) -> None:
        """Let the oldest blocks that are on disk leave memory, as long as the pool is too full."""
        if self.limit is None or self.nbytes + more <= self.limit * FILLED:
            return
        with self._lock:
            for digest in list(self._removable):
                if self.nbytes + more <= self.limit * FILLED:
                    break
                buffer = self._blocks[digest]
                if isinstance(buffer, np.ndarray) and digest not in self._lent:
                    self._blocks[digest] = buffer.nbytes
                    self.nbytes_away += buffer.nbytes
                    del self._removable[digest]
                    self._free(digest, buffer)

    def free_buffers(self) -> None:
        """Give the memory of free buffers back."""
        with self._lock:
            self._buffers.clear()


_OWN = local()


def _scratch(nbytes: int) -> Bytes:
    """Memory of this thread for bytes that are looked at once; it stays in the processor's cache."""
    if getattr(_OWN, "buffer", None) is None or _OWN.buffer.nbytes < nbytes:
        _OWN.buffer = np.empty(nbytes, np.uint8)
    found: Bytes = _OWN.buffer[:nbytes]
    return found
