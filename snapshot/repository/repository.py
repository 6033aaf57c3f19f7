"""The home of snapshots on disk, seen as a whole."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from zarr.abc.store import Store

from snapshot.errors import ReferenceNotFound
from snapshot.model import Snapshot
from snapshot.repository import layout
from snapshot.repository.catalogue import Catalogue, dropped_note, label_note
from snapshot.repository.content import Decode, StoredContent
from snapshot.repository.entry import StoredEntry
from snapshot.repository.header import Header
from snapshot.repository.pieces import Pieces
from snapshot.repository.reader import Committed
from snapshot.repository.root import check_is_there, is_repository
from snapshot.repository.series import Series
from snapshot.repository.storage import Storage
from snapshot.repository.writer import Writer
from snapshot.timeline import SnapshotKey, check_label, in_order, key_of, resolve, without


class Repository:
    """Snapshots of any number of runs in one folder (or zarr store).

    Opening reads no values, unpickles nothing and never writes. ``decode(entry, path)``
    supplies plain values that are kept in records. Raises NotARepository when nothing,
    or something else, is there, and NewerFormat when a later version made it.
    """

    def __init__(self, target: str | Path | Store, *, decode: Decode | None = None) -> None:
        self._begin(Storage(target), decode)
        check_is_there(self._storage)

    @classmethod
    def create_or_open(cls, target: str | Path | Store, *, decode: Decode | None = None) -> Repository:
        """For writing: what is there, or a repository that the first commit will create.

        Raises NotWritable when nothing could be written there; writes nothing itself.
        """
        repository = cls.__new__(cls)
        repository._begin(Storage(target), decode)
        is_repository(repository._storage)
        repository._storage.check_writable()
        return repository

    def _begin(self, storage: Storage, decode: Decode | None) -> None:
        self._storage = storage
        self._decode = decode
        self._pieces = Pieces(storage)
        self._catalogue = Catalogue(storage)
        self._contents: dict[SnapshotKey, StoredContent] = {}
        self._snapshots: dict[SnapshotKey, Snapshot] = {}

    @property
    def location(self) -> str:
        """The folder, or the text of the store."""
        return str(self._storage)

    @property
    def timeline(self) -> list[Snapshot]:
        """Every committed snapshot of every run, oldest first.

        Snapshots that others committed meanwhile are included. A snapshot whose parent
        was dropped descends from the one before that.
        """
        kept, dropped = self._catalogue.read()
        snapshots = without(map(self._snapshot, kept), map(self._snapshot, dropped))
        return in_order(self._remembered(one) for one in snapshots)

    def __len__(self) -> int:
        return len(self.timeline)

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(self.timeline)

    def __getitem__(self, reference: str | Snapshot) -> Snapshot:
        """The snapshot meant; a bare ``#12`` belongs to the run that stored last."""
        timeline = self.timeline
        return resolve(reference, timeline, run=timeline[-1].run if timeline else None)

    def entry(self, snapshot: Snapshot | str) -> StoredEntry:
        """What was stored for a snapshot, for putting it back. ReferenceNotFound when it is not here."""
        return self._committed(self[snapshot])

    def writer(self, run: str | None = None, notebook: str = "") -> Writer:
        """The writer of a run, a new one unless it is named. One process writes a run."""
        return Writer(self._storage, run, notebook)

    def series(self, path: str, snapshots: list[Snapshot] | None = None) -> Series:
        """The values at ``path`` over ``snapshots`` (default: all), read when they are indexed."""
        chosen = self.timeline if snapshots is None else snapshots
        return Series.of(path, [(one, self._stored_content(one)) for one in chosen])

    def relabel(self, snapshot: Snapshot | str, label: str | None) -> None:
        """Give a snapshot another label, or none. Nothing that was committed is rewritten."""
        one = self[snapshot]
        data = label_note(check_label(label) if label is not None else None)
        moved = [other for other in self.timeline if other is not one and _same_label(other, one, label)]
        notes = [(layout.label_key(*key_of(other)), partial(label_note, None)) for other in moved]
        self._storage.put([(layout.label_key(*self._committed(one).header.key), lambda: data), *notes])

    def drop(self, snapshot: Snapshot | str) -> None:
        """Mark a snapshot as dropped; its children descend from its parent from now on."""
        one = self._committed(self[snapshot]).header
        self._storage.put([(layout.dropped_key(*one.key), dropped_note)])

    def _snapshot(self, header: Header) -> Snapshot:
        content = self._contents.get(header.key)
        if content is None:
            content = StoredContent(Committed(self._storage, self._pieces, header), self._decode)
            self._contents[header.key] = content
        return Snapshot(
            id=header.id,
            label=header.label,
            step=header.step,
            time=header.time,
            run=header.run,
            parent=header.parent,
            note=header.note,
            notebook=header.notebook,
            content=content,
        )

    def _remembered(self, snapshot: Snapshot) -> Snapshot:
        """The object handed out before, as long as nothing about it changed."""
        before = self._snapshots.get(key_of(snapshot))
        if before is None or (before.label, before.parent) != (snapshot.label, snapshot.parent):
            self._snapshots[key_of(snapshot)] = before = replace(snapshot)
        return before

    def _stored_content(self, snapshot: Snapshot) -> StoredContent:
        if key_of(snapshot) not in self._contents:
            self._catalogue_again()
        content = self._contents.get(key_of(snapshot))
        if content is None:
            raise ReferenceNotFound(f"#{snapshot.run}.{snapshot.id} is not on disk in {self.location}.")
        return content

    def _committed(self, snapshot: Snapshot) -> Committed:
        return self._stored_content(snapshot).entry

    def _catalogue_again(self) -> None:
        for part in self._catalogue.read():
            for header in part:
                self._snapshot(header)

    def __repr__(self) -> str:
        timeline = self.timeline
        runs = len({one.run for one in timeline})
        count = f"{len(timeline)} snapshot{'s' * (len(timeline) != 1)} of {runs} run{'s' * (runs != 1)}"
        return f"<snapshot repository {self.location}: {count}>"

    def _repr_html_(self) -> str:
        return _as_html(self.location, self.timeline)


def _same_label(other: Snapshot, one: Snapshot, label: str | None) -> bool:
    """Whether ``other`` loses ``label`` when ``one`` gets it."""
    return label is not None and (other.run, other.notebook, other.label) == (one.run, one.notebook, label)


def _as_html(location: str, timeline: list[Snapshot]) -> str:
    """The newest snapshots as a table; text that a user chose is escaped."""
    heads = ["", "label", "step", "time", "notebook", "note"]
    rows = [
        [
            f"#{one.run}.{one.id}",
            one.label or "",
            str(one.step),
            f"{one.time:%Y-%m-%d %H:%M:%S}",
            one.notebook,
            one.note,
        ]
        for one in reversed(timeline[-20:])
    ]
    head = "".join(f"<th>{text}</th>" for text in heads)
    cells = ["".join(f"<td>{html.escape(text)}</td>" for text in row) for row in rows]
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    more = f"<p>and {len(timeline) - 20} earlier</p>" if len(timeline) > 20 else ""
    return f"<table><caption>{html.escape(location)}</caption><tr>{head}</tr>{body}</table>{more}"
