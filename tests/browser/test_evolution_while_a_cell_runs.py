"""The Evolution widget answers while the kernel is busy with a cell."""

from pathlib import Path

import nbformat
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


def busy_notebook(folder: Path) -> Path:
    """Three snapshots, their plot, and a cell that runs until a file called ``stop`` appears."""
    sources = [TRAIN, "%snapshot plot w", RUN_UNTIL_STOPPED]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source.strip()) for source in sources])
    made.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(made, folder / "busy.ipynb")
    return folder / "busy.ipynb"


def test_the_slider_moves_the_picture_before_the_running_cell_ends(notebook, lab, tmp_path):
    opened = notebook(busy_notebook(tmp_path))
    opened.start_all()
    at_first = opened.picture(PICTURE)
    opened.wait_for_prompt(2, "[2]:")
    try:
        opened.page.locator(HANDLE).first.press("ArrowLeft")
        opened.wait_for_another_picture(PICTURE, at_first)
        assert opened.prompt(3) == "[*]:"
    finally:
        (lab.folder / "stop").touch()
    opened.wait_for_prompt(3, "[3]:")
    assert opened.errors() == []
