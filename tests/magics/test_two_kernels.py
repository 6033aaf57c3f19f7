"""Commands about snapshots that another run stored, or another kernel dropped."""

import numpy as np
import pytest
from IPython.core.error import UsageError

from snapshot import Workspace


@pytest.fixture
def earlier(shell, tmp_path):
    """Another run's: #1 a, #2 without a label, #3 good."""
    made = Workspace({"W": np.zeros((2, 3))}, tmp_path / "snapshots.zarr")
    for label in ("a", None, "good"):
        made.store(label)
    made.flush()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("drop #{run}.2", "dropped #{run}.2; 2 snapshots left"),
        ("drop a", "dropped a (#{run}.1); 2 snapshots left"),
        ("prune --keep 1", "dropped #{run}.2; 2 snapshots left"),
        ("restore #{run}.2", "restored #{run}.2: "),
        ("label #{run}.2 good", "#{run}.2 is now good (moved here from #{run}.3)"),
    ],
)
def test_a_snapshot_of_another_run_is_named_as_commands_take_it(run, capsys, earlier, command, said):
    run(f"%snapshot {command.format(run=earlier.run)}")
    assert said.format(run=earlier.run) in capsys.readouterr().out


def test_it_is_named_so_where_it_is_shown(run, shown, earlier):
    reference = f"#{earlier.run}.2"
    run(f"%snapshot restore {reference}")
    assert f"now at {reference} (" in repr(shown("%snapshot"))
    assert repr(shown(f"%snapshot show {reference}")).startswith(f"{reference}, step 2")


def test_a_label_that_means_another_snapshot_is_listed_in_brackets(run, shown, earlier):
    run("%snapshot store good")
    text = repr(shown("%snapshot list"))
    lines = {line.split()[0]: line for line in text.splitlines() if " #" in line and "→" not in line}
    assert "  (good)  " in lines[f"#{earlier.run}.3"]
    assert "  a  " in lines[f"#{earlier.run}.1"]
    assert [line.split()[1:3] for line in text.splitlines() if "→" in line] == [["#1", "good"]]
    assert "by its id" in text.splitlines()[-1]


def test_a_list_in_which_every_label_is_its_own_has_no_brackets(shown, earlier):
    text = repr(shown("%snapshot list"))
    assert "(" not in text.partition("\n")[2]


def test_labelling_says_which_other_run_keeps_the_label(run, capsys, earlier):
    run("%snapshot store", "%snapshot label #1 good")
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"#1 is now good (#{earlier.run}.3 of another run keeps it, but it means this one)"


def test_what_another_kernel_dropped_is_listed_as_in_memory_only(run, shown, earlier, shell, tmp_path):
    run("%snapshot store mine", "%snapshot flush")
    other = Workspace({}, tmp_path / "snapshots.zarr")
    other.drop("mine")
    other.close()
    assert "memory only: another kernel dropped it on disk" in repr(shown("%snapshot list"))


def test_dropping_what_another_kernel_dropped_is_one_clear_line(run, earlier):
    earlier.drop("a")
    earlier.flush()
    with pytest.raises(UsageError, match="no snapshot 'a'; known labels: good"):
        run("%snapshot drop a")


def test_a_long_label_is_shortened_in_the_list_and_whole_in_the_data(run, shown, shell):
    label = "x" * 3000
    run(f"%snapshot store {label}")
    table = shown("%snapshot list")
    assert max(map(len, repr(table).splitlines())) < 200
    assert len(table._repr_html_()) < 2500
    assert "x…" in repr(table)
    assert run(f"get_ipython()._snapshot_door.workspace[{label!r}].label") == label
    # the folder's own name may be long
    assert max(len(line) for line in repr(shown("%snapshot")).splitlines() if "snapshots.zarr" not in line) < 200
