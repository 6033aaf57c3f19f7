"""Walk, capture and restore one namespace; knows nothing of timelines and disks.

An engine owns what must live as long as the workspace: the handles of leaves, the
table of adapters, the ids of library globals, and the pool of blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from snapshot.adapters.protocol import is_group_adapter
from snapshot.apply import Application
from snapshot.budget import human_bytes
from snapshot.capture import Capture, capture
from snapshot.errors import Damaged, OverBudget, RestoreFailed
from snapshot.handles import AnyHandle, Handle, Handles, PartHandle
from snapshot.lost import leave_out, unreadable, written_by
from snapshot.namespace import visible
from snapshot.ownership import LibraryGlobals
from snapshot.paths import Paths, paths_of
from snapshot.plan import Choice, Plan, plan
from snapshot.pool import Blocks
from snapshot.registry import Registry
from snapshot.selection import matches, not_found, root_of, split
from snapshot.walk import Limits, Record, Walk, Walked, collector_paused
from snapshot.ways import Way, spelled_from_roots, way_to


@dataclass(frozen=True)
class Wanted:
    """What a capture is to hold: patterns as users give them, already checked."""

    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    also: Mapping[str, Any] | None = None  #: objects by a name that is not in the namespace


class Engine:
    """The variables of one namespace."""

    def __init__(
        self,
        namespace: MutableMapping[str, Any],
        hidden: Mapping[str, Any] | None,
        budget: int,
        limits: Limits,
    ) -> None:
        self.namespace = namespace
        self.hidden = hidden
        self.budget = budget
        self.limits = limits
        self.registry = Registry()
        self.handles = Handles()
        self.blocks = Blocks(budget)
        self.wait_for_write: Callable[[], bool] = lambda: False  #: set by who writes: waits until more is on disk
        self._library = LibraryGlobals()

    def names(self) -> dict[str, Any]:
        """The user's names now."""
        return visible(self.namespace, self.hidden)

    def look(
        self,
        wanted: Wanted,
        previous: Capture | None = None,
        extra: Capture | None = None,
        limited: bool = True,
    ) -> tuple[Capture, dict[AnyHandle, int]]:
        """Capture the present; ``extra`` adds the objects of another capture, reached or not.

        The blocks are in the pool but not counted yet: the caller retains them or sweeps.
        """
        names = self.names()
        self.registry.load_frameworks()
        roots, inner = self._roots(wanted, names)
        self._library.refresh()
        with collector_paused():
            records = previous.records if previous else {}
            walk = Walk(self.registry, self.handles, self._library, records, self.limits, self.namespace)
            if not wanted.only:
                for name, root in self.registry.implicit().items():
                    walk.add_implicit(name, root)
            for name, root in roots.items():
                walk.add(name, root)
            if extra is not None:
                walk.visit(_objects_of(extra, walk.found))
            fits = self._fits if limited else None
            try:
                made, added = capture(walk.found, names, self.handles, self.blocks, previous, fits)
            except OverBudget as error:
                raise self._over_budget(error, walk, names) from None
        return (self._narrow(made, inner, wanted.exclude), added)

    def _fits(self, nbytes: int) -> bool:
        """Whether so many bytes more can be held, once what is on disk, or will soon be, has left memory."""
        while not self.blocks.make_room(nbytes):
            if not self.wait_for_write():
                return False
        return True

    def _roots(self, wanted: Wanted, names: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        everything = {**names, **(wanted.also or {})}
        if not wanted.only:
            dropped, _ = split([p for p in wanted.exclude if not p.startswith("role:")], everything)
            return {name: value for name, value in everything.items() if name not in dropped}, ()
        whole, inner = split(wanted.only, everything)
        if any(pattern.startswith("role:") or "*" in pattern or "?" in pattern for pattern in wanted.only):
            return everything, wanted.only if inner or self._owners(wanted.only, everything) else ()
        everything |= self.registry.implicit()
        owners = self._owners(wanted.only, everything)
        starts = {root_of(pattern) for pattern in inner} & everything.keys()
        unknown = [p for p in inner if root_of(p) not in everything and p not in owners.values()]
        if unknown:
            raise not_found(unknown, everything)
        chosen = whole | starts | owners.keys()
        roots = {name: everything[name] for name in everything if name in chosen}
        return roots, wanted.only if inner or owners else ()

    def _owners(self, patterns: Iterable[str], names: Mapping[str, Any]) -> dict[str, str]:
        """Name of a session -> one pattern that means a variable of it."""
        found: dict[str, str] = {}
        for name, value in names.items():
            handler = self.registry.handler(value)
            if not is_group_adapter(handler):
                continue
            for pattern in patterns:
                inside = any(mark in pattern for mark in "*?:")
                if inside or handler.resolve(value, pattern) is not None:
                    found[name] = pattern
        return found

    def reached(self, objects: Iterable[Any]) -> dict[int, Record]:
        """Records of everything behind some objects, as they are now."""
        self.registry.load_frameworks()
        self._library.refresh()
        with collector_paused():
            walk = Walk(self.registry, self.handles, self._library, {}, self.limits, self.namespace)
            walk.visit(list(objects))
        return walk.found.records

    def _narrow(self, made: Capture, inner: tuple[str, ...], exclude: tuple[str, ...]) -> Capture:
        """Leave out leaves that patterns inside objects did not ask for, or excluded."""
        inside = tuple(p for p in exclude if p.startswith("role:") or root_of(p) != p or "*" in p)
        if not inner and not inside:
            return made
        found = paths_of(made, self.registry)
        more = spelled_from_roots(made, self.registry, (*inner, *inside))
        kept = {
            handle: held
            for handle, held in made.leaves.items()
            if getattr(handle.adapter, "hidden", False)
            or (
                (named := found.leaves.get(handle)) is not None
                and (not inner or _any(inner, named.path, (*named.aliases, *more.get(handle, ())), named.role))
                and not (inside and _any(inside, named.path, (*named.aliases, *more.get(handle, ())), named.role))
            )
        }
        if inner and not kept:
            raise not_found(inner, found.lookup)
        needed = {made.by_number[held.leaf.view.base] for held in kept.values() if held.leaf.view is not None}
        kept.update({handle: made.leaves[handle] for handle in needed})
        if not inner:
            return replace(made, leaves=kept, paths=None)
        whole = {name for name in made.roots if any(matches(p, name) for p in inner)}
        records = _reachable_records(made, whole)
        narrowed = replace(made, leaves=kept, records=records, roots={n: made.roots[n] for n in whole}, starts={})
        narrowed.paths = Paths(
            leaves={handle: found.leaves[handle] for handle in kept},
            objects={key: path for key, path in found.objects.items() if key in records},
            lookup={path: handle for path, handle in found.lookup.items() if handle in kept},
        )
        return narrowed

    def _over_budget(self, error: OverBudget, walk: Walk, names: Mapping[str, Any]) -> OverBudget:
        excess = error.args[0]
        found = walk.found
        view = Capture(found.roots, found.starts, found.records, excess.held, {}, {}, dict.fromkeys(names))
        named = paths_of(view, self.registry)
        largest = sorted(excess.added.items(), key=lambda item: -item[1])[:5]
        listed = ", ".join(f"{named.of(handle)} ({human_bytes(size)})" for handle, size in largest)
        total = excess.used + sum(excess.added.values())
        leave_out = f"Largest: {listed}. Leave some out with %snapshot exclude NAME, or" if listed else "Please"
        found_over = OverBudget(
            f"storing would take {human_bytes(total)} of memory, the budget is {human_bytes(self.budget)}; "
            f"nothing was copied. {leave_out} drop older snapshots"
        )
        found_over.excess = total - self.budget
        return found_over

    def plan(self, target: Capture, present: Capture, choice: Choice, *, thorough: bool = False) -> Plan:
        """What restoring ``target`` would write; nothing is written.

        All of it can be read, if that was ``thorough``; else what lies in a folder here may not.
        """
        with collector_paused():
            made = plan(target, present, self.namespace, choice)
        self._leave_out_lost(made, target, near=thorough)
        return made

    def _leave_out_lost(self, made: Plan, target: Capture, *, near: bool) -> None:
        lost = unreadable([*written_by(made), *made.rebuild], target, self.blocks, near=near)
        if lost:
            leave_out(made, target, lost, self.paths(target))

    def can_take_back(self, made: Plan, present: Capture) -> bool:
        """Whether what a plan overwrites can be had again; a second capture can, when this one cannot."""
        return not unreadable(written_by(made), present, self.blocks)

    def apply(self, made: Plan, target: Capture, present: Capture) -> None:
        """Carry a plan out, all or nothing; what turns out to be unreadable is taken out of it first.

        Raises :class:`RestoreFailed`, and everything is as it was.
        """
        about = (
            target,
            present,
            self.namespace,
            self.blocks,
            self.handles,
            lambda owner: self.paths(target).of(owner),
        )
        try:
            with suppress(Damaged):
                return Application(made, *about).run()
            self._leave_out_lost(made, target, near=True)
            try:
                Application(made, *about).run()
            except Damaged as error:
                raise RestoreFailed(f"{error}; everything is as it was before the restore") from error
        finally:
            made.alive.clear()

    def paths(self, of: Capture) -> Paths:
        """The paths of a capture."""
        with collector_paused():
            return paths_of(of, self.registry)

    def way(self, within: Capture, path: str) -> Way | None:
        """What ``path`` leads to in a capture, whatever else leads there."""
        return way_to(within, self.registry, path)


def _any(patterns: Iterable[str], path: str, aliases: Iterable[str], role: Any) -> bool:
    return any(matches(pattern, known, role) for pattern in patterns for known in (path, *aliases))


def _objects_of(target: Capture, found: Walked) -> list[Any]:
    """Every live object a capture describes and a walk has not found, so that the present knows how it is now."""
    beyond = target.records.keys() - found.records.keys()
    more = [target.records[key].owner for key in beyond if type(target.records[key].owner) is not Handle]
    for handle in target.leaves.keys() - found.leaves.keys():
        if isinstance(handle, PartHandle):
            more.append(handle.owner)
        elif (obj := handle.get()) is not None:
            more.append(obj)
    return more


def _reachable_records(made: Capture, names: Iterable[str]) -> dict[int, Any]:
    stack = [made.roots[name] for name in names]
    found: dict[int, Any] = {}
    while stack:
        child = stack.pop()
        record = made.records.get(id(child))
        if record is not None and id(child) not in found:
            found[id(child)] = record
            stack.extend(record.state[record.kind.lead :])
    return found
