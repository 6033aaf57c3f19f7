"""Views that follow a workspace are told of every change, and never stand in its way."""

import pytest

from snapshot import SnapshotWarning, Workspace
from snapshot.listeners import listen


class View:
    def __init__(self):
        self.told = 0

    def fail(self):
        raise ValueError("no screen")

    def note(self):
        self.told += 1


def test_a_view_that_fails_when_it_is_told_costs_neither_the_store_nor_the_other_views():
    workspace, view = Workspace({"a": 1}), View()
    listen(workspace, view.fail)
    listen(workspace, view.note)
    with pytest.warns(SnapshotWarning, match="does not follow what is stored: ValueError: no screen"):
        workspace.store("kept")
    assert [snap.label for snap in workspace.timeline] == ["kept"]
    assert view.told == 1


def test_a_view_that_is_gone_is_told_nothing():
    workspace, view = Workspace({"a": 1}), View()
    listen(workspace, view.fail)
    del view
    workspace.store("kept")
    assert [snap.label for snap in workspace.timeline] == ["kept"]
