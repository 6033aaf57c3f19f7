import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
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


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "$x_", r"$\frac{", "a" * 400, "w\n2", "_^{}%"])
def test_any_name_is_text_at_the_end_of_its_line_and_never_mathematics(timeline, name):
    values = [{name: float(index), "other": 2.0 * index} for index in range(3)]
    evolution = Evolution(SimpleNamespace(timeline=timeline(*values)), [name, "other"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evolution.view
    assert not any(text.get_parse_math() for text in evolution.figure().findobj(Text) if text.get_text())
    found = evolution.view.children[-2].value
    assert "<script>" not in found


def test_two_threads_that_move_two_views_at_once_get_the_pictures_of_one_thread(timeline):
    sources = [source_of(timeline), source_of(timeline)]
    views = [Evolution(sources[0], ["loss", "accuracy"]), Evolution(sources[1], "w")]

    def pictures(evolution):
        found = []
        for index in (0, 3, 1, 4, 2):
            evolution.select(index=index)
            found.append(evolution.view.children[3].value)
        return found

    expected = [pictures(view) for view in views]
    start = threading.Barrier(2)
    again = [Evolution(sources[0], ["loss", "accuracy"]), Evolution(sources[1], "w")]

    def together(evolution):
        start.wait()
        return pictures(evolution)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(together, again)) == expected
