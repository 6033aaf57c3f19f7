"""The main job as the README starts it: the quickstart, without a display."""

import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"


def run(folder: Path) -> str:
    """What ``notebooks/run.py`` prints when it works in ``folder``."""
    command = [sys.executable, ROOT / "notebooks" / "run.py", "--out", folder]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def twice(tmp_path_factory) -> tuple[Path, str, str]:
    """The output folder, and what the first and the second run printed."""
    folder = tmp_path_factory.mktemp("out")
    return folder, run(folder), run(folder)


def percentages(printed: str) -> list[float]:
    return [float(number) for number in re.findall(r"([\d.]+)%", printed)]


def test_the_restore_brings_back_the_accuracy_that_the_experiment_ruined(twice):
    before, spoiled, restored = percentages(twice[1])
    assert restored == before > 75
    assert spoiled < 50
    assert "the same to the last digit" in twice[1]


def test_a_second_run_in_the_same_folder_works_and_adds_to_the_snapshots(twice):
    _, first, second = twice
    assert percentages(first) == percentages(second)
    total = [int(re.search(r"for all (\d+) of them", printed)[1]) for printed in (first, second)]
    assert total[1] == 2 * total[0]


def test_every_file_it_names_is_there(twice):
    folder, printed, _ = twice
    named = re.findall(r"^  .*  (\S+)$", printed.split("Look at")[1], re.MULTILINE)
    assert {"quickstart.ipynb", "quickstart.html", "evolution.png", "snapshots.zarr"} <= set(named)
    assert all((folder / Path(name).name).exists() for name in named)


def test_the_picture_is_one_that_a_person_can_read(twice):
    png = (twice[0] / "evolution.png").read_bytes()
    width, height = struct.unpack(">II", png[16:24])
    assert png.startswith(b"\x89PNG")
    assert width >= 600
    assert height >= 300


def test_no_cell_of_the_executed_notebook_complains(twice):
    executed = json.loads((twice[0] / "quickstart.ipynb").read_text())
    streams = [output.get("name") for cell in executed["cells"] for output in cell.get("outputs", [])]
    assert "stderr" not in streams


def test_the_committed_notebook_carries_no_outputs():
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["id"] for cell in cells if cell["outputs"] or cell["execution_count"]] == []
