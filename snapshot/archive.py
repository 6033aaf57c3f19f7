"""A workspace's home on disk: snapshots out to the repository, and bound to live objects on the way back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from snapshot.binding import Binder, Bound, Originals
from snapshot.collecting import Collecting
from snapshot.content import MemoryContent
from snapshot.counterparts import counterparts
from snapshot.engine import Engine
from snapshot.errors import RepositoryError, SnapshotWarning
from snapshot.forking import forked_lock
from snapshot.graph import Graph, decode_groups, encode_groups
from snapshot.model import Snapshot
from snapshot.outbox import Outbox, Progress
from snapshot.reading import graph_of, open_for_writing
from snapshot.repository.entry import StoredEntry
from snapshot.repository.runs import new_run_name
from snapshot.selection import not_found
from snapshot.stored_leaves import LeavesInMemory, LeavesOnDisk
from snapshot.timeline import SnapshotKey, key_of
from snapshot.unpickling import Streams

if TYPE_CHECKING:
    from snapshot.deferred import Deferral
    from snapshot.repository import Repository
    from snapshot.repository.collector import Collected


class Archive:
    """Where one workspace writes, and what it finds there of earlier runs.

    Nothing is on disk before the first write, and writing is left to a thread
    (:mod:`snapshot.outbox`). ``lock`` is the workspace's.
    """

    def __init__(
        self,
        target: Any,
        notebook: str,
        engine: Engine,
        lock: Any = None,
        *,
        run: str | None = None,
        trust: bool = False,
        durable: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.repository: Repository | None = None
        self.run = run or new_run_name()
        self.trust = trust
        self._notebook = notebook
        self._engine = engine
        self._outbox: Outbox | None = None
        if target is not None:
            self.repository = open_for_writing(target, storage_options, durable=durable)
            writer = self.repository.writer(self.run, notebook)
            self._outbox = Outbox(self.repository, writer, engine, lock or forked_lock())
            self._collecting = Collecting(self.repository.collect)
            engine.wait_for_write = self._outbox.wait_for_write

    @property
    def place(self) -> str:
        """Where it is, for people; empty without a repository."""
        return self.repository.location if self.repository is not None else ""

    def earlier(self, all: bool = False) -> list[Snapshot]:
        """Snapshots of other runs: this notebook's, or everybody's."""
        if self.repository is None or self._outbox is None:
            return []
        # a fork writes a run of its own
        own = {self.run, self._outbox.writer.run}
        try:
            with self._outbox.disk:
                timeline = self.repository.timeline
                self._outbox.standing.notice(self.repository.parents_of_gone)
        except RepositoryError as error:
            warnings.warn(f"only what this kernel stored is known now: {error}", SnapshotWarning, stacklevel=4)
            return []
        return [one for one in timeline if one.run not in own and (all or one.notebook == self._notebook)]

    def adopt(self, snapshots: Iterable[Snapshot]) -> None:
        """Know which of this run's snapshots lie here already: the repository may be one that was left."""
        if self.repository is not None and self._outbox is not None:
            with suppress(RepositoryError), self._outbox.disk:
                self._outbox.standing.adopt(snapshots, self.repository.timeline)

    def write(self, snapshot: Snapshot, nbytes: int) -> Callable[[], None]:
        """Prepare a snapshot to be put on disk; returns what puts it on its way, if anything is to be done.

        ``nbytes`` of it are new in memory. A failure, now or later, is a
        :class:`SnapshotWarning`: the snapshot stays in memory.
        """
        if self._outbox is None:
            return lambda: None
        if self._outbox.writer.found_tombstones:
            # those of a kernel that ended before it could collect
            self._collecting.begin()
        return self._outbox.write(snapshot, nbytes)

    def take_back(self, snapshot: Snapshot) -> None:
        """Undo :meth:`write` after an interrupt, however far it came."""
        if self._outbox is not None:
            self._outbox.take_back(snapshot)

    def skip(self, snapshot: Snapshot) -> None:
        """Remember that a snapshot stays in memory: its children on disk descend from its parent."""
        if self._outbox is not None:
            self._outbox.standing.skip(snapshot)

    def state(self, snapshot: Snapshot) -> str:
        """Where a snapshot is, in a few words: "on disk", "writing", "memory only: no space left"."""
        if snapshot.run != self.run:
            return "on disk"
        return self._outbox.state(snapshot) if self._outbox is not None else "memory only"

    @property
    def gone(self) -> Mapping[SnapshotKey, SnapshotKey | None]:
        """What of other runs was dropped, by whomever, as of the last look at the disk -> its parent."""
        gone = self.repository.parents_of_gone if self.repository is not None else {}
        return {key: parent for key, parent in gone.items() if key[0] != self.run}

    def was_dropped_elsewhere(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot of this run was dropped on disk by another kernel, and is in memory only since."""
        return self._outbox is not None and self._outbox.standing.was_dropped_elsewhere(snapshot)

    @property
    def progress(self) -> Progress:
        """How far writing is."""
        return self._outbox.progress if self._outbox is not None else Progress(0, 0, 0)

    def settle(self) -> None:
        """At the beginning of a call: say what failed since the last one, hold on to what others dropped.

        What failed, or is gone with the repository, is a :class:`SnapshotWarning`.
        """
        if self._outbox is not None:
            self._outbox.settle()
            self._outbox.look_for_repository()
            self._outbox.hold_dropped()

    def bind(
        self,
        snapshot: Snapshot,
        into: Mapping[str, str],
        names: frozenset[str] | None = None,
        later: Deferral | None = None,
    ) -> Bound:
        """The stored state in terms of live objects.

        ``into`` maps stored names to live ones; ``names`` are those that matter, None for
        all. ``later`` takes what must wait for variables that do not exist yet.
        """
        content = snapshot.content
        if isinstance(content, MemoryContent):
            if not into:
                return Bound(content.capture)
            capture = content.capture
            own: dict[int, Any] = {}
            graph = decode_groups({name: data for name, (_, data) in encode_groups(capture, {}, own).items()})
            originals = Originals(own, {record.number: record for record in capture.records.values()})
            leaves = LeavesInMemory(capture, self._engine)
            return self._bind(graph, leaves, into, content.names, None, originals, later)
        assert self.repository is not None
        assert self._outbox is not None
        with self._outbox.disk:
            entry = self.repository.entry(snapshot)
        graph, damaged = graph_of(entry)
        alone = names is not None and not into and names & graph.roots.keys()
        if alone:
            into = {name: name for name in graph.roots if name in alone}
        leaves_there = LeavesOnDisk(entry, self._engine, key_of(snapshot))
        found = self._bind(graph, leaves_there, into, entry.names, entry, later=later, alone=bool(alone))
        found.unused.update(damaged)
        return found

    def _bind(
        self,
        graph: Graph,
        leaves: Any,
        into: Mapping[str, str],
        names: Mapping[str, str],
        entry: StoredEntry | None,
        originals: Originals | None = None,
        later: Deferral | None = None,
        alone: bool = False,
    ) -> Bound:
        self._engine.registry.load_frameworks()
        unknown = [name for name in into if name not in graph.roots]
        if unknown:
            raise not_found(unknown, graph.roots)
        roots = dict(into) or {name: name for name in graph.roots}
        live = {**self._engine.names(), **self._engine.registry.implicit()}
        if later is not None:
            graph = later.set_aside(graph, leaves, roots, live)
        streams = None
        # what is not there yet waits for whoever makes it, and is not made from a pickle
        if entry is not None and later is None:
            streams = Streams(entry, self.trust)
        others = counterparts(graph, self._engine.registry, roots, live) if streams is not None and alone else {}
        binder = Binder(graph, leaves, self._engine, streams, originals, others)
        return binder.bind(roots, live, dict.fromkeys((*names, *into.values())))

    def relabel(self, snapshot: Snapshot, label: str | None) -> None:
        """Change the label on disk, if the snapshot is there or on its way."""
        if self.repository is None or self._outbox is None:
            return
        if snapshot.run == self.run:
            self._outbox.relabel(snapshot, label)
        else:
            # nothing of other runs is ever on its way, and who asks sees at once what became of it
            with self._outbox.disk:
                self.repository.relabel(snapshot, label)

    def drop(self, snapshot: Snapshot) -> None:
        """Drop the snapshot on disk, if it is there or on its way."""
        if self.repository is None or self._outbox is None:
            return
        if snapshot.run == self.run:
            self._outbox.drop(snapshot)
        else:
            with self._outbox.disk:
                self.repository.drop(snapshot)

    def dropped(self, remaining: Iterable[Snapshot]) -> None:
        """After drops: blocks that lay in what was dropped are looked for in what remains."""
        if self._outbox is not None:
            self._outbox.move_blocks(remaining)
            self._outbox.hold_dropped()
            self._collecting.begin()

    def collect(self, grace: timedelta) -> Collected | None:
        """Give back the space of what was dropped so long ago; None without a repository."""
        self.flush()
        return self.repository.collect(grace) if self.repository is not None else None

    def flush(self) -> None:
        """Return when everything written so far is on disk."""
        if self._outbox is not None:
            self._outbox.flush()

    def close(self) -> None:
        """Finish writing; what is in memory stays there."""
        self.flush()
        if self._outbox is not None:
            self._collecting.end()
        self.repository = self._outbox = None
