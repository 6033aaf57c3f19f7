"""What the README says works as it is written there."""

import re
from pathlib import Path

import numpy as np
import pytest

import snapshot

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The code blocks of the README in one language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for tongue, text in fenced if tongue == language]


def magics() -> list[str]:
    """Every ``%snapshot`` line it shows, in code blocks and between backticks."""
    in_blocks = re.findall(r"^%snapshot (\w[^#\n]*)", README, re.MULTILINE)
    return sorted({line.strip() for line in [*in_blocks, *re.findall(r"`%snapshot (\w[^`]*)`", README)]})


def test_there_are_two_commands_and_each_is_one_line():
    assert [block.count("\n") for block in blocks("bash")] == [1, 1]
    assert all(block.startswith("python3 -m venv .venv && ") for block in blocks("bash"))


def test_the_tour_in_python_prints_what_the_comments_promise(capsys):
    tour = blocks("python")[1]
    exec(tour, {})
    assert capsys.readouterr().out.startswith("[0. 0.] []\n")
    assert "# [0. 0.] []" in tour


def test_the_tour_of_a_repository_reads_what_a_notebook_stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with_values = snapshot.Workspace({"w": np.arange(3.0)}, "snapshots.zarr")
    with_values.store("before")
    with_values.close()
    exec(blocks("python")[2], {"snapshot": snapshot})


@pytest.mark.parametrize("line", magics())
def test_every_command_it_shows_is_understood(line):
    from snapshot.magics.commands import find
    from snapshot.magics.grammar import parse

    # what braces hold is filled in by the notebook
    word, *rest = line.replace("{step}", "7").split(None, 1)
    assert parse(find(word), *rest or [""])


def test_every_file_it_links_to_is_there():
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert [name for name in linked if not (ROOT / name).exists()] == []


def test_every_folder_it_explains_is_there_and_none_that_matters_is_forgotten():
    layout = next(block for block in blocks("") if block.startswith("snapshot/"))
    explained = set(re.findall(r"^(\w+)/", layout, re.MULTILINE))
    assert [name for name in explained if not (ROOT / name).is_dir()] == []
    assert {"snapshot", "magics", "widgets", "notebooks", "tests", "binder"} <= explained


def test_the_continuous_integration_finds_the_test_command():
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r"sed -n '/(<!--.*?-->)/", script)[1]
    after = README.split(pattern, 1)[1]
    assert "-m pytest " in after.splitlines()[2]


def test_after_a_restart_contents_go_into_what_was_made_again_and_plain_names_come_back(tmp_path):
    before = {"w": np.arange(3.0), "options": {"rate": 0.1}, "log": ["a"], "f": lambda: 1}
    snapshot.Workspace(before, tmp_path / "run.zarr").store("last")
    made = np.zeros(3)
    after = {"w": made}
    snapshot.Workspace(after, tmp_path / "run.zarr").restore("last")
    assert made.tolist() == [0.0, 1.0, 2.0]
    assert after == {"w": made, "options": {"rate": 0.1}, "log": ["a"]}


def test_after_a_restart_what_is_compiled_inside_an_estimator_comes_back_and_a_strangers_needs_trust(
    tmp_path, as_somebody_else
):
    from sklearn.neighbors import KNeighborsClassifier

    near = KNeighborsClassifier(1, algorithm="kd_tree").fit([[0.0], [1.0]], [3, 4])
    snapshot.Workspace({"near": near}, tmp_path / "run.zarr").store("last")
    own: dict = {}
    snapshot.Workspace(own, tmp_path / "run.zarr").restore("last")
    assert own["near"].predict([[1.0]]).tolist() == [4]
    as_somebody_else()
    after: dict = {}
    workspace = snapshot.Workspace(after, tmp_path / "run.zarr")
    assert "pickle" in workspace.restore("last").unused_reasons["near"]
    assert after == {}
    workspace.open(tmp_path / "run.zarr", trust=True)
    workspace.restore("last")
    assert after["near"].predict([[1.0]]).tolist() == [4]
