"""Loading and unloading the extension, and what loading costs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from snapshot.magics import (
    load_ipython_extension,
    running_workspace,
    unload_ipython_extension,
    workspace_of,
)
from snapshot.workspace import Workspace


def footprint(shell):
    """Everything an extension could leave behind in a shell."""
    hooks = {event: len(callbacks) for event, callbacks in shell.events.callbacks.items()}
    magics = {kind: sorted(names) for kind, names in shell.magics_manager.magics.items()}
    attributes = sorted(name for name in vars(shell.magics_manager.user_magics))
    return hooks, magics, attributes, len(shell.Completer.custom_matchers), sorted(shell.user_ns)


def test_the_extension_loads_by_its_name(bare_shell):
    bare_shell.run_line_magic("load_ext", "snapshot")
    assert "snapshot" in bare_shell.magics_manager.magics["line"]


def test_loading_twice_changes_nothing(bare_shell, capsys):
    load_ipython_extension(bare_shell)
    once = footprint(bare_shell)
    magic = bare_shell.find_line_magic("snapshot")
    load_ipython_extension(bare_shell)
    assert footprint(bare_shell) == once
    assert bare_shell.find_line_magic("snapshot") is magic
    assert capsys.readouterr().out == ""


def test_unloading_leaves_the_shell_as_it_was(bare_shell):
    before = footprint(bare_shell)
    load_ipython_extension(bare_shell)
    assert footprint(bare_shell) != before
    unload_ipython_extension(bare_shell)
    assert footprint(bare_shell) == before


def test_unloading_twice_is_harmless(bare_shell):
    load_ipython_extension(bare_shell)
    unload_ipython_extension(bare_shell)
    unload_ipython_extension(bare_shell)
    assert bare_shell.find_line_magic("snapshot") is None


def test_reloading_keeps_the_timeline(run, shown, shell):
    run("%snapshot store before", "%reload_ext snapshot")
    unload_ipython_extension(shell)
    load_ipython_extension(shell)
    assert len(shown("%snapshot list")) == 1


def test_snapshots_go_to_the_folder_in_which_the_extension_was_loaded(run, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run("%snapshot store before", "%snapshot flush")
    assert (tmp_path / "snapshots.zarr" / "zarr.json").exists()
    assert not (tmp_path / "elsewhere" / "snapshots.zarr").exists()


def test_loading_makes_no_folder(bare_shell, tmp_path):
    load_ipython_extension(bare_shell)
    assert not (tmp_path / "snapshots.zarr").exists()


def test_an_existing_repository_is_announced_in_one_line(run, shell, capsys):
    run("%snapshot store before", "%snapshot flush")
    unload_ipython_extension(shell)
    capsys.readouterr()
    load_ipython_extension(shell)
    printed = capsys.readouterr().out
    assert "snapshots.zarr is here already" in printed
    assert "earlier" not in printed  # it was not looked into
    assert len(printed.splitlines()) == 1


def test_each_shell_has_one_workspace(shell):
    assert workspace_of(shell) is workspace_of(shell)


def test_functions_of_the_package_act_on_the_shells_workspace(run, shell):
    run("%snapshot store before", "import snapshot\nsnapshot.store('after')")
    assert [snap.label for snap in workspace_of(shell).timeline] == ["before", "after"]


def test_the_python_of_the_command_reference_acts_on_the_shells_workspace(run, shell):
    reference = (Path(__file__).parents[2] / "docs" / "magics.md").read_text(encoding="utf-8")
    (block,) = (
        text for text in re.findall(r"```python\n(.*?)```", reference, re.DOTALL) if "import snapshot" in text
    )
    run("%snapshot store before", "W *= 10", block)
    assert workspace_of(shell)["after"].step == 100
    assert "W" in shell.user_ns["workspace"].compare("before", "after").changed


def test_the_running_workspace_is_that_of_the_shell_with_the_extension(bare_shell):
    assert running_workspace() is None
    load_ipython_extension(bare_shell)
    assert running_workspace() is workspace_of(bare_shell)
    unload_ipython_extension(bare_shell)
    assert running_workspace() is None


def test_a_strangers_folder_of_that_name_does_not_stop_a_store(run, shell, tmp_path, capsys):
    (tmp_path / "snapshots.zarr").mkdir()
    (tmp_path / "snapshots.zarr" / "mine.txt").write_text("not yours")
    run("%snapshot store before", "W *= 10", "%snapshot restore before")
    assert shell.user_ns["W"][1, 2] == 5.0
    notice = capsys.readouterr().err
    assert "snapshots.zarr" in notice
    assert len(notice.splitlines()) == 1
    assert [file.name for file in (tmp_path / "snapshots.zarr").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("text", ["", '{"zarr_format": 3', None])
def test_a_repository_that_cannot_be_used_is_no_reason_to_start_from_scratch(bare_shell, tmp_path, capsys, text):
    home = tmp_path / "snapshots.zarr"
    workspace = Workspace({"W": 1}, home)
    workspace.store("before")
    workspace.close()
    root = home / "zarr.json"
    root.write_text(root.read_text().replace('"format": 2', '"format": 9') if text is None else text)
    load_ipython_extension(bare_shell)
    bare_shell.run_cell("%snapshot resume")
    printed = capsys.readouterr()
    assert "from scratch" not in printed.out
    assert str(home) in printed.out + printed.err
    # what is opened instead is gone on from, or is empty
    bare_shell.run_cell("%snapshot open other.zarr\n%snapshot resume")
    assert "starting from scratch" in capsys.readouterr().out


def test_a_snapshot_knows_its_notebook(run, shown, shell, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/work/digits.ipynb")
    run("%snapshot store before")
    assert workspace_of(shell)["before"].notebook == "digits.ipynb"
    assert "digits.ipynb" in repr(shown("%snapshot list --all"))


def test_ipythons_own_names_are_not_stored(run, shell):
    run("%snapshot store before")
    assert workspace_of(shell)["before"].names.keys() == {"W", "lr", "rows", "np"}


def test_loading_imports_nothing_heavy(tmp_path: Path):
    program = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
before = set(sys.modules)
shell.run_line_magic("load_ext", "snapshot")
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    added = set(json.loads(ran.stdout.splitlines()[-1]))
    assert "snapshot" in added
    assert added.isdisjoint(
        {"numpy", "zarr", "matplotlib", "ipywidgets", "torch", "tensorflow", "jax", "cloudpickle"}
    )
