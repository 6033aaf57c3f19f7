import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from snapshot import Workspace
from snapshot.model import Snapshot
from snapshot.widgets import Browse
from snapshot.widgets.branches import tree
from snapshot.widgets.browse_rows import MOST_ROWS

HOSTILE = "<script>alert('$x')</script>"
VIEW = "application/vnd.jupyter.widget-view+json"


class Queue:
    """Turns that are given one by one, as a kernel's loop does between cells."""

    def __init__(self):
        self.busy = False
        self.waiting = []
        self.listen = None

    def submit(self, act):
        self.waiting.append(act)

    def follow(self, listen):
        self.listen = listen

    def give(self):
        while self.waiting:
            self.waiting.pop(0)()


class Page:
    """A Browse as a person sees it."""

    def __init__(self, workspace, turns=None):
        self.browse = Browse(workspace, turns)
        self.browse.view  # noqa: B018 - the view is made by asking for it
        self.view = self.browse._live

    def choose(self, name):
        self.view.list.value = next(key for line, key in self.view.list.options if name in line.split("\u00a0"))

    def click(self, *names):
        for name in names:
            getattr(self.view, name).click()

    @property
    def said(self):
        return self.view.said.value

    @property
    def asks(self):
        return self.view.asked.value if self.view.question.layout.display != "none" else None

    @property
    def labels(self):
        return [row["label"] for row in self.browse.data()]


@pytest.fixture
def names():
    return {"w": np.zeros(3)}


@pytest.fixture
def workspace(names):
    """Two snapshots: before, where w is 0, and after, where it is 1, and is now."""
    made = Workspace(names)
    made.store("before", note="the first")
    names["w"] += 1
    made.store("after")
    return made


def test_the_list_shows_every_snapshot_and_the_newest_is_chosen(workspace):
    page = Page(workspace)
    assert page.labels == ["before", "after"]
    assert page.view.list.value == (workspace.run, 2)
    assert "#2 after, step 2, stored" in page.view.details.value
    assert page.browse.data()[1]["branch"] == "◉"


def test_restoring_asks_first_and_then_writes_into_the_same_array(workspace, names):
    page, live = Page(workspace), names["w"]
    page.choose("before")
    page.click("restore")
    assert "Make the variables what they were in before (#1, step 1)?" in page.asks
    assert live.tolist() == [1, 1, 1]
    page.click("yes")
    assert live.tolist() == [0, 0, 0]
    assert page.asks is None
    assert "restore" in page.said
    assert page.browse.data()[0]["branch"].startswith("◉")


def test_cancelling_does_nothing_and_choosing_another_one_withdraws_the_question(workspace, names):
    page = Page(workspace)
    page.choose("before")
    page.click("restore", "no")
    assert (page.asks, names["w"][0]) == (None, 1)
    page.click("restore")
    page.choose("after")
    page.click("yes")
    assert (page.asks, names["w"][0]) == (None, 1)


def test_undo_takes_the_restore_back_and_waits_disabled_until_there_is_one(workspace, names):
    page = Page(workspace)
    assert page.view.undo.disabled
    page.choose("before")
    page.click("restore", "yes")
    assert not page.view.undo.disabled
    page.click("undo")
    assert names["w"].tolist() == [1, 1, 1]
    assert "took back restore before" in page.said


def test_dropping_asks_first_and_deletes(workspace):
    page = Page(workspace)
    page.choose("before")
    page.click("drop")
    assert "cannot be taken back" in page.asks
    assert page.labels == ["before", "after"]
    page.click("yes")
    assert page.labels == ["after"]
    assert "Dropped before (#1, step 1); 1 snapshot left." in page.said


def test_storing_takes_label_and_note(workspace, names):
    page = Page(workspace)
    page.view.name.value, page.view.note.value = " third ", "by click"
    names["w"][:] = 7
    page.click("store")
    assert (workspace["third"]["w"][0], workspace["third"].note) == (7, "by click")
    assert page.view.list.value == (workspace.run, 3)


def test_labelling_says_where_the_label_was(workspace):
    page = Page(workspace)
    page.view.new_label.value = "before"
    page.click("label")
    assert page.labels == ["", "before"]
    assert "#2 is now before; the label was moved from before (#1, step 1)." in page.said


@pytest.mark.parametrize("clicks", [["restore", "yes"], ["store"], ["undo"]])
def test_while_a_cell_runs_what_touches_the_variables_is_refused_with_a_message(workspace, names, clicks):
    turns = Queue()
    page = Page(workspace, turns)
    workspace.assign({"w": np.full(3, 5.0)})
    page.browse.refresh()
    page.choose("before")
    turns.busy = True
    page.click(*clicks)
    turns.busy = False
    turns.give()
    assert "Refused: a cell is running" in page.said
    assert (names["w"][0], len(workspace.timeline)) == (5, 2)


def test_a_restore_waits_for_its_turn_and_is_refused_if_a_cell_began_before(workspace, names):
    turns = Queue()
    page = Page(workspace, turns)
    page.choose("before")
    page.click("restore", "yes")
    assert "waits for its turn" in page.said
    assert names["w"][0] == 1
    turns.busy = True
    turns.give()
    assert ("Refused" in page.said, names["w"][0]) == (True, 1)
    turns.busy = False
    page.click("restore", "yes")
    turns.give()
    assert names["w"][0] == 0


def test_errors_stay_to_be_seen_until_they_are_dismissed(workspace):
    page = Page(workspace)
    page.view.new_label.value = "two words"
    page.click("label")
    page.view.new_label.value = "#1"
    page.click("label")
    assert "contains a space" in page.view.problems.value
    assert "the sign of an id" in page.view.problems.value
    page.view.new_label.value = "good"
    page.click("label")
    assert page.labels == ["before", "good"]
    assert "contains a space" in page.view.problems.value
    page.click("forgive")
    assert page.view.problems.value == ""


def test_an_error_nobody_expected_is_shown_with_its_traceback_as_text(workspace, monkeypatch):
    def fail(*_):
        raise RuntimeError(HOSTILE)

    page = Page(workspace)
    monkeypatch.setattr(workspace, "restore", fail)
    page.click("restore", "yes")
    assert "RuntimeError: &lt;script&gt;" in page.view.problems.value
    assert "Traceback" in page.view.problems.value
    assert "<script>" not in page.view.problems.value


def test_the_filter_finds_labels_ids_steps_and_notes(workspace):
    page = Page(workspace)
    for text, found in (("BEF", ["before"]), ("#2", ["after"]), ("@1", ["before"]), ("the first", ["before"])):
        page.view.filter.value = text
        assert page.labels == found
    page.view.filter.value = "nothing"
    assert page.labels == []
    assert page.view.restore.disabled
    page.view.filter.value = ""
    assert not page.view.restore.disabled


def test_after_a_cell_the_list_is_read_again(workspace):
    turns = Queue()
    page = Page(workspace, turns)
    workspace.store("later")
    turns.listen()
    assert page.labels == ["before", "after", "later"]


def test_without_snapshots_it_says_what_to_do():
    page = Page(Workspace({"w": 1}))
    assert "There are no snapshots yet" in page.view.details.value
    assert page.view.restore.disabled
    page.click("store")
    assert page.labels == [""]


def test_labels_and_notes_are_text_wherever_they_are_shown(names):
    workspace = Workspace(names)
    workspace.store("<script>x</script>", note=HOSTILE + "\n")
    page = Page(workspace)
    page.click("drop")
    shown = [page.view.details.value, page.asks, page.browse._repr_html_(), page.said]
    assert not any("<script>" in text for text in shown)
    assert "&lt;script&gt;" in page.view.details.value
    assert "\n" not in repr(page.view.list.options[0][0])


def test_a_saved_notebook_and_a_terminal_have_the_list_as_a_table(workspace):
    bundle = Browse(workspace)._repr_mimebundle_()
    assert set(bundle) == {VIEW, "text/html", "text/plain"}
    assert "<td" in bundle["text/html"]
    assert "before" in bundle["text/plain"].splitlines()[2]


def test_very_many_snapshots_list_the_newest_and_count_the_rest(names):
    workspace = Workspace(names)
    for _ in range(MOST_ROWS + 5):
        workspace.store()
    page = Page(workspace)
    assert len(page.view.list.options) == MOST_ROWS
    assert "305 snapshots, the newest 300 of them listed." in page.view.details.value


def test_clicks_from_another_thread_are_done_and_shown(workspace, names):
    page = Page(workspace)
    page.choose("before")
    worker = threading.Thread(target=page.click, args=("restore", "yes"))
    worker.start()
    worker.join()
    assert names["w"].tolist() == [0, 0, 0]
    assert page.browse.data()[0]["branch"].startswith("◉")


def drawn(parents, head=None):
    """The tree of snapshots 1, 2, ... with these parents."""
    when = datetime(2024, 1, 1, tzinfo=UTC)
    content = SimpleNamespace()
    made = [Snapshot(i, None, i, when, "run", parent, content=content) for i, parent in enumerate(parents, 1)]
    return tree(made, made[head - 1] if head else None)


@pytest.mark.parametrize(
    ("parents", "lines"),
    [
        ([], []),
        ([None], ["●"]),
        ([None, 1, 2], ["●", "●", "●"]),
        ([None, 1, 1], ["●─╮", "│ ●", "●"]),
        ([None, 1, 1, 2, 3], ["●─╮", "│ ●", "● │", "│ ●", "●"]),
        ([None, 1, 1, 1], ["●─┬─╮", "│ ● │", "│   ●", "●"]),
        ([None, 1, None, 2], ["●", "●", "│ ●", "●"]),
    ],
)
def test_the_tree_opens_a_column_where_a_branch_begins_and_closes_it_at_its_end(parents, lines):
    assert drawn(parents) == lines


def test_the_line_to_the_present_goes_straight_on():
    assert drawn([None, 1, 1], head=2) == ["●─╮", "◉ │", "  ●"]


def test_a_parent_that_was_dropped_or_belongs_to_another_run_begins_a_line():
    assert drawn([7, "gone.3", 1]) == ["●", "│ ●", "●"]
