"""Whatever objects names share, in a new kernel they share the same: the two graphs cannot be told apart."""

import os
import tempfile

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshot.workspace import Workspace

LONG = bool(os.environ.get("SNAPSHOT_LONG_TESTS"))
EXAMPLES = settings(max_examples=200 if LONG else 35, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Node:
    """An object that only a pickle makes anew."""


class Kept:
    """Pickled by its own rule, which hands out a part of it."""

    def __init__(self, part):
        self.part = part

    def __reduce__(self):
        return _kept, (), {"part": self.part}


def _kept():
    return Kept(None)


KINDS = ["list", "dict", "node", "kept", "tuple", "array", "view", "set", "objects"]
number = st.integers(0, 30)


@st.composite
def namespaces(draw, kinds=KINDS):
    """Objects of which each may hold any other, mutable ones in cycles too, under some names."""
    made = []
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=12)):
        pick = [made[draw(number) % len(made)] for _ in range(draw(st.integers(0, 2)))] if made else []
        if kind == "view":
            arrays = [obj for obj in made if type(obj) is np.ndarray and obj.dtype != object]
            made.append(arrays[draw(number) % len(arrays)][1:] if arrays else np.arange(3.0))
        elif kind == "array":
            made.append(np.arange(float(draw(st.integers(4, 6)))))
        elif kind == "tuple":
            made.append((*pick, len(made)))
        elif kind == "set":
            made.append({obj for obj in pick if type(obj) is Node})
        elif kind == "kept":
            made.append(Kept(pick[0] if pick else None))
        elif kind == "objects":
            held = np.empty(2, object)
            held[: len(pick)] = pick
            made.append(held)
        else:
            made.append({"list": list, "dict": dict, "node": Node}[kind]())
    for holder, held in draw(st.lists(st.tuples(number, number), max_size=12)):
        put(made[holder % len(made)], made[held % len(made)])
    chosen = draw(st.lists(number, min_size=2, max_size=6))
    return {f"n{index}": made[one % len(made)] for index, one in enumerate(chosen)}


def put(holder, held):
    """Make one object hold another, if it can."""
    if type(holder) is list:
        holder.append(held)
    elif type(holder) is dict:
        holder[len(holder)] = held
    elif type(holder) is Node:
        setattr(holder, f"a{len(vars(holder))}", held)


def parts_of(obj):
    """What an object holds, in an order that does not depend on identities."""
    if type(obj) in (Node, Kept):
        return list(vars(obj).items())
    if type(obj) is dict:
        return list(obj.items())
    if type(obj) in (list, tuple) or (type(obj) is np.ndarray and obj.dtype == object):
        return list(enumerate(obj))
    return [("members", len(obj))] if type(obj) is set else [("value", obj)]


def shape_of(names):
    """The graph: each object by the number under which it was met first; memory of arrays likewise."""
    numbers, memory, found, starts = {}, {}, [], []
    stack = [(name, obj) for name, obj in reversed(names.items())]
    while stack:
        step, obj = stack.pop()
        if obj is None or type(obj) in (int, float, str):
            found.append((step, obj))
            continue
        known = id(obj) in numbers
        found.append((step, type(obj).__name__, numbers.setdefault(id(obj), len(numbers))))
        if known:
            continue
        if type(obj) is np.ndarray and obj.dtype != object:
            base = obj if obj.base is None else obj.base
            starts.append((memory.setdefault(id(base), len(memory)), obj.__array_interface__["data"][0]))
            found.append(obj.tolist())
        else:
            stack.extend(reversed(parts_of(obj)))
    first = {of: min(start for other, start in starts if other == of) for of, _ in starts}
    return [*found, *((of, start - first[of]) for of, start in starts)]


def sets_hold_what_is_theirs(names):
    """Every member of a set is an object of the namespace if it was; told by membership, sets having no order."""
    nodes, sets, seen, stack = [], [], {}, list(names.values())
    while stack:
        obj = stack.pop(0)
        if id(obj) in seen or obj is None or type(obj) in (int, float, str):
            continue
        seen[id(obj)] = obj
        if type(obj) is Node:
            nodes.append(obj)
        if type(obj) is set:
            sets.append(obj)
        elif not (type(obj) is np.ndarray and obj.dtype != object):
            stack.extend(part for _, part in parts_of(obj))
    return [[any(node is member for member in one) for node in nodes] for one in sets]


@settings(EXAMPLES)
@given(namespaces())
def test_a_new_kernel_shares_what_was_shared(names):
    expected, members = shape_of(names), sets_hold_what_is_theirs(names)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(names, f"{folder}/run.zarr")
        workspace.store("before")
        workspace.close()
        found = {}
        Workspace(found, f"{folder}/run.zarr").restore("before")
    found = {name: found[name] for name in names}
    assert shape_of(found) == expected
    assert sets_hold_what_is_theirs(found) == members


@settings(EXAMPLES)
@given(namespaces([kind for kind in KINDS if kind != "view"]), st.data())
def test_with_some_names_alive_the_rest_joins_them(names, data):
    """What is alive keeps its identity and is what the others lead to.

    Without views: a live view of an array that is gone keeps the memory it has.
    """
    expected, members = shape_of(names), sets_hold_what_is_theirs(names)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(names, f"{folder}/run.zarr")
        workspace.store("before")
        workspace.close()
        gone = data.draw(st.sets(st.sampled_from(sorted(names))))
        live = {name: obj for name, obj in names.items() if name not in gone}
        Workspace(live, f"{folder}/run.zarr").restore("before")
    found = {name: live[name] for name in names}
    assert shape_of(found) == expected
    assert sets_hold_what_is_theirs(found) == members
    assert all(found[name] is names[name] for name in names if name not in gone)


@settings(EXAMPLES)
@given(namespaces(), st.lists(st.tuples(number, number, st.booleans()), min_size=1, max_size=4))
def test_what_comes_to_be_shared_between_two_stores_is_shared(names, changes):
    """What the store before has pickled is used again where it still holds, and nowhere else."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(names, f"{folder}/run.zarr")
        for holder, held, named in changes:
            workspace.store("before")
            objects = list(names.values())
            put(objects[holder % len(objects)], objects[held % len(objects)])
            if named:
                names[f"m{len(names)}"] = objects[held % len(objects)]
        expected, members = shape_of(names), sets_hold_what_is_theirs(names)
        workspace.store("after")
        workspace.close()
        found = {}
        Workspace(found, f"{folder}/run.zarr").restore("after")
    found = {name: found[name] for name in names}
    assert shape_of(found) == expected
    assert sets_hold_what_is_theirs(found) == members
