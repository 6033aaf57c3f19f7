"""The home of snapshots on disk, seen as a whole."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from snapshot.errors import NotWritable
from snapshot.model import Snapshot
from snapshot.repository import layout
from snapshot.repository.addresses import Options
from snapshot.repository.catalogue import dropped_note, label_note
from snapshot.repository.collector import Collected, collect
from snapshot.repository.content import Decode
from snapshot.repository.entry import StoredEntry
from snapshot.repository.folder import check_writable, refusal
from snapshot.repository.root import check_is_there, is_repository
from snapshot.repository.series import Series
from snapshot.repository.snapshots import Snapshots
from snapshot.repository.storage import Storage, Write
from snapshot.repository.verify import Progress, Verified, verify
from snapshot.repository.writer import Writer
from snapshot.timeline import SnapshotKey, branch, check_label, key_of, resolve

if TYPE_CHECKING:
    from zarr.abc.store import Store


class Repository:
    """Snapshots of any number of runs in one folder, at an address (``s3://``), or in a zarr store.

    Opening reads no values, unpickles nothing and never writes. ``decode(entry, path)``
    supplies plain values that are kept in records. Raises NotARepository when nothing,
    or something else, is there, and NewerFormat when a later version made it.
    """

    def __init__(
        self,
        target: str | Path | Store,
        *,
        decode: Decode | None = None,
        durable: bool = False,
        storage_options: Options | None = None,
    ) -> None:
        self._begin(Storage(target, durable=durable, options=storage_options), decode)
        check_is_there(self._storage)

    @classmethod
    def create_or_open(
        cls,
        target: str | Path | Store,
        *,
        decode: Decode | None = None,
        durable: bool = False,
        storage_options: Options | None = None,
    ) -> Repository:
        """For writing: what is there, or a repository that the first commit will create.

        With ``durable`` a commit to a local folder survives a power cut, at 2 to 4 times
        the cost. What may be read and not written is opened too. Raises NotWritable when nothing
        is there, and nothing could be; writes nothing itself.
        """
        repository = cls.__new__(cls)
        repository._begin(Storage(target, durable=durable, options=storage_options), decode)
        if not is_repository(repository._storage) and repository._storage.folder is not None:
            check_writable(repository._storage.folder)
        return repository

    def _begin(self, storage: Storage, decode: Decode | None) -> None:
        self._storage = storage
        self._snapshots = Snapshots(storage, decode)

    @property
    def location(self) -> str:
        """The folder or address, or the text of the store."""
        return str(self._storage)

    @property
    def is_near(self) -> bool:
        """Whether looking costs little: a folder, not a network."""
        return self._storage.folder is not None

    def refusal(self) -> NotWritable | None:
        """Why nothing can be stored here, where that can be told without trying."""
        return refusal(self._storage.folder) if self._storage.folder is not None else None

    def identity(self) -> bytes | None:
        """What tells this repository from another one made in its place; None when its root is not there."""
        data = self._storage.get(layout.ROOT_KEY)
        return bytes(data) if data is not None else None

    @property
    def timeline(self) -> list[Snapshot]:
        """Every committed snapshot of every run, oldest first.

        Snapshots that others committed meanwhile are included. A snapshot whose parent
        was dropped descends from the one before that.
        """
        return self._snapshots.timeline()

    def __len__(self) -> int:
        return len(self.timeline)

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(self.timeline)

    def __getitem__(self, reference: str | Snapshot) -> Snapshot:
        """The snapshot meant; a bare ``#12`` belongs to the run that stored last."""
        if isinstance(reference, Snapshot):
            return reference
        timeline = self.timeline
        return resolve(reference, timeline, run=timeline[-1].run if timeline else None)

    def entry(self, snapshot: Snapshot | str) -> StoredEntry:
        """What was stored for a snapshot, for putting it back. ReferenceNotFound when it is not here."""
        return self._snapshots.content(self[snapshot]).entry

    def writer(self, run: str | None = None, notebook: str = "") -> Writer:
        """The writer of a run, a new one unless it is named. One process writes a run."""
        return Writer(self._storage, run, notebook)

    def series(self, path: str, snapshots: Iterable[Snapshot] | None = None) -> Series:
        """The values at ``path`` over ``snapshots``, read when they are indexed.

        By default over the run that stored last and what it descends from: another run of
        the same notebook is another experiment. ``repository.timeline`` has them all.
        """
        chosen = _newest_run(self.timeline) if snapshots is None else list(snapshots)
        found = [(one, self._snapshots.content(one)) for one in chosen]
        return Series.of(path, found, self._snapshots.locate(path, chosen))

    def relabel(self, snapshot: Snapshot | str, label: str | None) -> None:
        """Give a snapshot another label, or none; nothing that was committed is rewritten.

        Another snapshot of the same notebook and run that has the label loses it. Raises
        InvalidName, ReferenceNotFound or NotWritable.
        """
        one = self._snapshots.content(self[snapshot]).entry.header
        data = label_note(check_label(label) if label is not None else None)
        notes: list[Write] = [(layout.label_key(*one.key), lambda: data)]
        for other in self.timeline if label is not None else ():
            if (other.run, other.notebook, other.label) == (one.run, one.notebook, label) and other.id != one.id:
                notes.append((layout.label_key(*key_of(other)), partial(label_note, None)))
        self._storage.put(notes)

    def drop(self, *snapshots: Snapshot | str) -> None:
        """Mark snapshots as dropped; their children descend from their parents from now on.

        Their space comes back with :meth:`collect`. Raises ReferenceNotFound or NotWritable.
        """
        found = [self._snapshots.header(self[one]) for one in snapshots]
        self._storage.put([(layout.dropped_key(*one.key), dropped_note) for one in found if one is not None])

    def gone(self) -> set[SnapshotKey]:
        """The (run, id) of what was dropped or is removed: one listing."""
        return self._snapshots.gone()

    @property
    def parents_of_gone(self) -> Mapping[SnapshotKey, SnapshotKey | None]:
        """What was dropped or is removed -> its parent, as of the last look at the timeline."""
        return self._snapshots.parents_of_gone

    def collect(self, grace: timedelta = timedelta(hours=1)) -> Collected:
        """Give back the space of snapshots that were dropped at least ``grace`` ago; says what it did.

        Others may read, write and collect meanwhile. Raises RepositoryError where something
        cannot be deleted; the next collection goes on from there.
        """
        return collect(self._storage, grace)

    def verify(self, progress: Progress | None = None) -> Verified:
        """Read everything that counts once and compare it with its hashes; false when something is damaged.

        ``progress`` is called with the bytes that were read so far and those there are.
        Writes nothing. Raises RepositoryError where it may not read.
        """
        return verify(self._storage, progress)

    def __repr__(self) -> str:
        timeline = self.timeline
        runs = len({one.run for one in timeline})
        count = f"{len(timeline)} snapshot{'s' * (len(timeline) != 1)} of {runs} run{'s' * (runs != 1)}"
        return f"<snapshot repository {self.location}: {count}>"

    def _repr_html_(self) -> str:
        return _as_html(self.location, self.timeline)


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


def _newest_run(timeline: list[Snapshot]) -> list[Snapshot]:
    """The run that stored last, with the ancestors that its newest snapshot has in earlier runs."""
    if not timeline:
        return []
    newest = timeline[-1]
    ancestors = {key_of(one) for one in branch(timeline, newest)}
    return [one for one in timeline if one.run == newest.run or key_of(one) in ancestors]
