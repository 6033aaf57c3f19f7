"""What another process stored comes back here: by path into live objects, or made anew."""

import os
import subprocess
import sys
import textwrap
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import zarr

import snapshot
from snapshot.workspace import Workspace

STORED = """
    import collections, datetime, decimal, enum, fractions, pathlib, random, sys, uuid
    import numpy as np, torch
    from sklearn.neural_network import MLPClassifier
    import snapshot
    sys.path.insert(0, sys.argv[2])
    import people

    torch.manual_seed(3)
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.5)
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    base, shared = np.arange(12.0).reshape(3, 4), [1, 2]
    loop = [1]
    loop.append(loop)
    names = {
        "array": np.arange(6.0), "large": np.arange(300_000.0),
        "W": np.full(3, 7.0), "base": base, "row": base[1], "column": base[:, 2],
        "integers": np.arange(5), "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "net": net, "optimizer": optimizer,
        "config": {"rate": 0.5, "layers": [3, 1], "nested": {"deep": (1, 2.5, None)}},
        "shared": shared, "holder": {"shared": shared, "array": base}, "loop": loop,
        "number": 3, "big": 10**40, "ratio": 0.1, "nan": float("nan"), "infinite": [float("inf"), -float("inf")],
        "text": "é😀", "data": bytes(range(256)), "flag": True, "nothing": None, "complex": 1 + 2j,
        "day": datetime.date(2026, 1, 2), "moment": datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC),
        "price": decimal.Decimal("1.10"), "third": fractions.Fraction(1, 3), "path": pathlib.PurePosixPath("/a/b"),
        "id": uuid.UUID(int=5), "members": {1, "a", (2, 3)}, "frozen": frozenset([1, 2]),
        "queue": collections.deque([1, 2], maxlen=5), "ordered": collections.OrderedDict(b=1, a=2),
        "counts": collections.Counter("aab"), "lists": collections.defaultdict(list, a=[1]),
        "scalar": np.float32(1.5), "dtype": np.dtype("f4"), "piece": slice(1, 5, 2), "range": range(3),
        "objects": np.array([[1], None, "a"], object), "random_state": np.random.RandomState(5),
        "rng": np.random.default_rng(5), "die": random.Random(5), "buffer": bytearray(b"abc"),
        "estimator": MLPClassifier((4,), max_iter=5, random_state=1).fit(np.eye(4), [0, 1, 0, 1]),
        "person": people.Person("Ada"), "people": [people.Person("Bob"), 1],
        "bomb": people.Bomb(), "generator": (i for i in ()), "print": print, "Person": people.Person,
    }
    workspace = snapshot.Workspace(names, sys.argv[1])
    snap = workspace.store("before", step=7, note="from another process")
    workspace.flush()
    workspace.close()
"""

PEOPLE = """
    import sys

    class Person:
        def __init__(self, name):
            self.name = name
            self.friends = []

    class Bomb:
        def __reduce__(self):
            return (exec, ("import sys; sys.exploded = True",))
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The path of a repository that another process wrote."""
    folder = tmp_path_factory.mktemp("disk")
    (folder / "people.py").write_text(textwrap.dedent(PEOPLE))
    script = folder / "store.py"
    script.write_text(textwrap.dedent(STORED))
    path = folder / "run.zarr"
    subprocess.run([sys.executable, "-W", "ignore", script, path, folder], check=True)
    return path


def restored(path, names, **options):
    """Restore into ``names``; returns the status."""
    return Workspace(names, path).restore("before", **options)


PLAIN = {
    "number": 3, "big": 10**40, "ratio": 0.1, "text": "é😀", "data": bytes(range(256)), "flag": True, "nothing": None,
    "complex": 1 + 2j, "members": {1, "a", (2, 3)}, "frozen": frozenset([1, 2]), "scalar": np.float32(1.5),
    "piece": slice(1, 5, 2), "range": range(3), "buffer": bytearray(b"abc"), "infinite": [np.inf, -np.inf],
    "config": {"rate": 0.5, "layers": [3, 1], "nested": {"deep": (1, 2.5, None)}},
}  # fmt: skip


def test_missing_plain_names_are_made_without_a_pickle(stored):
    names = {}
    restored(stored, names)
    assert {name: names[name] for name in PLAIN} == PLAIN
    assert {name: type(names[name]) for name in PLAIN} == {name: type(value) for name, value in PLAIN.items()}
    assert np.isnan(names["nan"])
    assert (names["queue"].maxlen, list(names["ordered"])) == (5, ["b", "a"])
    assert names["lists"]["missing"] == []
    assert [str(names[name]) for name in ("day", "price", "third", "path")] == ["2026-01-02", "1.10", "1/3", "/a/b"]
    assert names["moment"].isoformat() == "2026-01-02T03:04:00+00:00"


def test_arrays_are_made_in_their_order_and_dtype(stored):
    names = {}
    restored(stored, names)
    assert names["array"].tolist() == [0, 1, 2, 3, 4, 5]
    assert names["integers"].dtype == np.int64
    assert names["fortran"].flags.f_contiguous
    assert [type(part) for part in names["objects"]] == [list, type(None), str]


def test_views_and_shared_references_survive_the_restart(stored):
    names = {}
    restored(stored, names)
    names["base"][1, 2] = 99
    assert (names["row"][2], names["column"][1]) == (99, 99)
    assert names["holder"]["array"] is names["base"]
    assert names["holder"]["shared"] is names["shared"]
    assert names["loop"][1] is names["loop"]


def test_stored_values_go_into_the_live_objects(stored):
    array, config, layers = np.zeros(6), {"rate": 0.1, "extra": 1}, [9]
    config["layers"] = layers
    view = array[1:3]
    names = {"array": array, "config": config}
    status = restored(stored, names)
    assert names["array"] is array
    assert view.tolist() == [1, 2]
    assert names["config"] is config
    assert config["layers"] is layers
    assert (config, layers) == (PLAIN["config"], [3, 1])
    assert {"array", "config"} <= set(status.assigned)


def test_weights_and_settings_of_torch_go_into_live_modules(stored):
    import torch

    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    weight, group = net[0].weight, optimizer.param_groups[0]
    names = {"net": net, "optimizer": optimizer}
    restored(stored, names)
    torch.manual_seed(3)
    fresh = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    expected = torch.optim.Adam(fresh.parameters(), lr=0.5)
    fresh(torch.ones(1, 2)).sum().backward()
    expected.step()
    assert net[0].weight is weight
    assert optimizer.param_groups[0] is group
    assert torch.equal(weight, fresh[0].weight)
    assert group["lr"] == 0.5
    assert torch.equal(optimizer.state[weight]["exp_avg"], expected.state[fresh[0].weight]["exp_avg"])
    assert weight.requires_grad


def test_an_unfitted_estimator_gets_what_it_had_learned(stored):
    from sklearn.neural_network import MLPClassifier

    estimator = MLPClassifier((4,), max_iter=5, random_state=1)
    names = {"estimator": estimator}
    restored(stored, names)
    with pytest.warns(Warning, match="Maximum iterations"):
        expected = MLPClassifier((4,), max_iter=5, random_state=1).fit(np.eye(4), [0, 1, 0, 1])
    assert names["estimator"] is estimator
    assert np.array_equal(estimator.coefs_[0], expected.coefs_[0])


@pytest.mark.parametrize("name", ["rng", "random_state", "die"])
def test_random_generators_go_on_with_the_same_numbers(stored, name):
    import random

    fresh = {"rng": np.random.default_rng, "random_state": np.random.RandomState, "die": random.Random}[name]
    live = {name: fresh(1)}
    obj = live[name]
    restored(stored, live)
    made = {}
    restored(stored, made)
    assert live[name] is obj
    assert live[name].random() == made[name].random() == fresh(5).random()


def test_nothing_of_somebody_elses_is_unpickled_without_trust(stored, monkeypatch, as_somebody_else):
    as_somebody_else()
    monkeypatch.delattr(sys, "exploded", raising=False)
    names = {}
    status = restored(stored, names)
    assert not hasattr(sys, "exploded")
    # an estimator of scikit-learn is made from plain parts
    assert not {"person", "people", "bomb", "net"} & names.keys()
    assert "estimator" in names
    assert {"person", "people", "bomb", "generator"} <= set(status.unused)
    assert all(status.unused_reasons[name] for name in status.unused)


def test_with_trust_other_objects_are_made_from_their_pickles(stored, monkeypatch, as_somebody_else):
    as_somebody_else()
    monkeypatch.syspath_prepend(stored.parent)
    names = {}
    workspace = Workspace(names)
    workspace.open(stored, trust=True)
    workspace.restore("before", only=["person", "people", "estimator", "net"])
    assert names["person"].name == "Ada"
    assert names["people"][0].name == "Bob"
    assert names["estimator"].predict(np.eye(4)).shape == (4,)
    assert names["net"][0].weight.requires_grad
    del sys.modules["people"]


def test_a_live_object_of_a_users_class_takes_its_attributes_without_trust(stored, monkeypatch, as_somebody_else):
    as_somebody_else()
    monkeypatch.syspath_prepend(stored.parent)
    import people

    person = people.Person("Eve")
    friends = person.friends
    friends.append(person)
    names = {"person": person, "Person": people.Person}
    restored(stored, names)
    assert names["person"] is person
    assert (person.name, person.friends is friends, friends) == ("Ada", True, [])
    del sys.modules["people"]


def test_live_code_is_left_alone(stored):
    def own_print(*args):
        return args

    names = {"print": own_print, "Person": int}
    restored(stored, names)
    assert names["print"] is own_print
    assert names["Person"] is int


def test_a_stored_variable_goes_into_one_of_another_name(stored):
    w2 = np.zeros(3)
    names = {"w2": w2}
    status = restored(stored, names, into={"W": "w2"})
    assert names.keys() == {"w2"}
    assert w2.tolist() == [7, 7, 7]
    assert status.assigned == ("w2",)


def test_only_some_names_are_read_when_asked(stored):
    names = {}
    restored(stored, names, only=["number", "array"])
    assert names.keys() == {"number", "array"}


@pytest.mark.parametrize("only", ["net.0.weight", "config", "role:parameter"])
def test_paths_and_roles_are_restored_alone(stored, only):
    import torch

    net, config = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)), {"rate": 0.1}
    before = net[0].bias.tolist()
    names = {"net": net, "config": config}
    restored(stored, names, only=only)
    assert (net[0].bias.tolist() == before) == (only != "role:parameter")
    assert (config["rate"] == 0.5) == (only == "config")


def test_a_live_array_of_another_shape_is_replaced_and_said_so(stored):
    array = np.zeros(5)
    names = {"array": array}
    status = restored(stored, names)
    assert array.tolist() == [0] * 5
    assert names["array"].tolist() == [0, 1, 2, 3, 4, 5]
    assert "array" in status.rebuilt


def test_a_dry_run_from_disk_writes_nothing(stored):
    array = np.zeros(6)
    names = {"array": array}
    status = restored(stored, names, dry_run=True)
    assert names.keys() == {"array"}
    assert array.sum() == 0
    assert "array" in status.changed


def test_a_restore_from_disk_is_undone(stored):
    array, config = np.zeros(6), {"rate": 0.1}
    names = {"array": array, "config": config}
    workspace = Workspace(names, stored)
    workspace.restore("before")
    workspace.undo()
    assert names == {"array": array, "config": {"rate": 0.1}}
    assert array.sum() == 0
    workspace.redo()
    assert (array.sum(), names["number"]) == (15, 3)


def test_a_new_store_after_a_restore_continues_the_branch(stored, tmp_path):
    import shutil

    path = shutil.copytree(stored, tmp_path / "run.zarr")
    names = {}
    workspace = Workspace(names, path)
    workspace.restore("before")
    after = workspace.store("after")
    assert (after.step, workspace["latest~1"].label) == (8, "before")


def test_looking_reads_shapes_without_values_and_values_on_demand(stored):
    snap = snapshot.open(stored)["before"]
    assert (snap.step, snap.note) == (7, "from another process")
    assert (snap.variables["array"].shape, str(snap.variables["net.0.weight"].role)) == ((6,), "parameter")
    assert snap["net.0.weight"].shape == (3, 2)
    assert snap["config"] == PLAIN["config"]
    assert "generator" in snap.report


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
def test_plain_zarr_opens_a_variable(stored):
    found = [
        array[:]
        for _, array in zarr.open_group(stored, mode="r").members(max_depth=None)
        if isinstance(array, zarr.Array) and array.attrs.get("path") == "large"
    ]
    assert [array.reshape(-1).tolist() for array in found] == [list(range(300_000))]


def test_objects_that_refuse_pickling_are_restored_into_live_ones(tmp_path):
    class Stubborn:
        def __reduce_ex__(self, protocol):
            raise TypeError("never")

    def made(value):
        thing = Stubborn()
        thing.value, thing.weights = value, np.full(2, value)
        return thing

    Workspace({"thing": made(1.0)}, tmp_path / "run.zarr").store("before")
    live = made(2.0)
    Workspace({"thing": live}, tmp_path / "run.zarr").restore("before")
    assert (live.value, live.weights.tolist()) == (1.0, [1, 1])


def test_a_namespace_object_is_filled_by_attribute(tmp_path):
    Workspace({"space": SimpleNamespace(a=1, b=[2])}, tmp_path / "run.zarr").store("before")
    live = SimpleNamespace(a=0, c=3)
    Workspace({"space": live}, tmp_path / "run.zarr").restore("before")
    assert live == SimpleNamespace(a=1, b=[2])


def through_disk(tmp_path, stored, live):
    """Store one namespace and restore it into another; returns the status."""
    Workspace(stored, tmp_path / "own.zarr").store("before")
    return restored(tmp_path / "own.zarr", live)


def test_two_lives_of_one_stored_object_become_one(tmp_path):
    shared = [1]
    live = {"a": [5], "b": [[7]]}
    through_disk(tmp_path, {"a": shared, "b": [shared]}, live)
    assert live["b"][0] is live["a"]


@pytest.mark.parametrize(
    "make", [lambda n: np.full(2, n), lambda n: [n], lambda n: {"x": n}], ids=["array", "list", "dict"]
)
def test_two_stored_objects_never_go_into_one_live_object(tmp_path, make):
    both = make(5.0)
    live = {"a": both, "b": both}
    through_disk(tmp_path, {"a": make(1.0), "b": make(2.0)}, live)
    assert repr(live) == repr({"a": make(1.0), "b": make(2.0)})


def test_two_stored_arrays_never_go_into_overlapping_live_memory(tmp_path):
    memory = np.zeros(4)
    live = {"a": memory, "b": memory[:2]}
    through_disk(tmp_path, {"a": np.ones(4), "b": np.full(2, 2.0)}, live)
    assert (live["a"].tolist(), live["b"].tolist()) == ([1, 1, 1, 1], [2, 2])


def test_a_very_deep_list_is_made_again(tmp_path):
    deep = []
    for _ in range(1_500):
        deep = [deep]
    live = {}
    through_disk(tmp_path, {"deep": deep}, live)
    found, depth = live["deep"], 0
    while found:
        found, depth = found[0], depth + 1
    assert depth == 1_500


def test_a_very_deep_tuple_costs_nothing_else(tmp_path):
    deep = ()
    for _ in range(5_000):
        deep = (deep,)
    live = {}
    through_disk(tmp_path, {"deep": deep, "items": [1]}, live)
    assert live["items"] == [1]


def test_a_counter_needs_no_pickle(stored):
    names = {}
    restored(stored, names)
    assert names["counts"] == {"a": 2, "b": 1}


def test_functions_of_numpy_need_no_pickle(tmp_path):
    live = {}
    through_disk(tmp_path, {"sum": np.sum, "add": np.add}, live)
    assert live == {"sum": np.sum, "add": np.add}


def test_reading_what_only_a_pickle_could_make_says_so(stored):
    with pytest.raises(snapshot.SnapshotError, match="pickle"):
        snapshot.open(stored)["before"]["person"]


def test_deferred_values_wait_for_the_variables_that_are_to_take_them(tmp_path):
    import torch

    stored = {"net": torch.nn.Linear(2, 2), "k": 1}
    snapshot.Workspace(stored, tmp_path / "run.zarr").store("before")
    live = {}
    status = snapshot.Workspace(live, tmp_path / "run.zarr").restore("before", defer=True)
    assert (live, status.deferred, status.unused) == ({"k": 1}, ("net",), ())
    live["net"] = torch.nn.Linear(2, 2)
    status.apply_deferred().assert_consumed()
    assert torch.equal(live["net"].weight, stored["net"].weight)


SUBCLASSES = """
    import sys, warnings
    import numpy as np, snapshot
    if sys.argv[2] == "store":
        class Mine(np.ndarray):
            pass
        mine = np.arange(3.0).view(Mine)
        mine.unit = "kg"
        names = {"masked": np.ma.array([1, 2], mask=[0, 1], fill_value=7), "mine": mine, "x": 3}
        snapshot.Workspace(names, sys.argv[1]).store("before")
    else:
        assert "numpy.ma" not in sys.modules
        names = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", snapshot.SnapshotWarning)
            status = snapshot.Workspace(names, sys.argv[1]).restore("before")
        masked, mine = names["masked"], names["mine"]
        print(type(masked).__name__, masked.tolist(), masked.fill_value, names["x"])
        print(type(mine).__name__, mine.tolist())
        print(dict(status.unused_reasons))
"""


def test_arrays_of_subclasses_come_back_in_a_process_that_does_not_know_them_and_cost_nothing_else(tmp_path):
    def run(verb):
        command = [sys.executable, "-c", textwrap.dedent(SUBCLASSES), tmp_path / "run.zarr", verb]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    run("store")
    assert run("restore") == [
        "MaskedArray [1, None] 7 3",
        "ndarray [0.0, 1.0, 2.0]",
        "{'mine.unit': 'its class is not defined here'}",
    ]


def test_of_equal_labels_in_one_place_a_workspace_means_its_own(tmp_path):
    names = {"x": 1}
    workspace = Workspace(names, tmp_path / "run.zarr")
    workspace.store("before")
    other = Workspace({"x": 2}, tmp_path / "run.zarr")
    other.store("before")
    other.store("elsewhere")
    other.close()
    names["x"] = 8
    workspace.restore("before")
    assert names["x"] == 1
    assert workspace["elsewhere"].run == other.run


def test_a_slice_comes_back_with_the_parts_it_had(tmp_path):
    stored = {"a": slice(1, None, 2), "b": slice(None), "c": slice(None, 3)}
    Workspace(stored, tmp_path / "run.zarr").store("before")
    found = {}
    Workspace(found, tmp_path / "run.zarr").restore("before")
    assert found == stored


def test_a_partial_made_again_has_its_arguments(tmp_path):
    stored = {"binary": partial(int, base=2), "nested": partial(partial(dict, a=1), b=2)}
    Workspace(stored, tmp_path / "run.zarr").store("before")
    found = {}
    Workspace(found, tmp_path / "run.zarr").restore("before")
    assert (found["binary"]("11"), found["nested"]()) == (3, {"a": 1, "b": 2})


#: What gives them another value for another number.
TUPLES_OF_C = {
    "time": time.gmtime,
    "file": lambda number: os.stat_result(range(number, number + 10)),
    "times": lambda number: os.times_result(map(float, range(number, number + 5))),
    "system": lambda number: os.uname_result(map(str, range(number, number + 5))),
    "terminal": lambda number: os.terminal_size((number, 80)),
}


@pytest.mark.parametrize("live", [{}, {name: make(9) for name, make in TUPLES_OF_C.items()}], ids=["new", "live"])
def test_tuples_that_only_c_code_makes_come_back(tmp_path, live):
    stored = {name: make(3) for name, make in TUPLES_OF_C.items()}
    Workspace(stored, tmp_path / "run.zarr").store("before")
    status = Workspace(live, tmp_path / "run.zarr").restore("before")
    assert not status.unused_reasons
    assert [(type(live[name]), tuple(live[name])) for name in stored] == [
        (type(v), tuple(v)) for v in stored.values()
    ]


def test_tensors_in_a_tuple_of_torch_come_back_with_it(tmp_path):
    Workspace({"largest": torch.eye(2).max(0)}, tmp_path / "run.zarr").store("before")
    found = {}
    Workspace(found, tmp_path / "run.zarr").restore("before")
    assert type(found["largest"]) is torch.return_types.max
    assert (found["largest"].values.tolist(), found["largest"].indices.tolist()) == ([1, 1], [0, 1])


def test_a_tuple_that_nothing_can_make_is_named_and_costs_nothing_else(tmp_path):
    Workspace({"x": 1, "both": [sys.flags, 1]}, tmp_path / "run.zarr").store("before")
    found = {"both": [(), 2]}
    status = Workspace(found, tmp_path / "run.zarr").restore("before")
    assert found == {"x": 1, "both": [(), 1]}
    assert status.unused_reasons.keys() == {"both[0]"}


class Sulking:
    """Takes part in a set as long as it is in the mood."""

    sulks = False

    def __hash__(self):
        if self.sulks:
            raise RuntimeError("not now")
        return 1


def test_what_refuses_to_be_made_is_named_and_costs_nothing_else(tmp_path, monkeypatch, as_somebody_else):
    member = Sulking()
    Workspace({"member": member, "group": frozenset([member]), "x": 1}, tmp_path / "run.zarr").store("before")
    as_somebody_else()
    monkeypatch.setattr(Sulking, "sulks", True)
    found = {"member": Sulking(), "groups": 3, "x": 2}
    status = Workspace(found, tmp_path / "run.zarr").restore("before")
    assert found["x"] == 1
    assert status.unused_reasons.keys() == {"group"}


class Sullen(Sulking):
    """Knows only its own kind."""

    def __init__(self, name):
        self.name = name

    def __eq__(self, other):
        return self.name == other.name

    __hash__ = Sulking.__hash__


@pytest.mark.parametrize("kind", [set, frozenset])
def test_members_of_a_set_are_not_asked_what_they_equal(tmp_path, kind):
    member = Sullen("a")
    Workspace({"member": member, "group": kind([member]), "x": 1}, tmp_path / "run.zarr").store("before")
    live = {"member": Sullen("b"), "group": kind(), "x": 2}
    status = Workspace(live, tmp_path / "run.zarr").restore("before")
    assert not status.unused_reasons
    assert (live["member"].name, live["x"], type(live["group"])) == ("a", 1, kind)
    assert next(iter(live["group"])) is live["member"]
