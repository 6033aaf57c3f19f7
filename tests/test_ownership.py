"""A rollback never reaches what the user does not own: libraries, threads, figures, caches."""

import asyncio
import collections
import concurrent.futures
import functools
import importlib
import io
import logging
import queue
import sqlite3
import subprocess
import sys
import textwrap
import threading
import weakref

import numpy as np
import pytest

import snapshot
from snapshot.workspace import Workspace


def around(names, change, **options):
    """Store, run ``change``, restore; returns the workspace."""
    workspace = Workspace(names)
    workspace.store("before")
    change()
    workspace.restore("before", **options)
    return workspace


def test_a_logger_leads_to_no_other_logger_and_loses_no_handler():
    logger = logging.getLogger("mine")
    names = {"logger": logger, "root": logging.getLogger(), "handler": logging.NullHandler()}
    handler = logging.NullHandler()

    def change():
        logger.addHandler(handler)
        logger.setLevel(7)
        logger.addFilter(str)
        logging.getLogger("another.one")
        logging.getLogger().addHandler(handler)

    try:
        workspace = around(names, change)
        assert handler in logger.handlers
        assert handler in logging.getLogger().handlers
        assert (logger.level, logger.filters) == (7, [str])
        assert "logger" in workspace["before"].report["logger"]
    finally:
        logging.getLogger().removeHandler(handler)
        logger.removeHandler(handler)
        logger.removeFilter(str)


def test_a_logger_behind_an_attribute_is_left_alone_and_its_holder_restored():
    class Model:
        def __init__(self):
            self.logger = logging.getLogger("model")
            self.weights = np.zeros(2)

    names = {"model": Model()}
    around(names, lambda: (names["model"].weights.fill(1), names["model"].logger.setLevel(9)))
    assert (names["model"].weights[0], names["model"].logger.level) == (0, 9)


def test_a_figure_is_by_reference_and_keeps_its_artists():
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.add_subplot()
    data = np.zeros(3)
    names = {"figure": figure, "axes": axes, "line": axes.plot(data)[0], "data": data}
    workspace = around(names, lambda: (axes.plot([1, 2]), data.fill(1)))
    assert (len(axes.lines), data[0]) == (2, 0)
    assert {"figure", "axes", "line"} <= workspace["before"].report.keys()


def test_settings_of_matplotlib_are_its_own():
    import matplotlib as mpl

    width = mpl.rcParams["lines.linewidth"]
    names = {"mpl": mpl, "rcParams": mpl.rcParams, "settings": {"rc": mpl.rcParams}}
    try:
        around(names, lambda: mpl.rcParams.update({"lines.linewidth": 7}))
        assert mpl.rcParams["lines.linewidth"] == 7
    finally:
        mpl.rcParams["lines.linewidth"] = width


def test_an_executor_goes_on_working():
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        names = {"executor": executor, "future": executor.submit(int, "3"), "items": [1]}
        around(names, lambda: (executor.submit(int, "4"), names["items"].append(2)))
        assert executor.submit(int, "5").result() == 5
        assert names["items"] == [1]


def test_queues_events_and_conditions_keep_what_they_hold():
    names = {"queue": queue.Queue(), "event": threading.Event(), "simple": queue.SimpleQueue()}
    around(names, lambda: (names["queue"].put(1), names["event"].set(), names["simple"].put(2)))
    assert names["queue"].get_nowait() == 1
    assert names["event"].is_set()
    assert names["simple"].get_nowait() == 2


def test_tasks_and_loops_are_left_alone():
    async def work():
        names = {"loop": asyncio.get_running_loop(), "task": asyncio.current_task(), "queue": asyncio.Queue()}
        around(names, lambda: names["queue"].put_nowait(1))
        return names["queue"].get_nowait()

    # in a thread of its own: a test of the browser may have left a loop in this one
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(asyncio.run, work()).result() == 1


def test_weak_containers_keep_their_members():
    class Thing:
        pass

    things = [Thing(), Thing()]
    names = {"weak": weakref.WeakValueDictionary(a=things[0]), "weak_set": weakref.WeakSet(things[:1])}
    around(names, lambda: (names["weak"].update(b=things[1]), names["weak_set"].add(things[1])))
    assert set(names["weak"]) == {"a", "b"}
    assert len(names["weak_set"]) == 2


def test_a_cache_of_the_users_is_cleared_and_the_status_says_so():
    names = {"__name__": "__main__", "functools": functools}
    exec("scale = [1]\n@functools.cache\ndef scaled(x): return x * scale[0]", names)
    workspace = Workspace(names)
    names["scaled"](1)
    workspace.store("before")
    names["scale"][0] = 10
    assert names["scaled"](2) == 20
    status = workspace.restore("before")
    assert names["scaled"](2) == 2
    assert "cache was cleared" in str(status)


def test_a_cache_of_a_library_is_its_own():
    import fnmatch

    names = {"compile": fnmatch._compile_pattern, "re": importlib.import_module("re")}
    fnmatch.fnmatch("a", "a*")
    hits = fnmatch._compile_pattern.cache_info().currsize
    around(names, lambda: fnmatch.fnmatch("b", "something-new*"))
    assert fnmatch._compile_pattern.cache_info().currsize > hits


def test_jitted_functions_keep_what_they_compiled():
    jax = pytest.importorskip("jax")
    traces = []

    @jax.jit
    def double(x):
        traces.append(1)
        return x * 2

    names = {"double": double, "rate": [1]}
    double(1.0)
    around(names, lambda: (double(2), names["rate"].append(2)))
    double(1.0)
    double(2)
    assert double._cache_size() == 2
    # the list that the function closes over is the user's: it is rolled back, and nothing was traced since
    assert traces == [1]
    assert names["rate"] == [1]


def test_globals_of_libraries_are_by_reference_wherever_they_are_held():
    names = {"registry": sys.modules, "env": __import__("os").environ}
    names["holder"] = [names["env"], __import__("json.decoder", fromlist=["x"])._CONSTANTS]
    workspace = around(names, lambda: names["env"].__setitem__("SNAPSHOT_TEST", "1"))
    assert names["env"].pop("SNAPSHOT_TEST") == "1"
    assert "library" in " ".join(workspace["before"].report.values())


def test_what_a_library_let_go_of_is_the_users_again(monkeypatch):
    import statistics

    shared = [1]
    monkeypatch.setattr(statistics, "held_for_a_test", shared, raising=False)
    names = {"shared": shared}
    workspace = Workspace(names)
    assert "statistics.held_for_a_test" in workspace.store("held").report["shared"]
    monkeypatch.delattr(statistics, "held_for_a_test")
    assert not workspace.store("free").report
    shared.append(2)
    workspace.restore("free")
    assert shared == [1]


def test_modules_are_not_looked_into():
    import statistics

    names = {"statistics": statistics}
    around(names, lambda: setattr(statistics, "added_by_a_test", 1))
    assert statistics.added_by_a_test == 1
    del statistics.added_by_a_test


def test_importing_libraries_between_store_and_restore_changes_nothing_of_theirs():
    code = """
        import logging, snapshot
        names = {"items": [1], "logger": logging.getLogger("mine"), "logging": logging}
        workspace = snapshot.Workspace(names)
        workspace.store("before")
        import decimal, json, unittest.mock, asyncio, multiprocessing, pandas, sklearn.linear_model
        import matplotlib.figure
        names["items"].append(2)
        names["model"] = sklearn.linear_model.LinearRegression()
        modules, level = dict(__import__("sys").modules), logging.getLogger("matplotlib").level
        registered = dict(logging.root.manager.loggerDict)
        workspace.restore("before", created="remove", code="restore")
        assert names.keys() == {"items", "logger", "logging"}, names.keys()
        assert names["items"] == [1]
        assert dict(__import__("sys").modules).keys() >= modules.keys()
        assert dict(logging.root.manager.loggerDict) == registered
        frame = pandas.DataFrame({"a": [1, 2]})
        assert frame["a"].sum() == 3
        assert sklearn.linear_model.LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]).coef_.shape == (1,)
        workspace.undo()
        assert "model" in names
        print("fine")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "fine", done.stderr


def test_a_module_beside_the_notebook_is_the_users(tmp_path, monkeypatch):
    (tmp_path / "own_module_of_test.py").write_text(
        "state = [1]\nclass Model:\n    instances = []\n"
        "def count(found=[0]):\n    found[0] += 1\n    return found[0]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module("own_module_of_test")
    model = own.Model()
    model.weights = np.zeros(2)
    names = {"own": own, "model": model, "Model": own.Model, "count": own.count, "state": own.state}

    def change():
        model.weights.fill(1)
        own.Model.instances.append(1)
        own.count()
        own.state.append(2)

    workspace = around(names, change)
    assert (model.weights[0], own.Model.instances, own.count(), own.state) == (0, [], 1, [1])
    assert workspace["before"].report == {"own": "a module: what its variables hold is not stored"}
    del sys.modules["own_module_of_test"]


def test_the_workspace_and_its_snapshots_in_the_namespace_are_not_captured():
    names = {"items": [1]}
    workspace = names["workspace"] = Workspace(names)
    names["snap"] = workspace.store("before")
    names["status"] = workspace.restore("before")
    names["items"].append(2)
    workspace.store("after")
    workspace.restore("before", created="remove")
    assert [snap.label for snap in workspace.timeline] == ["before", "after"]
    assert {"workspace", "snap", "status"} <= names.keys()
    assert not {"workspace", "snap", "status"} & workspace["after"].names.keys()


def test_our_own_objects_behind_a_container_are_not_captured_either():
    names = {}
    workspace = Workspace(names)
    names["kept"] = {"workspace": workspace, "snapshots": [], "module": snapshot}
    names["kept"]["snapshots"].append(workspace.store("before"))
    workspace.store("after")
    workspace.restore("before")
    assert len(workspace.timeline) == 2
    assert names["kept"]["snapshots"] == []


def test_several_workspaces_over_one_namespace_are_independent():
    names = {"items": [1]}
    first, second = Workspace(names), Workspace(names)
    names.update(first=first, second=second)
    first.store("a")
    names["items"].append(2)
    second.store("a")
    first.restore("a")
    assert names["items"] == [1]
    second.restore("a")
    assert names["items"] == [1, 2]
    assert (len(first.timeline), len(second.timeline)) == (1, 1)


def test_files_connections_and_streams_are_named_and_go_on(tmp_path):
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (x)")
    names = {"connection": connection, "cursor": connection.cursor(), "stream": io.StringIO("abc"), "out": sys.stdout}
    with open(tmp_path / "file", "w") as file:
        names["file"] = file
        workspace = around(names, lambda: (connection.execute("insert into t values (1)"), file.write("more")))
    assert connection.execute("select count(*) from t").fetchone() == (1,)
    assert (tmp_path / "file").read_text() == "more"
    assert set(names) <= workspace["before"].report.keys()
    connection.close()


def test_exceptions_and_tracebacks_are_left_alone():
    try:
        raise ValueError([1])
    except ValueError as error:
        caught = error
    names = {"error": caught, "traceback": caught.__traceback__, "items": [1]}
    around(names, lambda: names["items"].append(2))
    assert names["error"].__traceback__ is names["traceback"]
    assert names["items"] == [1]


def test_values_of_libraries_immutable_types_are_no_news():
    import datetime
    import decimal
    import pathlib
    import re
    import uuid
    from fractions import Fraction

    names = {
        "when": datetime.datetime.now(datetime.UTC), "price": decimal.Decimal("1.5"), "path": pathlib.Path("a"),
        "pattern": re.compile("a"), "id": uuid.uuid4(), "share": Fraction(1, 3), "dtype": np.dtype("f4"),
        "number": np.float32(1), "kind": type, "slice": slice(1, 2), "range": range(3),
        "method": "a".join, "dots": ..., "nothing": None,
    }  # fmt: skip
    expected = dict(names)
    workspace = around(names, lambda: names.update(dict.fromkeys(names)), code="restore")
    assert not workspace["before"].report
    assert all(names[name] is value for name, value in expected.items())


def test_other_libraries_containers_of_arrays_are_walked():
    xarray = pytest.importorskip("xarray")
    sparse = pytest.importorskip("scipy.sparse")
    array = xarray.DataArray(np.zeros((2, 3)), dims=("x", "y"), attrs={"unit": "m"})
    matrix = sparse.csr_matrix(np.eye(3))
    names = {"array": array, "set": xarray.Dataset({"a": array}), "matrix": matrix}

    def change():
        array[0, 0] = 5
        array.attrs["unit"] = "km"
        matrix.data[:] = 7

    around(names, change)
    assert (float(array[0, 0]), array.attrs, matrix.diagonal().tolist()) == (0, {"unit": "m"}, [1, 1, 1])


def test_attrs_classes_with_slots_are_walked():
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Model:
        weights: np.ndarray
        history: list = attrs.field(factory=list)

    model = Model(np.zeros(2))
    around({"model": model}, lambda: (model.weights.fill(1), model.history.append(1)))
    assert (model.weights[0], model.history) == (0, [])


def test_a_data_frame_is_the_same_object_with_its_stored_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2]})
    names = {"frame": frame, "items": [1]}

    def change():
        frame["a"] = 5
        frame["new"] = 1
        names["items"].append(2)
        names["frame"] = None

    around(names, change)
    assert names["frame"] is frame
    assert frame.to_dict("list") == {"a": [1, 2]}
    assert names["items"] == [1]


def test_functions_of_numpy_are_no_news():
    stored = Workspace({"sum": np.sum, "add": np.add, "vectorized": np.vectorize(abs)}).store("before")
    assert not stored.report


def test_user_classes_derived_from_the_machinery_are_by_reference_as_it_is():
    class Worker(threading.Thread):
        def __init__(self):
            super().__init__()
            self.results = []

    names = {"worker": Worker()}
    workspace = around(names, lambda: names["worker"].results.append(1))
    assert names["worker"].results == [1]
    assert "worker" in workspace["before"].report


def test_user_classes_derived_from_plain_library_classes_are_the_users():
    class Table(collections.UserDict):
        pass

    class Settings(collections.OrderedDict):
        pass

    names = {"table": Table(a=1), "settings": Settings(a=1)}
    around(names, lambda: (names["table"].update(a=2), names["settings"].update(a=2, b=3)))
    assert (dict(names["table"]), dict(names["settings"])) == ({"a": 1}, {"a": 1})


def test_the_namespace_bound_to_a_name_of_its_own_keeps_names_made_since():
    namespace = {"x": 1}
    namespace["everything"] = namespace
    workspace = Workspace(namespace)
    workspace.store("before")
    namespace["made_since"] = 2
    workspace.restore("before")
    assert namespace["made_since"] == 2
