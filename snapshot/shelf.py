"""The snapshots of this run in memory: ids, labels, branches, and the blocks they keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from snapshot.capture import Capture
from snapshot.content import MemoryContent
from snapshot.engine import Engine
from snapshot.errors import ReferenceNotFound
from snapshot.model import Snapshot
from snapshot.timeline import SnapshotKey, key_of, parent_key
from snapshot.wording import reference_of


@dataclass(frozen=True)
class Mark:
    """A state of the shelf to go back to."""

    snapshots: tuple[Snapshot, ...]
    latest: Capture | None
    head: Snapshot | None


class Shelf:
    """Snapshots, oldest first. ``head`` is the one that the present descends from."""

    def __init__(self, engine: Engine, run: str, notebook: str) -> None:
        self._engine = engine
        self.run = run
        self._notebook = notebook
        self._next_id = 1
        self._gone: dict[SnapshotKey, SnapshotKey | None] = {}  #: what was dropped, of other runs too -> its parent
        self.others: Callable[[], Iterable[Snapshot]] = tuple  #: asked for those of other runs
        self.snapshots: list[Snapshot] = []
        self.head: Snapshot | None = None
        self.latest: Capture | None = None  #: shares records with the next capture

    def describe(self, label: str | None, step: int | None, note: str, capture: Capture) -> Snapshot:
        """A snapshot of ``capture`` that is not on the shelf yet."""
        if step is None:
            known = [group.step for _, _, group in capture.groups.values() if group.step is not None]
            step = known[0] if known else (self.head.step + 1 if self.head else 1)
        parent: int | str | None = None
        if self.head is not None:
            parent = self.head.id if self.head.run == self.run else f"{self.head.run}.{self.head.id}"
        return Snapshot(
            id=self._next_id,
            label=label,
            step=int(step),
            time=datetime.now(UTC),
            run=self.run,
            parent=parent,
            note=note,
            notebook=self._notebook,
            content=MemoryContent(capture, self._engine),
        )

    def add(self, snapshot: Snapshot) -> Snapshot | None:
        """Put it on the shelf as the new head; returns the one its label moved from."""
        capture = _capture_of(snapshot)
        moved = self.take_label(snapshot.label) if snapshot.label else None
        self._engine.blocks.retain(capture.digests())
        self.snapshots.append(snapshot)
        self.latest = capture
        self.head = snapshot
        self._next_id += 1
        return moved

    def mark(self) -> Mark:
        """What :meth:`back_to` takes: the shelf as it is now."""
        return Mark(tuple(self.snapshots), self.latest, self.head)

    def back_to(self, mark: Mark) -> list[Snapshot]:
        """Take what was added since off again, labels included; ids are not given twice. Returns what went."""
        known = {snapshot.id for snapshot in mark.snapshots}
        gone = [snapshot for snapshot in self.snapshots if snapshot.id not in known]
        self.snapshots[:], self.latest, self.head = mark.snapshots, mark.latest, mark.head
        for snapshot in gone:
            self._engine.blocks.release(_capture_of(snapshot).digests())
        return gone

    def notice(self, gone: Mapping[SnapshotKey, SnapshotKey | None]) -> None:
        """Take in what of other runs was dropped, by whomever -> its parent."""
        if not gone.keys() <= self._gone.keys():
            self._gone = {**gone, **self._gone}
            if self.head is not None and key_of(self.head) in self._gone:
                self.stand_on(self.head)

    def stand_on(self, snapshot: Snapshot | None) -> None:
        """The present descends from ``snapshot`` now; if that was dropped, from its nearest ancestor that was not."""
        key = key_of(snapshot) if snapshot is not None else None
        while key is not None and key in self._gone:
            key = self._gone[key]
        if key is not None and key[0] == self.run:
            self.head = self._with_id(key[1])
        elif snapshot is not None and key == key_of(snapshot):
            self.head = snapshot
        else:
            self.head = next((one for one in self.others() if key_of(one) == key), None) if key else None

    def check_there(self, snapshot: Snapshot) -> None:
        """Raises ReferenceNotFound for one that was dropped here."""
        if key_of(snapshot) in self._gone:
            name = reference_of(snapshot, self.run) + (f" ({snapshot.label})" if snapshot.label else "")
            raise ReferenceNotFound(f"There is no snapshot {name} any more: it was dropped.")
        if snapshot.run == self.run and self._with_id(snapshot.id) is None:
            raise ReferenceNotFound(f"#{snapshot.id} is on no timeline: store the present first.")

    def _with_id(self, number: int | str | None) -> Snapshot | None:
        # labelled or linked anew, it is another object
        return next((one for one in self.snapshots if one.id == number), None)

    def take_label(self, label: str) -> Snapshot | None:
        """Take a label from the snapshot that has it; returns that one, as it was."""
        for index, snapshot in enumerate(self.snapshots):
            if snapshot.label == label:
                self._put(index, replace(snapshot, label=None))
                return snapshot
        return None

    def relabel(self, snapshot: Snapshot, label: str) -> Snapshot:
        """Give a snapshot of the shelf another label; returns it with that label."""
        self.take_label(label)
        index = next(i for i, one in enumerate(self.snapshots) if one.id == snapshot.id)
        self._put(index, replace(self.snapshots[index], label=label))
        return self.snapshots[index]

    def drop(self, snapshot: Snapshot) -> None:
        """Forget one; its children descend from its parent, its blocks are let go."""
        if snapshot.run != self.run:
            self._gone[key_of(snapshot)] = parent_key(snapshot)
            return
        # by id: it may have been relinked since it was looked up
        snapshot = next(one for one in self.snapshots if one.id == snapshot.id)
        self.snapshots.remove(snapshot)
        self._gone[key_of(snapshot)] = parent_key(snapshot)
        self._engine.blocks.release(_capture_of(snapshot).digests())
        for index, child in enumerate(self.snapshots):
            if child.parent == snapshot.id:
                self._put(index, replace(child, parent=snapshot.parent))
        if self.head is snapshot:
            self.head = self._with_id(snapshot.parent)
        if self.latest is _capture_of(snapshot):
            self.latest = _capture_of(self.snapshots[-1]) if self.snapshots else None

    def _put(self, index: int, new: Snapshot) -> None:
        old = self.snapshots[index]
        self.snapshots[index] = new
        if self.head is old:
            self.head = new


def _capture_of(snapshot: Snapshot) -> Capture:
    content = snapshot.content
    assert isinstance(content, MemoryContent)
    return content.capture
