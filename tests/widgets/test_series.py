import numpy as np
import pytest

from snapshot.widgets.over_steps import other_lines
from snapshot.widgets.series import Readings


def test_equal_contents_are_read_once(timeline):
    snapshots = timeline(*[{"w": np.ones((2, 2))}] * 4)
    series = Readings().series(snapshots, "w")
    assert sum(len(snapshot.content.reads) for snapshot in snapshots) == 1
    assert series.updates.tolist()[1:] == [-np.inf] * 3


def test_a_change_is_measured_from_the_parent_not_from_the_neighbour(timeline):
    # 1 -> 2 -> 3, then 1 was restored and 4 stored.
    values = [{"w": np.full(3, value)} for value in (1.0, 5.0, 9.0, 1.001)]
    series = Readings().series(timeline(*values, parents=[None, 1, 2, 1]), "w")
    assert series.updates[3] == pytest.approx(-3, abs=1e-3)
    assert series.lineage() == [0, 3]


def test_a_parent_that_does_not_hold_the_variable_hands_on_to_its_own(timeline):
    snapshots = timeline({"w": np.ones(2)}, {"other": 1.0}, {"w": np.ones(2) * 2})
    series = Readings().series(snapshots, "w")
    assert [point.parent for point in series.points] == [None, 0]
    assert series.steps == [0, 20]


def test_snapshots_without_parents_follow_each_other(timeline):
    series = Readings().series(timeline({"w": 1.0}, {"w": 2.0}, parents=[None, None]), "w")
    assert series.points[1].parent == 0


def test_a_change_of_shape_is_no_update(timeline):
    series = Readings().series(timeline({"w": np.ones(2)}, {"w": np.ones(3)}), "w")
    assert np.isnan(series.updates).all()


def test_a_damaged_value_is_a_point_with_its_problem_and_the_others_stay(timeline):
    snapshots = timeline({"w": np.ones(2)}, {"w": np.zeros(2)}, {"w": np.full(2, 3.0)})
    snapshots[1].content.damaged = frozenset({"w"})
    series = Readings().series(snapshots, "w")
    assert "does not match its hash" in series.points[1].problem
    assert series.points[2].statistics.median == 3.0
    assert np.isnan(series.updates[2])


def test_a_variable_in_no_snapshot_is_refused(timeline):
    with pytest.raises(ValueError, match="nothing: in none of the 1 snapshots"):
        Readings().series(timeline({"w": 1.0}), "nothing")


def test_no_line_leads_back_when_a_notebook_runs_again_in_the_same_kernel(timeline):
    # steps 0 and 1, the same again, and a branch from the second run's first
    values = [{"w": float(index)} for index in range(6)]
    series = Readings().series(timeline(*values, steps=[0, 1, 0, 1, 1, 2], parents=[None, 1, 2, 3, 3, 5]), "w")
    assert series.lineage() == [2, 4, 5]
    assert other_lines(series) == [[0, 1], [2, 3]]
    assert series.points[2].parent == 1  # its change is still the change since then
