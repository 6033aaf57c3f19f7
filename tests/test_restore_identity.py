"""After a restore every object is the same object with its stored contents."""

import collections
import dataclasses
import gc
import types
import weakref
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from snapshot.workspace import Workspace


def after_restore(names, change, **options):
    """Store ``names``, run ``change``, restore; returns the status."""
    workspace = Workspace(names)
    workspace.store("before")
    change()
    return workspace.restore("before", **options)


class Node:
    """An ordinary object; equal to nothing but itself."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


class Slotted:
    __slots__ = ("__private", "empty", "value")

    def __init__(self, value):
        self.value = value
        self.__private = [value]

    @property
    def private(self):
        return self.__private


class SlottedChild(Slotted):
    __slots__ = ("extra",)


@dataclasses.dataclass(frozen=True)
class Frozen:
    weights: object
    name: str = "frozen"


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlots:
    weights: object


Point = collections.namedtuple("Point", "x y")

CHANGES = {
    "list": ([1, 2, 3], lambda c: c.reverse()),
    "dict": ({"a": 1, "b": 2}, lambda c: (c.pop("a"), c.update(c=3))),
    "set": ({1, 2}, lambda c: (c.discard(1), c.add(9))),
    "deque": (collections.deque([1, 2, 3], maxlen=3), lambda c: c.extend([7, 8])),
    "deque grown": (collections.deque([1]), lambda c: c.extendleft([7, 8])),
    "deque emptied": (collections.deque([1, 2]), lambda c: c.clear()),
    "OrderedDict": (collections.OrderedDict(a=1, b=2, c=3), lambda c: (c.move_to_end("a"), c.pop("b"))),
    "defaultdict": (collections.defaultdict(list, a=[1]), lambda c: (c["new"], c.pop("a"))),
    "Counter": (collections.Counter("abca"), lambda c: c.update("xyz")),
    "ChainMap": (collections.ChainMap({"a": 1}, {"b": 2}), lambda c: c.update(b=3)),
    "UserDict": (collections.UserDict(a=1), lambda c: c.update(a=2)),
    "SimpleNamespace": (SimpleNamespace(a=1), lambda c: vars(c).update(a=2, b=3)),
    "instance": (Node(a=1), lambda c: vars(c).update(a=2, b=3)),
    "bytearray": (bytearray(b"abc"), lambda c: c.extend(b"d")),
    "object array": (np.array([1, "a", None], object), lambda c: c.fill(0)),
}


def shown(thing):
    """Comparable contents, order included."""
    if isinstance(thing, np.ndarray):
        return thing.tolist()
    if isinstance(thing, collections.defaultdict):
        return thing.default_factory, list(thing.items())
    if isinstance(thing, collections.ChainMap):
        return [dict(part) for part in thing.maps]
    if isinstance(thing, dict | collections.UserDict):
        return list(thing.items())
    if isinstance(thing, Node | SimpleNamespace):
        return list(vars(thing).items())
    return thing.maxlen if isinstance(thing, collections.deque) else None, set(thing), list(thing)


@pytest.mark.parametrize(("thing", "change"), CHANGES.values(), ids=CHANGES)
def test_a_container_is_the_same_object_with_its_stored_contents(thing, change):
    expected = shown(thing)
    names = {"thing": thing}
    after_restore(names, lambda: change(thing))
    assert names["thing"] is thing
    assert shown(thing) == expected


def test_the_order_of_a_dict_comes_back():
    order = dict.fromkeys("abcde", 1)
    after_restore({"order": order}, lambda: (order.pop("b"), order.update(z=1, b=1), order.update(a=order.pop("a"))))
    assert "".join(order) == "abcde"


def test_a_key_equal_to_the_stored_one_gives_way_to_it():
    flags, members = {1: "one"}, {1}
    after_restore({"flags": flags, "members": members}, lambda: (flags.clear(), flags.update({True: "yes"})))
    assert [type(key) for key in flags] == [int]


def test_an_array_keeps_its_place_in_memory():
    array = np.arange(4.0)
    names = {"array": array}
    place = array.ctypes.data
    after_restore(names, lambda: array.fill(0))
    assert (names["array"] is array, array.ctypes.data, array.tolist()) == (True, place, [0, 1, 2, 3])


def test_views_still_share_memory_with_their_base():
    base = np.arange(12.0).reshape(3, 4)
    names = {"base": base, "row": base[1], "column": base[:, 2], "backwards": base[::-1]}
    after_restore(names, lambda: base.fill(0))
    base[1, 2] = 99
    assert (names["row"][2], names["column"][1], names["backwards"][1, 2]) == (99, 99, 99)
    assert names["row"][3] == 7


def test_a_deleted_view_shares_memory_again():
    base = np.arange(12.0).reshape(3, 4)
    names = {"base": base, "views": {"row": base[1], "column": base[:, 2]}}
    after_restore(names, lambda: (names["views"].clear(), base.fill(0)))
    base[1, 2] = 99
    assert names["views"]["row"].tolist() == [4, 5, 99, 7]
    assert names["views"]["column"].tolist() == [2, 99, 10]


def test_a_deleted_base_shares_memory_with_its_view_again():
    base = np.arange(6.0)
    names = {"held": [base, base[2:4]]}
    after_restore(names, lambda: names["held"].clear())
    names["held"][0][2] = 99
    assert names["held"][1].tolist() == [99, 3]


def test_overlapping_views_of_memory_nobody_named_still_overlap():
    memory = np.arange(6.0)
    names = {"left": memory[:4], "right": memory[2:]}
    del memory
    after_restore(names, lambda: (names["left"].fill(0), names["right"].fill(0)))
    assert (names["left"].tolist(), names["right"].tolist()) == ([0, 1, 2, 3], [2, 3, 4, 5])


def test_an_array_held_from_elsewhere_is_rolled_back_where_it_is():
    array = np.arange(3.0)
    elsewhere = SimpleNamespace(array=array)
    names = {"array": array}
    after_restore(names, lambda: (names.pop("array"), elsewhere.array.fill(0)))
    assert elsewhere.array.tolist() == [0, 1, 2]
    assert names["array"] is elsewhere.array


def test_a_name_bound_to_something_else_is_bound_to_its_object_again():
    first = [1]
    names = {"a": first, "b": first}
    after_restore(names, lambda: names.update(a=[2], b=3))
    assert names["a"] is names["b"] is first


def test_deleted_names_come_back():
    array = np.arange(3.0)
    names = {"array": array, "number": 3, "text": "t", "items": [1]}
    items = names["items"]
    after_restore(names, lambda: (array.fill(0), names.clear()))
    assert names["items"] is items
    assert (names["array"].tolist(), names["number"], names["text"]) == ([0, 1, 2], 3, "t")


def test_shared_references_stay_shared():
    shared = [1]
    names = {"a": {"x": shared}, "b": (shared, [shared])}
    after_restore(names, lambda: (names["a"].update(x=[2]), shared.append(5), names["b"][1].clear()))
    assert names["a"]["x"] is names["b"][0] is names["b"][1][0] is shared
    assert shared == [1]


def test_an_array_gone_from_two_places_is_one_array_again():
    array = np.arange(3.0)
    names = {"first": [array], "second": {"key": array}}
    del array
    after_restore(names, lambda: (names["first"].clear(), names["second"].clear()))
    assert names["first"][0] is names["second"]["key"]


def test_cycles_come_back():
    loop = [1]
    loop.append({"self": loop})
    node = Node(me=None)
    node.me = node
    names = {"loop": loop, "node": node}
    after_restore(names, lambda: (loop.clear(), vars(node).clear()))
    assert loop[1]["self"] is loop
    assert node.me is node


def test_a_structure_of_twenty_thousand_levels_is_stored_and_restored():
    last = node = Node(next=None, value=[0])
    for _ in range(20_000):
        node = Node(next=node, value=[0])
    after_restore({"node": node}, lambda: (last.value.append(1), vars(node).update(next=None)))
    assert last.value == [0]
    assert node.next is not None


def test_a_tuple_twenty_thousand_deep_is_rebuilt_with_its_array():
    nested = (np.arange(3.0),)
    for _ in range(5_000):
        nested = (nested,)
    names = {"items": [nested]}
    del nested
    after_restore(names, lambda: names["items"].clear())
    found = names["items"][0]
    while type(found) is tuple:
        found = found[0]
    assert found.tolist() == [0, 1, 2]


def test_slots_come_back_mangled_empty_and_inherited_ones_too():
    thing = SlottedChild(1)
    thing.extra = [5]

    def change():
        thing.value, thing.empty = 2, 3
        thing.private.append(4)
        del thing.extra

    after_restore({"thing": thing}, change)
    assert (thing.value, thing.private, thing.extra, hasattr(thing, "empty")) == (1, [1], [5], False)


def test_an_object_changes_its_class_back():
    class Other(Node):
        pass

    thing = Node(a=1)
    after_restore({"thing": thing}, lambda: setattr(thing, "__class__", Other))
    assert type(thing) is Node


def test_a_dict_of_attributes_that_was_replaced_is_the_old_dict_again():
    thing = Node(a=1)
    attributes = vars(thing)
    after_restore({"thing": thing, "attributes": attributes}, lambda: setattr(thing, "__dict__", {"b": 2}))
    assert vars(thing) is attributes
    assert attributes == {"a": 1}


@pytest.mark.parametrize("kind", [Frozen, FrozenSlots])
def test_frozen_dataclasses_get_changed_leaves_back(kind):
    frozen = kind(np.arange(3.0))
    names = {"frozen": frozen}
    after_restore(names, lambda: object.__setattr__(frozen, "weights", None))
    assert names["frozen"] is frozen
    assert frozen.weights.tolist() == [0, 1, 2]


def test_tuples_whose_array_is_gone_are_rebuilt_with_their_type():
    names = {"point": Point(np.arange(2.0), [1]), "pair": (np.ones(2), "a")}
    rest = names["point"].y
    after_restore(names, lambda: (rest.append(2), names.update(point=None, pair=None), gc.collect()))
    assert type(names["point"]) is Point
    assert names["point"].x.tolist() == [0, 1]
    assert names["point"].y is rest
    assert rest == [1]
    assert names["pair"][0].tolist() == [1, 1]


def test_a_tuple_made_again_is_one_tuple_for_all_who_held_it():
    pair = (np.ones(2), "a")
    names = {"first": [pair], "second": {"key": pair}}
    del pair
    after_restore(names, lambda: (names["first"].clear(), names["second"].clear()))
    assert names["first"][0] is names["second"]["key"]


def test_an_array_reshaped_in_place_is_replaced_by_one_that_fits():
    names = {"array": np.arange(6.0), "holder": {}}
    names["holder"]["array"] = names["array"]
    status = after_restore(names, lambda: setattr(names["array"], "shape", (2, 3)))
    assert names["array"].shape == (6,)
    assert names["holder"]["array"] is names["array"]
    assert "array" in status.rebuilt


def test_closures_and_defaults_see_the_restored_objects():
    array, count = np.arange(3.0), 0

    def step(extra=[]):  # noqa: B006
        nonlocal count
        count += 1
        extra.append(count)
        array.fill(count)
        return count

    names = {"step": step}
    step()
    after_restore(names, lambda: (step(), step()))
    assert (count, array.tolist(), step.__defaults__) == (1, [1, 1, 1], ([1],))


def test_attributes_and_keyword_defaults_of_a_function_come_back():
    def configured(*, rates=[1]):  # noqa: B006
        return rates

    configured.calls = [0]
    names = {"configured": configured}

    def change():
        configured().append(2)
        configured.calls.append(1)
        configured.__kwdefaults__ = None

    after_restore(names, change)
    assert (configured(), configured.calls) == ([1], [0])


def test_an_empty_cell_is_empty_again():
    def outer():
        def inner():
            return late

        if names:
            late = 3
        return inner

    names = {}
    inner = outer()
    names["inner"] = inner
    after_restore(names, lambda: setattr(inner.__closure__[0], "cell_contents", 5))
    with pytest.raises(NameError):
        inner()


def test_attributes_of_a_class_of_the_users_come_back():
    class Model:
        instances: ClassVar = []
        limit = 3

    names = {"Model": Model}
    after_restore(names, lambda: (Model.instances.append(1), setattr(Model, "limit", 9), setattr(Model, "new", 1)))
    assert (Model.instances, Model.limit, hasattr(Model, "new")) == ([], 3, False)


def test_properties_and_partials_hold_what_they_held():
    import functools

    items = [1]
    names = {"add": items.append, "first": functools.partial(max, items, key=abs)}
    after_restore(names, lambda: (items.append(2), names.update(add=None, first=None)))
    names["add"](7)
    assert names["first"].args[0] is items
    assert items == [1, 7]


def test_an_object_array_gets_its_elements_back():
    array = np.array([[1], None, np.arange(2.0)], object)
    inner = array[0]
    after_restore({"array": array}, lambda: (inner.append(2), array.fill(0)))
    assert array[0] is inner
    assert (inner, array[1], array[2].tolist()) == ([1], None, [0, 1])


def test_an_array_nobody_holds_any_more_is_freed():
    names = {"items": [np.zeros(10)]}
    seen = weakref.ref(names["items"][0])
    Workspace(names).store("before")
    names["items"].clear()
    assert seen() is None


def test_an_array_whose_name_is_deleted_is_freed():
    names = {"array": np.zeros(10)}
    seen = weakref.ref(names["array"])
    workspace = Workspace(names)
    workspace.store("before")
    del names["array"]
    assert seen() is None


def test_views_of_dicts_and_mapping_proxies_are_no_obstacle():
    inside = {"a": [1]}
    names = {"inside": inside, "proxy": types.MappingProxyType(inside), "keys": inside.keys()}
    after_restore(names, lambda: inside.update(a=2, b=3))
    assert inside == {"a": [1]}
    assert names["proxy"]["a"] == [1]


def test_what_only_a_mapping_proxy_leads_to_comes_back():
    names = {"proxy": types.MappingProxyType({"a": [1]})}
    after_restore(names, lambda: names["proxy"]["a"].append(2))
    assert names["proxy"]["a"] == [1]


def test_an_array_made_again_once_is_the_one_that_later_restores_write_into():
    names = {"items": [np.zeros(3)]}
    workspace = Workspace(names)
    workspace.store("before")
    names["items"].clear()
    workspace.restore("before")
    made = names["items"][0]
    made.fill(5)
    workspace.restore("before")
    assert names["items"][0] is made
    assert made.tolist() == [0, 0, 0]


def test_an_array_made_again_by_two_partial_restores_is_one_array():
    array = np.zeros(3)
    names = {"first": [array], "second": [array]}
    workspace = Workspace(names)
    workspace.store("before")
    del array
    names["first"].clear()
    names["second"].clear()
    workspace.restore("before", only="first")
    workspace.restore("before", only="second")
    assert names["first"][0] is names["second"][0]


def test_an_array_that_is_collected_while_a_restore_is_planned_still_comes_back():
    class Namespace(dict):
        def get(self, *name):
            gc.collect()  # as it may happen at any moment
            return super().get(*name)

    names = Namespace(array=np.arange(2.0))
    workspace = Workspace(names)
    workspace.store("before")
    gc.disable()
    try:
        cycle = [names.pop("array")]
        cycle.append(cycle)
        del cycle
        workspace.restore("before")
    finally:
        gc.enable()
    assert names["array"] is not None
    assert names["array"].tolist() == [0, 1]
