"""Giving back the space of dropped snapshots, while others go on writing.

Dropping a snapshot writes a tombstone, ``notes/<run>.<n>.dropped``, and nothing more. A
collection removes what only tombstoned snapshots hold. It takes no lock, asks no clock
about other processes and waits for nobody, however long a writer, or a collector, stops
in between. This is why no snapshot loses anything by it:

A **collector**

1. lists ``notes/``: the tombstones. Those that are old enough are *due*.
2. writes a record, ``notes/<time>-<token>.collected``, of what is due.
3. reads the table of every snapshot that is not due, *whether it is committed or not*.
4. deletes rows and packs that a due table names and none of those does; then tables,
   headers and folders of what is due; its tombstones last.

A **writer**

1. writes everything of a snapshot, its table included, and no header yet.
2. lists ``notes/``. Contents of snapshots that have a tombstone it did not know are
   forgotten, and if the table refers to such contents, they are written once more, at
   new keys, with a table that says so; and it begins again at 2.
3. writes the header. The snapshot exists.

So either the tombstone is written before the writer lists, and it refers to nothing
that the tombstone's snapshot alone holds; or it is written after, hence after the table,
and every collection that it is due in reads that table at its step 3. Tombstones go when
their collection is done; but the record is written before the tables are read, so a
writer that lists too late for the tombstone finds a record it does not know, and
forgets what comes from snapshots that are no longer there. Tables are all that counts:
a writer that dies between its steps leaves a table that protects what it names.

Rows and packs have numbers that are never given twice, so what is deleted late is never
something new. What a commit wrote that failed is deleted by its own writer, because
nothing names it. What was committed and taken back may have been seen: its table is left
as ``notes/<run>.<n>.<token>.undone`` and collected like a dropped snapshot's.

Of a run that was killed contents stay that no table names. Where it is known how old a key
is, in folders, a collection takes those away that are older than the grace period, and
than an hour: it

1. lists what is that old, leaves out what any table names, and is done if nothing is left.
2. writes a record, of nothing.
3. reads all tables once more, and deletes what is left then and is still that much older than
   the record, by the disk's clock.

A writer that began longer ago than half of that hour and finds a record it does not know
writes all of its contents once more, at new keys. So either its table is written before
the collector's step 3, which spares what it names; or after it, hence after the record,
and the writer finds that. A table that no header followed for a day names nothing; a
writer that stood still for so long between the two finds its table gone, and takes its
header back.

Killed at any moment, a collection is done by the next one: tables go after the contents
they name, tombstones after everything. Several at once delete the same things.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from snapshot.errors import Damaged
from snapshot.repository import layout, nodes
from snapshot.repository.catalogue import Catalogue
from snapshot.repository.dead import Dead
from snapshot.repository.orphans import Orphans, tables_among
from snapshot.repository.records import SETTLED, describe, merge_records, new_record
from snapshot.repository.removed import encode_removed
from snapshot.repository.storage import Storage
from snapshot.repository.tombstones import Tombstone, dropped_since, tombstones
from snapshot.timeline import SnapshotKey

#: How many tables are read at once.
_TOGETHER = 64
#: Who has written a table writes its header at once; after so long nobody will.
FORSAKEN = timedelta(days=1)


@dataclass
class Collected:
    """What a collection did."""

    removed: list[str] = field(default_factory=list)  #: references of snapshots
    freed: int = 0  #: bytes
    kept: dict[str, str] = field(default_factory=dict)  #: reference or key -> why it is still there

    def __str__(self) -> str:
        count = f"{len(self.removed)} dropped snapshot{'s' * (len(self.removed) != 1)}"
        reasons = "".join(f"\n{what}: {why}" for what, why in self.kept.items())
        return f"removed {count}, {self.freed / 1e6:,.1f} MB freed{reasons}"


def collect(storage: Storage, grace: timedelta) -> Collected:
    """Remove what was dropped at least ``grace`` ago. After a RepositoryError the next collection goes on."""
    report = Collected()
    due = _due(storage, grace, report)
    if due:
        _remove(storage, due, report)
    _sweep(storage, max(grace, SETTLED), report)
    merge_records(storage)
    report.freed += storage.sweep(SETTLED.total_seconds())
    return report


def _due(storage: Storage, grace: timedelta, report: Collected) -> dict[Tombstone, datetime]:
    """What is to be removed, and when it was dropped."""
    now = datetime.now(UTC)
    due: dict[Tombstone, datetime] = {}
    for one, since in dropped_since(storage, tombstones(storage)):
        if since is None:
            report.kept[one.reference] = f"{one.note} cannot be read, so nobody knows when: drop it again"
        elif now - since >= grace or one.undone:
            due[one] = since
        else:
            report.kept[one.reference] = f"dropped at {since:%Y-%m-%d %H:%M} UTC, kept for {_in_words(grace)}"
    return due


def _in_words(span: timedelta) -> str:
    minutes = span.total_seconds() / 60
    return f"{minutes / 60:g} h" if minutes >= 60 else f"{minutes:g} min"


def _remove(storage: Storage, due: Mapping[Tombstone, datetime], report: Collected) -> None:
    record = new_record()
    removed = describe(storage, due)
    storage.put([(record, lambda: encode_removed(removed))])
    dead = _dead(storage, list(due), report)
    snapshots = [one for one in due if not one.undone]
    try:
        _spare(storage, dead, {one.key for one in snapshots})
    except Damaged as error:
        report.kept["everything"] = str(error)
        storage.delete(record)
        return
    report.freed += storage.remove(*dead.keys())
    storage.delete_folder(*dead.packs())
    for array in dead.arrays():
        _tidy(storage, array)
    # whoever goes on after us finds what to delete in the tables, so they go after it
    report.freed += storage.remove(*(layout.table_key(*one.key) for one in snapshots))
    report.freed += storage.remove(*(key for one in snapshots for key in one.rest))
    _bury(storage, due, report)


def _dead(storage: Storage, due: list[Tombstone], report: Collected) -> Dead:
    """Everything that due tables name."""
    dead = Dead()
    for start in range(0, len(due), _TOGETHER):
        some = due[start : start + _TOGETHER]
        found = storage.get_many([(one.table, None) for one in some])
        for one, data in zip(some, found, strict=True):
            # without a table somebody has been here before
            if data is not None and not dead.add(data):
                report.kept[one.table] = f"it cannot be read, so nobody knows what only {one.reference} holds"
    return dead


def _spare(storage: Storage, dead: Dead | Orphans, due: set[SnapshotKey]) -> None:
    """Take out of ``dead`` what any other table names. Raises Damaged, naming those that count and cannot be read."""
    unreadable: list[SnapshotKey] = []
    for run in layout.runs_among(storage.children("runs")):
        names = storage.children(layout.snapshots_folder(run))
        keys = sorted((run, int(name)) for name in names if name.isdecimal() and (run, int(name)) not in due)
        for start in range(0, len(keys), _TOGETHER):
            if not dead and not unreadable:
                return
            some = keys[start : start + _TOGETHER]
            tables = storage.get_many([(layout.table_key(*key), None) for key in some])
            unreadable += [
                key
                for key, data in zip(some, tables, strict=True)
                if (data is None or not dead.spare(data)) and _counts(storage, key)
            ]
    if unreadable:
        tables_there = ", ".join(layout.table_key(*key) for key in unreadable)
        snapshots = ", ".join(f"#{run}.{number}" for run, number in unreadable)
        raise Damaged(
            f"{tables_there} cannot be read, so nobody knows what {snapshots} needs: "
            "bring it back from a copy, or drop that snapshot too"
        )


def _sweep(storage: Storage, age: timedelta, report: Collected) -> None:
    """Take away what runs that were killed left behind, where it is known how old that is."""
    seconds = age.total_seconds()
    old = storage.older("runs", seconds)
    orphans = Orphans(old)
    forsaken = _forsaken(
        storage, tables_among(storage.older("runs", max(age, FORSAKEN).total_seconds()) if old else ())
    )
    try:
        if orphans:
            _spare(storage, orphans, forsaken)
        if not orphans and not forsaken:
            return
        record = new_record()
        storage.put([(record, lambda: encode_removed([]))])
        forsaken = _forsaken(storage, forsaken)
        # the table first: while it is there its writer takes what it names for kept
        tables = [layout.table_key(*key) for key in forsaken]
        report.freed += storage.delete_older(tables, FORSAKEN.total_seconds(), record)
        storage.delete_folder(*(layout.snapshot_folder(*key) for key in forsaken))
        if orphans:
            _spare(storage, orphans, forsaken)
    except Damaged as error:
        report.kept.setdefault("what killed runs left behind", str(error))
        return
    report.freed += storage.delete_older(orphans.keys(), seconds, record)
    storage.delete_folder(*orphans.packs())
    for array in orphans.arrays():
        _tidy(storage, array)


def _forsaken(storage: Storage, keys: Collection[SnapshotKey]) -> set[SnapshotKey]:
    """Those of old tables that no header, be it in a fold, has made a snapshot."""
    if not keys:
        return set()
    catalogue = Catalogue(storage, warn=False)
    headers, gone = catalogue.read()
    return {*keys} - {one.key for one in headers} - gone.keys() - catalogue.unreadable.keys()


def _counts(storage: Storage, key: SnapshotKey) -> bool:
    """Whether a snapshot is committed, and was not dropped since the tombstones were listed."""
    notes = (layout.dropped_key(*key), layout.old_dropped_key(*key))
    header, *dropped = storage.get_many([(one, None) for one in (layout.commit_key(*key), *notes)])
    return header is not None and not any(one is not None for one in dropped)


def _tidy(storage: Storage, folder: str) -> None:
    """Take away the folder of an array, and that of its variable, when nothing is in them but their descriptions."""
    while folder.count("/") >= 3 and set(storage.children(folder)) <= {"zarr.json"}:
        about = f"{folder}/zarr.json"
        data = storage.get(about)
        storage.delete(about)
        names = storage.children(folder)
        if names and data is not None:
            # a writer came in between, and may have described it anew already
            if "zarr.json" not in names:
                rows = [row for row in map(layout.row_of_chunk, names) if row is not None]
                storage.put([(about, partial(nodes.with_rows, bytes(data), 1 + max(rows, default=-1)))])
            return
        storage.delete_folder(folder)
        folder = folder.rpartition("/")[0]


def _bury(storage: Storage, due: Mapping[Tombstone, datetime], report: Collected) -> None:
    """Folders, then tombstones: those whose folder has gone, because they are what hides it."""
    storage.delete(*(one.note for one in due if one.in_folder))
    storage.delete_folder(*(layout.snapshot_folder(*one.key) for one in due if not one.undone))
    runs = {one.key[0] for one in due}
    there = {(run, name) for run in runs for name in storage.children(layout.snapshots_folder(run))}
    for one in due:
        if not one.undone and storage.folder is None and (one.key[0], str(one.key[1])) in there:
            # zarr's own store for folders keeps empty ones, and lists them
            storage.delete_below(layout.snapshot_folder(*one.key))
            there.discard((one.key[0], str(one.key[1])))
    gone = [one for one in due if one.undone or (one.key[0], str(one.key[1])) not in there]
    storage.delete(*(one.note for one in gone if not one.in_folder))
    report.removed += sorted({one.reference for one in gone if not one.undone})
    for one in due.keys() - set(gone):
        report.kept[one.reference] = f"{layout.snapshot_folder(*one.key)} holds something else"
    for run in runs:
        numbers = {int(name) for where, name in there if where == run and name.isdecimal()}
        for folder in (layout.timeline_folder(run), layout.statistics_folder(run)):
            for name in storage.children(folder):
                fold = layout.read_fold_name(name)
                if fold is not None and not numbers & set(layout.numbers_of_fold(*fold)):
                    storage.delete(f"{folder}/{name}")
