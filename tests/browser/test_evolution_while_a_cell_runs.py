"""The Evolution widget answers while the kernel is busy with a cell."""

import pytest

PICTURE = ".snapshot-evolution .widget-image"
HANDLE = ".snapshot-evolution .noUi-handle"
TRAIN = """
%load_ext snapshot
import numpy as np
w = np.zeros((4, 4))
for step in range(3):
    w += np.arange(4) * step
    %snapshot store --step {step}
"""
RUN_UNTIL_STOPPED = """
from pathlib import Path
from time import sleep
while not Path("stop").exists():
    sleep(0.01)
"""

pytestmark = pytest.mark.browser


def test_the_slider_moves_the_picture_before_the_running_cell_ends(notebook, made, lab):
    opened = notebook(made("busy.ipynb", TRAIN, "%snapshot plot w", RUN_UNTIL_STOPPED))
    opened.start_all()
    at_first = opened.picture(PICTURE)
    opened.wait_for_prompt(2, "[2]:")
    try:
        for key in ("ArrowLeft", "ArrowLeft", "ArrowRight", "ArrowRight"):
            opened.page.locator(HANDLE).first.press(key)
            opened.wait_for_another_picture(PICTURE, at_first)
            at_first = opened.picture(PICTURE)
            assert opened.prompt(3) == "[*]:"
    finally:
        (lab.folder / "stop").touch()
    opened.wait_for_prompt(3, "[3]:")
    assert opened.errors() == []


TRAIN_UNTIL_STOPPED = """
from pathlib import Path
from time import sleep
step = 3
while not Path("stop-training").exists():
    w += np.arange(4) * 0.1
    %snapshot store --step {step}
    step += 1
    sleep(0.05)
"""
FOLLOW = ".snapshot-evolution .widget-checkbox:has-text('Follow') input"
CAPTION = ".snapshot-evolution [role=status]"


def test_an_open_view_follows_a_training_while_its_cell_runs_until_it_is_told_not_to(notebook, made, lab):
    opened = notebook(made("training.ipynb", TRAIN, "%snapshot plot w", TRAIN_UNTIL_STOPPED))
    opened.start_all()
    shown = [opened.picture(PICTURE)]
    opened.wait_for_prompt(2, "[2]:")
    try:
        for _ in range(4):
            opened.wait_for_another_picture(PICTURE, shown[-1])
            shown.append(opened.picture(PICTURE))
        assert opened.prompt(3) == "[*]:"
        opened.centre(".snapshot-evolution")
        opened.screenshot("evolution-follows")
        opened.page.locator(FOLLOW).uncheck()
        opened.page.locator(HANDLE).first.press("Home")  # answered after the switch, so nothing is under way
        opened.page.wait_for_function(f"() => document.querySelector('{CAPTION}').innerText.includes('At step 0 ')")
        steps = opened.page.locator(".snapshot-evolution .widget-readout").first.inner_text()
        before = opened.picture(PICTURE)
        opened.page.locator(FOLLOW).check()
        opened.wait_for_another_picture(PICTURE, before)
        assert "At step 0 " in opened.page.locator(CAPTION).inner_text(), steps
    finally:
        (lab.folder / "stop-training").touch()
    opened.wait_for_prompt(3, "[3]:")
    assert opened.errors() == []
