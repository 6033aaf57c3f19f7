"""The next morning: another kernel in the same folder finds what the last one stored.

The first kernel is killed after ``%snapshot flush``, so that nothing can reach the
second but what is on disk.
"""

import numpy as np
import pytest
import zarr

import snapshot

IMPORTS = """
import datetime, random
import numpy as np, torch
from torch.nn import Linear
class Experiment:
    pass
def make(seed, lr):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(Linear(4, 8), torch.nn.Tanh(), Linear(8, 1))
    return model, torch.optim.Adam(model.parameters(), lr=lr)
def train(steps):
    losses = []
    for _ in range(steps):
        x = torch.randn(16, 4)
        optimizer.zero_grad()
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
"""
YESTERDAY = """
W = np.arange(600_000.0).reshape(300, 2000); column = W[:, 1]
model, optimizer = make(0, 0.01)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
_ = train(3); scheduler.step()
options = {"lr": 0.5, "layers": [1, 2], "W": W}
experiment = Experiment(); experiment.name = "first"; experiment.best = np.array([1.0, 2.0])
when = datetime.date(2026, 11, 1); words = ["a", ("b", {"c": 1})]; lr = 0.25; small = np.arange(3); also_W = W
lost = Experiment(); batches = (n for n in range(3))
"""
TODAY = """
W = np.zeros((300, 2000)); column = W[:, 1]
model, optimizer = make(1, 9.0)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)
options = {"lr": 9, "more": 1}
experiment = Experiment(); experiment.name = "new"; experiment.best = np.zeros(2)
mine = "made today"
objects = lambda: [W, column, model, optimizer, *model.parameters(), optimizer.param_groups[0],
    options, experiment, experiment.best]
live = objects()
same = lambda: len(live) == len(objects()) and all(a is b for a, b in zip(live, objects()))
"""
DRAW = "(random.random(), np.random.rand(2).tolist(), torch.rand(2).tolist())"
WATCH = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
values = lambda: [file for file in opened if "/variables/" in file or "/packs/" in file]
"""


@pytest.fixture(scope="module")
def yesterday(start):
    """A folder in which a kernel stored and died; with the numbers that would have come next."""
    kernel = start()
    kernel.run("%load_ext snapshot\n" + IMPORTS + YESTERDAY)
    kernel.run("%snapshot store before --note 'the end of the day'")
    kernel.next = kernel[DRAW]
    kernel.run("%snapshot restore before")
    kernel.losses = kernel["train(4)"]
    kernel.weights = kernel["[p.tolist() for p in model.parameters()]"]
    kernel.run("%snapshot store trained")
    kernel.run("%snapshot flush")
    kernel.end()
    return kernel


@pytest.fixture(scope="module")
def looking(start, yesterday):
    """Today's kernel, in which nothing was defined."""
    kernel = start(yesterday.folder)
    kernel.loaded = kernel.run("%load_ext snapshot")
    kernel.run(WATCH)
    return kernel


@pytest.fixture(scope="module")
def today(start, yesterday):
    """Another kernel of today, in which the cells ran with other values; yesterday's state was restored there."""
    kernel = start(yesterday.folder)
    kernel.run("%load_ext snapshot\n" + IMPORTS + TODAY)
    kernel.restored = kernel.run("%snapshot restore before")
    return kernel


# --- looking


def test_the_extension_announces_what_is_there_in_one_line(looking, yesterday):
    assert len(looking.loaded.text.splitlines()) == 1
    assert str(yesterday.folder / "snapshots.zarr") in looking.loaded.out


def test_open_lists_the_variables_without_reading_values(looking):
    looking.run("import snapshot; opened.clear(); repository = snapshot.open('snapshots.zarr')")
    looking.run("kept = repository['before'].variables")
    assert looking["(kept['W'].shape, kept['W'].dtype.name, kept['W'].nbytes)"] == ((300, 2000), "float64", 4_800_000)
    assert looking["{'model.0.weight', 'small', 'lr'} <= set(kept)"] is True
    assert looking["len(opened) > 0"] is True
    assert looking["values()"] == []


def test_open_imports_no_framework_and_makes_no_variable(looking):
    looking.run("snapshot.open('snapshots.zarr')['before'].variables")
    assert looking["('torch' in sys.modules, 'W' in globals())"] == (False, False)


def test_one_value_is_read_on_demand_and_no_other(looking):
    looking.run("opened.clear(); weight = snapshot.open('snapshots.zarr')['before']['W']")
    assert looking["(type(weight).__name__, float(weight[1, 0]))"] == ("ndarray", 2000.0)
    assert looking["{file.split('/variables/')[1].split('-')[0] for file in values()}"] == {"w"}


def test_open_never_writes(looking, yesterday):
    before = {file: file.stat().st_mtime_ns for file in (yesterday.folder / "snapshots.zarr").rglob("*")}
    looking.run("r = snapshot.open('snapshots.zarr'); r.timeline; r['before'].variables; r['trained']['W']")
    assert {file: file.stat().st_mtime_ns for file in (yesterday.folder / "snapshots.zarr").rglob("*")} == before


def test_the_list_shows_yesterdays_snapshots_with_their_notes(looking):
    listed = looking.run("%snapshot list").text
    assert "2 snapshots" in listed
    assert "trained" in listed
    assert "the end of the day" in listed


def test_the_series_of_a_weight_has_yesterdays_steps(looking):
    looking.run("series = snapshot.open('snapshots.zarr').series('model.0.weight')")
    assert looking["(series.shape, list(series.steps))"] == ((2, 8, 4), [1, 2])


# --- restoring


def test_stored_values_go_into_the_live_objects(today):
    assert today["same()"] is True
    assert today["(float(W[2, 3]), options['lr'], sorted(options), experiment.name, experiment.best.tolist())"] == (
        4003.0,
        0.5,
        ["W", "layers", "lr"],
        "first",
        [1.0, 2.0],
    )


def test_a_live_view_sees_the_values_of_yesterday(today):
    assert today["(float(column[1]), np.shares_memory(column, W))"] == (2001.0, True)


def test_references_that_were_shared_are_shared_again(today):
    assert today["(options['W'] is W, also_W is W)"] == (True, True)


def test_missing_plain_names_are_made(today):
    made = "(str(when), words, lr, small.tolist(), options['layers'])"
    assert today[made] == ("2026-11-01", ["a", ("b", {"c": 1})], 0.25, [0, 1, 2], [1, 2])


def test_names_of_today_are_kept(today):
    assert today["mine"] == "made today"


def test_what_only_a_pickle_brings_back_comes_back_to_the_user_who_stored_it(today):
    assert today["('lost' in globals(), 'batches' in globals())"] == (True, False)
    assert today["type(lost) is Experiment"] is True


def test_a_class_that_a_cell_defines_anew_stays_as_it_is(start, yesterday):
    kernel = start(yesterday.folder)
    kernel.run("%load_ext snapshot\nclass Experiment:\n    version = 2")
    kernel.run("%snapshot restore before --only lost")
    assert kernel["(type(lost) is Experiment, lost.version)"] == (True, 2)


def test_without_its_class_the_object_comes_back_with_one_of_its_own(start, yesterday):
    kernel = start(yesterday.folder)
    kernel.run("%load_ext snapshot")
    kernel.run("%snapshot restore before --only lost")
    assert kernel["(type(lost).__name__, 'Experiment' in globals())"] == ("Experiment", False)


def test_somebody_else_gets_the_rest_and_is_told_what_would_need_trust(start, yesterday, tmp_path):
    kernel = start(yesterday.folder, SNAPSHOT_SECRET_FILE=str(tmp_path / "their key"))
    kernel.run("%load_ext snapshot\n" + IMPORTS + TODAY)
    restored = kernel.run("%snapshot restore before")
    assert kernel["('lost' in globals(), small.tolist())"] == (False, [0, 1, 2])
    assert "lost" in restored.out
    kernel.run("%snapshot open snapshots.zarr --trust")
    kernel.run("%snapshot restore before")
    assert kernel["type(lost) is Experiment"] is True


def test_the_message_is_two_lines_at_most(today):
    assert len(today.restored.out.strip().splitlines()) <= 2
    assert today.restored.out.startswith("restored before: ")


def test_settings_of_optimizer_and_scheduler_are_back(today):
    settings = "(optimizer.param_groups[0]['lr'], scheduler.step_size, scheduler.last_epoch)"
    assert today[settings] == (0.01, 2, 1)


def test_training_goes_on_as_it_would_have_yesterday(today, yesterday):
    today.run("%snapshot restore before")
    assert today["train(4)"] == yesterday.losses
    assert today["[p.tolist() for p in model.parameters()]"] == yesterday.weights


def test_random_states_go_on_as_they_would_have_yesterday(today, yesterday):
    today.run("%snapshot restore before")
    assert today[DRAW] == yesterday.next


def test_restore_without_a_name_takes_the_newest(looking):
    assert looking.run("%snapshot restore --dry-run").out.startswith("would restore trained: ")


def test_undo_brings_the_values_of_this_kernel_back(today):
    today.run("W[:] = 5; options['lr'] = 7")
    today.run("%snapshot restore before --only W options")
    assert today["(float(W[0, 0]), options['lr'])"] == (0.0, 0.5)
    today.run("%snapshot undo")
    assert today["(float(W[0, 0]), options['lr'])"] == (5.0, 7)


def test_a_store_of_the_restored_state_adds_next_to_nothing(today, yesterday):
    today.run("%snapshot restore before")
    before = disk_usage(yesterday.folder)
    today.run("%snapshot store again\n%snapshot flush")
    assert disk_usage(yesterday.folder) - before < 200_000


def disk_usage(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


# --- other readers


def test_plain_zarr_opens_the_array_of_a_variable(yesterday):
    home = yesterday.folder / "snapshots.zarr"
    folders = [one.parent for one in home.rglob("variables/*/*/zarr.json")]
    [array] = [a for a in map(zarr.open_array, folders) if a.attrs["path"] == "W"]
    assert array.shape == (1, 300, 2000)  # it did not change between the two snapshots
    np.testing.assert_array_equal(array[0], np.arange(600_000.0).reshape(300, 2000))


def test_another_process_reads_it_too(yesterday):
    repository = snapshot.open(yesterday.folder / "snapshots.zarr")
    assert [snap.label for snap in repository.timeline][:2] == ["before", "trained"]
    np.testing.assert_array_equal(repository["before"]["experiment.best"], [1.0, 2.0])
