"""Go on where a run stopped, or start from scratch: one line; and several workspaces over the same variables."""

import json
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from zarr.storage import MemoryStore

import snapshot
from snapshot.errors import RepositoryError
from snapshot.workspace import Workspace


def test_the_first_time_there_is_nothing_and_nothing_changes(tmp_path):
    names = {"w": np.arange(3.0)}
    workspace = Workspace(names, tmp_path / "run.zarr")
    assert workspace.resume() is None
    assert names["w"].tolist() == [0, 1, 2]
    assert not (tmp_path / "run.zarr").exists()


def test_a_later_kernel_goes_on_from_the_latest_snapshot(tmp_path):
    names = {"w": np.arange(3.0), "step": 0}
    workspace = Workspace(names, tmp_path / "run.zarr")
    for _ in range(3):
        names["w"] += 1
        names["step"] += 1
        workspace.store(step=names["step"])
    workspace.flush()
    later = {"w": np.zeros(3)}
    w = later["w"]
    status = Workspace(later, tmp_path / "run.zarr").resume()
    assert (w.tolist(), later["w"] is w, later["step"]) == ([3, 4, 5], True, 3)
    assert "w" in status.assigned


def test_in_the_same_kernel_it_goes_back_to_the_latest_and_can_be_undone():
    names = {"w": np.arange(3.0)}
    workspace = Workspace(names)
    workspace.store()
    names["w"] += 1
    workspace.resume()
    assert names["w"].tolist() == [0, 1, 2]
    workspace.undo()
    assert names["w"].tolist() == [1, 2, 3]


def test_it_takes_the_options_of_restore():
    names = {"w": np.arange(3.0), "lr": 0.1}
    workspace = Workspace(names)
    workspace.store()
    names["w"] += 1
    names["lr"] = 0.5
    workspace.resume(only="w")
    assert (names["w"].tolist(), names["lr"]) == ([0, 1, 2], 0.5)


def test_another_notebook_of_the_same_folder_is_no_reason_to_go_on(tmp_path):
    theirs = Workspace({"w": np.arange(3.0)}, tmp_path / "run.zarr", notebook="theirs.ipynb")
    theirs.store()
    theirs.flush()
    assert Workspace({}, tmp_path / "run.zarr", notebook="mine.ipynb").resume() is None


@pytest.mark.filterwarnings("ignore:only what this kernel stored is known now:snapshot.SnapshotWarning")
def test_a_repository_that_cannot_be_read_is_no_reason_to_start_from_scratch():
    store = Remote()
    first = Workspace({"w": 1}, store)
    first.store()
    first.flush()
    workspace = Workspace({}, store)
    store.away = True
    with pytest.raises(RepositoryError, match="not there today"):
        workspace.resume()


class Remote(MemoryStore):
    """A store that can be out of reach."""

    away = False

    async def list_dir(self, prefix):
        if self.away:
            raise OSError(5, "not there today")
        async for name in super().list_dir(prefix):
            yield name


def test_in_a_notebook_it_is_the_function_beside_store(monkeypatch):
    names = {"w": np.arange(3.0)}
    monkeypatch.setattr("snapshot.current._current", Workspace(names))
    assert snapshot.resume() is None
    snapshot.store()
    names["w"] += 1
    assert snapshot.resume().assigned
    assert names["w"].tolist() == [0, 1, 2]


# --- a process that is killed

NUMPY = """
    import numpy as np
    generator = np.random.default_rng(1)
    weights = generator.normal(size=(4, 3))
    momentum = {"velocity": np.zeros_like(weights), "rate": 0.1}

    def train():
        global weights
        batch = generator.normal(size=(8, 4))
        gradient = batch.T @ np.tanh(batch @ weights) + 0.01 * np.random.normal(size=weights.shape)
        momentum["velocity"] *= 0.9
        momentum["velocity"] -= momentum["rate"] * gradient
        momentum["rate"] *= 0.99
        weights += momentum["velocity"]
        return float(np.abs(weights).sum())
    np.random.seed(2)
"""

TORCH = """
    import torch
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
    generator = torch.Generator().manual_seed(3)

    def train():
        batch = torch.randn(8, 4, generator=generator)
        optimizer.zero_grad()
        loss = (model(batch) - batch.sum(1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss.item()
"""

LOOP = """
    import json, sys
    import snapshot
    step, losses = 0, []
    workspace = snapshot.Workspace(globals(), sys.argv[1])
    print("resumed" if workspace.resume() else "from scratch", step, flush=True)
    while step < 23:
        losses.append(train())
        step += 1
        if step % 5 == 0:
            workspace.store(step=step)
            workspace.flush()
        print("step", step, flush=True)
    print(json.dumps(losses))
"""


def lines_of(script, repository):
    return subprocess.Popen([sys.executable, script, repository], stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal here")
@pytest.mark.parametrize("training", [NUMPY, TORCH], ids=["numpy", "torch"])
def test_a_training_that_was_killed_ends_with_the_numbers_of_one_that_was_not(training, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(training) + textwrap.dedent(LOOP))
    whole = lines_of(script, tmp_path / "whole.zarr").communicate()[0].splitlines()
    assert whole[0] == "from scratch 0"

    killed = lines_of(script, tmp_path / "run.zarr")
    for line in killed.stdout:
        if line == "step 13\n":
            killed.send_signal(signal.SIGKILL)
            break
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    resumed = lines_of(script, tmp_path / "run.zarr").communicate()[0].splitlines()
    assert resumed[0] == "resumed 10"
    assert json.loads(resumed[-1]) == json.loads(whole[-1])
    assert len(json.loads(resumed[-1])) == 23


# --- several repositories and workspaces over the same variables


def test_workspaces_over_the_same_variables_are_independent(tmp_path):
    names = {"w": np.arange(3.0), "options": {"lr": 0.1}}
    often, seldom = Workspace(names, tmp_path / "often.zarr"), Workspace(names, tmp_path / "seldom.zarr")
    for step in range(1, 5):
        names["w"] += 1
        often.store(f"at-{step}", step=step)
        if step == 2:
            seldom.store("best", step=step, only="w")
    often.flush()
    seldom.flush()
    w = names["w"]
    often.drop("at-2")
    seldom.restore("best")
    assert (names["w"] is w, w.tolist()) == (True, [2, 3, 4])
    assert [one.label for one in often.timeline] == ["at-1", "at-3", "at-4"]
    assert [one.label for one in seldom.timeline] == ["best"]
    assert [one.label for one in snapshot.open(tmp_path / "seldom.zarr").timeline] == ["best"]
    often.restore("at-4")
    assert w.tolist() == [4, 5, 6]
    seldom.undo()
    assert w.tolist() == [4, 5, 6]  # what seldom's restore had overwritten
    often.undo()
    assert w.tolist() == [2, 3, 4]


def test_closing_one_leaves_the_other_and_the_variables_alone(tmp_path):
    names = {"w": np.arange(3.0)}
    one, other = Workspace(names, tmp_path / "one.zarr"), Workspace(names, tmp_path / "other.zarr")
    one.store("a")
    other.store("b")
    one.close()
    names["w"] += 1
    other.store("c")
    other.restore("b")
    assert names["w"].tolist() == [0, 1, 2]
    assert [snap.label for snap in other.timeline] == ["b", "c"]


def test_two_workspaces_may_share_a_repository(tmp_path):
    names = {"w": np.arange(3.0)}
    one, other = Workspace(names, tmp_path / "run.zarr"), Workspace(names, tmp_path / "run.zarr")
    one.store("a")
    one.flush()
    names["w"] += 1
    other.store("b")
    other.flush()
    assert [snap.label for snap in other.timeline] == ["a", "b"]
    assert {snap.label for snap in one.timeline} == {"a", "b"}
    one.restore("b")
    other.restore("a")
    assert names["w"].tolist() == [0, 1, 2]
