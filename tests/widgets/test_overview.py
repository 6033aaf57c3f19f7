import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import image
from matplotlib.text import Text

from snapshot.errors import PathNotFound
from snapshot.model import Role
from snapshot.widgets import Overview
from snapshot.widgets.many_statistics import (
    ABSENT,
    BROKEN,
    KNOWN,
    STATISTICS,
    UNCHANGED,
    UNREAD,
    Grid,
    Memory,
    series_of_statistics,
)
from snapshot.widgets.overview_figure import OverviewPicture, groups, limits, paint, pooled
from snapshot.widgets.theme import DARK, LIGHT

PNG = b"\x89PNG"
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def moving(timeline):
    """Five steps: w moves by 10 % each time, b moves once, c never, lr is a number, late comes last."""

    def values(step):
        found = {"w": np.full((3, 3), 1.1**step), "b": np.full(3, float(step > 2)), "c": np.ones(2), "lr": 0.1}
        return found | ({"late": np.zeros(4)} if step > 3 else {})

    return SimpleNamespace(timeline=timeline(*map(values, range(5))))


def reads(source):
    return [path for snapshot in source.timeline for path in snapshot.content.reads]


def texts(picture):
    return [text.get_text() for text in picture.figure.findobj(Text) if text.get_text()]


def grid_of(values, states=None, statistic="update", paths=None):
    values = np.asarray(values, np.float32)
    states = np.full(values.shape, KNOWN, np.uint8) if states is None else np.asarray(states, np.uint8)
    rows, columns = values.shape
    names = tuple(paths or (f"v{row}" for row in range(rows)))
    return Grid(statistic, names, tuple(range(columns)), tuple(f"#{n + 1}" for n in range(columns)), values, states)


# --- the numbers


def test_update_sizes_are_relative_to_the_parent_and_an_equal_digest_is_no_change(moving):
    grid = series_of_statistics(moving, ["w", "b", "c"])
    assert grid.values[0, 1:] == pytest.approx([np.log10(0.1 / 1.1)] * 4, abs=1e-6)
    assert grid.states.tolist() == [
        [ABSENT, KNOWN, KNOWN, KNOWN, KNOWN],
        [ABSENT, UNCHANGED, UNCHANGED, KNOWN, UNCHANGED],
        [ABSENT] + [UNCHANGED] * 4,
    ]


def test_what_did_not_change_is_not_read_and_what_did_is_read_once(moving):
    series_of_statistics(moving, ["w", "b", "c", "lr"])
    assert sorted(reads(moving)) == ["b"] * 2 + ["w"] * 5


def test_equal_contents_have_equal_statistics_and_are_read_once(moving):
    memory = Memory()
    grid = series_of_statistics(moving, ["c", "late"], "mean", memory)
    assert grid.values[0].tolist() == [1] * 5
    assert grid.states[1].tolist() == [ABSENT] * 4 + [KNOWN]
    series_of_statistics(moving, ["c"], "mean", memory)
    assert reads(moving).count("c") == 1


@pytest.mark.parametrize(
    ("statistic", "value"), [("mean", 1.0), ("std", np.sqrt(2 / 3)), ("zeros", 0.25), ("nan", 0.25)]
)
def test_every_statistic_is_what_it_says(timeline, statistic, value):
    source = SimpleNamespace(timeline=timeline({"w": np.array([0.0, 1.0, 2.0, np.nan])}))
    assert series_of_statistics(source, ["w"], statistic).values.tolist() == [[pytest.approx(value)]]


def test_an_unknown_statistic_is_refused_with_those_there_are(moving):
    with pytest.raises(ValueError, match="expected one of update, mean, std, zeros, nan, found 'median'"):
        Overview(moving, statistic="median")


def test_the_smallest_are_read_first_and_the_rest_is_marked_as_not_read(timeline):
    big, small = np.zeros(1000), np.zeros(2)
    source = SimpleNamespace(timeline=timeline(*({"big": big + n, "small": small + n} for n in range(3))))
    memory = Memory()
    grid = series_of_statistics(source, ["big", "small"], memory=memory, most_bytes=8000)
    assert grid.states.tolist() == [[ABSENT, UNREAD, UNREAD], [ABSENT, KNOWN, KNOWN]]
    grid = series_of_statistics(source, ["big", "small"], memory=memory, most_bytes=16000)
    assert (grid.states[:, 1:] == KNOWN).all()
    assert reads(source).count("small") == 3


def test_branches_are_compared_with_their_parent_and_not_with_their_neighbour(timeline):
    values = [{"w": 1.0}, {"w": 2.0}, {"w": 1.0}]
    source = SimpleNamespace(timeline=timeline(*values, parents=[None, 1, 1]))
    assert series_of_statistics(source, ["w"]).states.tolist() == [[ABSENT, KNOWN, UNCHANGED]]


def test_damaged_values_other_shapes_and_values_without_a_finite_element_are_told_apart_from_numbers(timeline):
    values = [
        {"w": np.ones(2), "v": np.ones(2)},
        {"w": np.ones(3), "v": np.ones(2) * np.nan},
        {"w": np.ones(3), "v": 2.0},
    ]
    source = SimpleNamespace(timeline=timeline(*values))
    source.timeline[2].content.damaged = frozenset({"v"})
    assert series_of_statistics(source, ["w", "v"]).states.tolist() == [
        [ABSENT, BROKEN, UNCHANGED], [ABSENT, BROKEN, BROKEN],
    ]  # fmt: skip


# --- the picture


def test_pooling_keeps_the_largest_update_and_what_is_not_finite():
    values, states = np.full((1000, 3000), -5.0), np.full((1000, 3000), KNOWN, np.uint8)
    values[123, 456], states[700, 2000] = -1.0, BROKEN
    pixels, kept = pooled(values, states, (100, 300), signed=False)
    assert (pixels.shape, pixels[kept == KNOWN].max(), (kept == BROKEN).sum()) == ((100, 300), -1.0, 1)


def test_pooling_signed_values_keeps_the_largest_magnitude():
    values = np.zeros((10, 10))
    values[3, 3], values[8, 8] = -9, 5
    pixels, _ = pooled(values, np.full((10, 10), KNOWN), (2, 2), signed=True)
    assert pixels.tolist() == [[-9, 0], [0, 5]]


def test_a_number_wins_over_no_change_and_no_change_over_what_is_not_there():
    states = np.array([[ABSENT, UNREAD, UNCHANGED, KNOWN]])
    for count in range(1, 5):
        assert pooled(np.zeros((1, 4))[:, :count], states[:, :count], (1, 1), False)[1].item() == count - 1


def test_limits_are_symmetric_for_the_mean_and_leave_outliers_out():
    values = np.random.default_rng(0).normal(0, 1, (50, 50))
    values[0, 0] = 1e6
    low, high = limits(grid_of(values, statistic="mean"))
    assert (low, 2 < high < 4) == (-high, True)


def test_a_thousand_variables_over_ten_thousand_steps_become_one_picture():
    values = np.full((1000, 10_000), -5, np.float32)
    values[567, 1234] = -0.5
    grid = grid_of(values, paths=[f"model.{row // 10}.{row % 10}" for row in range(1000)])
    assert image.imread(io.BytesIO(OverviewPicture(grid).png())).shape[:2] == (606, 1080)
    painted = paint(grid, (440, 637), limits(grid), LIGHT)
    assert len(np.unique(painted.reshape(-1, 3), axis=0)) == 2


def test_rows_are_named_one_by_one_or_by_what_they_share():
    assert groups(["a", "b"], 5) == [("a", 0, 1), ("b", 1, 2)]
    paths = [f"model.{layer}.{part}" for layer in range(8) for part in "wb"]
    assert groups(paths, 10) == [(f"model.{layer}", 2 * layer, 2 * layer + 2) for layer in range(8)]
    lists = [f"coefs[{index}].{part}" for index in range(8) for part in "wb"]
    assert groups(lists, 10)[1] == ("coefs[1]", 2, 4)


AWKWARD = {
    "one": grid_of([[-3.0]]),
    "nothing known": grid_of([[0.0, 0.0]], [[ABSENT, UNREAD]]),
    "nothing changed": grid_of([[-np.inf] * 3], [[ABSENT, UNCHANGED, UNCHANGED]]),
    "all broken": grid_of([[np.nan]], [[BROKEN]]),
    "constant": grid_of([[-3.0, -3.0], [-3.0, -3.0]]),
    "zeros": grid_of([[0.0, 0.0]], statistic="std"),
    "no share": grid_of([[0.0, 0.0]], statistic="nan"),
    "enormous": grid_of([[3e38, -3e38]], statistic="mean"),
    "long names": grid_of([[-1.0]] * 3, paths=["a" * 300, "<script>alert('$x')</script>", "重み😀\n$\\frac{"]),
}


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_awkward_grids_are_drawn_without_a_warning(name, theme):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = OverviewPicture(AWKWARD[name], theme, AWKWARD[name].paths[0])
        assert picture.png().startswith(PNG)
    assert not any(text.get_parse_math() for text in picture.figure.findobj(Text) if text.get_text())


def test_the_key_explains_the_colours_that_occur_and_no_others(moving):
    shown = texts(OverviewPicture(series_of_statistics(moving, ["w", "c"])))
    assert "no change" in shown
    assert "not read yet" not in shown


def test_threads_that_draw_at_the_same_time_get_the_pictures_of_one_thread():
    grids = [grid_of(np.full((3, 4), -1.0 - index)) for index in range(4)]
    alone = [OverviewPicture(grid).png() for grid in grids]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda grid: OverviewPicture(grid).png(), grids * 3)) == alone * 3


# --- the view


def test_rows_are_sorted_by_path_and_numbers_in_it_by_size(timeline, widgets_of):
    values = {f"layers.{index}.w": np.ones(2) for index in (10, 2, 1)}
    overview = Overview(SimpleNamespace(timeline=timeline(values | {"²": np.ones(1)})))
    assert overview.data()["paths"] == ["layers.1.w", "layers.2.w", "layers.10.w", "²"]


def test_choosing_from_the_list_opens_the_evolution_of_that_variable_below(moving, widgets_of):
    overview = Overview(moving)
    found = widgets_of(overview.view)
    assert "Step" not in found
    assert found["Open"].value is None
    found["Open"].value = "b"
    found = widgets_of(overview.view)
    assert found["Variable"].value == "b"
    found["Open"].value = "w"
    assert widgets_of(overview.view)["Variable"].value == "w"


def test_another_statistic_changes_picture_and_caption(moving, widgets_of):
    found = widgets_of(Overview(moving).view)
    before = found["Image"].value
    assert "Size of each update of 5 variables; the largest is 100 %, b at step 30 (#4)" in found["HTML"].value
    assert "2 never changed" in found["HTML"].value
    for name, statistic in STATISTICS.items():
        found["Colour"].value = name
        assert statistic.title in found["HTML"].value
    assert found["Image"].value != before


def test_the_filter_narrows_rows_and_list_and_keeps_what_is_open(moving, widgets_of):
    overview = Overview(moving)
    found = widgets_of(overview.view)
    found["Open"].value = "w"
    found["Filter"].value = "LA"
    assert [path for _, path in found["Open"].options] == ["late", "w"]
    assert "of 1 variable;" in found["HTML"].value.replace(".", ";")
    found["Filter"].value = "nothing"
    assert bytes(found["Image"].value).startswith(PNG)


def test_reading_more_is_offered_while_something_is_not_read(timeline, widgets_of, monkeypatch):
    monkeypatch.setattr("snapshot.widgets.overview_viewpoint.FIRST_BYTES", 100)
    source = SimpleNamespace(timeline=timeline(*({"w": np.zeros(40) + n} for n in range(2))))
    overview = Overview(source)
    found = widgets_of(overview.view)
    assert "1 of 2 are not read yet" in found["HTML"].value
    found["Read more"].click()
    assert found["Read more"].layout.display == "none"
    assert "not read yet" not in found["HTML"].value


@pytest.mark.parametrize("paths", ["w", ["w"], "role:parameter"])
def test_paths_may_be_names_globs_and_roles(timeline, paths):
    source = SimpleNamespace(timeline=timeline({"w": np.ones(2), "m": np.ones(2)}, roles={"m": Role.SLOT}))
    assert Overview(source, paths).data()["paths"] == ["w"]


def test_unknown_paths_are_refused_with_the_nearest(moving):
    with pytest.raises(PathNotFound, match="nearest: late"):
        Overview(moving, "lat")
    with pytest.raises(PathNotFound, match="nobody: no stored variable"):
        Overview(moving).select("nobody")


def test_no_snapshots_one_snapshot_and_no_numbers_are_sentences(timeline, widgets_of):
    assert "There are no snapshots yet" in repr(Overview(SimpleNamespace(timeline=[])))
    assert "this is the first" in repr(Overview(SimpleNamespace(timeline=timeline({"w": np.ones(2)}))))
    empty = Overview(SimpleNamespace(timeline=timeline({"name": "text"})))
    assert "None of the 1 snapshots holds numbers" in widgets_of(empty.view)["HTML"].value


def test_refresh_takes_in_new_snapshots_above_and_below(moving, timeline, widgets_of):
    overview = Overview(moving)
    overview.select("w")
    found = widgets_of(overview.view)
    moving.timeline = timeline(*({"w": np.full((3, 3), 1.0 + n)} for n in range(7)))
    overview.refresh()
    assert len(widgets_of(overview.view)["Step"].options) == 7
    assert "of 1 variable" in found["HTML"].value


def test_the_bundle_has_the_view_a_picture_and_words(moving):
    bundle = Overview(moving)._repr_mimebundle_()
    assert set(bundle) == {VIEW, "image/png", "text/plain"}
    assert bundle["image/png"].startswith(PNG)


def test_a_hostile_name_is_text_in_the_caption(timeline, widgets_of):
    name = "<script>alert(1)</script>"
    source = SimpleNamespace(timeline=timeline({name: np.ones(2)}, {name: np.zeros(2)}))
    found = widgets_of(Overview(source).view)
    assert "&lt;script&gt;" in found["HTML"].value
    assert "<script>" not in found["HTML"].value
