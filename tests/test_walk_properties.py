"""Random graphs and random histories: whatever was stored comes back, sharing included."""

import copy
from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from snapshot.workspace import Workspace

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
NAMES = "abcd"


class Slotted:
    """Two slots, of which one may be empty."""

    __slots__ = ("left", "right")


def shape_of(names, memory=True):
    """A graph as text: structure, values and which objects are one and the same.

    Objects are numbered in the order they are met, so two graphs with the same text have
    the same sharing and the same cycles; with ``memory`` also arrays in the same memory.
    """
    numbers, lines, queue, arrays = {}, [], [], []

    def refer(obj):
        if obj is None or isinstance(obj, int | str | float):
            return repr(obj)
        if id(obj) not in numbers:
            numbers[id(obj)] = len(numbers)
            queue.append(obj)
        return f"#{numbers[id(obj)]}"

    lines.append({name: refer(obj) for name, obj in sorted(names.items())})
    while queue:
        obj = queue.pop(0)
        lines.append((type(obj).__name__, described(obj, refer)))
        if memory and isinstance(obj, np.ndarray):
            lines.append([number for number, other in arrays if np.shares_memory(obj, other)])
            arrays.append((numbers[id(obj)], obj))
    return repr(lines)


def described(obj, refer):
    if isinstance(obj, np.ndarray):
        return obj.shape, obj.tolist()
    if isinstance(obj, dict):
        return [(refer(key), refer(value)) for key, value in obj.items()]
    if isinstance(obj, set | frozenset):
        return sorted(map(repr, obj))
    if isinstance(obj, list | tuple):
        return [refer(part) for part in obj]
    if isinstance(obj, Slotted):
        return [refer(getattr(obj, slot, "nothing")) for slot in Slotted.__slots__]
    return [(name, refer(value)) for name, value in vars(obj).items()]


KINDS = ("list", "dict", "set", "tuple", "object", "slotted", "array", "view", "atom", "frozenset")


def make(kind, pool, draw):
    """One new object, holding some of those in ``pool``."""

    def some():
        return pool[draw(st.integers(0, len(pool) - 1))] if pool else draw(st.integers(-3, 3))

    count = draw(st.integers(0, 4))
    if kind == "list":
        return [some() for _ in range(count)]
    if kind == "dict":
        return {draw(st.sampled_from("xyz") | st.integers(0, 3)): some() for _ in range(count)}
    if kind in ("set", "frozenset"):
        members = {draw(st.integers(0, 5)) for _ in range(count)}
        return members if kind == "set" else frozenset(members)
    if kind == "tuple":
        return tuple(some() for _ in range(count))
    if kind == "object":
        return SimpleNamespace(**{name: some() for name in "pqr"[:count]})
    if kind == "slotted":
        return filled(some, count)
    arrays = [obj for obj in pool if isinstance(obj, np.ndarray)]
    if kind == "view" and arrays:
        return arrays[draw(st.integers(0, len(arrays) - 1))][1:]
    if kind in ("array", "view"):
        return np.arange(draw(st.integers(1, 5)), dtype=float)
    return draw(st.integers(-3, 3) | st.text("ab", max_size=2) | st.none())


def filled(some, count):
    made = Slotted()
    for slot in Slotted.__slots__[:count]:
        setattr(made, slot, some())
    return made


@st.composite
def graphs(draw):
    """(names, every object made): a few names over objects that share each other, with cycles."""
    pool = []
    for _ in range(draw(st.integers(1, 12))):
        pool.append(make(draw(st.sampled_from(KINDS)), pool, draw))
    for obj in pool:
        if isinstance(obj, list) and draw(st.booleans()):
            obj.append(pool[draw(st.integers(0, len(pool) - 1))])
    return {name: pool[draw(st.integers(0, len(pool) - 1))] for name in NAMES}, pool


def mutate(obj, other, draw):
    """Change one object in place, in one of the ways its type allows."""
    if isinstance(obj, list):
        draw(st.sampled_from([obj.clear, obj.reverse, lambda: obj.append(other), lambda: obj.insert(0, other)]))()
    elif isinstance(obj, dict):
        keys = list(obj)
        moved = draw(st.sampled_from(keys)) if keys else "new"
        value = obj.pop(moved, other)
        draw(st.sampled_from([obj.clear, lambda: obj.update({moved: value}), lambda: obj.update({"new": other})]))()
    elif isinstance(obj, set):
        draw(st.sampled_from([obj.clear, lambda: obj.add(9), lambda: obj.discard(1)]))()
    elif isinstance(obj, np.ndarray):
        obj += draw(st.sampled_from([0.0, 1.0, np.nan]))
    elif isinstance(obj, SimpleNamespace):
        draw(st.sampled_from([vars(obj).clear, lambda: setattr(obj, "p", other), lambda: setattr(obj, "z", other)]))()
    elif isinstance(obj, Slotted):
        if hasattr(obj, "left") and draw(st.booleans()):
            del obj.left
        else:
            obj.left = other


def shake(names, pool, draw):
    """Several changes: in objects, of names, and some new objects."""
    for _ in range(draw(st.integers(0, 8))):
        target = pool[draw(st.integers(0, len(pool) - 1))]
        mutate(target, pool[draw(st.integers(0, len(pool) - 1))], draw)
    for name in NAMES:
        choice = draw(st.integers(0, 3))
        if choice == 0:
            names.pop(name, None)
        elif choice == 1:
            names[name] = make(draw(st.sampled_from(KINDS)), pool, draw)


@QUICK
@given(graphs(), st.data())
def test_any_graph_comes_back_with_its_sharing_after_any_changes(graph, data):
    names, pool = graph
    expected = shape_of(names)
    assert shape_of(copy.deepcopy(names), memory=False) == shape_of(names, memory=False)
    before = dict(names)
    workspace = Workspace(names)
    workspace.store("before")
    shake(names, pool, data.draw)
    changed, present = shape_of(names), dict(names)
    workspace.restore("before", created="remove")
    assert shape_of(names) == expected
    assert all(names[name] is obj for name, obj in before.items())
    workspace.undo()
    assert shape_of(names) == changed
    assert all(names[name] is obj for name, obj in present.items())
    workspace.redo()
    assert shape_of(names) == expected


@QUICK
@given(graphs(), st.data())
def test_what_nothing_holds_any_more_comes_back_with_its_sharing(graph, data):
    names, pool = graph
    holder = {"all": [dict(names)]}
    expected = shape_of(holder)
    workspace = Workspace(holder)
    workspace.store("before")
    shake(names, pool, data.draw)
    holder["all"].clear()
    pool.clear()
    names.clear()
    del graph
    workspace.restore("before")
    assert shape_of(holder) == expected


@QUICK
@given(graphs())
def test_a_store_changes_nothing_and_a_second_one_adds_nothing(graph):
    names, _ = graph
    expected, before = shape_of(names), dict(names)
    workspace = Workspace(names)
    workspace.store("before")
    workspace.store("again")
    assert workspace.last_store.new_bytes == 0
    status = workspace.restore("before")
    assert not status.changed
    assert shape_of(names) == expected
    assert all(names[name] is obj for name, obj in before.items())


@settings(QUICK, max_examples=25)
@given(graphs())
def test_a_new_kernel_makes_the_same_graph_of_plain_values(tmp_path_factory, graph):
    names, _ = graph
    plain = {name: obj for name, obj in names.items() if "SimpleNamespace" not in shape_of({"x": obj})}
    plain = {name: obj for name, obj in plain.items() if "Slotted" not in shape_of({"x": obj})}
    folder = tmp_path_factory.mktemp("graph") / "run.zarr"
    Workspace(plain, folder).store("before")
    found = {}
    Workspace(found, folder).restore("before")
    assert shape_of(found) == shape_of(plain)


class Histories(RuleBasedStateMachine):
    """A workspace against a model that keeps a deep copy of every state."""

    @initialize()
    def start(self):
        self.shared = [0]
        self.names = {"array": np.zeros(3), "items": [1, self.shared], "table": {"shared": self.shared}}
        self.workspace = Workspace(self.names)
        self.stored, self.undo, self.redo = {}, [], []

    def state(self):
        return shape_of(self.names)

    @rule(value=st.integers(0, 3))
    def change_in_place(self, value):
        if "array" in self.names:
            self.names["array"] += value
        self.shared.append(value)
        self.names.setdefault("items", []).append([value])

    @rule(name=st.sampled_from(["array", "items", "table", "new"]), value=st.integers(0, 3))
    def bind(self, name, value):
        self.names[name] = {"array": np.full(2, float(value)), "items": [self.shared]}.get(name, {"new": value})

    @rule(name=st.sampled_from(["array", "items", "table", "new"]))
    def unbind(self, name):
        self.names.pop(name, None)

    @rule(label=st.sampled_from("xyz"))
    def store(self, label):
        self.workspace.store(label)
        self.stored[label] = self.state()

    @precondition(lambda self: self.stored)
    @rule(data=st.data())
    def restore(self, data):
        label = data.draw(st.sampled_from(sorted(self.stored)))
        self.undo.append(self.state())
        self.redo.clear()
        self.workspace.restore(label, created="remove")
        assert self.state() == self.stored[label]

    @precondition(lambda self: self.undo and self.workspace.undo_depth)
    @rule()
    def take_back(self):
        present = set(self.names)
        self.redo.append((self.state(), present))
        self.workspace.undo()
        expected = self.undo.pop()
        if set(self.names) == set(eval(expected)[0]):
            assert self.state() == expected

    @precondition(lambda self: self.redo and self.workspace.redo_depth)
    @rule()
    def bring_again(self):
        expected, bound = self.redo.pop()
        self.undo.append(self.state())
        self.workspace.redo()
        if set(self.names) == bound:
            assert self.state() == expected

    @precondition(lambda self: len(self.stored) > 1)
    @rule(data=st.data())
    def drop(self, data):
        label = data.draw(st.sampled_from(sorted(self.stored)))
        self.workspace.drop(label)
        del self.stored[label]

    @rule()
    def roll_back(self):
        before = self.state()
        with self.workspace.rollback():
            self.change_in_place(2)
            self.names["inside"] = 1
        assert self.state() == before

    @invariant()
    def stacks_are_as_deep_as_the_model(self):
        if hasattr(self, "workspace"):
            assert self.workspace.undo_depth == min(len(self.undo), 20)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
