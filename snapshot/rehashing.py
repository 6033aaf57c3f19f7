"""Dicts and sets whose keys change with a restore: an object may hash by an attribute that is put back.

Such a container holds its keys under hashes of the time they were put in, so that none
would be found any more; it is filled again once its keys are what they were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from snapshot.adapters.containers import ALWAYS_HASH_THE_SAME
from snapshot.capture import Capture
from snapshot.walk import Record


def hashed_anew(records: Iterable[Record], target: Capture, changed: Collection[int]) -> list[Record]:
    """Of ``records`` those that hash an object with anything behind it that is ``changed``, by id."""
    found: list[Record] = []
    known: dict[int, bool] = {}
    for record in records if changed else ():
        keys_of = getattr(record.kind, "keys_of", None) if record.kind.hashes and not record.flat else None
        keys = keys_of(record.state) if keys_of is not None else ()
        if ALWAYS_HASH_THE_SAME.issuperset(map(type, keys)):
            continue
        if any(_leads_to_change(key, target, changed, known) for key in keys):
            found.append(record)
    return found


def _leads_to_change(key: Any, target: Capture, changed: Collection[int], known: dict[int, bool]) -> bool:
    if id(key) in known:
        return known[id(key)]
    seen: set[int] = set()
    stack = [key]
    while stack:
        child = stack.pop()
        if id(child) in seen:
            continue
        if id(child) in changed:
            break
        seen.add(id(child))
        record = target.records.get(id(child))
        if record is not None and not isinstance(child, type):
            stack.extend(record.state[record.kind.lead :])
    else:
        known[id(key)] = False
        return False
    known[id(key)] = True
    return True
