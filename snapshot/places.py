"""Where blocks lie on disk: which block of which leaf of which stored snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from snapshot.errors import Damaged, SnapshotError
from snapshot.model import Snapshot
from snapshot.timeline import SnapshotKey, key_of

if TYPE_CHECKING:
    from snapshot.repository import Repository
    from snapshot.repository.entry import StoredEntry


class Stored:
    """A snapshot of this process on disk, for the sake of its blocks. ``lock`` is held while it is read."""

    #: It is asked for seldom, and then to stay in memory.
    is_near = False

    def __init__(self, repository: Repository, snapshot: Snapshot, lock: Any) -> None:
        self.snapshot = snapshot
        self.key: SnapshotKey | None = key_of(snapshot)
        self._repository = repository
        self._lock = lock

    def block(self, number: int, index: int) -> bytes:
        """One block of one leaf; raises Damaged when it is not there, or not what was stored."""
        try:
            with self._lock:
                return self._repository.entry(self.snapshot).block(number, index)
        except Damaged:
            raise
        except (SnapshotError, LookupError) as error:
            where = self._repository.location
            raise Damaged(f"its contents were on disk only, in {where}, and cannot be read: {error}") from error

    def read_into(self, number: int, index: int, out: memoryview) -> None:
        """Fill ``out`` with one block of one leaf; raises Damaged."""
        out[:] = self.block(number, index)

    def find(self, digest: bytes) -> Iterator[Place]:
        """Where a block lies in it, if it does and the snapshot is still there."""
        try:
            with self._lock:
                leaves = self._repository.entry(self.snapshot).leaves
        except (SnapshotError, LookupError):
            return
        yield from places_of(((one.number, one.leaf.blocks) for one in leaves), self, (digest,)).values()


class Opened:
    """A stored snapshot of any process, opened to be restored."""

    def __init__(self, entry: StoredEntry, key: SnapshotKey | None) -> None:
        self.key = key
        self.block = entry.block
        self.read_into = entry.read_into
        self.is_near = entry.is_near


class Place(NamedTuple):
    """Where a block lies."""

    stored: Stored | Opened
    leaf: int  #: its number
    position: int  #: of the block in the leaf

    def read(self) -> bytes:
        """The bytes; raises Damaged."""
        return self.stored.block(self.leaf, self.position)

    def read_into(self, out: memoryview) -> None:
        """Fill ``out``, of the block's size; raises Damaged."""
        self.stored.read_into(self.leaf, self.position, out)


def places_of(
    leaves: Iterable[tuple[int, tuple[bytes, ...]]], stored: Stored, wanted: Collection[bytes] | None = None
) -> dict[bytes, Place]:
    """Digest -> place in a stored snapshot, given (number, blocks) of its leaves; only of those ``wanted``."""
    return {
        digest: Place(stored, number, index)
        for number, blocks in leaves
        for index, digest in enumerate(blocks)
        if wanted is None or digest in wanted
    }
