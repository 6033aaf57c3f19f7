import io

import numpy as np
import pytest

from snapshot import Workspace
from snapshot.errors import PathNotFound
from snapshot.model import Role
from snapshot.widgets import Compare

PNG = b"\x89PNG"
VIEW = "application/vnd.jupyter.widget-view+json"
HOSTILE = "<script>alert('$x')</script>"


@pytest.fixture
def pair(timeline):
    """The function that makes two snapshots of the given values: A called before, B the next."""

    def make(before, after, **more):
        return timeline(before, after, labels={0: "before"}, **more)

    return make


@pytest.fixture
def changed(pair):
    """A weight that moved a little everywhere, a bias that moved much in one place, a rate, and a constant."""
    weight = np.random.default_rng(0).normal(0, 0.1, (6, 4))
    bias = np.array([1.0, 0, 0, 0])
    before = {"w": weight, "b": np.zeros(4), "lr": 0.1, "same": np.ones(3)}
    return pair(before, {"w": weight * 1.01, "b": bias, "lr": 0.05, "same": np.ones(3)})


def test_the_list_begins_with_the_largest_change_and_says_how_large(changed, widgets_of):
    found = widgets_of(Compare(*changed).view)
    assert [path for _, path in found["Changed"].options] == ["b", "lr", "w"]
    assert found["Changed"].options[0][0].split() == ["100", "%", "b", "4", "float64"]
    assert found["Changed"].value == "b"
    assert bytes(found["Image"].value).startswith(PNG)


def test_changes_are_divided_by_the_larger_side_so_that_a_start_at_zero_is_no_infinity(changed):
    (first, *_) = Compare(*changed).data()["ranking"]
    assert (first["path"], first["relative"], first["share"]) == ("b", 1.0, 0.25)


@pytest.mark.parametrize(
    ("ranking", "order"),
    [("relative", ["b", "lr", "w"]), ("share", ["lr", "w", "b"]), ("path", ["b", "lr", "w"])],
)
def test_the_list_can_be_ranked_otherwise(changed, widgets_of, ranking, order):
    found = widgets_of(Compare(*changed).view)
    found["Ranked by"].value = ranking
    assert [path for _, path in found["Changed"].options] == order
    assert found["Changed"].value == "b"


def test_choosing_another_one_changes_picture_and_caption(changed, widgets_of):
    found = widgets_of(Compare(*changed).view)
    before = found["Image"].value, found["HTML"].value
    found["Changed"].value = "w"
    assert "w (6 × 4) changed by 0.99 % of its size" in found["HTML"].value
    assert "100 % of its elements differ" in found["HTML"].value
    found["Changed"].value = "b"
    assert (found["Image"].value, found["HTML"].value) == before


def test_the_filter_narrows_the_list_and_keeps_what_is_shown(changed, widgets_of):
    found = widgets_of(Compare(*changed).view)
    found["Filter"].value = "W"
    assert found["Changed"].value == "w"
    found["Filter"].value = "nothing like it"
    assert "Nothing that differs contains" in found["HTML"].value
    assert found["Changed"].value == "w"


def test_the_caption_counts_what_changed_and_gives_numbers_for_screen_readers(changed, widgets_of):
    text = widgets_of(Compare(*changed, path="lr").view)["HTML"].value
    assert text.startswith('<div role="status">From before (#1, step 0) to #2, step 10: 3 changed, 1 did not change.')
    assert "lr was 0.1 and is 0.05." in text


def test_nothing_changed_is_a_sentence_and_not_an_error(pair, widgets_of, tmp_path):
    comparison = Compare(*pair({"w": np.ones(3)}, {"w": np.ones(3)}))
    assert "nothing changed" in widgets_of(comparison.view)["HTML"].value
    assert comparison.data()["path"] is None
    comparison.savefig(tmp_path / "same.png")
    assert (tmp_path / "same.png").read_bytes().startswith(PNG)


def test_numbers_and_text_are_shown_as_text_also_inside_containers():
    names = {"lr": 0.1, "name": "adam", "config": {"layers": 2}, "kind": 1}
    workspace = Workspace(names)
    workspace.store("before")
    names.update(lr=0.05, name="sgd", kind="text")
    names["config"]["layers"] = 3
    comparison = Compare(workspace["before"], workspace.present())
    texts = {path: comparison.data(path)["texts"] for path in ("lr", "name", "config['layers']", "kind")}
    assert texts == {
        "lr": ("0.1", "0.05"), "name": ("adam", "sgd"), "config['layers']": ("2", "3"), "kind": ("a int", "a str"),
    }  # fmt: skip
    assert "From before (#1, step 1) to now: 4 changed" in comparison.sentence()


def test_what_is_on_one_side_only_is_listed_behind_the_changes(pair, widgets_of):
    comparison = Compare(*pair({"w": np.ones(3), "old": np.ones(2)}, {"w": np.zeros(3), "new": np.ones((2, 2))}))
    options = widgets_of(comparison.view)["Changed"].options
    assert [(label.split()[0], path) for label, path in options] == [
        ("100", "w"),
        ("added", "new"),
        ("removed", "old"),
    ]
    data = comparison.data("new")
    assert (data["a"], data["b"].shape, data["b_minus_a"]) == (None, (2, 2), None)
    assert "new (2 × 2) is in #2, step 10 and not in before" in comparison.sentence()


def test_another_shape_leads_the_list_and_has_no_difference(pair):
    comparison = Compare(*pair({"w": np.ones((3, 4)), "b": np.ones(2)}, {"w": np.ones((4, 4)), "b": np.zeros(2)}))
    data = comparison.data()
    assert (data["path"], data["b_minus_a"]) == ("w", None)
    assert "shape (3, 4) → (4, 4)" in comparison.sentence()


def test_random_states_are_not_listed(pair, widgets_of):
    rng = {"rng": Role.RNG}
    comparison = Compare(*pair({"rng": np.ones(4), "w": 1.0}, {"rng": np.zeros(4), "w": 2.0}, roles=rng))
    assert [path for _, path in widgets_of(comparison.view)["Changed"].options] == ["w"]


def test_a_side_that_cannot_be_read_is_said_and_the_rest_is_shown(pair, widgets_of):
    snapshots = pair({"w": np.ones((2, 2)), "b": np.ones(2)}, {"w": np.zeros((2, 2)), "b": np.zeros(2)})
    snapshots[1].content.damaged = frozenset({"w"})
    found = widgets_of(Compare(*snapshots).view)
    assert "w (2 × 2): could not be read: w: block 0 does not match its hash." in found["HTML"].value
    found["Changed"].value = "b"
    assert "b (2) changed by 100 %" in found["HTML"].value


def test_singular_values_of_a_small_matrix_come_by_themselves_and_of_a_large_one_on_demand(pair, widgets_of):
    small, large = np.eye(3), np.diag(np.arange(400.0))
    comparison = Compare(*pair({"small": small, "large": large}, {"small": 2 * small, "large": 2 * large}))
    assert comparison.data("small")["stable_rank"] == (pytest.approx(3), pytest.approx(3))
    assert comparison.data("large")["singular_values"] is None
    button = widgets_of(comparison.view)["Singular values"]
    assert not button.disabled
    button.click()
    assert button.disabled
    assert comparison.data()["singular_values"][1][0] == pytest.approx(798)
    assert "its stable rank from" in comparison.sentence()


def test_an_unchanged_and_an_unknown_path_are_refused_with_a_reason(changed):
    comparison = Compare(*changed)
    with pytest.raises(PathNotFound, match="same did not change from before"):
        comparison.select("same")
    with pytest.raises(PathNotFound, match="nearest: lr"):
        Compare(*changed, path="lrr")


def test_a_hostile_name_is_text_in_the_caption_and_in_the_list(pair, widgets_of):
    found = widgets_of(Compare(*pair({HOSTILE: np.ones((2, 2))}, {HOSTILE: np.zeros((2, 2))})).view)
    assert "&lt;script&gt;" in found["HTML"].value
    assert "<script>" not in found["HTML"].value


def test_hostile_text_is_text_in_caption_and_table(pair, widgets_of):
    snapshots = pair({}, {}, names={})
    for snapshot, value in zip(snapshots, ("a", HOSTILE), strict=True):
        snapshot.content.outline = lambda value=value: {"config['x']": value}
        snapshot.content.names = {"config": "dict"}
    comparison = Compare(*snapshots)
    assert comparison.data()["texts"] == ("a", HOSTILE)
    assert "<script>" not in widgets_of(comparison.view)["HTML"].value + comparison._repr_html_()


def test_the_bundle_has_the_view_a_picture_and_words_and_the_table_stays(changed):
    comparison = Compare(*changed)
    bundle = comparison._repr_mimebundle_()
    assert set(bundle) == {VIEW, "image/png", "text/plain"}
    assert bundle["image/png"].startswith(PNG)
    assert "3 changed" in bundle["text/plain"]
    assert "<table>" in comparison._repr_html_()


def test_displaying_publishes_the_view_and_then_a_plain_picture_that_the_view_hides(changed, monkeypatch):
    published = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: published.append(data))
    comparison = Compare(*changed)
    comparison._ipython_display_()
    assert VIEW in published[0]
    assert set(published[1]) == {"image/png", "text/plain"}
    rules = [str(child.value) for child in comparison.view.children if "<style>" in str(getattr(child, "value", ""))]
    assert any(".jp-OutputArea-child:has(.snapshot-compare) + .jp-OutputArea-child" in rule for rule in rules)


def test_savefig_takes_an_open_file_and_a_figure_is_its_own(changed):
    comparison = Compare(*changed, path="w")
    figure, file = comparison.figure(), io.BytesIO()
    comparison.select("b")
    comparison.savefig(file)
    assert file.getvalue().startswith(PNG)
    assert any(text.get_text() == "w" for text in figure.texts)


def test_inputs_are_not_bound_to_the_shell_that_wrote_to_them(changed, widgets_of):
    comparison = Compare(*changed)
    inputs = [widgets_of(comparison.view)[name] for name in ("Changed", "Filter", "Ranked by", "Singular values")]
    for widget in inputs:
        widget.comm._reply_subshell_id = None
    comparison.select("w")
    assert not any(hasattr(widget.comm, "_reply_subshell_id") for widget in inputs)
