"""A rollback touches the user's objects and nothing of the machinery around them.

One session is played, once: everything that people keep in a namespace and that a
restore must leave alone is there, is stored, changed, and restored. Each test looks
at one thing of it.
"""

import logging

import pytest

SETUP = """
import asyncio, functools, linecache, logging, queue, re, threading, warnings, weakref
import numpy as np, matplotlib.pyplot as plt, ipywidgets, jax, jax.numpy as jnp
from concurrent.futures import ThreadPoolExecutor
import counting

W = np.arange(3.0)
options = {"lr": 0.5}

logger = logging.getLogger("mine"); root = logging.getLogger()
first = logging.StreamHandler(); logger.addHandler(first); logger.setLevel(logging.INFO)

%config InlineBackend.close_figures = False
figure, axes = plt.subplots(); line, = axes.plot([1, 2, 3]); rc = plt.rcParams

slider = ipywidgets.IntSlider(value=3, min=0, max=10, description="rate")
text = ipywidgets.Text(value="before")
box = ipywidgets.VBox([slider]); unchanged = ipywidgets.VBox([text])
calls = []
slider.observe(lambda change: calls.append(change["new"]), "value")

pool = ThreadPoolExecutor(2); doubled = pool.submit(lambda: 2); doubled.result()
tasks = queue.Queue(); tasks.put("one"); event = threading.Event()

class Member:
    pass
member, other = Member(), Member()
known = weakref.WeakValueDictionary(a=member); proxy = weakref.proxy(member); refs = weakref.WeakSet([member])

@functools.lru_cache
def square(n):
    counting.square += 1
    return n * n * options["lr"]
square(2)

@jax.jit
def scaled(x):
    counting.traced += 1
    return x * 2
scaled(jnp.ones(3))

pattern = re.compile("a+"); sources = linecache.cache; loop = asyncio.get_event_loop(); shell = get_ipython()

from snapshot.magics import workspace_of
import snapshot
workspace = workspace_of(get_ipython())
own = snapshot.Workspace({"n": [1]}); own.store("mine")
"""

CHANGES = """
import sqlite3, xml.dom.minidom, pandas, scipy.stats
logging.getLogger("since").addHandler(logging.NullHandler())

W[:] = -1; options["lr"] = 9

second = logging.StreamHandler(); logger.addHandler(second); root.addHandler(second)
logger.addFilter(lambda record: True); logger.setLevel(logging.ERROR)

rc["lines.linewidth"] = 7.5; axes.set_title("later"); line.set_ydata([9, 9, 9]); axes.plot([3, 2, 1])
warnings.filterwarnings("ignore", message="of the user")

slider.value = 7; slider.max = 20; text.value = "after"; box.children = (slider, text)

pool.submit(lambda: 3).result(); tasks.put("two"); event.set()

known["b"] = other; refs.add(other)

square(3); square(2)
scaled(jnp.ones(4))

sources["cell-of-mine"] = (1, None, ["x"], "cell-of-mine"); re.compile("b+")

after = workspace.store("after"); own.store("more")
"""


@pytest.fixture(scope="module")
def played(start):
    """The kernel after store, changes and restore; with what came back of both."""
    kernel = start()
    (kernel.folder / "counting.py").write_text("square = traced = 0\n")
    kernel.run("%load_ext snapshot")
    kernel.run(SETUP)
    kernel.stored = kernel.run("%snapshot store before")
    kernel.run(CHANGES)
    kernel.loggers = kernel["sorted(logging.Logger.manager.loggerDict)"]
    kernel.figures = kernel["plt.get_fignums()"]
    kernel.counted = kernel["(counting.square, counting.traced, list(calls))"]
    kernel.restored = kernel.run("%snapshot restore before")
    return kernel


def sent(answer, comm):
    """The states that an answer sent to one widget of the front end."""
    messages = [m for m in answer.comms if m["msg_type"] == "comm_msg" and m["comm_id"] == comm]
    return [m["data"]["state"] for m in messages if m["data"].get("method") == "update"]


def test_the_users_own_variables_are_restored_among_all_that(played):
    assert played["(W.tolist(), options)"] == ([0.0, 1.0, 2.0], {"lr": 0.5})


# --- logging


def test_handlers_filters_and_level_of_a_logger_stay_as_they_are_now(played):
    assert played["(logger.handlers == [first, second], len(logger.filters), logger.level)"] == (
        True,
        1,
        logging.ERROR,
    )
    assert played["second in root.handlers"] is True


def test_no_logger_of_the_process_is_lost(played):
    assert played["sorted(logging.Logger.manager.loggerDict)"] == played.loggers
    assert played["logging.getLogger('since').handlers != []"] is True


def test_a_logger_still_logs(played):
    assert "after the restore" in played.run("logger.error('after the restore')").err


# --- matplotlib


def test_rcparams_stay_as_the_user_set_them(played):
    assert played["(rc['lines.linewidth'], plt.rcParams['lines.linewidth'], rc is plt.rcParams)"] == (7.5, 7.5, True)


def test_figures_stay_as_they_are_and_still_draw(played):
    assert played["(axes.get_title(), len(axes.lines), list(line.get_ydata()))"] == ("later", 2, [9, 9, 9])
    assert played["(figure.axes == [axes], line in axes.lines)"] == (True, True)
    assert played.figures == played["plt.get_fignums()"] == [1]
    answer = played.run("figure.canvas.draw(); display(figure)")
    assert "image/png" in answer.shown[0]


def test_a_figure_is_named_in_the_report(played):
    report = played.run("%snapshot show before --report").text
    for name in ("figure", "axes", "line", "logger", "pool", "known", "tasks", "loop"):
        assert any(row.split()[:1] == [name] for row in report.splitlines()), name


def test_warning_filters_stay(played):
    assert played["any(f[1] is not None and f[1].match('of the user') for f in warnings.filters)"] is True


# --- ipywidgets


def test_a_slider_has_its_stored_value_and_the_front_end_is_told(played):
    assert played["(slider.value, slider.max)"] == (3, 10)
    states = sent(played.restored, played["slider.comm.comm_id"])
    merged = {name: value for state in states for name, value in state.items()}
    assert merged == {"value": 3, "max": 10}


def test_a_text_field_is_told_too(played):
    assert {"value": "before"} in sent(played.restored, played["text.comm.comm_id"])


def test_widgets_that_did_not_change_are_not_told_anything(played):
    assert sent(played.restored, played["unchanged.comm.comm_id"]) == []


def test_a_box_has_its_stored_children_and_the_front_end_is_told(played):
    assert played["box.children == (slider,)"] is True
    [state] = sent(played.restored, played["box.comm.comm_id"])
    assert state == {"children": ["IPY_MODEL_" + played["slider.model_id"]]}


def test_no_widget_is_closed_or_made_by_a_restore(played):
    assert {message["msg_type"] for message in played.restored.comms} == {"comm_msg"}


def test_observers_are_still_there_and_were_not_called_by_the_restore(played):
    assert played["calls"] == []
    played.run("slider.value = 5")
    assert played["calls"] == [5]


def test_a_slider_still_follows_the_front_end(played):
    played.run(
        "slider._handle_msg({'content': {'data': {'method': 'update', 'state': {'value': 8}, 'buffer_paths': []}}, "
        "'buffers': []})"
    )
    assert played["slider.value"] == 8


# --- threads


def test_the_executor_keeps_its_threads_and_works(played):
    assert played["all(thread.is_alive() for thread in pool._threads)"] is True
    assert played["(pool.submit(lambda: 4).result(timeout=60), doubled.result())"] == (4, 2)


def test_queues_and_events_stay_as_they_are_now(played):
    assert played["(list(tasks.queue), event.is_set())"] == (["one", "two"], True)


# --- weak containers


def test_weak_containers_keep_their_members_and_stay_weak(played):
    assert played["(sorted(known), known['a'] is member, len(refs), isinstance(proxy, Member))"] == (
        ["a", "b"],
        True,
        2,
        True,
    )
    played.run("import gc; temporary = Member(); known['c'] = temporary; del temporary; _ = gc.collect()")
    assert played["'c' in known"] is False


# --- caches


def test_the_cache_of_a_function_is_cleared_since_its_inputs_went_back(played):
    before = played["counting.square"]
    assert played["square(2)"] == 2.0  # with the stored rate, not 36 with the one in between
    assert played["counting.square"] == before + 1


def test_the_status_says_that_a_cache_was_cleared(played):
    assert "square" in played.restored.out
    assert "cache" in played.restored.out


def test_a_jitted_function_is_not_traced_again(played):
    assert played["(scaled._cache_size(), scaled(jnp.ones(3)).tolist(), scaled(jnp.ones(4)).tolist())"] == (
        2,
        [2.0] * 3,
        [2.0] * 4,
    )
    assert played["counting.traced"] == played.counted[1] == 2


def test_caches_of_libraries_keep_what_came_in_since(played):
    assert played["('cell-of-mine' in linecache.cache, sources is linecache.cache)"] == (True, True)


def test_libraries_imported_since_work(played):
    assert played["int(pandas.Series([1, 2]).sum())"] == 3
    assert played["float(scipy.stats.norm.cdf(0))"] == 0.5
    assert played["sqlite3.connect(':memory:').execute('select 1').fetchone()"] == (1,)


# --- ourselves


def test_the_timeline_keeps_what_was_stored_since(played):
    assert played["[snap.label for snap in workspace.timeline]"] == ["before", "after"]
    assert played["workspace is workspace_of(get_ipython())"] is True
    played.run("%snapshot restore after")
    assert played["W.tolist()"] == [-1.0, -1.0, -1.0]
    played.run("%snapshot restore before")


def test_another_workspace_in_the_namespace_keeps_its_timeline_and_its_name(played):
    assert played["[snap.label for snap in own.timeline]"] == ["mine", "more"]
    played.run("third = snapshot.Workspace({})")
    answer = played.run("%snapshot restore before --created remove")
    assert "third" not in answer.out
    assert played["(type(third).__name__, type(workspace).__name__, after.label)"] == (
        "Workspace",
        "Workspace",
        "after",
    )


def test_nothing_of_ours_is_listed(played):
    shown = played.run("%snapshot show before").text + played.run("%snapshot show before --report").text
    for name in ("workspace", "own", "snapshot"):
        assert not any(row.split()[:1] == [name] for row in shown.splitlines()), name


def test_the_shell_and_the_loop_are_the_same(played):
    assert played["(shell is get_ipython(), loop is asyncio.get_event_loop(), loop.is_closed())"] == (
        True,
        True,
        False,
    )
    assert played["__name__"] == "__main__"
