"""When a click may touch the variables: the turns that a shell gives."""

import threading
from types import SimpleNamespace

from snapshot.magics import unload_ipython_extension
from snapshot.magics.cells import Cells
from snapshot.magics.door import door_of


def test_a_cell_that_runs_is_known_to_run_and_one_that_raised_has_ended(shell):
    cells = door_of(shell).cells
    shell.user_ns["ask"] = lambda: seen.append(cells.busy)
    seen = []
    shell.run_cell("ask()")
    assert (seen, cells.busy) == ([True], False)
    shell.run_cell("1 / 0")
    assert not cells.busy


def test_unloading_leaves_no_cell_running_and_no_hook(shell):
    cells = door_of(shell).cells
    cells.began()
    unload_ipython_extension(shell)
    assert not cells.busy
    assert cells.began not in shell.events.callbacks["pre_run_cell"]


def test_what_another_thread_submits_is_handed_to_the_loop_of_the_kernel():
    waiting, done = [], []
    cells = Cells(SimpleNamespace(kernel=SimpleNamespace(io_loop=SimpleNamespace(add_callback=waiting.append))))
    worker = threading.Thread(target=cells.submit, args=(lambda: done.append("in turn"),))
    worker.start()
    worker.join()
    assert (done, len(waiting)) == ([], 1)
    waiting[0]()
    assert done == ["in turn"]


def test_on_the_thread_of_the_cells_and_without_a_kernel_it_happens_at_once():
    done = []
    Cells(SimpleNamespace(kernel=None)).submit(lambda: done.append(1))
    assert done == [1]


def test_the_newest_listener_hears_of_the_end_of_a_cell_for_as_long_as_it_lives():
    class Listener:
        heard = 0

        def listen(self):
            self.heard += 1

    cells, first, second = Cells(None), Listener(), Listener()
    cells.follow(first.listen)
    cells.ended()
    cells.follow(second.listen)
    cells.ended()
    assert (first.heard, second.heard) == (1, 1)
    del second
    cells.ended()


def test_browse_shows_the_timeline_and_is_refused_what_a_running_cell_would_suffer_from(shell, shown, run):
    view = shown("%snapshot store before", "W += 1", "%snapshot browse")
    assert [row["label"] for row in view.data()] == ["before"]
    shell.user_ns["view"] = view
    run("view._desk.undo(); said = view._desk.said")
    assert "Refused: a cell is running" in shell.user_ns["said"]
    run("%snapshot store after")
    assert [row["label"] for row in view.data()] == ["before", "after"]
