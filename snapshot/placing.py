"""Leaves chosen alone: the records that put each back where it lay, and touch nothing beside it.

Contents written in place need none of this. A leaf that must be made anew, or that
cannot change (a JAX array), is restored by giving its holder the right object.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from snapshot.capture import Capture
from snapshot.handles import AnyHandle, Handle
from snapshot.walk import Record


def holders(target: Capture, present: Mapping[int, Record], leaves: Collection[AnyHandle]) -> Iterator[Record]:
    """For each holder that differs: its present record with the chosen leaves in their places."""
    for record in target.records.values():
        if not any(type(child) is Handle and child in leaves for child in record.state):
            continue
        now = present.get(id(record.owner))
        if now is None:
            continue
        state = list(now.state)
        for text, child in record.kind.edges(record.state):
            position = position_of(now, text) if type(child) is Handle and child in leaves else None
            if position is not None:
                state[position] = child
        if any(type(child) is Handle and child in leaves for child in state):
            yield Record(record.owner, record.kind, tuple(state), record.number)


def position_of(record: Record, text: str) -> int | None:
    """Where in the state the child lies that ``text`` leads to."""
    for known, child in record.kind.edges(record.state):
        if known != text:
            continue
        for index, candidate in enumerate(record.state):
            if candidate is not child:
                continue
            # the same object may lie at several places: try each and see which the text means
            marker = object()
            tried = (*record.state[:index], marker, *record.state[index + 1 :])
            if any(known == text and found is marker for known, found in record.kind.edges(tried)):
                return index
    return None
