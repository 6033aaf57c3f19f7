"""A command that takes long shows a bar; one that does not shows none, and none is left behind."""

import pytest

WIDGET = "application/vnd.jupyter.widget-view+json"
# A flush that goes on until the bar has been looked at twice.
HELD = """
import threading, ipywidgets
from snapshot.magics import progress
from snapshot.workspace import Workspace
looked, plain, flush, delay = [], progress._put, Workspace.flush, progress.DELAY
enough = threading.Event()
def put(*about):
    plain(*about)
    looked.append(about[3].value)
    if len(looked) > 2:
        enough.set()
progress._put, progress.DELAY = put, 0
Workspace.flush = lambda self: (enough.wait(60), flush(self))
"""
AS_BEFORE = "progress._put, progress.DELAY, Workspace.flush = plain, delay, flush"


@pytest.fixture
def stored(kernel):
    kernel.run("%load_ext snapshot\nimport numpy as np\nw = np.zeros(3)")
    kernel.run("%snapshot store before")
    return kernel


def test_a_long_flush_shows_a_bar_that_moves_and_leaves_no_widget_in_the_notebook(stored):
    stored.run(HELD)
    try:
        answer = stored.run("%snapshot flush")
    finally:
        stored.run(AS_BEFORE)
    assert sum(WIDGET in data for data in answer.shown) == 1
    assert stored["looked[0].startswith('writing')"]
    closed = [message for message in answer.comms if message["msg_type"] == "comm_close"]
    assert len(closed) >= 3
    assert "everything stored is in" in answer.out


def test_a_short_command_shows_no_bar(stored):
    answer = stored.run("%snapshot store after")
    assert (answer.shown, answer.comms) == ([], [])
