"""Whatever a user gets wrong costs one line on stderr, no traceback, and nothing else."""

import pytest
from IPython.core.error import UsageError

from snapshot.magics import workspace_of

MISTAKES = {
    "%snapshot sotre": "did you mean store?",
    "%snapshot frobnicate": "there are store, restore",
    "%snapshot --foo": "no command '--foo'",
    "%snapshot restore nowhere": "before",
    "%snapshot restore #99": "#99",
    "%snapshot restore before --only nobody": "nobody",
    "%snapshot restore before --created maybe": "'keep', 'remove'",
    "%snapshot restore before --into W": "LEFT=RIGHT",
    "%snapshot store --step many": "--step",
    "%snapshot store one two": "two",
    "%snapshot store latest": "latest",
    "%snapshot store --only": "--only",
    "%snapshot store 'open": "quote",
    "%snapshot store x --onyl W": "--onyl",
    "%snapshot show": "REF",
    "%snapshot diff before nowhere": "nowhere",
    "%snapshot assign W": "PATH=EXPRESSION",
    "%snapshot assign": "PATH=EXPRESSION",
    "%snapshot assign W=1 +": "cannot evaluate",
    "%snapshot assign W=unknown": "unknown",
    "%snapshot assign nobody=1": "nobody",
    "%snapshot prune --keep 0": "above zero",
    "%snapshot prune --every soon": "above zero",
    "%snapshot prune --every 1e308": "above zero",
    "%snapshot restore # 1": "no blank in it: #1",
    "%snapshot restore # 1 --only W": "no blank in it: #1",
    "%snapshot drop #1 # 4f2a.12": "no blank in it: #4f2a.12",
    "%snapshot # 1": "no blank in it: #1",
    "%snapshot store x --step {nope}": "name 'nope' is not defined",
    "%snapshot store x --step $nope": "name 'nope' is not defined",
    "%snapshot store x --step {1 / 0}": "division by zero",
    "%snapshot store x --step {}": "cannot fill in",
    "%snapshot store {": "cannot fill in",
    "%snapshot exclude --not W": "nothing is left out",
    "%snapshot plot nobody": "nobody",
    "%snapshot plot words": "stored as a list; arrays and numbers can be plotted; there are 2, such as: W, lr",
    "%snapshot plot texts": "texts is stored as an array of",
    "%snapshot plot rows": "no stored variable",
    "%snapshot plot np": "no stored variable",
    "%snapshot undo": "undo",
    "%snapshot redo": "redo",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_costs_one_line_that_says_what_to_do(run, shell, capsys, line):
    run("words = ['a', 'b']; texts = np.array(words)", "%snapshot store before")
    capsys.readouterr()
    with pytest.raises(UsageError):
        run(line)
    printed = capsys.readouterr()
    assert len((printed.err + printed.out).strip().splitlines()) == 1
    assert MISTAKES[line] in printed.err
    assert len(workspace_of(shell).timeline) == 1


def test_a_message_of_several_lines_becomes_one(run, shell, monkeypatch, capsys):
    from snapshot.errors import PathNotFound

    def refuse(*arguments, **options):
        raise PathNotFound("no such path:\n  a\n  b")

    monkeypatch.setattr(workspace_of(shell), "flush", refuse)
    with pytest.raises(UsageError, match=r"^no such path: a b$"):
        run("%snapshot flush")
    monkeypatch.undo()


@pytest.mark.parametrize("error", [PermissionError("no\nentry"), ModuleNotFoundError("No module named 'ipywidgets'")])
def test_what_the_system_or_a_missing_library_says_is_one_line_too(run, shell, monkeypatch, capsys, error):
    def refuse(*arguments, **options):
        raise error

    monkeypatch.setattr(workspace_of(shell), "flush", refuse)
    with pytest.raises(UsageError):
        run("%snapshot flush")
    monkeypatch.undo()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_import_error_of_the_users_own_expression_keeps_its_type(run):
    with pytest.raises(ModuleNotFoundError):
        run("%snapshot assign W=__import__('no_such_module')")
