"""Who shares memory with whom: the same objects may do so now and have not when they were stored, or the other way.

``parameter.data = other.data`` gives an object other memory and leaves it the same object.
Contents written object by object would then go over each other, or into one of two that
were one. Pure: captures in, moves out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from snapshot.capture import Capture
from snapshot.handles import AnyHandle, Handle


@dataclass
class Moves:
    """Leaves that need memory of their own, and views that need that of their stored base."""

    apart: list[Handle] = field(default_factory=list)
    together: list[Handle] = field(default_factory=list)


def moves(target: Capture, present: Capture, live: Iterable[AnyHandle]) -> Moves:
    """What has to move before the contents of ``target`` can be written."""
    found = Moves()
    if not present.observed or not (target.observed or target.memory):
        return found
    known = [one for one in live if type(one) is Handle and not one.adapter.immutable and one in present.leaves]
    if not any(capture.leaves[one].leaf.view for one in known for capture in (target, present)):
        return found
    stored = {one: _owner(target, one) for one in known}
    now = {one: _owner(present, one) for one in known}
    by_number = {one.number: one for one in known}
    for one in known:
        base = by_number.get(stored[one])
        if not target.observed:
            continue  # which of them is the base is not known: those that share memory are written alike
        if base is not one and base is not None and (now[one] != now[base] or _lies_elsewhere(target, present, one)):
            found.together.append(one)
    joining = set(found.together)
    for members in _groups(now).values():
        anchor = next((one for one in members if one.number == now[one]), members[0])
        found.apart += [one for one in members if stored[one] != stored[anchor] and one not in joining]
    return found


def _owner(capture: Capture, handle: Handle) -> int:
    """The number of the leaf in whose memory a leaf lies: its own, unless it is a view."""
    if handle in capture.memory:
        return capture.memory[handle]
    view = capture.leaves[handle].leaf.view
    return handle.number if view is None else view.base


def _lies_elsewhere(target: Capture, present: Capture, handle: Handle) -> bool:
    one, other = target.leaves[handle].leaf.view, present.leaves[handle].leaf.view
    same_base = one is not None and other is not None and one.base == other.base
    return same_base and one != other


def _groups(owners: dict[Handle, int]) -> dict[int, list[Handle]]:
    found: dict[int, list[Handle]] = {}
    for handle, owner in owners.items():
        found.setdefault(owner, []).append(handle)
    return found
