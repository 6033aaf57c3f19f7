"""What every leaf adapter promises, written once.

A test class derives from :class:`AdapterContract` and lists its ``cases``; each test
below then runs for each case.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

from snapshot.registry import Registry
from snapshot.workspace import Workspace


@dataclass(frozen=True)
class Case:
    """One kind of object.

    ``change`` changes an object's contents in place; ``contents`` returns something
    private that is equal for equal contents. ``misfits`` pairs each object that cannot
    take the contents with words that the refusal must use. ``says_changed`` is False
    where a change is not of the contents but beside them, ``in_new_kernel`` where a new
    kernel cannot make the object, ``listed`` where nothing in it is an array.
    """

    make: Callable[[], Any]
    change: Callable[[Any], object]
    contents: Callable[[Any], Any]
    misfits: Callable[[], list[tuple[Any, tuple[str, ...]]]] = list
    can_change: bool = True
    says_changed: bool = True
    in_new_kernel: bool = True
    listed: bool = True


def stored(case, **more):
    """A workspace with one object, ``x``, stored as ``before``."""
    names = {"x": case.make(), **more}
    workspace = Workspace(names)
    workspace.store("before")
    return SimpleNamespace(names=names, workspace=workspace, contents=case.contents(names["x"]))


def leaf_of(obj):
    """The adapter of ``obj``, as the walk finds it."""
    registry = Registry()
    registry.load_frameworks()
    return registry.handler(obj)


class AdapterContract:
    """Derive, and give ``cases``: name -> :class:`Case`."""

    cases: ClassVar[dict[str, Case]] = {}

    def test_a_change_in_place_is_taken_back_in_the_same_object_for_all_who_hold_it(self, case):
        obj = case.make()
        made = stored(case, x=obj, holder=SimpleNamespace(items=[obj]))
        case.change(obj)
        assert (case.contents(obj) != made.contents) == case.can_change
        made.workspace.restore("before")
        assert made.names["x"] is made.names["holder"].items[0] is obj
        assert case.contents(obj) == made.contents

    def test_a_change_made_later_does_not_reach_the_snapshot(self, case):
        made = stored(case)
        case.change(made.names["x"])
        made.workspace.store("after")
        case.change(made.names["x"])
        made.workspace.restore("before")
        assert case.contents(made.names["x"]) == made.contents

    def test_unchanged_contents_cost_nothing_to_store_and_nothing_to_restore(self, case):
        made = stored(case)
        before = made.workspace.nbytes_in_memory
        again = made.workspace.store("again")
        assert made.workspace.last_store.new_bytes == 0
        assert made.workspace.nbytes_in_memory == before
        status = made.workspace.restore("before")
        assert not status.changed
        assert not status.rebuilt
        assert any(path == "x" or path.startswith("x[") for path in again.variables) or not case.listed
        assert not again.report

    def test_a_dry_run_writes_nothing_and_undo_takes_the_restore_back(self, case):
        made = stored(case)
        obj = made.names["x"]
        case.change(obj)
        changed = case.contents(obj)
        status = made.workspace.restore("before", dry_run=True)
        assert case.contents(obj) == changed
        if case.says_changed:
            assert any(path == "x" or path.startswith(("x.", "x[")) for path in status.changed) == case.can_change
        made.workspace.restore("before")
        made.workspace.undo()
        assert made.names["x"] is obj
        assert case.contents(obj) == changed

    def test_one_that_nothing_holds_any_more_is_made_again_with_its_type(self, case):
        made = stored(case, items=[case.make()])
        cls = type(made.names["items"].pop())
        made.workspace.restore("before")
        assert type(made.names["items"][0]) is cls
        assert case.contents(made.names["items"][0]) == made.contents

    def test_a_new_kernel_makes_all_of_them_again(self, tmp_path):
        cases = {name: case for name, case in self.cases.items() if case.in_new_kernel}
        names = {name: case.make() for name, case in cases.items()}
        Workspace(names, tmp_path / "run.zarr").store("before")
        found = {}
        Workspace(found, tmp_path / "run.zarr").restore("before")
        assert {name: type(obj) for name, obj in found.items()} == {name: type(obj) for name, obj in names.items()}
        assert [n for n, case in cases.items() if case.contents(found[n]) != case.contents(names[n])] == []

    def test_a_new_kernel_writes_into_those_that_are_there(self, tmp_path):
        names = {name: case.make() for name, case in self.cases.items()}
        Workspace(names, tmp_path / "run.zarr").store("before")
        live = {name: case.make() for name, case in self.cases.items()}
        for name, case in self.cases.items():
            case.change(live[name])
        found = dict(live)
        Workspace(found, tmp_path / "run.zarr").restore("before")
        assert [name for name, obj in live.items() if found[name] is not obj] == []
        assert [n for n, case in self.cases.items() if case.contents(live[n]) != case.contents(names[n])] == []

    def test_what_cannot_take_the_contents_says_why_and_is_left_alone(self, case):
        obj = case.make()
        adapter = leaf_of(obj)
        assert adapter.misfit(obj, adapter.form(obj)) is None
        for other, words in case.misfits():
            before = case.contents(other)
            reason = adapter.misfit(other, adapter.form(obj))
            assert all(word in reason for word in words), reason
            assert case.contents(other) == before

    def test_the_view_is_never_written_by_building_from_it(self, case):
        obj = case.make()
        adapter = leaf_of(obj)
        before = case.contents(obj)
        case.change(adapter.build(adapter.form(obj), adapter.view(obj).copy()))
        assert case.contents(obj) == before
