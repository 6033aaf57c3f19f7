import io
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.text import Text

from snapshot.errors import PathNotFound, ReferenceNotFound
from snapshot.model import Role
from snapshot.widgets import Evolution
from snapshot.widgets.figures import DRAWING
from snapshot.widgets.following import MOST_VIEWS, Follower
from snapshot.workspace import Workspace

PNG = b"\x89PNG"
VIEW = "application/vnd.jupyter.widget-view+json"


def controls(evolution):
    """The widgets behind the view, by what they are."""
    found = {}

    def look(widget):
        name = getattr(widget, "description", "") or type(widget).__name__
        found.setdefault(name, widget)
        for child in getattr(widget, "children", ()):
            look(child)

    look(evolution.view)
    return SimpleNamespace(
        filter=found["Filter"], variable=found["Variable"], step=found["Step"], previous=found["Previous"],
        next=found["Next"], image=found["Image"], caption=found["HTML"],
    )  # fmt: skip


def texts_of(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def wait_until(condition):
    """Another thread makes it true; a test that waits for a minute has failed."""
    pause, tries = threading.Event(), 6000
    while not condition() and tries:
        pause.wait(0.01)
        tries -= 1
    assert condition()


def test_it_opens_at_the_first_matrix_among_the_parameters_and_at_the_newest_step(source):
    found = controls(Evolution(source))
    assert found.variable.value == "model.w"
    assert (found.step.index, found.step.label) == (2, "20 · #3 trained")
    assert bytes(found.image.value).startswith(PNG)


def test_without_a_matrix_it_opens_at_an_array_and_else_at_a_number(timeline):
    arrays = SimpleNamespace(timeline=timeline({"lr": 0.1, "b": np.ones(3)}))
    numbers = SimpleNamespace(timeline=timeline({"lr": 0.1}))
    slots = SimpleNamespace(timeline=timeline({"m": np.ones((2, 2)), "b": np.ones(3)}, roles={"m": Role.SLOT}))
    assert [Evolution(one).data()["path"] for one in (arrays, numbers, slots)] == ["b", "lr", "m"]


def test_every_step_has_a_stop_and_equal_steps_are_kept_apart(timeline):
    values = [{"w": float(index)} for index in range(3)]
    snapshots = timeline(*values, steps=[1000, 1000, 2000], labels={1: "before"})
    assert controls(Evolution(SimpleNamespace(timeline=snapshots))).step.options == (
        ("1,000 · #1", 0),
        ("1,000 · #2 before", 1),
        ("2,000 · #3", 2),
    )


def test_moving_the_slider_changes_picture_and_caption(source):
    found = controls(Evolution(source))
    before = found.image.value, found.caption.value
    found.step.value = 0
    assert "At step 0 (#1 before), model.w" in found.caption.value
    assert found.image.value != before[0]
    found.step.value = 2
    assert (found.image.value, found.caption.value) == before


def test_previous_and_next_walk_the_steps_and_stop_at_the_ends(source):
    found = controls(Evolution(source))
    assert found.next.disabled
    found.previous.click()
    assert (found.step.index, found.next.disabled) == (1, False)
    for _ in range(5):
        found.previous.click()
    assert (found.step.index, found.previous.disabled) == (0, True)
    found.next.click()
    assert found.step.index == 1


def test_choosing_a_variable_stays_at_the_step(source):
    found = controls(Evolution(source))
    found.step.value = 1
    found.variable.value = "lr"
    assert (found.step.index, "At step 10 (#2), lr (scalar) is 0.1" in found.caption.value) == (1, True)


def test_the_list_shows_shapes_and_the_filter_narrows_it(source):
    found = controls(Evolution(source))
    assert ("model.w   6 × 4 float64", "model.w") in found.variable.options
    found.filter.value = "LR"
    assert found.variable.value == "lr"
    found.filter.value = "model"
    assert [path for _, path in found.variable.options] == ["lr", "model.b", "model.w"]
    found.filter.value = "nothing"
    assert "No variable" in found.caption.value
    assert found.variable.value == "lr"


def test_the_caption_is_a_sentence_with_the_numbers_for_screen_readers(timeline):
    weights = np.linspace(-1, 1, 101).reshape(1, 101)
    source = SimpleNamespace(timeline=timeline({"w": weights}, {"w": weights * 1.001}))
    text = controls(Evolution(source)).caption.value
    assert text.startswith('<div role="status">')
    assert "median 0, 90 % of its values between −0.901 and 0.901" in text
    assert "it moved by 0.0999 % (log₁₀ −3) since step 0 (#1)" in text


def test_a_hostile_name_is_text_in_the_caption_and_in_the_list(timeline):
    name = "<script>alert('$x')</script>"
    found = controls(Evolution(SimpleNamespace(timeline=timeline({name: np.ones((2, 2))}))))
    assert "&lt;script&gt;" in found.caption.value
    assert "<script>" not in found.caption.value


@pytest.mark.parametrize("paths", ["model", ["model.*"], ["model.w", "model.b"], "role:parameter", "m?del.*"])
def test_paths_may_be_names_paths_globs_and_roles(source, paths):
    paths_listed = [path for _, path in controls(Evolution(source, paths)).variable.options]
    assert {"model.w", "model.b"} <= set(paths_listed)
    assert ("lr" in paths_listed) == (paths == "role:parameter")


def test_the_first_path_asked_for_is_shown_first_even_with_brackets(timeline):
    source = SimpleNamespace(timeline=timeline({"coefs[0]": np.ones((2, 2)), "coefs[1]": np.ones((3, 3))}))
    assert Evolution(source, ["coefs[1]", "coefs[0]"]).data()["path"] == "coefs[1]"


def test_an_unknown_path_is_refused_with_the_nearest_ones(source):
    with pytest.raises(PathNotFound, match=r"model\.v: no stored variable has this path; nearest: model\.w"):
        Evolution(source, "model.v")
    with pytest.raises(PathNotFound, match="there are 3, such as: "):
        Evolution(source).select("zzz")


def test_no_snapshots_are_a_sentence_and_not_an_error(tmp_path):
    evolution = Evolution(SimpleNamespace(timeline=[]), "model.w")
    assert "There are no snapshots yet" in repr(evolution)
    assert "There are no snapshots yet" in controls(evolution).caption.value
    assert evolution.data()["steps"] == []
    evolution.savefig(tmp_path / "none.png")
    assert (tmp_path / "none.png").read_bytes().startswith(PNG)


def test_snapshots_without_numbers_are_a_sentence_too(timeline):
    source = SimpleNamespace(timeline=timeline({"name": "text"}, {"day": np.datetime64("2024-01-01")}))
    assert "None of the 2 snapshots holds numbers" in repr(Evolution(source))


def test_random_states_are_not_offered(timeline):
    source = SimpleNamespace(timeline=timeline({"rng": np.ones(624), "w": 1.0}, roles={"rng": Role.RNG}))
    assert [path for _, path in controls(Evolution(source)).variable.options] == ["w"]


def test_a_value_that_cannot_be_read_is_said_and_the_rest_is_shown(source):
    source.timeline[1].content.damaged = frozenset({"model.w"})
    found = controls(Evolution(source))
    found.step.value = 1
    assert "could not be read: model.w: block 0 does not match" in found.caption.value
    found.step.value = 0
    assert "median" in found.caption.value


def test_refresh_follows_the_newest_step_unless_another_was_chosen(source, timeline):
    evolution = Evolution(source)
    more = timeline(*[{"model.w": np.full((6, 4), float(index))} for index in range(5)])
    source.timeline = more[:4]
    evolution.refresh()
    assert controls(evolution).step.index == 3
    evolution.select(index=1)
    source.timeline = more
    evolution.refresh()
    assert (controls(evolution).step.index, len(controls(evolution).step.options)) == (1, 5)


def test_moving_reads_stored_snapshots_once_and_then_only_what_was_forgotten(source):
    found = controls(Evolution(source))
    reads = [len(snapshot.content.reads) for snapshot in source.timeline]
    for index in (0, 1, 2, 1, 0):
        found.step.value = index
    assert [len(snapshot.content.reads) for snapshot in source.timeline] == reads


def test_data_holds_the_raw_numbers(source):
    data = Evolution(source, "model.b").data()
    assert (data["path"], data["steps"], data["percentiles"].shape) == ("model.b", [0, 10, 20], (3, 7))
    assert data["percentiles"][2].tolist() == [2.0] * 7
    assert data["update_sizes"][1:].tolist() == [0.0, pytest.approx(np.log10(0.5))]


def test_a_figure_is_its_own_and_does_not_follow_the_slider(source):
    evolution = Evolution(source)
    figure = evolution.figure()
    evolution.select(index=0)
    assert any("Step 20" in text.get_text() for text in figure.texts)


def test_savefig_takes_an_open_file_and_writes_png(source):
    file = io.BytesIO()
    Evolution(source).savefig(file)
    assert file.getvalue().startswith(PNG)


def test_the_bundle_has_the_view_a_picture_and_words(source):
    bundle = Evolution(source)._repr_mimebundle_()
    assert set(bundle) == {VIEW, "image/png", "text/plain"}
    assert bundle["image/png"].startswith(PNG)
    assert "At step 20" in bundle["text/plain"]


def test_displaying_publishes_the_view_and_then_a_plain_picture(source, monkeypatch):
    published = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: published.append(data))
    Evolution(source)._ipython_display_()
    assert VIEW in published[0]
    assert set(published[1]) == {"image/png", "text/plain"}


def test_the_plain_picture_is_hidden_by_a_rule_inside_the_view(source):
    view = Evolution(source).view
    (css_class,) = view._dom_classes
    rules = [child.value for child in view.children if "<style>" in str(getattr(child, "value", ""))]
    assert f".jp-OutputArea-child:has(.{css_class}) + .jp-OutputArea-child" in rules[0]


def test_inputs_are_not_bound_to_the_shell_that_wrote_to_them(source):
    evolution = Evolution(source)
    found = controls(evolution)
    for widget in (found.step, found.variable, found.filter, found.previous, found.next):
        widget.comm._reply_subshell_id = None
    evolution.select(index=0)
    assert not hasattr(found.step.comm, "_reply_subshell_id")
    assert not hasattr(found.filter.comm, "_reply_subshell_id")


def test_sliders_moved_by_several_threads_end_with_picture_and_caption_of_one_step(source):
    evolution = Evolution(source)
    found = controls(evolution)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda index: evolution.select(index=index), [0, 1, 2] * 5))
    shown = found.image.value
    evolution.select(index=found.step.index)
    assert found.image.value == shown


def test_importing_the_package_loads_neither_matplotlib_nor_ipywidgets():
    code = "import snapshot, sys; sys.exit(bool({'matplotlib', 'ipywidgets'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_play_moves_the_slider_in_the_browser_and_ends_at_the_last_step(source, widgets_of):
    evolution = Evolution(source)
    found = widgets_of(evolution.view)
    assert (found["Play"].min, found["Play"].max) == (0, 2)
    link = evolution._live.controls._link
    assert (link.source, link.target) == ((found["Play"], "value"), (found["Step"], "index"))


def test_a_step_may_be_compared_with_the_first_the_previous_the_last_and_any(source, widgets_of):
    evolution = Evolution(source, "model.b")
    found = widgets_of(evolution.view)
    evolution.select(index=1)

    def compared():
        return next(text for text in map(str, texts_of(evolution.figure())) if text.startswith("this minus"))

    assert compared() == "this minus step 0 (#1 before)"
    for name, words in (("previous", "step 0 (#1 before)"), ("last", "step 20 (#3 trained)")):
        found["Compare with"].value = name
        assert compared() == f"this minus {words}"
    found["Compare with"].label = "10 · #2"
    assert compared() == "this minus step 10 (#2)"
    evolution.select(reference="trained")
    assert compared() == "this minus step 20 (#3 trained)"


def test_what_is_compared_with_is_a_label_an_id_or_a_step(source):
    for reference in ("before", "#1", "latest~2"):
        assert Evolution(source, reference=reference)._viewpoint.reference == ("run", 1)
    with pytest.raises(ReferenceNotFound):
        Evolution(source, reference="nonsense")


def test_the_steps_shown_can_be_restricted_and_set_free_again(source, widgets_of):
    evolution = Evolution(source, steps=(5, None))
    found = widgets_of(evolution.view)
    assert evolution.data()["steps"] == [10, 20]
    found["Steps shown"].value = (0, 10)
    assert (evolution.data()["steps"], [label for label, _ in found["Step"].options]) == (
        [0, 10],
        ["0 · #1 before", "10 · #2"],
    )
    found["Steps shown"].value = (0, 20)
    assert (evolution.data()["steps"], evolution._viewpoint.span) == ([0, 10, 20], None)


def test_a_range_without_a_snapshot_is_refused_and_the_view_stays(source, widgets_of):
    evolution = Evolution(source)
    found = widgets_of(evolution.view)
    found["Steps shown"].value = (11, 19)
    assert "no snapshot has a step from 11 to 19; there are steps from 0 to 20" in found["HTML"].value
    assert found["Steps shown"].value == (0, 20)
    with pytest.raises(ReferenceNotFound, match="no snapshot has a step from 11 to 19"):
        Evolution(source, steps=(11, 19))


def test_log_changes_the_colours_of_the_histogram_and_the_axis_of_a_number(source, widgets_of):
    for path in ("model.w", "lr"):
        found = widgets_of(Evolution(source, path).view)
        before = found["Image"].value
        found["Log"].value = True
        assert found["Image"].value != before
        found["Log"].value = False
        assert found["Image"].value == before


def test_data_says_what_lies_on_the_branch_of_the_newest(timeline):
    snapshots = timeline(*[{"w": float(index)} for index in range(4)], parents=[None, 1, 1, 3])
    data = Evolution(SimpleNamespace(timeline=snapshots)).data()
    assert (data["on_branch"].tolist(), data["runs"]) == ([True, False, True, True], ["run"] * 4)


def test_a_view_takes_in_what_a_workspace_stores_until_told_not_to(widgets_of):
    names = {"w": np.zeros((3, 3))}
    workspace = Workspace(names)
    workspace.store()
    evolution = Evolution(workspace)
    found = widgets_of(evolution.view)

    def store():
        names["w"] += 1
        workspace.store()

    store()
    wait_until(lambda: len(found["Step"].options) == 2)
    assert found["Step"].index == 1
    found["Follow"].value = False
    store()
    other = Evolution(workspace)
    assert len(widgets_of(other.view)["Step"].options) == 3
    store()
    wait_until(lambda: len(widgets_of(other.view)["Step"].options) == 4)
    assert len(found["Step"].options) == 2
    found["Follow"].value = True
    assert len(found["Step"].options) == 4


def test_a_store_does_not_wait_for_a_picture():
    names = {"w": np.zeros((3, 3))}
    workspace = Workspace(names)
    workspace.store()
    evolution = Evolution(workspace)
    assert evolution.view
    with DRAWING:  # nobody else can draw now
        worker = threading.Thread(target=workspace.store)
        worker.start()
        worker.join(timeout=60)
        assert not worker.is_alive()
    wait_until(lambda: len(evolution.data()["steps"]) == 2)


def test_the_newest_views_are_followed_at_a_pace_and_the_last_news_arrives():
    calls = []
    done = threading.Event()

    class View:
        def __init__(self, name):
            self.name = name

        def refresh(self):
            calls.append(self.name)
            if self.name == "last":
                done.set()

    follower = Follower(interval=0.01)
    views = [View(number) for number in range(MOST_VIEWS)] + [View("last")]
    for view in views:
        follower.admit(view)
    for _ in range(100):
        follower.notice(views[0], views[0].refresh)
        follower.notice(views[1], views[1].refresh)
    follower.notice(views[-1], views[-1].refresh)
    assert done.wait(60)
    assert 0 not in calls  # there are newer ones
    assert calls.count(1) < 100
