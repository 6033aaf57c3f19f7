"""Values that wait: assigned, once each, the moment a framework makes the variable for them.

A :class:`Deferral` belongs to one restore. It knows which stored leaves found nothing live
(:mod:`snapshot.aside`), watches the live objects that will have them
(:mod:`snapshot.adapters.builders`) through weak references, and pairs stored and live
again when one of them tells that it was built.

Undo: taking back the restore takes back what was assigned for it later too; the first
value of such a variable is noted beside the restore's own entry. What still waits then
waits no longer, nor does it after a later restore of the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import RLock
from typing import Any
from weakref import WeakMethod, ref

from snapshot.aside import Aside, add_owner, set_aside
from snapshot.blocks import put_contents
from snapshot.engine import Engine
from snapshot.filling import Filling, Leaves
from snapshot.graph import Graph
from snapshot.pairing import Owner, Pairing
from snapshot.selection import matches, root_of
from snapshot.status import RestoreStatus
from snapshot.undo_stack import Before, UndoStack


@dataclass
class _Watched:
    """One live object that is to have waiting values; held weakly."""

    live: ref[Any]
    stored: Mapping[str, Any]
    path: str
    places: dict[str, Mapping[str, Any]]
    numbers: set[int]
    end: Callable[[], None] = field(default=lambda: None)


class Deferral:
    """What of one restore waits."""

    def __init__(self, engine: Engine, stack: UndoStack, lock: RLock, busy: Callable[[], bool]) -> None:
        self._engine = engine
        self._stack = stack
        self._lock = lock
        self._busy = busy
        self._leaves: Leaves
        self._aside = Aside(Graph(), Graph())
        self._entry: Callable[[], Before | None] = lambda: None
        self._pinned: tuple[bytes, ...] = ()
        self._watched: dict[int, _Watched] = {}
        self._taken: dict[int, ref[Any]] = {}
        self.waiting: dict[int, str] = {}  #: number of a stored leaf -> its path
        self.reasons: dict[str, str] = {}  #: path -> why the live variable did not take it
        self.reports: list[RestoreStatus] = []

    def __del__(self) -> None:
        self._end()

    # --- before the restore

    def set_aside(self, graph: Graph, leaves: Leaves, roots: Mapping[str, str], live: Mapping[str, Any]) -> Graph:
        """Take what must wait out of ``graph``; returns the rest."""
        self._leaves = leaves
        self._aside = set_aside(graph, roots, live, self._engine.registry)
        taken: set[str] = set()
        for number, found in self._aside.waiting.items():
            path = leaves.path(number) or found
            # two leaves may go by one path when a name has a dot in it
            path = path if path not in taken else f"{path} ({number})"
            taken.add(path)
            self.waiting[number] = path
        return self._aside.rest

    def narrow(self, patterns: Collection[str], unused: dict[str, str]) -> tuple[str, ...]:
        """Let only what patterns mean wait; returns the patterns that may mean more than that.

        What waits is no longer among the ``unused``.
        """
        rest = self._aside.without_noise(unused)
        unused.clear()
        unused.update(rest)
        if not patterns:
            return ()
        inside = [p for p in patterns if p in self.waiting.values() and p not in self._aside.roots]
        for number, path in list(self.waiting.items()):
            role = self._leaves.held(number).form.role
            if not any(matches(p, path, role) or matches(p, self._root_of(number)) for p in patterns):
                del self.waiting[number]
        return tuple(p for p in patterns if p not in inside)

    def report(self, status: RestoreStatus, names: Collection[str]) -> None:
        """Tell ``status`` what waits; of what it has as unused, ``names`` and what is in no name wait too."""
        whole = [path for path in status.unused if path in names or root_of(path) not in names]
        status.wait(whole, self.waiting.values())

    def _root_of(self, number: int) -> str:
        """The stored name a variable is behind; its own path may be another (Keras gives it one)."""
        return root_of(self._aside.waiting[number])

    # --- while it waits

    @property
    def entry(self) -> Before | None:
        """What takes the restore back, while anything does."""
        return self._entry()

    def start(self, status: RestoreStatus, entry: Before | None) -> None:
        """Look out for the variables; ``entry`` is what takes the restore back."""
        self.reports.append(status)
        if entry is not None:
            self._entry = ref(entry)
        self._pinned = tuple(d for n in self.waiting for d in self._leaves.held(n).leaf.blocks)
        self._engine.blocks.retain(self._pinned)
        for owner in self._aside.owners.values():
            self._watch(owner)
        # the restore is made, and owners hold what is only to be watched
        self._aside.owners, self._aside.rest = {}, Graph()

    def again(self) -> None:
        """Look for all that waits, from the names down."""
        with self._lock:
            live = {**self._engine.names(), **self._engine.registry.implicit()}
            filling = self._filling()
            for stored, name in self._aside.roots.items():
                if self.waiting and name in live:
                    filling.pair(self._aside.graph.roots[stored], live[name], stored)
            self._settle(filling)

    def stop(self, reason: str, names: Collection[str] | None = None) -> None:
        """Wait no longer for variables behind these live names, or for any (None)."""
        gone = {
            number: self.waiting[number]
            for number in self.waiting
            if names is None or self._aside.roots.get(self._root_of(number)) in names
        }
        for status in self.reports:
            status.give_up(dict.fromkeys(gone.values(), reason))
        for number in gone:
            del self.waiting[number]
        self._let_go()

    def _end(self) -> None:
        while self._watched:
            with suppress(Exception):  # a hook that is gone already
                self._watched.popitem()[1].end()
        self._engine.blocks.release(self._pinned)
        self._pinned = ()

    def _told(self, key: int, *arrival: Any) -> None:
        """Something was built: a hook's side of the door, which never raises."""
        with self._lock:
            watched = self._watched.get(key)
            live = watched.live() if watched is not None else None
            # while a restore or an undo writes, what it builds gets its values from it
            if watched is None or live is None or self._busy():
                return
            try:
                filling = self._filling()
                if not arrival:
                    filling.pair(watched.stored, live, watched.path)
                elif arrival[0] in watched.places:
                    place, child = arrival
                    filling.pair(watched.places[place], child, watched.path + place)
                self._settle(filling)
            except Exception as error:  # whatever it is, the user's build goes on
                self._refuse(watched.numbers, f"{type(error).__name__}: {error}")

    def _filling(self) -> Filling:
        known = {number: obj for number, held in self._taken.items() if (obj := held()) is not None}
        return Filling(self._aside.graph, self._engine, known, self.waiting, self._leaves)

    def _settle(self, filling: Filling) -> None:
        done = [self.waiting.pop(number) for number in filling.filled]
        for number, (obj, _, _) in filling.filled.items():
            with suppress(TypeError):
                self._taken[number] = ref(obj)
        self._note_first(filling)
        for number, reason in filling.refused.items():
            self._refuse([number], reason)
        for number, reason in filling.misfits.values():
            self._refuse(self._behind({"node": number}), reason)
        owners: dict[int, Owner] = {}
        for miss in filling.misses:
            if self._behind(miss.stored):
                add_owner(owners, miss, self._engine.registry)
        for owner in owners.values():
            self._watch(owner)
        for status in self.reports:
            status.took(done, self.reasons)
        self._let_go()

    def _let_go(self) -> None:
        """Take the hooks off that nothing waits for any more."""
        for key, watched in list(self._watched.items()):
            watched.numbers.intersection_update(self.waiting)
            if not watched.numbers:
                self._forget(key)
        if not self.waiting:
            self._end()
            self._aside = Aside(Graph(), Graph())

    def _note_first(self, filling: Filling) -> None:
        """What variables held at first, beside the restore's entry: its undo gives it back."""
        entry = self._entry()
        if entry is None or entry not in self._stack:
            return
        for number, (obj, adapter, first) in filling.filled.items():
            handle = self._engine.handles.of(obj, adapter)
            if first is not None and handle not in entry.capture.leaves:
                held = self._leaves.held(number)
                leaf = put_contents(held.leaf, first, self._engine.blocks)
                self._stack.add(entry, handle, held._replace(leaf=leaf))

    def _refuse(self, numbers: Collection[int], reason: str) -> None:
        self.reasons.update({self.waiting[number]: reason for number in numbers if number in self.waiting})
        for status in self.reports:
            status.took((), self.reasons)

    def _behind(self, stored: Mapping[str, Any]) -> set[int]:
        return {n for n in Pairing(self._aside.graph, self._engine.registry).leaves_of(stored) if n in self.waiting}

    # --- hooks

    def _watch(self, owner: Owner) -> None:
        key = id(owner.live)
        known = self._watched.get(key)
        if known is not None and known.live() is owner.live:
            places = {**known.places, **owner.places}
            if places.keys() == known.places.keys():
                return
            owner.places.update(places)
            self._forget(key)
        stored = owner.places.values() if owner.places else (owner.stored,)
        numbers = set().union(*map(self._behind, stored))
        if not numbers:
            return
        me, told = ref(self), WeakMethod(self._told)

        def gone(_: object) -> None:
            # no lock: it may come while any thread holds any lock, and one pop is atomic
            if (deferral := me()) is not None:
                deferral._forget(key)

        def tell(*arrival: Any) -> None:
            if (method := told()) is not None:
                method(key, *arrival)

        watched = _Watched(ref(owner.live, gone), owner.stored, owner.path, dict(owner.places), numbers)
        self._watched[key] = watched
        try:
            watched.end = owner.builder.watch(owner.live, tuple(watched.places), tell)
        except Exception as error:  # an object that takes no hook: apply_deferred() is left
            self._refuse(numbers, f"waits for apply_deferred(): {type(error).__name__}: {error}")

    def _forget(self, key: int) -> None:
        watched = self._watched.pop(key, None)
        if watched is not None:
            with suppress(Exception):
                watched.end()
