from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.text import Text

from snapshot.widgets import Evolution
from snapshot.widgets.curves import share_one_axis


def source_of(timeline, **more):
    count = 5
    values = [
        {"loss": 2.0 / (index + 1), "accuracy": 0.2 * index, "lr": 1e-3, "w": np.full((2, 2), float(index + 1))}
        for index in range(count)
    ]
    return SimpleNamespace(timeline=timeline(*values, **more))


def texts(evolution):
    return [text.get_text() for text in evolution.figure().findobj(Text) if text.get_text()]


def panels(evolution):
    return [axes for axes in evolution.figure().axes if axes.lines]


def test_several_single_numbers_are_lines_named_at_their_ends(timeline):
    evolution = Evolution(source_of(timeline), ["loss", "accuracy"])
    assert {"loss  0.4", "accuracy  0.8"} <= set(texts(evolution))
    assert len(panels(evolution)) == 1
    assert evolution.sentence() == "At step 40 (#5), loss is 0.4, accuracy is 0.8."


def test_lines_that_would_be_flat_beside_each_other_get_panels_of_their_own(timeline):
    assert len(panels(Evolution(source_of(timeline), ["loss", "lr"]))) == 2
    assert share_one_axis([np.array([0.0, 1.0]), np.array([0.5, 0.9])])
    assert share_one_axis([np.array([0.0, 1.0]), np.array([0.5, 0.5]), np.array([np.nan])])
    assert not share_one_axis([np.array([0.0, 1.0]), np.array([1000.0, 1001.0])])


def test_the_raw_numbers_are_one_array_for_each_and_nan_where_it_is_not(timeline):
    snapshots = timeline({"a": 1.0, "b": 2.0}, {"a": 3.0}, {"b": 5.0})
    data = Evolution(SimpleNamespace(timeline=snapshots), ["a", "b"]).data()
    assert data["steps"] == [0, 10, 20]
    np.testing.assert_array_equal(data["values"]["a"], [1, 3, np.nan])
    np.testing.assert_array_equal(data["values"]["b"], [2, np.nan, 5])


def test_one_statistic_of_several_arrays_and_of_expressions_is_drawn_together(timeline):
    evolution = Evolution(source_of(timeline), ["w", "2 * w"], statistic="norm")
    assert evolution.data()["values"]["2 * w"].tolist() == [4.0 * (index + 1) for index in range(5)]
    evolution.select(statistic="max")
    assert evolution.data()["values"]["w"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert "max of each" in texts(evolution)


def test_an_unknown_statistic_is_refused_by_name(timeline):
    with pytest.raises(ValueError, match=r"expected one of mean, std, .* found 'mode'"):
        Evolution(source_of(timeline), "w", statistic="mode")


def test_the_list_offers_each_alone_and_all_together(timeline, widgets_of):
    evolution = Evolution(source_of(timeline), ["loss", "accuracy"])
    found = widgets_of(evolution.view)
    assert found["Variable"].options[0][0] == "all 2 together"
    found["Variable"].value = "loss"
    assert "loss (scalar) is 0.4" in evolution.sentence()
    found["Variable"].value = ""
    assert "accuracy is 0.8" in evolution.sentence()


def test_the_slider_moves_a_line_through_all_lines(timeline, widgets_of):
    evolution = Evolution(source_of(timeline), ["loss", "accuracy"])
    found = widgets_of(evolution.view)
    before = found["Image"].value
    found["Step"].value = 0
    assert found["Image"].value != before
    assert evolution.sentence() == "At step 0 (#1), loss is 2, accuracy is 0."


def test_powers_of_ten_leave_out_what_is_not_positive(timeline):
    evolution = Evolution(source_of(timeline), ["loss", "accuracy"], log=True)
    (panel,) = panels(evolution)
    drawn = [line.get_ydata() for line in panel.lines if len(line.get_ydata()) == 5 and line.get_linestyle() == "-"]
    np.testing.assert_allclose(drawn[0], np.log10([2 / (index + 1) for index in range(5)]))
    assert np.isnan(drawn[1][0])


def test_another_branch_is_a_grey_line_from_where_it_left(timeline):
    evolution = Evolution(
        source_of(timeline, steps=[0, 1, 2, 1, 2], parents=[None, 1, 2, 1, 4]), ["loss", "accuracy"]
    )
    assert "values · grey: other branches" in texts(evolution)
    (panel,) = panels(evolution)
    grey = [line for line in panel.lines if line.get_color() == evolution._theme.reference]
    loss, accuracy = [line.get_ydata() for line in grey if line.get_linestyle() == "-"]
    np.testing.assert_allclose(loss, [2, 1, 2 / 3])
    np.testing.assert_allclose(accuracy, [0, 0.2, 0.4])


def test_many_lines_are_drawn_and_the_first_are_in_colour(timeline):
    values = [{f"v{number}": float(number * index) for number in range(12)} for index in range(3)]
    evolution = Evolution(SimpleNamespace(timeline=timeline(*values)), "v*", statistic="mean")
    assert any("the first 6 in colour" in text for text in texts(evolution))
