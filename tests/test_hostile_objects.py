"""Objects that misbehave: one that cannot be stored or written never costs another."""

import contextvars
import ctypes
import gc
import itertools
import threading
import weakref
from types import CellType, SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from snapshot.errors import RestoreFailed
from snapshot.workspace import Workspace


def raising(self, *args):
    raise ValueError("hostile")


HOOKS = ("__eq__", "__hash__", "__getattr__", "__setattr__", "__delattr__", "__reduce__", "__reduce_ex__", "__repr__",
         "__bool__", "__len__", "__iter__", "__contains__", "__getitem__", "__sizeof__", "__dir__", "__format__",
         "__getstate__", "__setstate__", "__copy__", "__deepcopy__", "__array__", "__index__", "__float__",
         "__call__", "__get__", "__set__", "__class_getitem__", "__instancecheck__", "__del__")  # fmt: skip


def hostile(*hooks, base=object):
    """An object with one attribute, a list, whose special methods raise."""
    made = base.__new__(type("Hostile", (base,), dict.fromkeys(hooks, raising)))
    own(made)["value"] = [1]
    return made


def own(obj):
    return object.__getattribute__(obj, "__dict__")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("hooks", [*((hook,) for hook in HOOKS), HOOKS], ids=lambda hooks: "+".join(hooks[:2]))
def test_an_object_whose_methods_raise_is_stored_restored_and_shown(hooks):
    first, second = hostile(*hooks), hostile(*hooks)
    names = {"first": first, "items": [second], "array": np.zeros(2)}
    workspace = Workspace(names)
    stored = workspace.store("before")
    own(first)["value"].append(2)
    own(second).update(value=None, other=3)
    names["items"].clear()
    names["first"] = 3
    names["array"].fill(1)
    status = workspace.restore("before")
    assert names["first"] is first
    assert names["items"][0] is second
    assert (own(first), own(second)) == ({"value": [1]}, {"value": [1]})
    assert names["array"][0] == 0
    assert not stored.report
    assert str(status)
    assert str(workspace.compare("before"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_object_that_refuses_every_attribute_is_stored_and_restored():
    thing = hostile("__getattribute__", "__getattr__", "__setattr__")
    names = {"thing": thing, "items": [thing]}
    workspace = Workspace(names)
    workspace.store("before")
    own(thing)["value"].append(2)
    names["items"].clear()
    workspace.restore("before", created="remove")
    assert own(thing) == {"value": [1]}
    assert names["items"][0] is thing


@pytest.mark.parametrize("base", [dict, list, set])
def test_a_container_whose_own_methods_raise_is_restored_behind_them(base):
    hooks = ("__iter__", "__len__", "__getitem__", "__setitem__", "__contains__", "__eq__", "keys", "items", "values")
    made = hostile(*hooks, base=base)
    fill = {"dict": lambda: dict.update(made, a=1), "list": lambda: list.extend(made, [1]),
            "set": lambda: set.update(made, [1])}[base.__name__]  # fmt: skip
    fill()
    names = {"made": made}
    workspace = Workspace(names)
    workspace.store("before")
    base.clear(made)
    workspace.restore("before")
    assert list(base.__iter__(made)) == (["a"] if base is dict else [1])


def test_no_equality_of_the_users_is_ever_called():
    class Counted:
        calls = 0

        def __init__(self, number):
            self.number = number

        def __eq__(self, other):
            Counted.calls += 1
            return self is other

        def __hash__(self):
            return self.number

    things = [Counted(number) for number in range(6)]
    names = {"keys": {things[0]: 1, things[1]: 2}, "members": set(things[:3]), "items": things[:], "one": things[3]}
    workspace = Workspace(names)
    workspace.store("before")
    names["keys"][things[4]] = names["keys"].pop(things[0])
    names["members"].add(things[5])
    names["items"].reverse()
    names["one"] = things[5]
    workspace.restore("before", dry_run=True)
    workspace.restore("before")
    workspace.undo()
    workspace.redo()
    workspace.compare("before")
    assert Counted.calls == 0
    assert list(names["keys"]) == things[:2]


def test_a_key_whose_hash_changed_since_is_put_back():
    class Changing:
        value = 1

        def __hash__(self):
            return self.value

    key = Changing()
    table = {key: "a"}
    members = {key}
    names = {"table": table, "members": members}
    workspace = Workspace(names)
    workspace.store("before")
    key.value = 2
    table.clear()
    members.clear()
    table[key] = "b"
    workspace.restore("before")
    assert key.value == 1
    assert table[key] == "a"
    assert key in members


NAMES = [
    "<",
    "a/b",
    'quote"s',
    "apostrophe's",
    "😀",
    "W",
    "w",
    "x.y",
    "x[0]",
    "a b",
    "#1",
    "@1",
    "latest",
    "~",
    "*",
    "%s",
]
NAMES += ["role:parameter", "con", "..", "\n", "é", "e\u0301", "\x00", "a" * 300]  # fmt: skip


def test_names_of_every_kind_are_stored_and_restored():
    names = {name: np.full(2, float(number)) for number, name in enumerate(NAMES)}
    workspace = Workspace(names)
    workspace.store("before")
    for array in names.values():
        array.fill(-1)
    workspace.restore("before")
    assert [array[0] for array in names.values()] == list(range(len(NAMES)))


def test_names_of_every_kind_survive_the_disk(tmp_path):
    names = {name: [number, np.full(2, float(number))] for number, name in enumerate(NAMES)}
    Workspace(names, tmp_path / "run.zarr").store("before")
    found = {}
    Workspace(found, tmp_path / "run.zarr").restore("before")
    assert {name: value[0] for name, value in found.items()} == {name: value[0] for name, value in names.items()}
    assert [value[1][0] for value in found.values()] == [value[1][0] for value in names.values()]


def test_an_empty_name_is_a_name():
    names = {"": [1]}
    Workspace(names).store("before")


def test_a_name_with_a_dot_beside_the_attribute_of_that_path():
    names = {"x.y": np.zeros(2), "x": SimpleNamespace(y=np.ones(2))}
    workspace = Workspace(names)
    stored = workspace.store("before")
    assert len([path for path in stored.variables if path.startswith("x.y")]) == 2
    names["x.y"].fill(5)
    names["x"].y.fill(5)
    workspace.restore("before")
    assert (names["x.y"][0], names["x"].y[0]) == (0, 1)


def generator():
    yield 1


def by_reference(tmp_path):
    """Things whose contents cannot be captured."""
    memmap = np.memmap(tmp_path / "data", "f8", "w+", shape=(3,))
    return {
        "generator": generator(),
        "lock": threading.Lock(),
        "thread": threading.current_thread(),
        "file": open(tmp_path / "open", "w"),
        "memmap": memmap,
        "memmap_view": memmap[1:],
        "context": contextvars.ContextVar("context"),
        "c_int": ctypes.c_int(3),
        "c_array": (ctypes.c_int * 3)(),
        "memory": memoryview(b"abc"),
        "iterator": iter([1, 2]),
        "zipped": zip([1], [2]),
        "chain": itertools.chain([1]),
        "weak": weakref.WeakValueDictionary(),
    }


def test_what_cannot_be_captured_is_named_with_a_reason_and_the_rest_is_restored(tmp_path):
    odd = by_reference(tmp_path)
    names = {**odd, "items": [1]}
    workspace = Workspace(names)
    stored = workspace.store("before")
    names.update(dict.fromkeys(odd))
    names["items"].append(2)
    odd["memmap"][0] = 5
    status = workspace.restore("before")
    assert set(odd) <= stored.report.keys()
    assert all(stored.report.values())
    assert set(odd) <= status.by_reference.keys()
    assert all(names[name] is thing for name, thing in odd.items())
    assert (names["items"], odd["memmap"][0]) == ([1], 5)
    odd["file"].close()


class Target:
    """Something that can be held weakly."""


def test_dead_weak_references_and_proxies_are_no_obstacle():
    target = Target()
    names = {"ref": weakref.ref(target), "proxy": weakref.proxy(target), "items": [1]}
    workspace = Workspace(names)
    del target
    workspace.store("before")
    names["items"].append(2)
    workspace.restore("before", created="remove")
    assert names["items"] == [1]


def test_big_numbers_and_text_are_values():
    names = {"number": 10**400, "data": b"x" * 100_000, "text": "é😀" * 1000, "tiny": 5e-324, "nan": float("nan")}
    expected = dict(names)
    workspace = Workspace(names)
    stored = workspace.store("before")
    names.update(dict.fromkeys(names))
    workspace.restore("before")
    assert all(names[name] is value for name, value in expected.items())
    assert "number" not in stored.variables
    assert stored["number"] == 10**400


def everything():
    cell = CellType([1])
    names = {
        "first": [1],
        "array": np.zeros(3),
        "table": {"a": 1, "b": 2},
        "thing": SimpleNamespace(x=1),
        "members": {1, 2},
        "cell": cell,
        "buffer": bytearray(b"abc"),
    }
    workspace = Workspace(names)
    workspace.store("before")
    names["first"].append(2)
    names["array"].fill(7)
    names["table"].update(c=3)
    names["table"].pop("a")
    names["thing"].x = 2
    names["members"].add(9)
    cell.cell_contents = [2]
    names["buffer"].extend(b"def")
    names["new"] = 1
    return names, workspace


def shown(names):
    return {name: repr(value.cell_contents if name == "cell" else value) for name, value in names.items()}


def test_an_object_that_refuses_a_write_leaves_everything_as_it_was_and_says_which():
    names, workspace = everything()
    before = shown(names)
    with memoryview(names["buffer"]), pytest.raises(RestoreFailed, match=r"bytearray.*everything is as it was"):
        workspace.restore("before", created="remove")
    assert shown(names) == before
    assert workspace.undo_depth == 0
    workspace.restore("before", created="remove")
    assert names["first"] == [1]


def test_after_a_refusal_the_memory_of_the_attempt_is_given_back():
    names, workspace = everything()
    before = workspace.nbytes_in_memory
    with memoryview(names["buffer"]), pytest.raises(RestoreFailed):
        workspace.restore("before")
    assert workspace.nbytes_in_memory == before


def test_an_array_that_became_read_only_memory_is_replaced_and_said_so():
    names = {"array": np.zeros(3)}
    workspace = Workspace(names)
    workspace.store("before")
    names["array"] = np.frombuffer(b"\x01" * 24)
    status = workspace.restore("before")
    assert names["array"].tolist() == [0, 0, 0]
    assert "array" in (*status.assigned, *status.rebuilt)


def test_a_view_of_read_only_memory_that_cannot_be_written_is_rebuilt():
    data = bytearray(24)
    array = np.frombuffer(data)
    names = {"array": array}
    workspace = Workspace(names)
    workspace.store("before")
    array[0] = 5
    array.flags.writeable = False
    workspace.restore("before")
    assert names["array"][0] == 0


def test_an_attribute_that_hides_behind_a_property_is_restored_in_the_dict():
    class Guarded:
        @property
        def value(self):
            raise ValueError("not ready")

        @value.setter
        def value(self, new):
            raise ValueError("refused")

    guarded = Guarded()
    vars(guarded)["value"] = [1]
    workspace = Workspace({"guarded": guarded})
    workspace.store("before")
    vars(guarded)["value"].append(2)
    workspace.restore("before")
    assert vars(guarded)["value"] == [1]


def sealed(*hidden):
    """A class, and an instance, behind a metaclass that refuses writes and hides attributes."""

    class Sealed(type):
        def __setattr__(cls, name, value):
            raise ValueError("sealed")

        def __getattribute__(cls, name):
            if name in hidden:
                raise ValueError("sealed")
            return super().__getattribute__(name)

    class Model(metaclass=Sealed):
        items: ClassVar = [1]

    return {"Model": Model, "model": Model(), "others": [1]}


def test_a_metaclass_that_refuses_writes_is_written_behind_its_back():
    names = sealed()
    workspace = Workspace(names)
    workspace.store("before")
    type.__setattr__(names["Model"], "items", [2])
    workspace.restore("before")
    assert names["Model"].items == [1]


def test_a_metaclass_that_hides_everything_costs_nothing_else():
    names = sealed("__dict__", "__module__", "__mro__", "__qualname__", "__name__")
    workspace = Workspace(names)
    workspace.store("before")
    names["others"].append(2)
    workspace.restore("before")
    assert names["others"] == [1]


def test_what_runs_in_a_destructor_sees_no_half_written_state():
    seen = []

    class Watcher:
        def __init__(self, names):
            self.names = names

        def __del__(self):
            seen.append((list(self.names["items"]), dict(self.names["table"])))

    names = {"items": [1, 2], "table": {"a": 1}}
    workspace = Workspace(names)
    workspace.store("before")
    names["items"][:] = [Watcher(names), 5]
    names["table"]["w"] = Watcher(names)
    names["own"] = Watcher(names)
    workspace.restore("before", created="remove")
    del workspace
    gc.collect()
    assert seen
    assert all(state == ([1, 2], {"a": 1}) for state in seen)
