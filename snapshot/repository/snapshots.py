"""Committed snapshots as the objects a user holds."""

from __future__ import annotations

from collections.abc import Iterable

from snapshot.errors import ReferenceNotFound
from snapshot.model import Snapshot, type_of_id
from snapshot.pausing import collector_paused
from snapshot.repository.catalogue import Catalogue
from snapshot.repository.columns import Located
from snapshot.repository.content import Decode, StoredContent
from snapshot.repository.elsewhere import Elsewhere
from snapshot.repository.folded import locate
from snapshot.repository.header import Header
from snapshot.repository.histories import Histories
from snapshot.repository.pieces import Pieces
from snapshot.repository.reader import Committed
from snapshot.repository.storage import Storage
from snapshot.timeline import SnapshotKey, in_order, key_of, relinked


class Snapshots:
    """Headers made into snapshots; asked again, the same objects, as long as nothing about them changed."""

    def __init__(self, storage: Storage, decode: Decode | None) -> None:
        self._storage = storage
        self._decode = decode
        self._pieces = Pieces(storage)
        self._elsewhere = Elsewhere(storage)
        self._catalogue = Catalogue(storage)
        self._histories = Histories(storage, self._catalogue)
        self._contents: dict[SnapshotKey, StoredContent] = {}
        self._made: dict[SnapshotKey, Snapshot] = {}
        self._gone: dict[SnapshotKey, SnapshotKey | None] = {}

    def timeline(self) -> list[Snapshot]:
        """Every snapshot that counts, oldest first; children of dropped ones linked anew."""
        with collector_paused():
            headers, self._gone = self._catalogue.read()
            gone = self._gone
            return in_order(
                self._snapshot(one, relinked(one.key, one.parent, gone) if gone else one.parent) for one in headers
            )

    def content(self, snapshot: Snapshot) -> StoredContent:
        """What is stored for a snapshot, wherever its object came from. Raises ReferenceNotFound."""
        key = key_of(snapshot)
        if key not in self._contents:
            self.timeline()
        # one that was dropped can be read as long as it is there
        header = self._catalogue.header(key) if key not in self._contents else None
        if header is not None:
            self._add_content(header)
        if key not in self._contents:
            raise ReferenceNotFound(f"#{snapshot.run}.{snapshot.id} is not on disk in {self._storage}.")
        return self._contents[key]

    def gone(self) -> set[SnapshotKey]:
        """The keys of those that were dropped or removed."""
        return self._catalogue.gone()

    @property
    def parents_of_gone(self) -> dict[SnapshotKey, SnapshotKey | None]:
        """Those that were dropped or removed, each with its parent, as of the last look at the timeline."""
        return self._gone

    def header(self, snapshot: Snapshot) -> Header | None:
        """What a snapshot says of itself, None when it was dropped and is gone. Raises ReferenceNotFound."""
        try:
            return self.content(snapshot).entry.header
        except ReferenceNotFound:
            if key_of(snapshot) in self._gone:
                return None
            raise

    def locate(self, path: str, snapshots: Iterable[Snapshot]) -> dict[SnapshotKey, Located | None]:
        """Where a variable lies in those snapshots that are folded."""
        ids: dict[str, set[int]] = {}
        for snapshot in snapshots:
            ids.setdefault(snapshot.run, set()).add(snapshot.id)
        return {
            (run, number): located
            for run, wanted in ids.items()
            for number, located in locate(self._storage, self._catalogue.folds(run), path, wanted).items()
        }

    def _snapshot(self, header: Header, parent: type_of_id | None) -> Snapshot:
        key = header.key
        before = self._made.get(key)
        if before is not None and (before.label, before.parent) == (header.label, parent):
            return before
        if key not in self._contents:
            self._add_content(header)
        self._made[key] = made = Snapshot(
            id=header.id,
            label=header.label,
            step=header.step,
            time=header.time,
            run=header.run,
            parent=parent,
            note=header.note,
            notebook=header.notebook,
            content=self._contents[key],
        )
        return made

    def _add_content(self, header: Header) -> None:
        entry = Committed(self._storage, self._pieces, header, self._elsewhere.find)
        self._contents[header.key] = StoredContent(entry, self._decode, self._histories)
