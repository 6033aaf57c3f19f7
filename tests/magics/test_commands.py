"""What each command does, on a real shell and a real workspace."""

import sys
from pathlib import Path

import numpy as np
import pytest
from IPython.core.error import UsageError

from snapshot import SnapshotWarning
from snapshot.errors import RepositoryError
from snapshot.magics import workspace_of
from snapshot.repository import Repository
from snapshot.repository.storage import Storage


def test_store_prints_one_line_and_displays_nothing(run, capsys):
    assert run("%snapshot store before") is None
    printed = capsys.readouterr().out.strip()
    assert "before" in printed
    assert "\n" not in printed


def test_restore_puts_the_contents_back_into_the_same_array(run, shell, capsys):
    live = shell.user_ns["W"]
    assert run("%snapshot store before", "W *= 10", "%snapshot restore before") is None
    assert shell.user_ns["W"] is live
    assert live[1, 2] == 5.0
    assert capsys.readouterr().out.strip()


def test_restore_without_a_reference_takes_the_latest(run, shell):
    run("%snapshot store first", "W *= 10", "%snapshot store second", "W *= 10", "%snapshot restore")
    assert shell.user_ns["W"][1, 2] == 50.0


def test_store_only_takes_several_names_up_to_the_next_option(run, shell):
    run("b = 1.0\n%snapshot store some --only W b --step 7")
    stored = workspace_of(shell)["some"]
    assert {"W", "b"} <= set(stored.variables)
    assert "lr" not in stored.variables
    assert stored.step == 7


def test_a_note_in_quotes_keeps_its_blanks(run, shell):
    run('%snapshot store before --note "larger steps, don\'t ask"')
    assert workspace_of(shell)["before"].note == "larger steps, don't ask"


def test_store_in_memory_makes_no_folder(run, tmp_path):
    run("%snapshot store before --memory", "%snapshot flush")
    assert not list(tmp_path.glob("snapshots.zarr/**/table*"))


def test_restore_into_a_new_name_leaves_the_old_one_alone(run, shell):
    run("%snapshot store before", "W *= 10", "%snapshot restore before --only W --into W=W_before")
    assert shell.user_ns["W_before"][1, 2] == 5.0
    assert shell.user_ns["W"][1, 2] == 50.0


def test_a_dry_run_writes_nothing(run, shell):
    run("%snapshot store before", "W *= 10", "%snapshot restore before --dry-run")
    assert shell.user_ns["W"][1, 2] == 50.0


def test_variables_of_a_graph_without_a_value_are_named_and_initialized_when_asked(run, capsys):
    pytest.importorskip("tensorflow")
    run(
        "import tensorflow.compat.v1 as tf\ngraph = tf.Graph()\nsess = tf.Session(graph=graph)",
        "with graph.as_default():\n    w, rest = (tf.Variable([1.0], name=name) for name in ('w', 'rest'))",
        "sess.run(w.initializer)\n%snapshot store before",
    )
    capsys.readouterr()
    run("%snapshot restore before")
    assert "without a value still: rest" in capsys.readouterr().out
    run("%snapshot restore before --initialize-rest")
    assert "initialized rest" in capsys.readouterr().out
    assert run("sess.run('rest/Read/ReadVariableOp:0')").tolist() == [1]


def test_created_names_are_removed_when_asked(run, shell):
    run("%snapshot store before", "extra = 1", "%snapshot restore before")
    assert "extra" in shell.user_ns
    run("%snapshot restore before --created remove")
    assert "extra" not in shell.user_ns


def test_undo_and_redo_print_what_they_did(run, shell, capsys):
    run("%snapshot store before", "W *= 10", "%snapshot restore before")
    capsys.readouterr()
    run("%snapshot undo")
    assert shell.user_ns["W"][1, 2] == 50.0
    run("%snapshot redo")
    assert shell.user_ns["W"][1, 2] == 5.0
    assert len(capsys.readouterr().out.strip().splitlines()) >= 2


def test_undo_says_how_many_cells_ran_since(run, capsys):
    run("%snapshot store before", "%snapshot restore before", "%snapshot undo")
    assert "ran since" not in capsys.readouterr().out
    run("%snapshot restore before", "a = 1", "a = 2", "%snapshot undo")
    assert "2 cells ran since" in capsys.readouterr().out


def test_a_comment_behind_a_command_is_no_argument(run, shell):
    run("%snapshot store before      # every variable, a few milliseconds", "%snapshot  # where am I?")
    assert workspace_of(shell)["before"].id == 1


def test_assign_evaluates_the_rest_of_the_line_and_keeps_the_object(run, shell):
    live = shell.user_ns["W"]
    run("%snapshot assign W={'six': 6.0}['six'] * np.ones((2, 3))")
    assert shell.user_ns["W"] is live
    assert np.all(live == 6.0)


def test_assign_sees_the_names_of_the_function_it_is_called_in(run, shell):
    run("def f():\n    seven = W * 0 + 7\n    get_ipython().run_line_magic('snapshot', 'assign W=seven')\nf()")
    assert np.all(shell.user_ns["W"] == 7.0)


def test_an_error_of_the_users_own_expression_keeps_its_type(run):
    with pytest.raises(ZeroDivisionError):
        run("%snapshot assign W=1 / 0")


def test_names_and_expressions_expand_in_a_loop(run, shell):
    run("for i in range(3):\n    %snapshot store run{i} --step {10 * i}")
    assert [(snap.label, snap.step) for snap in workspace_of(shell).timeline] == [
        ("run0", 0),
        ("run1", 10),
        ("run2", 20),
    ]


def test_names_local_to_a_function_expand(run, shell):
    run("def f():\n    line = 77\n    get_ipython().run_line_magic('snapshot', 'store x --step {line}')\nf()")
    assert workspace_of(shell)["x"].step == 77


def test_list_shows_every_snapshot_and_where_the_present_comes_from(shown):
    listed = shown("%snapshot store first", "%snapshot store second", "%snapshot restore first", "%snapshot list")
    assert len(listed) == 2
    assert "→  #1" in repr(listed)
    assert "<table>" in listed._repr_html_()


COMMANDS_THAT_SHOW = (
    "",
    "list",
    "show before",
    "show before --report",
    "diff before",
    "plot W",
    "overview",
    "compare before",
)


PLACES = ("{0}", "{0};", "{0}\n1 + 1;", "for i in range(1):\n    {0}", "if True:\n    {0}\n    done = 1")


@pytest.mark.parametrize(
    ("cell", "command"),
    # behind the bare command IPython takes a semicolon for a part of the magic's name
    [(cell, command) for cell in PLACES for command in COMMANDS_THAT_SHOW if command or cell != "{0};"],
)
def test_what_a_command_shows_is_displayed_once_wherever_it_stands(run, shell, command, cell):
    run("%snapshot store before", "W *= 10")
    shell.display_formatter.displayed.clear()
    run(cell.format(f"%snapshot {command}".strip()))
    own = [type(one).__name__ for one in shell.display_formatter.displayed if type(one).__module__ != "builtins"]
    assert len(own) == 1


def test_a_command_that_shows_leaves_no_value_behind(run):
    assert run("%snapshot store before", "found = %snapshot list\nfound") is None


def test_show_lists_variables_with_their_shapes(shown):
    assert "2×3" in repr(shown("%snapshot store before", "%snapshot show before"))


def test_show_report_gives_the_reason_for_each_path(run, shown):
    run("%snapshot store before")
    assert "rows" in repr(shown("%snapshot show before"))
    assert "rows" in repr(shown("%snapshot show before --report"))


def test_diff_with_the_present_names_what_changed(shown):
    compared = shown("%snapshot store before", "W *= 10", "%snapshot diff before")
    assert "W" in compared.changed
    assert "lr" not in compared.changed


def test_label_gives_a_second_name_to_find_it_by(run, shell):
    run("%snapshot store", "%snapshot label #1 good")
    assert workspace_of(shell)["good"].id == 1


def test_a_label_taken_from_another_snapshot_is_said_to_have_moved(run, shell, capsys):
    run("%snapshot store first", "%snapshot store second", "%snapshot label first second")
    assert capsys.readouterr().out.splitlines()[-1] == "#1 is now second (was first; moved here from #2)"
    assert workspace_of(shell)["second"].id == 1


def test_a_new_label_is_not_said_to_have_moved(run, capsys):
    run("%snapshot store first", "%snapshot label first good", "%snapshot label good good")
    assert capsys.readouterr().out.splitlines()[-2:] == ["#1 is now good (was first)", "#1 is now good"]


def test_drop_takes_all_or_none(run, shell):
    run("%snapshot store first", "%snapshot store second")
    with pytest.raises(UsageError, match="third"):
        run("%snapshot drop first third")
    assert len(workspace_of(shell).timeline) == 2
    run("%snapshot drop first #2 second")
    assert len(workspace_of(shell).timeline) == 0


def test_prune_keeps_the_newest_and_what_has_a_label(run, shell, capsys):
    run(
        "%snapshot store good",
        "%snapshot store",
        "%snapshot store",
        "%snapshot store",
        "%snapshot prune --keep 1",
    )
    assert [snap.id for snap in workspace_of(shell).timeline] == [1, 4]
    assert "#2, #3" in capsys.readouterr().out


def test_ids_of_another_run_are_listed_as_restore_takes_them(run, shown, shell, tmp_path):
    import snapshot

    snapshot.Workspace({"W": np.ones((2, 3))}, tmp_path / "snapshots.zarr").store("earlier")
    run("%snapshot store before")
    stored = workspace_of(shell)["earlier"]
    assert f"#{stored.run}.1" in repr(shown("%snapshot list"))
    run(f"%snapshot restore #{stored.run}.1")
    assert shell.user_ns["W"][1, 2] == 1.0


def test_close_says_that_there_is_nothing_to_close_any_more(run, capsys):
    run("%snapshot store", "%snapshot close")
    capsys.readouterr()
    run("%snapshot close")
    said = capsys.readouterr().out
    assert said == "no repository is open, so there is none to close; snapshots are in memory (%snapshot open PATH)\n"


def test_prune_without_a_rule_is_refused(run, shell):
    run("%snapshot store")
    with pytest.raises(UsageError, match="--keep"):
        run("%snapshot prune")
    assert len(workspace_of(shell).timeline) == 1


def test_excluded_names_stay_out_and_are_listed(run, shown, shell, capsys):
    run("%snapshot exclude lr", "%snapshot store before")
    assert "lr" not in workspace_of(shell)["before"].variables
    assert "excluded" in repr(shown("%snapshot"))
    capsys.readouterr()
    run("%snapshot exclude")
    assert capsys.readouterr().out == "left out of every store from now on: lr\n"


def test_exclude_not_stores_names_again(run, shell, capsys):
    run("%snapshot exclude lr W", "%snapshot exclude --not lr", "%snapshot store before")
    assert workspace_of(shell).excluded == ("W",)
    assert "lr" in workspace_of(shell)["before"].variables
    run("%snapshot exclude rows --not W", "%snapshot exclude --not rows")
    assert capsys.readouterr().out.splitlines()[-1] == "no name is left out of stores"


def test_exclude_with_one_mistake_changes_nothing(run, shell):
    run("%snapshot exclude W")
    for mistake in ("lr --not nobody", "role:nonsense --not W"):
        with pytest.raises(UsageError):
            run(f"%snapshot exclude {mistake}")
        assert workspace_of(shell).excluded == ("W",)


def test_open_moves_this_notebooks_snapshots_elsewhere(run, tmp_path):
    run("%snapshot open elsewhere.zarr", "%snapshot store before", "%snapshot flush")
    assert (tmp_path / "elsewhere.zarr" / "zarr.json").exists()
    assert not (tmp_path / "snapshots.zarr").exists()


def test_flush_says_what_stays_in_memory_and_why_however_often_it_is_asked(run, capsys, monkeypatch, tmp_path):
    def refuse(*arguments):
        raise RepositoryError("No space left on device")

    run("%snapshot store one", "%snapshot flush")
    assert capsys.readouterr().out.splitlines()[-1] == f"everything stored is in {tmp_path / 'snapshots.zarr'}"
    with monkeypatch.context() as patched:
        patched.setattr(Storage, "put", refuse)
        run("%snapshot store two", "W += 1", "%snapshot store three")
        with pytest.warns(SnapshotWarning, match="#2, #3 could not be written"):
            run("%snapshot flush")
        run("%snapshot store four --memory")
        for _ in range(2):
            capsys.readouterr()
            with pytest.warns(SnapshotWarning, match="#2, #3 could not be written"):
                run("%snapshot flush")
            assert capsys.readouterr().out.strip() == (
                f"1 snapshot of this run is in {tmp_path / 'snapshots.zarr'}; "
                "#2, #3 are in memory only: No space left on device; #4 is in memory only"
            )
    run("%snapshot flush")
    assert capsys.readouterr().out.strip() == (
        f"3 snapshots of this run are in {tmp_path / 'snapshots.zarr'}; #4 is in memory only"
    )


def test_flush_says_which_snapshots_are_elsewhere(run, capsys, tmp_path):
    run("%snapshot store one", "%snapshot open elsewhere.zarr", "%snapshot store two")
    for _ in range(2):
        capsys.readouterr()
        run("%snapshot flush")
        said = capsys.readouterr().out.strip()
        assert said == (
            f"1 snapshot of this run is in {tmp_path / 'elsewhere.zarr'}; "
            f"#1 is on disk in {tmp_path / 'snapshots.zarr'}"
        )


def test_close_then_store_does_not_lose_the_snapshot(run, shell):
    run("%snapshot store before", "%snapshot close", "W *= 10", "%snapshot restore before")
    assert shell.user_ns["W"][1, 2] == 5.0


@pytest.mark.parametrize("line", ["store semicolon;", "store semicolon ; # said", "store 'semicolon';"])
def test_a_semicolon_at_the_end_is_no_part_of_a_label(run, shell, line):
    run(f"%snapshot {line}")
    assert workspace_of(shell).timeline[-1].label == "semicolon"


def test_commands_without_arguments_take_a_semicolon_too(run, shell):
    run("%snapshot store before", "W *= 10", "%snapshot restore;", "%snapshot flush;", "%snapshot assign lr=2.5;")
    assert shell.user_ns["W"][1, 2] == 5.0
    assert shell.user_ns["lr"] == 2.5


def test_braces_in_a_comment_and_doubled_ones_are_not_filled_in(run, shell):
    run("%snapshot store before --note 'a {{set}}' # of {nothing}")
    assert workspace_of(shell)["before"].note == "a {set}"


def test_the_bare_command_says_where_things_stand(run, shown):
    run("%snapshot store before")
    text = repr(shown("%snapshot"))
    for expected in ("1; now at #1 before", "snapshots.zarr", "rows", "undo", "restore"):
        assert expected in text


def test_plot_shows_the_view_of_the_named_paths(shown):
    view = shown("%snapshot store before", "W *= 10", "%snapshot store after", "%snapshot plot W")
    assert type(view).__name__ == "Evolution"
    assert view.data()["count"].shape == (2,)


def test_plot_takes_expressions_a_statistic_and_a_range_of_steps(shown):
    store = [line for step in range(4) for line in ("W += 1", f"%snapshot store --step {step}")]
    view = shown(*store, '%snapshot plot "norm(W) / 2" lr --from 1 --to 2 --log --still --reference previous')
    data = view.data()
    assert (data["steps"], set(data["values"])) == ([1, 2], {"norm(W) / 2", "lr"})
    view = shown("%snapshot plot W --statistic max")
    assert view.data()["values"]["W"].tolist() == [6.0, 7.0, 8.0, 9.0]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('%snapshot plot "norm(W - W9)"', "at “W9” (character 10): no stored variable has this path; nearest: W"),
        ("%snapshot plot W @ W", 'an expression with blanks in it is written in quotes: "W @ '),
        ("%snapshot plot W --from 7", "no snapshot has a step from 7 to"),
        ("%snapshot plot W --reference nope", "There is no snapshot 'nope'"),
    ],
)
def test_a_plot_that_cannot_be_is_one_line(run, line, says):
    run("%snapshot store before --step 1")
    with pytest.raises(UsageError) as found:
        run(line)
    assert says in str(found.value)


def test_prune_gives_disk_space_back_when_asked(run, shell, capsys):
    shell.user_ns["large"] = np.random.default_rng(0).random(500_000)
    run("%snapshot store first")
    shell.user_ns["large"] += 1
    run("%snapshot store second")
    home = workspace_of(shell).repository.location
    workspace_of(shell).flush()
    before = sum(one.stat().st_size for one in Path(home).rglob("*") if one.is_file())
    run("%snapshot drop first")
    capsys.readouterr()
    run("%snapshot prune --collect")
    out = capsys.readouterr().out
    assert "nothing to drop; 1 snapshot left" in out
    assert "of disk space given back" in out
    assert before - sum(one.stat().st_size for one in Path(home).rglob("*") if one.is_file()) > 3_900_000
    run("%snapshot restore second")


def test_overview_shows_the_named_paths_and_the_statistic_asked_for(shown):
    view = shown("%snapshot store before", "W *= 10", "%snapshot store after", "%snapshot overview")
    assert view.data()["paths"] == ["W", "lr"]
    data = shown("%snapshot overview lr --statistic mean --theme dark").data()
    assert (data["paths"], data["statistic"], data["values"].tolist()) == (["lr"], "mean", [[0.5, 0.5]])


def test_compare_shows_what_changed_since_a_snapshot_and_between_two(shown):
    view = shown(
        "%snapshot store before", "W *= 10", "%snapshot store after", "lr = 0.25", "%snapshot compare before"
    )
    assert [one["path"] for one in view.data()["ranking"]] == ["W", "lr"]
    view = shown("%snapshot compare before after --theme dark")
    assert [one["path"] for one in view.data()["ranking"]] == ["W"]
    assert view.data()["names"] == ("before (#1, step 1)", "after (#2, step 2)")


@pytest.mark.parametrize("missing", ["matplotlib", "ipywidgets"])
@pytest.mark.parametrize("command", ["plot W", "overview", "compare before", "browse"])
def test_without_the_libraries_that_draw_one_line_says_what_is_missing(run, monkeypatch, missing, command):
    run("%snapshot store before", "W *= 2")
    monkeypatch.delitem(sys.modules, "snapshot.widgets", raising=False)
    monkeypatch.delattr("snapshot.widgets", raising=False)
    for name in [name for name in sys.modules if name.startswith(("snapshot.widgets.", f"{missing}."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=f"needs matplotlib and ipywidgets, and {missing} cannot be imported"):
        run(f"%snapshot {command}")


def test_resume_starts_from_scratch_once_and_then_goes_on(run, shell, capsys, tmp_path):
    run("%snapshot resume")
    assert capsys.readouterr().out.startswith("nothing to resume from yet (")
    run("%snapshot store", "W *= 10", "%snapshot resume")
    assert "restored #1" in capsys.readouterr().out
    assert shell.user_ns["W"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert run("%snapshot undo") is None
    assert shell.user_ns["W"][1, 2] == 50


def test_open_takes_an_address(run, shell, capsys):
    run("%snapshot store before", "%snapshot open memory://notebook", "%snapshot store after", "%snapshot flush")
    assert "snapshots go to memory://notebook from now on" in capsys.readouterr().out
    assert [snap.label for snap in Repository("memory://notebook").timeline] == ["after"]


def test_an_address_of_no_kind_is_one_line_and_changes_nothing(run, shell, capsys):
    run("%snapshot store before")
    shell.run_cell("%snapshot open ftp://somewhere/run.zarr")
    assert "ftp:// is none of s3://" in capsys.readouterr().err
    run("W *= 10", "%snapshot restore before")
    assert shell.user_ns["W"][1, 2] == 5
