"""What a restore would write: every check made, nothing written.

A restore is the difference of two captures: the one asked for and one of the
present, made the moment before. Records shared by both need no look; leaves with
equal blocks need no write.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from snapshot.adapters.containers import same
from snapshot.capture import Capture
from snapshot.handles import AnyHandle, Handle, PartHandle
from snapshot.kept_code import is_code, keep_code
from snapshot.ownership import is_ours
from snapshot.placing import holders
from snapshot.rehashing import hashed_anew
from snapshot.sharing import moves
from snapshot.walk import Record

MISSING = type("Missing", (), {"__repr__": lambda self: "<missing>"})()


@dataclass
class Plan:
    """The writes of one restore, and what is known of everything it does not write."""

    #: handles hold weakly: what is only in a garbage cycle must live until it is written
    alive: list[Any] = field(default_factory=list)
    rebuild: dict[AnyHandle, str] = field(default_factory=dict)
    fresh: dict[AnyHandle, None] = field(default_factory=dict)  #: made anew for this restore, contents and all
    write: list[AnyHandle] = field(default_factory=list)
    matched: list[AnyHandle] = field(default_factory=list)
    moves: list[Handle] = field(default_factory=list)  #: live leaves that get other memory before they are written
    apart: list[Handle] = field(default_factory=list)  #: live leaves that shared memory and cannot any more
    heirs: dict[int, Any] = field(default_factory=dict)  #: id of a closed session -> the open one in its place
    group_writes: dict[int, tuple[Any, Any, dict[str, AnyHandle]]] = field(default_factory=dict)
    fixed: list[Record] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    rehash: set[int] = field(default_factory=set)  #: ids of containers whose keys hash to something else afterwards
    bind: dict[str, Any] = field(default_factory=dict)
    unbind: list[str] = field(default_factory=list)
    kept_code: list[str] = field(default_factory=list)
    kept_inside: dict[int, list[str]] = field(default_factory=dict)  #: id of a class or function -> ".predict", ""
    unused: dict[str, str] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """Which part of a snapshot to restore, and how."""

    names: frozenset[str] | None = None  #: None: all of them
    leaves: frozenset[AnyHandle] = frozenset()  #: further leaves, alone
    objects: tuple[Any, ...] = ()  #: further objects, with everything below them
    asked: Mapping[str, Any] = field(default_factory=dict)  #: path inside a name -> what was stored there
    slots: Mapping[int, Record] = field(default_factory=dict)  #: id of a holder -> its state with a stored child back
    paths: tuple[str, ...] = ()  #: those asked for that are no leaves, and can be had
    created: str = "keep"
    code: str = "keep"
    removable: Callable[[str], bool] = lambda name: True


def plan(target: Capture, present: Capture, namespace: Mapping[str, Any], choice: Choice) -> Plan:
    """Compare ``target`` with ``present`` and with what the names are bound to now."""
    made = Plan()
    records, handles = reachable(target, choice)
    for handle in handles:
        _place_leaf(made, handle, target, present)
    _follow_memory(made, target, present)
    _follow_bases(made, target)
    _place_groups(made, handles, target, present)
    tainted = tainted_by(target, made.rebuild)
    for record in records:
        before = present.records.get(id(record.owner))
        if record.kind.fixed:
            if id(record.owner) in tainted:
                made.fixed.append(record)
            elif before is not None and hasattr(record.kind, "header") and not same(before.state, record.state):
                made.records.append(record)  # its parts stay as they are, not so what is written over them
            continue
        if before is record and not (made.rebuild and touches(record, made.rebuild, tainted)):
            continue
        wanted = record
        if choice.code == "keep" and before is not None and record.kind.name in ("class", "function"):
            wanted, made.kept_inside[id(record.owner)] = keep_code(record, before)
        if before is None or made.rebuild or not same(before.state, wanted.state):
            made.records.append(wanted)
            note = getattr(record.kind, "note", None)
            if note:
                made.notes[id(record.owner)] = note
    if choice.names is not None and (choice.leaves or choice.slots):
        _place_alone(made, records, target, present, choice, tainted)
    _place_hashed(made, records, target)
    _place_names(made, target, present.names, namespace, choice, tainted)
    return made


def _place_hashed(made: Plan, records: Iterable[Record], target: Capture) -> None:
    changed = {id(record.owner) for record in made.records} | {id(handle) for handle in made.write}
    outdated = hashed_anew(records, target, changed)
    made.rehash = {id(record.owner) for record in outdated}
    made.records += [record for record in outdated if id(record.owner) not in changed]


def _place_alone(
    made: Plan, whole: Iterable[Record], target: Capture, present: Capture, choice: Choice, tainted: set[int]
) -> None:
    """Put leaves that were chosen alone back into what holds them, where writing to them is not enough."""
    known = {id(record.owner) for record in whole}
    alone = (leaf for leaf in choice.leaves if isinstance(leaf, Handle))
    leaves = {leaf for leaf in alone if leaf in made.rebuild or leaf.adapter.immutable}
    slots = {
        key: record
        for key, record in choice.slots.items()
        if not same(record.state, present.records[key].state) or touches(record, made.rebuild, tainted)
    }
    for record in holders(target, {**present.records, **slots}, leaves):
        slots.pop(id(record.owner), None)
        if id(record.owner) in known:
            continue
        if record.kind.fixed:
            made.notes[id(record.owner)] = f"a {record.kind.name} cannot be changed: restore what leads to it"
        else:
            made.records.append(record)
    made.records += [record for key, record in slots.items() if key not in known]


def reachable(target: Capture, choice: Choice) -> tuple[list[Record], list[AnyHandle]]:
    """The records and leaves behind the chosen names, in the order they were found."""
    if choice.names is None:
        return list(target.records.values()), list(target.leaves)
    seen: set[int] = set()
    stack: list[Any] = [root for name, root in target.roots.items() if name in choice.names]
    stack += choice.objects
    owners: set[int] = set()
    handles: set[AnyHandle] = set(choice.leaves)
    while stack:
        child = stack.pop()
        if id(child) in seen:
            continue
        seen.add(id(child))
        if type(child) is Handle:
            handles.add(child)
        record = target.records.get(id(child))
        if record is not None:
            stack.extend(record.state[record.kind.lead :])
        if id(child) in target.groups:
            owners.add(id(child))
    handles.update(h for h in target.leaves if isinstance(h, PartHandle) and id(h.owner) in owners)
    chosen = [record for key, record in target.records.items() if key in seen]
    return chosen, [handle for handle in target.leaves if handle in handles]


def _place_leaf(made: Plan, handle: AnyHandle, target: Capture, present: Capture) -> None:
    if isinstance(handle, PartHandle):
        return
    obj = handle.get()
    if obj is None:
        made.rebuild[handle] = "nothing holds it any more"
        return
    made.alive.append(obj)
    stored, now = target.leaves[handle], present.leaves.get(handle)
    if handle.adapter.immutable:
        reason = handle.adapter.misfit(obj, stored.form)
        if reason is None and now is not None and not equal_contents(handle, target, present):
            reason = "it cannot be changed"  # contents given to ``assign``
        if reason is None:
            made.matched.append(handle)
        else:
            made.rebuild[handle] = reason
        return
    if now is not None and equal_contents(handle, target, present):
        made.matched.append(handle)
        return
    reason = handle.adapter.misfit(obj, stored.form)
    if reason is None:
        made.write.append(handle)
    else:
        made.rebuild[handle] = reason


def _follow_memory(made: Plan, target: Capture, present: Capture) -> None:
    """Leaves that share memory now and did not, or that did and do not now."""
    found = moves(target, present, (*made.matched, *made.write))
    for handle in (*found.apart, *found.together):
        if hasattr(handle.adapter, "move"):
            made.moves.append(handle)
            if handle in made.matched:
                made.matched.remove(handle)
                made.write.append(handle)
        elif handle in found.apart:
            (made.write if handle in made.write else made.matched).remove(handle)
            made.rebuild[handle] = "it lies in memory of another object now, and did not when it was stored"
        else:
            made.apart.append(handle)


def _follow_bases(made: Plan, target: Capture) -> None:
    """A view whose base is made anew is made anew in it: the two shared memory and shall again."""
    gone = {handle.number for handle in made.rebuild}
    for found in (made.matched, made.write) if gone else ():
        for handle in list(found):
            view = target.leaves[handle].leaf.view
            if view is not None and view.base in gone:
                found.remove(handle)
                made.rebuild[handle] = "the memory it lies in is made anew"


def equal_contents(handle: AnyHandle, target: Capture, present: Capture) -> bool:
    """Whether a leaf holds the same bytes in both captures, as far as hashes can tell."""
    one, other = target.leaves[handle], present.leaves[handle]
    if one.leaf.view is None or other.leaf.view is None or one.form != other.form:
        return one == other
    if one.leaf != other.leaf:
        return False
    base = target.by_number[one.leaf.view.base]
    # the base is written, if it must be, and the view follows
    return base in present.leaves and target.leaves[base].form == present.leaves[base].form


def _place_groups(made: Plan, handles: Iterable[AnyHandle], target: Capture, present: Capture) -> None:
    wanted: dict[int, list[PartHandle]] = {}
    for handle in handles:
        if isinstance(handle, PartHandle):
            wanted.setdefault(id(handle.owner), []).append(handle)
    candidates = [owner for owner, _, _ in present.groups.values()]
    for parts in wanted.values():
        owner, adapter = parts[0].owner, parts[0].adapter
        heir = adapter.successor(owner, candidates)
        if heir is None:
            made.unused.update({part.name: "its session is closed and none of its graph is open" for part in parts})
            continue
        if heir is not owner:
            made.heirs[id(owner)] = heir
        misfits = adapter.misfits(heir, {part.name: target.leaves[part].form for part in parts})
        now = {
            h.name: held.leaf for h, held in present.leaves.items() if isinstance(h, PartHandle) and h.owner is heir
        }
        writes: dict[str, AnyHandle] = {}
        for part in parts:
            stored = target.leaves[part].leaf
            if part.name in misfits:
                made.unused[part.name] = misfits[part.name]
            elif (
                (leaf := now.get(part.name)) is not None
                and leaf.blocks == stored.blocks
                and leaf.shape == stored.shape
            ):
                made.matched.append(part)
            else:
                writes[part.name] = part
        if writes:
            made.group_writes[id(heir)] = (heir, adapter, writes)


def tainted_by(target: Capture, rebuild: Mapping[AnyHandle, str]) -> set[int]:
    """Ids of immutable containers that hold, at any depth, a leaf that must be rebuilt."""
    if not rebuild:
        return set()
    fixed = [record for record in target.records.values() if record.kind.fixed]
    found: set[int] = set()
    while True:
        more = {
            id(record.owner) for record in fixed if id(record.owner) not in found and touches(record, rebuild, found)
        }
        if not more:
            return found
        found |= more


def touches(record: Record, rebuild: Mapping[AnyHandle, str], tainted: set[int]) -> bool:
    return (type(record.owner) is Handle and record.owner in rebuild) or any(
        child in rebuild if type(child) is Handle else id(child) in tainted for child in record.state
    )


def _place_names(
    made: Plan,
    target: Capture,
    present_names: Collection[str],
    namespace: Mapping[str, Any],
    choice: Choice,
    tainted: set[int],
) -> None:
    for name, stored in target.roots.items():
        if name.startswith("(") or (choice.names is not None and name not in choice.names):
            continue
        present = namespace.get(name, MISSING)
        known = stored.get() if type(stored) is Handle else made.heirs.get(id(stored), stored)
        if stored in made.rebuild if type(stored) is Handle else id(stored) in tainted:
            made.bind[name] = stored
        elif present is not known:
            if choice.code == "keep" and is_code(known) and is_code(present):
                made.kept_code.append(name)
            else:
                made.bind[name] = stored
    if choice.created == "remove":
        made.unbind = [
            name
            for name in present_names
            if name not in target.names and choice.removable(name) and _is_users(namespace.get(name, MISSING))
        ]


def _is_users(value: Any) -> bool:
    """Whether a name made since may be removed again: modules and what is ours stay."""
    return value is not MISSING and not is_ours(value) and type(value).__name__ != "module"
