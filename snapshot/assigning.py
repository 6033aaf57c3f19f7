"""Given values -> the capture that a restore then makes true: how ``assign`` is one more restore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from snapshot.adapters.protocol import is_leaf_adapter
from snapshot.blocks import put_contents
from snapshot.capture import Capture
from snapshot.content import MemoryContent
from snapshot.described import known_dtype
from snapshot.engine import Engine
from snapshot.errors import DoesNotFit
from snapshot.handles import AnyHandle, Handle
from snapshot.model import Leaf, parse_dtype
from snapshot.placing import position_of
from snapshot.plan import Choice
from snapshot.selection import not_found
from snapshot.walk import Record
from snapshot.wording import found


def check_values(values: Mapping[str, Any]) -> None:
    """TypeError unless these are values by path."""
    example = "{'model.0.weight': array}"
    if not isinstance(values, Mapping):
        raise TypeError(f"assign takes values by path, such as {example}, not {found(values)}.")
    wrong = next((path for path in values if not isinstance(path, str)), None)
    if wrong is not None:
        raise TypeError(f"assign takes values by path, such as {example}; {found(wrong)} is no path: give text.")


def assigned(
    values: Mapping[str, Any], present: Capture, engine: Engine, *, make_names: bool = False
) -> tuple[Capture, Choice]:
    """``present`` with ``values`` in place of what is at their paths.

    With ``make_names`` a path that is an unknown name becomes one.

    The new blocks are in the pool, not counted. Every path is checked before the
    result is made: :class:`PathNotFound`, :class:`DoesNotFit`.
    """
    leaves, records, roots = dict(present.leaves), dict(present.records), dict(present.roots)
    content = MemoryContent(present, engine)
    for path, value in values.items():
        handle = content.handle_at(path)
        if handle is not None:
            if leaves[handle].leaf.view is not None:
                # written through its own memory: the base is then what the view says
                raise_if_base_given(path, handle, values, content)
            leaves[handle] = leaves[handle]._replace(leaf=_new_leaf(path, value, handle, leaves[handle], engine))
        elif path in roots or (make_names and path.isidentifier()):
            roots[path] = value
        else:
            record = _with_element(path, value, records, engine, present)
            if record is None:
                raise not_found([path], (*content.variables, *roots))
            records[id(record.owner)] = record
    target = replace(present, leaves=leaves, records=records, roots=roots, paths=present.paths, observed=False)
    return target, Choice(names=frozenset(roots), leaves=frozenset(leaves))


def raise_if_base_given(path: str, handle: AnyHandle, values: Mapping[str, Any], content: MemoryContent) -> None:
    """Two values for one piece of memory cannot both be right."""
    view = content.capture.leaves[handle].leaf.view
    base = content.capture.by_number.get(view.base) if view else None
    clash = [other for other in values if content.handle_at(other) is base and base is not None]
    if clash:
        raise DoesNotFit(f"{path} is a view into {clash[0]}: give a value for one of them")


def _new_leaf(path: str, value: Any, handle: AnyHandle, held: Any, engine: Engine) -> Leaf:
    leaf: Leaf = held.leaf
    array = _as_array(value, engine)
    dtype = parse_dtype(leaf.dtype)
    if array.shape != leaf.shape:
        raise DoesNotFit(f"{path}: found shape {array.shape}, expected {leaf.shape}; reshape the value first")
    if str(array.dtype) == held.form.dtype and array.dtype.itemsize == dtype.itemsize:
        array = array.view(dtype)  # a dtype NumPy does not know, carried as integers
    if array.dtype != dtype:
        carried = held.form.dtype not in (leaf.dtype, str(dtype))
        shortens = dtype.kind in "SU" and array.dtype.itemsize > dtype.itemsize
        if carried or shortens or not np.can_cast(array.dtype, dtype, "same_kind"):
            raise DoesNotFit(
                f"{path}: found dtype {array.dtype}, expected {known_dtype(held.form.dtype, leaf)}; "
                "convert the value first"
            )
    return put_contents(leaf, np.array(array, dtype, order="C"), engine.blocks)


def _as_array(value: Any, engine: Engine) -> np.ndarray[Any, Any]:
    handler = engine.registry.handler(value)
    if is_leaf_adapter(handler):
        return handler.view(value)
    return np.asarray(value)


def _with_element(
    path: str, value: Any, records: Mapping[int, Record], engine: Engine, present: Capture
) -> Record | None:
    """The record of the container at ``path``'s parent, with one element replaced."""
    named = engine.paths(present).objects
    for key, record in records.items():
        owner_path = named.get(key)
        if owner_path is None or not path.startswith(owner_path) or type(record.owner) is Handle:
            continue
        position = position_of(record, path[len(owner_path) :])
        if position is not None:
            if record.kind.fixed:
                raise DoesNotFit(f"{path}: {owner_path} is a {record.kind.name}, which cannot be changed")
            state = (*record.state[:position], value, *record.state[position + 1 :])
            return Record(record.owner, record.kind, state, record.number)
    return None
