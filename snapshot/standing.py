"""Where each snapshot of one run stands: on disk, or in memory only, and why.

What is on its way is known by :mod:`snapshot.outbox`, which tells this what became of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from weakref import WeakValueDictionary

from snapshot.content import MemoryContent
from snapshot.model import Snapshot
from snapshot.places import Stored
from snapshot.timeline import SnapshotKey, key_of

#: Why a snapshot of this run is in memory only.
DROPPED_ELSEWHERE = "another kernel dropped it on disk"


class Standing:
    """The snapshots of one run, by number. ``stored`` are those on disk; ``repository`` and ``disk`` are theirs."""

    def __init__(self, repository: Any, disk: Any) -> None:
        self.stored: dict[int, Stored] = {}
        self._repository = repository
        self._disk = disk
        self._reasons: dict[int, str] = {}
        self._parents: dict[int, int | str | None] = {}  #: of snapshots that are in memory only
        self._contents: WeakValueDictionary[int, MemoryContent] = WeakValueDictionary()  #: of those not dropped
        self._dropped: set[Stored] = set()

    def know(self, snapshot: Snapshot) -> None:
        """Remember what a snapshot holds in memory, as long as it is held there."""
        if isinstance(snapshot.content, MemoryContent):
            self._contents[snapshot.id] = snapshot.content

    def content(self, number: int) -> MemoryContent | None:
        """What a snapshot holds in memory; None when it was dropped."""
        return self._contents.get(number)

    def forget(self, snapshot: Snapshot) -> None:
        """It was dropped."""
        self._contents.pop(snapshot.id, None)

    def adopt(self, snapshots: Iterable[Snapshot], there: Iterable[Snapshot]) -> None:
        """Of this run's ``snapshots``, those that are ``there`` are on disk."""
        found = {(key_of(one), one.time): one for one in there}
        for snapshot in snapshots:
            stored = found.get((key_of(snapshot), snapshot.time))
            if stored is not None:
                self.know(snapshot)
                self.stored[snapshot.id] = Stored(self._repository, stored, self._disk)

    def skip(self, snapshot: Snapshot) -> None:
        """A snapshot stays in memory: its children on disk descend from its parent."""
        self._parents[snapshot.id] = snapshot.parent

    def stays(self, snapshot: Snapshot, reason: str) -> None:
        """A snapshot stays in memory, for a reason that is to be known."""
        self.skip(snapshot)
        self._reasons[snapshot.id] = reason

    def belong_to_another(self, numbers: Iterable[int], reason: str) -> None:
        """Another process is to write these."""
        self._reasons.update(dict.fromkeys(numbers, reason))

    def arrived(self, stored: Stored) -> None:
        """A snapshot is on disk."""
        number = stored.snapshot.id
        self.stored[number] = stored
        self._parents.pop(number, None)
        self._reasons.pop(number, None)

    def drop(self, number: int) -> Stored | None:
        """It is about to be dropped on disk, if it is there; it stays known until it is."""
        stored = self.stored.get(number)
        if stored is not None:
            self._dropped.add(stored)
        return stored

    def notice(self, gone: Collection[SnapshotKey]) -> None:
        """Another kernel may have dropped what this one stored: that is in memory only from now on."""
        for number, stored in list(self.stored.items()):
            # what is dropped here stays known until that is on disk
            if stored.key in gone and stored not in self._dropped:
                del self.stored[number]
                self.stays(stored.snapshot, DROPPED_ELSEWHERE)

    def was_dropped_elsewhere(self, snapshot: Snapshot) -> bool:
        """Whether another kernel dropped a snapshot of this run, as far as was noticed."""
        return self._reasons.get(snapshot.id) == DROPPED_ELSEWHERE

    def in_words(self, snapshot: Snapshot) -> str:
        """Where a snapshot that is not on its way is, in a few words."""
        if snapshot.id in self.stored:
            return "on disk"
        reason = self._reasons.get(snapshot.id)
        return f"memory only: {reason}" if reason else "memory only"

    def ancestor(self, parent: int | str | None) -> int | str | None:
        """The nearest one on disk."""
        while isinstance(parent, int) and parent in self._parents:
            parent = self._parents[parent]
        return parent
