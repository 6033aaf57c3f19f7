"""What Tab offers, through IPython's own completer."""

import pytest
from IPython.core.completer import provisionalcompleter, rectify_completions

from snapshot.magics import workspace_of


@pytest.fixture
def offered(shell):
    """The lines that Tab at the end of a line leads to."""

    def lines(typed):
        with provisionalcompleter():
            found = list(rectify_completions(typed, shell.Completer.completions(typed, len(typed))))
        return [typed[: one.start] + one.text for one in found]

    return lines


def test_commands_complete(offered):
    assert offered("%snapshot re") == ["%snapshot restore", "%snapshot resume", "%snapshot redo"]


def test_options_complete_per_command(offered):
    assert offered("%snapshot store x --st") == ["%snapshot store x --step"]
    assert "%snapshot list --step" not in offered("%snapshot list --")


def test_labels_complete_newest_first_then_ids(run, offered):
    run("%snapshot store before", "%snapshot store big-one")
    assert offered("%snapshot restore ") == [
        f"%snapshot restore {reference}" for reference in ("big-one", "before", "latest", "#2", "#1")
    ]


@pytest.mark.parametrize("typed", ["big-", "#1", "bé"])
def test_what_is_typed_is_not_repeated(run, offered, typed):
    run("%snapshot store big-one", "%snapshot store bé")
    completed = offered(f"%snapshot restore {typed}")
    assert completed
    assert all(line.startswith(f"%snapshot restore {typed}") for line in completed)
    assert not any(line.count(typed) > 1 for line in completed)


def test_the_second_reference_of_diff_completes(run, offered):
    run("%snapshot store before")
    assert "%snapshot diff before before" in offered("%snapshot diff before b")


def test_nothing_completes_in_a_comment(run, offered):
    run("%snapshot store before")
    assert not any("before" in line for line in offered("%snapshot restore # bef"))


def test_choices_complete(offered):
    assert offered("%snapshot restore x --created r") == ["%snapshot restore x --created remove"]


def test_names_of_the_namespace_complete_where_names_go(offered):
    assert offered("%snapshot store x --only l") == ["%snapshot store x --only lr"]
    assert "%snapshot assign W" in offered("%snapshot assign ")
    assert not any("get_ipython" in line or "_" in line for line in offered("%snapshot exclude "))


def test_a_name_with_blanks_is_offered_in_quotes(run, offered):
    run("globals()['two words'] = W * 2")
    assert offered("%snapshot plot two") == ['%snapshot plot "two words"']
    assert offered('%snapshot plot "two') == ['%snapshot plot "two words"']


def test_a_name_with_braces_is_offered_as_it_must_be_typed(run, offered, shell):
    run("globals()['a{b}'] = W * 2")
    assert offered("%snapshot store x --only a{") == ["%snapshot store x --only a{{b}}"]
    run("%snapshot store x --only a{{b}}")
    assert set(workspace_of(shell)["x"].variables) == {"a{b}"}


def test_exclude_not_completes_what_is_left_out(run, offered):
    run("%snapshot exclude lr raw*")
    assert offered("%snapshot exclude --not ") == ["%snapshot exclude --not lr", "%snapshot exclude --not raw*"]


def test_the_last_line_of_a_cell_completes(offered):
    assert offered("a = 1\n%snapshot sto") == ["a = 1\n%snapshot store"]


def test_a_path_to_open_is_completed_as_a_file(offered, tmp_path):
    (tmp_path / "earlier.zarr").mkdir()
    assert any("earlier.zarr" in line for line in offered("%snapshot open ear"))


def test_completing_makes_no_workspace(shell, offered):
    from snapshot.magics.door import door_of

    offered("%snapshot restore ")
    assert door_of(shell).made is None


def test_other_lines_are_left_to_ipython(offered):
    assert "W.shape" in offered("W.sha")
