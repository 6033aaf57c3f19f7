"""The notebook on resuming does what it says, with whatever runs it."""

import base64
import json
import os
import re
import struct
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "resume.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Its outputs by cell, after every cell ran in an empty folder."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    options = ["--IPKernelApp.log_level=ERROR", "--HistoryManager.enabled=False"]
    client = NotebookClient(notebook, resources={"metadata": {"path": folder}}, timeout=600, extra_arguments=options)
    client.execute(env={**os.environ, "TMPDIR": str(folder)})
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def printed(outputs):
    return "".join(one["text"] for one in outputs if one["output_type"] == "stream" and one["name"] == "stdout")


def test_the_training_is_killed_and_goes_on_from_its_last_snapshot(executed):
    assert re.search(r"undisturbed: from scratch 0, to step 400, exit code 0", printed(executed["killed"]))
    assert re.search(r"killed: +from scratch 0, to step 230, exit code -?[1-9]", printed(executed["killed"]))
    assert re.search(r"again: +resumed 200, to step 400, exit code 0", printed(executed["resumed"]))


def test_it_ends_with_the_numbers_of_an_undisturbed_training(executed):
    assert "all 400 losses are the same to the last digit" in printed(executed["same"])


def test_both_runs_are_one_history(executed):
    lines = re.findall(r"run (\w+)  step +(\d+)", printed(executed["history"]))
    assert [int(step) for _, step in lines] == list(range(50, 401, 50))
    assert len({run for run, _ in lines[:4]}) == len({run for run, _ in lines[4:]}) == 1
    assert lines[0][0] != lines[-1][0]


def test_the_picture_is_one_that_a_person_can_read(executed):
    [png] = [one["data"]["image/png"] for one in executed["picture"] if one["output_type"] == "display_data"]
    width, height = struct.unpack(">II", base64.b64decode(png)[16:24])
    assert width >= 600
    assert height >= 250


def test_no_cell_complains(executed):
    assert [one for outputs in executed.values() for one in outputs if one.get("name") == "stderr"] == []


def test_the_committed_notebook_carries_no_outputs():
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["id"] for cell in cells if cell["outputs"] or cell["execution_count"]] == []
