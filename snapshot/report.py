"""From a plan to the status a person reads. Pure: captures and a plan in, paths out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from types import ModuleType
from typing import Any

from snapshot.capture import Capture
from snapshot.content import MemoryContent
from snapshot.engine import Engine
from snapshot.handles import Handle
from snapshot.plan import Choice, Plan
from snapshot.selection import root_of
from snapshot.status import RestoreStatus
from snapshot.wording import enumerated


def status_of(
    reference: str,
    made: Plan,
    target: Capture,
    present: Capture,
    engine: Engine,
    choice: Choice,
    before: Collection[str],
) -> RestoreStatus:
    """Name everything a plan writes, finds equal, or leaves alone.

    ``choice`` is what was asked for; ``before`` the names bound before.
    """
    chosen = choice.names
    named = engine.paths(target)
    changed = [named.of(handle) for handle in made.write]
    changed += [named.of(part) for _, _, parts in made.group_writes.values() for part in parts.values()]
    beyond = made.fresh.keys() - {*made.matched, *made.write}
    assigned = [named.of(handle) for handle in (*made.matched, *made.write) if handle not in made.fresh]
    assigned += changed[len(made.write) :]
    rebuilt = [named.of(handle) for handle in (*made.rebuild, *made.fresh) if handle not in beyond]
    for name, stored in made.bind.items():
        if type(stored) is Handle and (stored in made.rebuild or stored in made.fresh):
            continue
        (assigned if name in before else rebuilt).append(name)
        if name in before:
            changed.append(name)
    for name, root in target.roots.items():
        plain = type(root) not in (Handle, ModuleType) and not name.startswith("(")
        if plain and name in before and name not in made.bind and (chosen is None or name in chosen):
            assigned.append(name)
    assigned += choice.paths
    # the attributes of an array are beside the point, a frame's are all there is to it
    changed += [
        named.of(record.owner)
        for record in made.records
        if type(record.owner) is not Handle or getattr(record.owner.adapter, "whole", False)
    ]
    kept = [named.objects.get(key, "?") + name for key, names in made.kept_inside.items() for name in names]
    notes_of_memory = [f"{named.of(one)}: does not share memory any more as it did" for one in made.apart]
    staying = _staying(target, present, engine, made)
    notes = [f"{named.objects.get(key, '?')}: {note}" for key, note in made.notes.items()]
    notes += notes_of_memory
    notes += [f"made since, kept: {enumerated(staying, 4)}"] if staying else []
    references = MemoryContent(target, engine).report
    in_scope = {p: r for p, r in references.items() if chosen is None or root_of(p) in chosen}
    return RestoreStatus(
        reference=reference,
        assigned=_unique(assigned),
        rebuilt=_unique(rebuilt),
        created=_created(target, present, made),
        untouched=_unique((*_untouched(target, present, engine, made, chosen), *staying)),
        unused=_unique((*made.unused,)),
        changed=_unique(changed),
        removed=tuple(made.unbind),
        kept_code=_unique((*made.kept_code, *kept)),
        by_reference=in_scope,
        unused_reasons=dict(made.unused),
        notes=tuple(notes),
    )


def _created(target: Capture, present: Capture, made: Plan) -> tuple[str, ...]:
    return tuple(name for name in present.names if name not in target.names and name not in made.unbind)


def _staying(target: Capture, present: Capture, engine: Engine, made: Plan) -> list[str]:
    """What lies in objects that are put back, and cannot be taken out of them."""
    behind: set[Handle] = set()
    for record in made.records:
        stays = getattr(record.kind, "stays", None)
        before = present.records.get(id(record.owner))
        if stays is not None and before is not None:
            for child in stays(record.owner, record.state, before.state):
                behind |= _leaves_behind(child, present)
    behind -= target.leaves.keys()
    now = engine.paths(present).leaves if behind else {}
    return [now[handle].path for handle in now if handle in behind]


def _untouched(
    target: Capture, present: Capture, engine: Engine, made: Plan, chosen: Collection[str] | None
) -> tuple[str, ...]:
    """Live names and variables that this restore leaves alone; a name is taken apart where it touches a part."""
    taken = target.roots if chosen is None else chosen
    alone = [name for name in present.names if name not in taken and name not in made.unbind]
    named = engine.paths(target)
    touched = {*made.matched, *made.write, *made.rebuild}
    # by path too: another object may have been in the place of one that is back
    back = {named.of(handle) for handle in touched}
    found: list[str] = []
    for name in alone:
        behind = _leaves_behind(present.roots.get(name), present) if chosen is not None else set()
        now = engine.paths(present).leaves if behind else {}
        left = [now[handle].path for handle in now if handle in behind and handle not in touched]
        left = [path for path in left if path not in back]
        found += [name] if len(left) == len(behind & now.keys()) else left
    if not present.groups:
        return _unique(found)
    stored = {named.of(handle) for handle in (*made.matched, *made.write)}
    stored |= {name for _, _, parts in made.group_writes.values() for name in parts}
    for _, _, group in present.groups.values():
        found += [name for name in (*group.parts, *group.uninitialized) if name not in stored]
    return _unique(found)


def _leaves_behind(root: Any, present: Capture) -> set[Handle]:
    """Every leaf that a name leads to."""
    found: set[Handle] = set()
    seen: set[int] = set()
    stack = [root]
    while stack:
        child = stack.pop()
        if id(child) in seen:
            continue
        seen.add(id(child))
        if type(child) is Handle:
            found.add(child)
        record = present.records.get(id(child))
        if record is not None:
            stack.extend(record.state[record.kind.lead :])
    return found


def _unique(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(paths))
