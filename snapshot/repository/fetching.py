"""The bytes of blocks, from rows or packs: whole and checked against their hash, or a part of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from snapshot.errors import Damaged, RepositoryError
from snapshot.model import Leaf
from snapshot.repository import layout
from snapshot.repository.pieces import Pieces
from snapshot.repository.storage import Storage
from snapshot.repository.table import InPack, Place

#: Pieces up to this size are read with their neighbours, which are likely to be wanted next.
_WINDOWED = 256 * 1024


#: A key, and the first byte of a block there.
Where = tuple[str, int]
#: Where else a block lies, given its hash and where it cannot be read.
Otherwise = Callable[[bytes, Where], Iterable[Where]]


class Part(NamedTuple):
    """Some bytes of one block: ``first`` and ``last`` within it; all of them are checked."""

    leaf: Leaf
    place: Place
    block: int
    first: int
    last: int
    whole: bool  #: the whole block, so that its hash can be checked


class Fetcher:
    """Reads blocks, from another place where theirs is damaged. Raises Damaged, naming ``what`` and the key."""

    def __init__(self, storage: Storage, pieces: Pieces, otherwise: Otherwise = lambda digest, where: ()) -> None:
        self._storage = storage
        self._pieces = pieces
        self._otherwise = otherwise

    def part(self, leaf: Leaf, place: Place, index: int) -> Part:
        """A whole block."""
        if isinstance(place, InPack):
            return Part(leaf, place, index, 0, place.length, whole=True)
        start, stop = layout.cut_of(leaf).span(index)
        return Part(leaf, place, index, 0, stop - start, whole=True)

    def parts(self, wanted: list[Part], what: str) -> list[memoryview]:
        """The bytes of each, several at once."""
        try:
            with self._asking(what):
                found = self._read(wanted)
        except Damaged:
            if len(wanted) > 1:
                return [data for one in wanted for data in self.parts([one], what)]
            data = self._from_elsewhere(wanted[0])
            if data is None:
                raise
            return [data]
        return [self._checked(one, data, what) for one, data in zip(wanted, found, strict=True)]

    def _read(self, wanted: list[Part]) -> list[memoryview | None]:
        found: list[memoryview | None] = [None] * len(wanted)
        alone: list[int] = []
        for number, one in enumerate(wanted):
            if isinstance(one.place, InPack) and one.whole and one.place.length <= _WINDOWED:
                found[number] = self._pieces.read(one.place)
            else:
                alone.append(number)
        requests = []
        for number in alone:
            key, start = beginning(wanted[number].leaf, wanted[number].place)
            requests.append((key, (start + wanted[number].first, start + wanted[number].last)))
        for number, data in zip(alone, self._storage.get_many(requests), strict=True):
            found[number] = data
        return found

    def _checked(self, one: Part, data: memoryview | None, what: str) -> memoryview:
        short = data is None or len(data) != one.last - one.first
        if data is None or short or (one.whole and layout.digest_of(data) != one.leaf.blocks[one.block]):
            other = self._from_elsewhere(one)
            if other is None:
                raise Damaged(damage(what, beginning(one.leaf, one.place)[0], data, self._storage))
            return other
        return data

    def _from_elsewhere(self, one: Part) -> memoryview | None:
        start, stop = layout.cut_of(one.leaf).span(one.block)
        data = self.elsewhere(one.leaf.blocks[one.block], beginning(one.leaf, one.place), stop - start)
        return data[one.first : one.last] if data is not None else None

    def elsewhere(self, digest: bytes, where: Where, size: int) -> memoryview | None:
        """The bytes with that hash from any place but one; None when there is no good one."""
        for key, first in self._otherwise(digest, where):
            with suppress(RepositoryError):
                data = self._storage.get(key, (first, first + size))
                if data is not None and len(data) == size and layout.digest_of(data) == digest:
                    return data
        return None

    def read_into(self, leaf: Leaf, place: Place, index: int, out: memoryview, what: str) -> None:
        """Fill ``out``, of the block's size, with a whole block."""
        key, start = beginning(leaf, place)
        failure, there = None, False
        try:
            with self._asking(what):
                there = self._fill(key, start, place, out)
        except Damaged as error:
            failure = error
        if there and layout.digest_of(out) == leaf.blocks[index]:
            return
        # what is said is how it was found, so it is put into words before anything else is read
        failure = failure or Damaged(damage(what, key, out if there else None, self._storage))
        data = self.elsewhere(leaf.blocks[index], (key, start), len(out))
        if data is None:
            raise failure
        out[:] = data

    def _fill(self, key: str, start: int, place: Place, out: memoryview) -> bool:
        if not isinstance(place, InPack) or place.length > _WINDOWED:
            return self._storage.read_into(key, start, out)
        data = self._pieces.read(place)
        if data is None or len(data) != len(out):
            return False
        out[:] = data
        return True

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """On a disk, a file that cannot be read costs one variable; a server that does not answer costs nothing."""
        try:
            yield
        except RepositoryError as error:
            if self._storage.folder is None or isinstance(error, Damaged):
                raise
            raise Damaged(f"{what} is damaged: {error}") from error


def beginning(leaf: Leaf, place: Place) -> tuple[str, int]:
    """The key that holds a block, and its first byte there."""
    if isinstance(place, InPack):
        return layout.pack_chunk_key(place.pack), place.offset
    return layout.chunk_key(place.array, leaf, layout.cut_of(leaf), place.row, place.number), 0


def damage(what: str, key: str, data: memoryview | None, storage: Storage) -> str:
    """The sentence for bytes that are not what was stored."""
    found = "is missing or too short" if data is None else f"does not match its hash ({len(data)} bytes were read)"
    return (
        f"{what} in {storage} is damaged: {key} {found}. "
        "Everything else can still be read; take this one from another snapshot."
    )
