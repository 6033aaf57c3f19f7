"""What a workspace is made of: shared by storing, restoring and looking. Whoever uses them holds the lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from snapshot.archive import Archive
from snapshot.changes import Changes
from snapshot.deferrals import Deferrals
from snapshot.engine import Engine, Wanted
from snapshot.model import Snapshot
from snapshot.present import PresentContent
from snapshot.shelf import Shelf
from snapshot.store_result import StoreResult
from snapshot.timeline import in_order, resolve

Reference = str | Snapshot


@dataclass(eq=False)
class Parts:
    """The walk and the pool, this run's snapshots, the repository, and the changes that can be taken back."""

    engine: Engine
    lock: Any
    archive: Archive
    shelf: Shelf
    changes: Changes
    deferrals: Deferrals
    excluded: tuple[str, ...] = ()
    last_store: StoreResult | None = None
    presents: list[PresentContent] = field(default_factory=list)
    left: dict[int, str] = field(default_factory=dict)  #: id of a snapshot -> a repository left that has it

    def snapshots(self, all: bool) -> list[Snapshot]:
        """This notebook's snapshots, or all of the repository, oldest first, whoever stored them."""
        self.archive.settle()
        earlier = self.archive.earlier(all)
        self.shelf.notice(self.archive.gone)
        return in_order([*earlier, *self.shelf.snapshots])

    def find(self, reference: Reference) -> Snapshot:
        """The snapshot that is meant; raises ReferenceNotFound."""
        if isinstance(reference, Snapshot):
            return reference
        # #run.n names one snapshot whoever stored it; everything else is this notebook's
        full = isinstance(reference, str) and reference.startswith("#") and "." in reference
        return resolve(reference, self.snapshots(full), run=self.archive.run, head=self.shelf.head, own_first=True)

    def state(self, snapshot: Snapshot) -> str:
        """Where a snapshot is, in a few words."""
        found = self.archive.state(snapshot)
        left = self.left.get(snapshot.id) if snapshot.run == self.archive.run else None
        return f"on disk in {left}" if left and not found.startswith(("on disk", "writing")) else found

    def leave(self) -> None:
        """Finish writing, and remember what lies in the repository that is left."""
        place = self.archive.place
        self.archive.flush()
        here = [one.id for one in self.shelf.snapshots if self.archive.state(one) == "on disk"]
        self.archive.close()
        self.left.update(dict.fromkeys(here, place))

    @contextmanager
    def looked_at(self) -> Iterator[Snapshot]:
        """The live variables as a snapshot on no timeline, whose contents are there until the end of the block."""
        try:
            capture, _ = self.engine.look(Wanted(exclude=self.excluded), self.shelf.latest, limited=False)
            yield self.shelf.describe("now", None, "", capture)
        finally:
            self.engine.blocks.sweep()
