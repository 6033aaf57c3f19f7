"""A path may lead to another object now than when it was stored: where its contents go then.

Afterwards the path leads to the stored contents, or it is refused with a reason: the live
array at the path takes the values if they fit; else its holder, if that is still the same
object and has the place, gets the stored object back. Nothing detached is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from snapshot.blocks import put_contents
from snapshot.capture import Capture, Held
from snapshot.engine import Engine
from snapshot.handles import AnyHandle, Handle, PartHandle
from snapshot.paths import Named
from snapshot.placing import position_of
from snapshot.plan import MISSING, Choice, reachable
from snapshot.walk import Record
from snapshot.ways import Way, way_to


def redirect(
    target: Capture, present: Capture, choice: Choice, engine: Engine
) -> tuple[Capture, Choice, dict[str, str]]:
    """The target and the choice as the present allows them, and why some paths cannot be had."""
    if not choice.asked:
        return target, choice, {}
    found = _Redirected(target, present, engine)
    found.sources.update((handle, handle) for handle in _below(target, choice.names, choice.objects))
    # what is still in its place is not to be taken for another path
    for path, child in sorted(choice.asked.items(), key=lambda item: found.now(*item) is not item[1]):
        found.place(path, child)
    asked = {child for child in choice.asked.values() if isinstance(child, Handle | PartHandle)}
    gone = found.dropped - found.placed
    whole = tuple(one for one in choice.objects if id(one) not in gone)
    lost = _below(target, frozenset(), [one for one in choice.objects if id(one) in gone])
    lost -= _below(target, choice.names, whole)
    leaves = (choice.leaves - asked - lost) | found.leaves
    also = tuple(path for path in choice.asked if path not in found.refused and path not in found.spelled)
    chosen = replace(choice, leaves=frozenset(leaves), objects=whole, slots=found.slots, paths=also)
    if found.spelled:
        held = {**target.leaves, **found.held}
        paths = engine.paths(target)
        paths = replace(paths, leaves={**paths.leaves, **found.named})
        target = replace(target, leaves=held, paths=paths)
    return target, chosen, found.refused


def _below(target: Capture, names: frozenset[str] | None, objects: Iterable[Any]) -> set[AnyHandle]:
    return set(reachable(target, Choice(names=names, objects=tuple(objects)))[1])


class _Redirected:
    """Where each path asked for goes."""

    def __init__(self, target: Capture, present: Capture, engine: Engine) -> None:
        self._target = target
        self._present = present
        self._engine = engine
        self.leaves: set[AnyHandle] = set()
        self.held: dict[AnyHandle, Held] = {}
        self.named: dict[AnyHandle, Named] = {}
        self.spelled: set[str] = set()  #: paths of leaves
        self.slots: dict[int, Record] = {}
        self.sources: dict[AnyHandle, AnyHandle] = {}  #: live leaf -> the stored one whose contents it gets
        self.placed: set[int] = set()
        self.dropped: set[int] = set()
        self.refused: dict[str, str] = {}

    def place(self, path: str, child: Any) -> None:
        """Decide where what was stored at ``path`` goes."""
        if type(child) is Handle or isinstance(child, PartHandle):
            self.spelled.add(path)
        if isinstance(child, PartHandle):
            self._keep(child)
            return
        now = self.now(path, child)
        way = way_to(self._target, self._engine.registry, path, leaf=type(child) is Handle)
        if type(child) is Handle:
            if now is child or (now is MISSING and way is None and child in self._engine.paths(self._present).leaves):
                self._keep(child)
                return
            if type(now) is Handle and self._takes(now, child):
                self._into(now, child, path)
                return
        record = self._target.records.get(id(child))
        unchanged = now is child and not (record is not None and record.kind.fixed)
        free = type(child) is not Handle or self.sources.get(child, child) is child
        if free and (unchanged or (way is not None and self._put_back(way)) or now is child):
            self.placed.add(id(child))
            if type(child) is Handle:
                self._keep(child)
            return
        self.dropped.add(id(child))
        root = way.root if way is not None else path
        what = "leads nowhere now" if now is MISSING else "leads to another object now"
        self.refused[path] = f"the path {what}: restore {root}"

    def _keep(self, child: AnyHandle) -> None:
        self.leaves.add(child)
        self.sources[child] = child

    def now(self, path: str, stored: Any) -> Any:
        """What lies at ``path`` at present, where ``stored`` lay."""
        way = way_to(self._present, self._engine.registry, path, leaf=type(stored) is Handle)
        return way.found if way is not None else self._engine.paths(self._present).lookup.get(path, MISSING)

    def _takes(self, now: Handle, stored: Handle) -> bool:
        obj = now.get()
        if obj is None or now.adapter is not stored.adapter or now.adapter.immutable:
            return False
        if getattr(now.adapter, "whole", False) or now not in self._present.leaves:
            return False
        if self.sources.get(now, stored) is not stored:
            return False  # it is to hold something else
        return now.adapter.misfit(obj, self._target.leaves[stored].form) is None

    def _into(self, now: Handle, stored: Handle, path: str) -> None:
        held = self._target.leaves[stored]
        if held.leaf.view is not None:
            contents = self._target.read(stored, self._engine.blocks)
            leaf = put_contents(held.leaf, contents, self._engine.blocks)
            held = held._replace(leaf=leaf)
        self.held[now] = held
        self.sources[now] = stored
        self.leaves.add(now)
        self.named[now] = Named(path, held.form.role, ())

    def _put_back(self, way: Way) -> bool:
        """Give the last holder its stored child again; False when the way to it, or its place, is gone."""
        if not way.steps or self._present.roots.get(way.root, MISSING) is not self._target.roots[way.root]:
            return False
        for holder, text, child in way.steps[:-1]:
            now = self._present.records.get(id(holder.owner))
            position = position_of(now, text) if now is not None else None
            if now is None or position is None or now.state[position] is not child:
                return False
        holder, text, child = way.steps[-1]
        now = self.slots.get(id(holder.owner)) or self._present.records.get(id(holder.owner))
        position = position_of(now, text) if now is not None else None
        if now is None or position is None or holder.kind.fixed:
            return False
        state = (*now.state[:position], child, *now.state[position + 1 :])
        self.slots[id(holder.owner)] = Record(now.owner, now.kind, state, now.number)
        return True
