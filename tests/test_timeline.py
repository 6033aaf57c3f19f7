"""References and branches, on plain snapshots without contents."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot.errors import InvalidName, ReferenceNotFound
from snapshot.model import Snapshot
from snapshot.timeline import branch, check_label, check_step, in_order, key_of, parent_key, resolve, without

START = datetime(2026, 1, 1, tzinfo=UTC)


def stored(number, parent=None, *, label=None, step=None, run="r", after=None):
    """One snapshot, ``after`` seconds from the start."""
    return Snapshot(
        id=number,
        label=label,
        step=number if step is None else step,
        time=START + timedelta(seconds=number if after is None else after),
        run=run,
        parent=parent,
        content=SimpleNamespace(variables={}, names={}, report={}),
    )


@st.composite
def histories(draw):
    """Snapshots of up to three runs, each after any earlier one of any run, or after none."""
    snapshots: list[Snapshot] = []
    for moment in range(draw(st.integers(1, 12))):
        run = draw(st.sampled_from(["a", "b", "c"]))
        number = 1 + sum(one.run == run for one in snapshots)
        parent = draw(st.none() | st.sampled_from(snapshots)) if snapshots else None
        if parent is not None:
            parent = parent.id if parent.run == run else f"{parent.run}.{parent.id}"
        label = draw(st.none() | st.sampled_from(["before", "after", "good"]))
        step = draw(st.integers(0, 3))
        snapshots.append(stored(number, parent, label=label, step=step, run=run, after=moment))
    return snapshots


@given(histories(), st.data())
def test_a_full_id_finds_every_snapshot_from_any_run(history, data):
    one = data.draw(st.sampled_from(history))
    assert resolve(f"#{one.run}.{one.id}", history, run="elsewhere") is one


@given(histories(), st.data())
def test_a_bare_id_means_the_snapshot_of_this_run(history, data):
    one = data.draw(st.sampled_from(history))
    assert resolve(f"#{one.id}", history, run=one.run) is one


@given(histories(), st.data())
def test_of_equal_labels_the_newest_counts(history, data):
    label = data.draw(st.sampled_from(["before", "after", "good"]))
    holders = [one for one in history if one.label == label]
    if not holders:
        with pytest.raises(ReferenceNotFound):
            resolve(label, history, run="a")
    else:
        assert resolve(label, history[::-1], run="a") is holders[-1]


@given(histories(), st.data())
def test_counting_back_follows_parents(history, data):
    head = data.draw(st.sampled_from(history))
    line = branch(history, head)
    back = data.draw(st.integers(0, len(line) - 1))
    assert resolve(f"latest~{back}", history, run="a", head=head) is line[-1 - back]
    assert resolve(f"#{head.run}.{head.id}~{back}", history, run=None) is line[-1 - back]
    with pytest.raises(ReferenceNotFound):
        resolve(f"latest~{len(line)}", history, run="a", head=head)


@given(histories(), st.data())
def test_a_step_means_the_newest_on_the_branch_of_the_head(history, data):
    head = data.draw(st.sampled_from(history))
    step = data.draw(st.integers(0, 3))
    fitting = [one for one in branch(history, head) if one.step == step]
    if fitting:
        assert resolve(f"@{step}", history, run="a", head=head) is fitting[-1]
    else:
        with pytest.raises(ReferenceNotFound):
            resolve(f"@{step}", history, run="a", head=head)


@given(histories(), st.data())
def test_each_member_of_a_branch_is_the_parent_of_the_next(history, data):
    line = branch(history, data.draw(st.sampled_from(history)))
    assert [parent_key(child) for child in line[1:]] == [key_of(one) for one in line[:-1]]
    assert line[0].parent is None


@given(histories(), st.data())
def test_dropping_shortens_every_branch_by_the_dropped_ones_only(history, data):
    dropped = data.draw(st.lists(st.sampled_from(history), unique=True))
    left = without(history, dropped)
    gone = {key_of(one) for one in dropped}
    for one in left:
        before = next(other for other in history if key_of(other) == key_of(one))
        expected = [key_of(each) for each in branch(history, before) if key_of(each) not in gone]
        assert [key_of(each) for each in branch(left, one)] == expected


@given(histories(), st.text())
def test_any_text_finds_a_snapshot_or_says_that_there_is_none(history, text):
    try:
        found = resolve(text, history, run="a")
    except ReferenceNotFound:
        return
    assert found in history


@given(st.text(min_size=1, max_size=12))
def test_every_label_that_is_allowed_finds_its_snapshot(text):
    try:
        label = check_label(text)
    except InvalidName:
        return
    history = [stored(1, label=label), stored(2, 1, label="other!")]
    assert resolve(label, history, run="r") is history[0]
    assert resolve(f"{label}~0", history, run="r") is history[0]


@pytest.mark.parametrize("text", ["", "#1", "@1", "a~1", "latest", "a b", "a\nb", "\t", "a\u00a0b", "a\x00"])
def test_a_label_that_would_read_as_something_else_is_refused(text):
    with pytest.raises(InvalidName):
        check_label(text)


@pytest.mark.parametrize("label", [5, None, b"before", ["before"]])
def test_a_label_that_is_no_text_is_refused(label):
    with pytest.raises(InvalidName, match="A label is text"):
        check_label(label)


@pytest.mark.parametrize("step", [1.5, "a", "5", [1], float("nan"), float("inf"), 1j])
def test_a_step_that_is_no_whole_number_is_refused(step):
    with pytest.raises(TypeError, match="A step is a whole number"):
        check_step(step)


@pytest.mark.parametrize("step", [3, 3.0, np.int64(3), np.array(3)])
def test_a_whole_number_of_any_type_is_a_step(step):
    found = check_step(step)
    assert type(found) is int
    assert found == 3


@pytest.mark.parametrize("text", ["before", "größe-1", "🎉", "👩‍💻", "a.b", "12", "a#b", "<b>"])
def test_other_labels_are_allowed(text):
    assert check_label(text) == text


def test_a_snapshot_passes_through():
    one = stored(1)
    assert resolve(one, [], run=None) is one


def test_an_unknown_label_lists_the_known_ones_and_the_nearest():
    history = [stored(1, label="before"), stored(2, 1, label="after")]
    with pytest.raises(ReferenceNotFound, match=r"after, before.*Did you mean 'before'\?"):
        resolve("befor", history, run="r")


def test_an_unknown_id_lists_ids_as_they_are_typed():
    history = [stored(1), stored(7, run="other")]
    with pytest.raises(ReferenceNotFound, match=r"#other\.7, #1"):
        resolve("#7", history, run="r")


def test_an_unknown_step_lists_the_steps():
    with pytest.raises(ReferenceNotFound, match="@20, @10"):
        resolve("@30", [stored(1, step=10), stored(2, 1, step=20)], run="r")


def test_a_long_list_is_cut_short():
    history = [stored(number, label=f"label{number}") for number in range(1, 40)]
    with pytest.raises(ReferenceNotFound, match="and 27 more"):
        resolve("unknown", history, run="r")


def test_nothing_stored_yet_is_said():
    with pytest.raises(ReferenceNotFound, match="nothing has been stored yet"):
        resolve("latest", [], run="r")


def test_a_number_is_no_reference_but_its_message_shows_two():
    with pytest.raises(ReferenceNotFound, match=r"'#3' .* '@3'"):
        resolve(3, [stored(3)], run="r")


def test_a_tilde_without_a_number_is_explained():
    with pytest.raises(ReferenceNotFound, match="number behind '~'"):
        resolve("latest~", [stored(1)], run="r")


def test_without_a_head_latest_is_the_newest_of_this_run():
    history = [stored(1, run="mine"), stored(1, run="theirs", after=99)]
    assert resolve("latest", history, run="mine").run == "mine"
    assert resolve("latest", history, run=None).run == "theirs"


def test_a_circle_of_parents_ends():
    history = [stored(1, 2), stored(2, 1)]
    assert [one.id for one in branch(history, history[0])] == [2, 1]
    assert without(history, history[1:])[0].parent is None


def test_order_is_by_time_then_run_then_id():
    first = stored(2, run="a", after=5)
    history = [replace(first, run="b"), replace(first, id=3), stored(1, run="z", after=1), first]
    assert [key_of(one) for one in in_order(history)] == [("z", 1), ("a", 2), ("a", 3), ("b", 2)]
