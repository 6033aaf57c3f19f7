"""Writing snapshots: everything they hold first, the key that makes them exist last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from secrets import token_hex
from time import time

from snapshot.errors import RepositoryError
from snapshot.forking import forked_lock, renew_after_fork
from snapshot.model import Snapshot
from snapshot.repository import layout, nodes
from snapshot.repository.commit import Bytes, Commit, Rows
from snapshot.repository.encoder import Encoder
from snapshot.repository.entry import Entry
from snapshot.repository.folded import Folding
from snapshot.repository.folder import make_folder
from snapshot.repository.header import Header
from snapshot.repository.known import Known
from snapshot.repository.newest import newest
from snapshot.repository.records import SETTLED
from snapshot.repository.reusable import Reusable
from snapshot.repository.root import identity_to_upgrade, is_repository
from snapshot.repository.runs import check_run_name, new_run_name
from snapshot.repository.statistician import Statistician
from snapshot.repository.storage import Storage, Write
from snapshot.repository.table import Table
from snapshot.repository.undoing import leave_note, remove, undo
from snapshot.timeline import parent_key

#: How many of the newest snapshots a new run looks at for contents it need not write again.
_LOOKED_AT = 3
#: A commit that takes longer than so many seconds looks whether others took it for dead.
LONG = SETTLED.total_seconds() / 2


class Writer:
    """The only writer of one run.

    A commit that fails leaves every earlier snapshot as it was, and the next one works:
    row and pack numbers are never used twice, and what was written is only remembered
    once its commit key is on disk. A process forked from this one starts a run of its
    own. What keeps a commit whole while others delete is told in
    :mod:`snapshot.repository.collector`.
    """

    def __init__(self, storage: Storage, run: str | None = None, notebook: str = "") -> None:
        self.notebook = notebook
        self._storage = storage
        self._reusable = Reusable(storage)
        self._lock = forked_lock()
        self._begin(check_run_name(run) if run is not None else new_run_name())
        renew_after_fork(self)

    def begin_anew(self) -> None:
        """In a forked process: write a run of its own.

        What the parent knew is read again: one of its threads may have been changing it.
        """
        self._reusable = Reusable(self._storage)
        self._begin(new_run_name())

    def _begin(self, run: str) -> None:
        self._run = run
        self._rows = Rows(self._existing_rows)
        self._committed: dict[int, Header] = {}
        self._folding = Folding()
        self._statistician = Statistician(self._storage, run)
        self._encoder = Encoder()
        self._pack: int | None = None
        self._uncertain: set[int] = set()
        self._resumed = False
        self._root: memoryview | None = None
        self._looked = 0.0

    @property
    def run(self) -> str:
        """The run of this process; a fork has another than its parent."""
        return self._run

    @property
    def root(self) -> bytes | None:
        """The identity of the repository that was written to last; None before that."""
        return bytes(self._root) if self._root is not None else None

    @property
    def found_tombstones(self) -> bool:
        """Whether a commit came across something dropped: there is, or was, space to be given back."""
        return self._reusable.found_tombstones

    def commit(self, entry: Entry) -> None:
        """Write one snapshot; returns when it is on disk.

        Contents that this repository holds already are referred to. Committing the same
        snapshot again does nothing. Raises NotWritable, or RepositoryError when the disk
        fails; whatever ``entry.block`` raises passes through.
        """
        key = self.run, entry.snapshot.id
        with self._lock:
            if self._pack is None or self._storage.get(layout.ROOT_KEY) != self._root:
                self._open_run()
            if self._is_committed(entry.snapshot):
                return
            self._learn_parent(entry.snapshot)
            plan, table = self._write(entry)
            header = self._header(entry.snapshot, plan.table, table)
            self._make_exist(header, table)
            self._check_table(header)
            self._rows.described.update(plan.groups)
            self._reusable.accept(key, plan.known, plan.table)
            self._fold(header, plan)
            self._statistician.committed(header, plan.table)

    def describe(self) -> bool:
        """Compute the numbers of one array that was committed; False when none waits.

        They make plots fast and may be left undone. Safe beside a commit of another thread.
        """
        return self._statistician.work()

    def _write(self, entry: Entry) -> tuple[Commit, bytes]:
        """Everything but the commit key: what was planned, and the table."""
        key = layout.table_key(self._run, entry.snapshot.id)
        above = {} if self._committed else nodes.groups_of(self._run)
        groups: list[Write] = [
            (f"{folder}/zarr.json", partial(nodes.group, about)) for folder, about in above.items()
        ]
        own = [key]
        table = None
        try:
            began = time()
            plan = self._plan(entry, self._reusable.known, own, self._reusable.last)
            while True:
                before, table = table, self._encoder.encode(plan.table)
                writes = [(one, partial(_told, entry.wrote, data)) for one, data in plan.writes.items()]
                self._storage.put([*groups, *writes, (key, partial(bytes, table))])
                leave_note(self._storage, (self._run, entry.snapshot.id), before)
                # the table is there before this look, and that is what the collector relies on
                forgot, collecting = self._reusable.look()
                self._check_not_dropped(entry.snapshot)
                if collecting:
                    self._storage.put(plan.groups.items())
                # what has been lying there for so long may be taken for what a dead run left
                swept = collecting and time() - began > LONG
                if not forgot and not swept:
                    self._looked = time()
                    return plan, table
                self._relearn(entry.snapshot)
                began = time()
                plan = self._plan(entry, self._reusable.known if swept else plan.known, own)
                if self._encoder.encode(plan.table) == table:
                    self._looked = time()
                    return plan, table
                # folders that were empty for a moment may have lost what describes them
                groups = list(plan.groups.items()) if collecting else []
        except BaseException:
            # nothing else can name these, so a disk that was full has its space back
            remove(self._storage, own)
            raise

    def _plan(self, entry: Entry, known: Known, own: list[str], before: Table | None = None) -> Commit:
        plan = Commit(entry, known, self._run, self._rows, self._pack or 1, before)
        self._pack = plan.next_pack
        own += plan.own
        return plan

    def _make_exist(self, header: Header, table: bytes) -> None:
        self._uncertain.add(header.id)
        try:
            self._storage.put([(layout.commit_key(*header.key), header.encode)])
        except KeyboardInterrupt:
            # whoever interrupts a store expects no snapshot, and the key may have arrived
            undo(self._storage, header.key, table)
            raise
        self._uncertain.discard(header.id)
        self._committed[header.id] = header

    def _check_table(self, header: Header) -> None:
        """Whoever stood still before the header may find the table collected, see the collector."""
        if time() - self._looked > LONG and self._storage.get(layout.table_key(*header.key)) is None:
            self._committed.pop(header.id, None)
            undo(self._storage, header.key, None)
            raise RepositoryError(
                f"{self._storage}: what was written of #{self._run}.{header.id} was collected while this process "
                "stood still; store again."
            )

    def _fold(self, header: Header, plan: Commit) -> None:
        """Keep looking at many snapshots fast: some commits later they are one object. Nothing depends on it."""
        for key, parts in self._folding.add(self._run, header, plan.table):
            with suppress(RepositoryError):
                self._storage.put([(key, partial(list, parts))])
                self._storage.delete(*layout.folds_within(key))

    def _open_run(self) -> None:
        """Before the first commit: make the repository, see what it holds already.

        Also when the folder was deleted, or replaced, under a running kernel: what was
        known about it is forgotten.
        """
        # pack numbers go on: readers keep what they read of packs
        first_pack = self._pack or 1
        if self._pack is not None:
            self._reusable = Reusable(self._storage)
            self._begin(self._run)
        identity: str | None = token_hex(8)
        if is_repository(self._storage):
            identity = identity_to_upgrade(self._storage)
        elif self._storage.folder is not None:
            make_folder(self._storage.folder)
        if identity is not None:
            self._storage.put([(layout.ROOT_KEY, partial(nodes.root, identity))])
        self._root = self._storage.get(layout.ROOT_KEY)
        there = self._storage.children(f"runs/{self._run}/packs")
        self._resumed = bool(there or self._storage.children(f"runs/{self._run}"))
        if not self._reusable.sources:
            for header in newest(self._storage, _LOOKED_AT):
                self._reusable.learn(header)
        self._pack = max([first_pack, *(int(name) + 1 for name in there if name.isdecimal())])

    def _existing_rows(self, array: str) -> int:
        """Rows that an earlier writer of this run gave out, committed or not."""
        if not self._resumed:
            return 0
        rows = [layout.row_of_chunk(name) for name in self._storage.children(array)]
        return 1 + max((row for row in rows if row is not None), default=-1)

    def _learn_parent(self, snapshot: Snapshot) -> None:
        """A snapshot shares the contents of the one it was stored after, however old that is."""
        key = parent_key(snapshot)
        if key is not None and key not in self._reusable.sources:
            found = self._storage.get(layout.commit_key(*key))
            header = None
            # what a damaged one shares is written again
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                header = Header.decode_of(key, found or b"")
            if header is not None:
                self._reusable.learn(header)

    def _relearn(self, snapshot: Snapshot) -> None:
        """Where everything was forgotten because something was, the newest snapshots are known again."""
        if not self._reusable.sources:
            for header in list(self._committed.values())[-_LOOKED_AT:]:
                self._reusable.learn(header)
            self._learn_parent(snapshot)

    def take_back(self, snapshot: Snapshot) -> None:
        """Make a commit undone, as if the store had been interrupted in time; labels it moved are where they were."""
        with self._lock:
            if self._committed.pop(snapshot.id, None) is not None:
                self._folding.remove(snapshot.id)
                key = self._run, snapshot.id
                table = self._storage.get(layout.table_key(*key))
                self._reusable.forget(key, table)
                undo(self._storage, key, bytes(table) if table is not None else None)

    def _check_not_dropped(self, snapshot: Snapshot) -> None:
        if (self._run, snapshot.id) in self._reusable.dropped:
            raise RepositoryError(
                f"{self._storage}: snapshot #{self._run}.{snapshot.id} was dropped; a number is not used again."
            )

    def _is_committed(self, snapshot: Snapshot) -> bool:
        """Whether this very snapshot is there; RepositoryError when another has its number."""
        before = self._committed.get(snapshot.id)
        if before is None and (self._resumed or snapshot.id in self._uncertain):
            found = self._storage.get(layout.commit_key(self._run, snapshot.id))
            before = Header.decode(found) if found is not None else None
        if before is None:
            return False
        if before.time != snapshot.time:
            raise RepositoryError(
                f"{self._storage}: run {self._run} already holds another snapshot #{snapshot.id}, "
                f"of {before.time:%Y-%m-%d %H:%M:%S}; each snapshot of a run needs its own number."
            )
        return True

    def _header(self, one: Snapshot, table: Table, encoded: bytes) -> Header:
        return Header(
            run=self._run,
            id=one.id,
            label=one.label,
            step=one.step,
            time=one.time,
            parent=self._parent(one),
            note=one.note,
            notebook=one.notebook or self.notebook,
            table=layout.digest_of(encoded),
            nbytes=table.nbytes,
        )

    def _parent(self, snapshot: Snapshot) -> int | str | None:
        """After a fork the numbers of the other process are still its own."""
        parent = snapshot.parent
        foreign = isinstance(parent, int) and snapshot.run != self._run and parent not in self._committed
        return f"{snapshot.run}.{parent}" if foreign else parent


def _told(wrote: Callable[[int], None], data: Callable[[], Bytes | Sequence[Bytes]]) -> Bytes | Sequence[Bytes]:
    """What is to be written, once ``wrote`` knows how much it is."""
    parts = data()
    wrote(len(parts) if isinstance(parts, bytes | memoryview) else sum(map(len, parts)))
    return parts
