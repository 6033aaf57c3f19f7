from types import SimpleNamespace

import numpy as np
import pytest

import snapshot
from snapshot.errors import BadExpression, PathNotFound
from snapshot.widgets import Evolution
from snapshot.widgets.expressions import parse
from snapshot.workspace import Workspace

RNG = np.random.default_rng(0)
STORED = {
    "w": RNG.normal(size=(3, 4)), "w0": np.ones((3, 4)), "h": np.ones(3, np.float16), "u": np.zeros(3, np.uint8),
    "model.0": np.ones(2), "model.0.weight": RNG.normal(size=(4, 3)), "model.1.weight": RNG.normal(size=(2, 4)),
    "coefs_[0]": np.arange(3), "p['q']": np.eye(2), "a": 2.0, "b": 4.0, "a/b": 7.0, "norm": np.array([3.0, 4.0]),
}  # fmt: skip
W, FIRST, SECOND = STORED["w"], STORED["model.0.weight"], STORED["model.1.weight"]


def value(text, stored=STORED):
    return parse(text, stored, lambda path: f"no {path}").value(stored.__getitem__)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("norm(w - w0)", np.linalg.norm(W - 1)),
        ("model.1.weight @ model.0.weight", SECOND @ FIRST),
        ("model.0.weight.T @ model.0.weight", FIRST.T @ FIRST),
        ("model.0.weight[0, 1:] * 2", FIRST[0, 1:] * 2),
        ("w[w > 0]", W[W > 0]),
        ("w[..., -1]", W[..., -1]),
        ("coefs_[0][1]", 1),
        ("p['q'][0, 0]", 1.0),
        ("mean(w, axis=0) - max(w) / std(w)", W.mean(axis=0) - W.max() / W.std()),
        ("mean((-1 < w < 1) & (w != 0))", np.mean(np.abs(W) < 1)),
        ("2 ** -u + pi", np.full(3, 1 + np.pi)),
        ("svd(w)[0]", np.linalg.svd(W)[1][0]),
    ],
)
def test_an_expression_has_the_value_that_numpy_gives_it(text, expected):
    np.testing.assert_allclose(value(text), expected)


def test_the_longest_stored_path_counts_and_a_blank_ends_it():
    assert (value("a/b"), value("a / b")) == (7.0, 0.5)


def test_a_function_is_one_where_it_is_called_and_else_a_variable_of_that_name():
    assert value("norm(norm)") == 5.0


def test_small_integers_do_not_wrap_and_half_precision_is_computed_in_single():
    assert value("-u - 1").tolist() == [-1, -1, -1]
    assert value("h * 70000").tolist() == [70000.0] * 3


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("norm(w - w9)", "at “w9” (character 10): no w9"),
        ("model.2.weight.T * 2", "at “model.2.weight” (character 1): no model.2.weight"),
        ("w * model.0.weight.foo", "at “model.0.weight.foo” (character 5): no model.0.weight.foo"),
        ("2 * (w @ h)", "at “w @ h” (character 6): shapes (3, 4) and (3,) do not fit each other"),
        ("w + exec(w)", "at “exec” (character 5): there is no function exec"),
        ("w and w0", "write & for and"),
        ("mean(w, 0)", "mean takes 1 value, and axis=N if wanted; found 2"),
        ("w['x']", "at “x”"),
        ("(w", "never closed"),
        ("1 + 2", "there is no stored variable in it"),
        ("norm(w)[7]", "too many indices"),
    ],
)
def test_an_error_quotes_the_part_that_is_wrong(text, part):
    with pytest.raises(BadExpression) as found:
        value(text)
    assert part in str(found.value)


@pytest.mark.parametrize(
    "text",
    [
        "w.__class__", "w.shape", "__import__('os')", "w(1)", "(lambda: w)()", "[v for v in w]", "{w: 1}", "f'{w}'",
        "w if w else w0", "(v := w)", "w[None]", "abs(w, out=w0)", "norm.__globals__", "*w", "w; w", "abs(*w)",
        "(w).dump", "(w + w0).tofile", "open(w)", "abs.__self__(w)",
    ],
)  # fmt: skip
def test_whatever_is_not_in_the_tables_is_refused_before_anything_is_read(text):
    with pytest.raises(BadExpression):
        parse(text, STORED, lambda path: f"no {path}")


def test_what_would_fill_the_memory_or_the_day_is_refused_or_overflows():
    assert np.isinf(value("9 ** 9 ** 9 * a"))
    stored = {"v": np.ones((1 << 17, 1))}
    with pytest.raises(BadExpression, match="would have 17,179,869,184 elements"):
        value("v @ v.T", stored)
    with pytest.raises(BadExpression, match="at most 1,000 characters"):
        value("+".join(["a"] * 600))


def test_an_expression_is_looked_at_like_a_stored_variable(source):
    weights = [snapshot["model.w"] for snapshot in source.timeline]
    data = Evolution(source, "norm(model.w - model.b)").data()
    assert (data["path"], data["steps"]) == ("norm(model.w - model.b)", [0, 10, 20])
    expected = [np.linalg.norm(weight - index) for index, weight in enumerate(weights)]
    np.testing.assert_allclose(data["mean"], expected)


def test_an_expression_is_computed_where_all_its_variables_are_and_read_once(timeline):
    values = [{"w": np.ones(3)}, {"w": np.ones(3), "v": np.full(3, 2.0)}, {"w": np.ones(3), "v": np.full(3, 2.0)}]
    snapshots = timeline(*values)
    data = Evolution(SimpleNamespace(timeline=snapshots), "w + v").data()
    assert (data["steps"], data["mean"].tolist()) == ([10, 20], [3.0, 3.0])
    assert snapshots[2].content.reads == []


def test_a_step_at_which_it_cannot_be_computed_says_why_and_the_others_are_shown(timeline):
    values = [{"w": np.ones(3), "v": np.ones(3)}, {"w": np.ones(3), "v": np.ones(4)}]
    evolution = Evolution(SimpleNamespace(timeline=timeline(*values)), "w + v")
    assert "could not be read: w + v: shapes (3,) and (4,) do not fit" in evolution.sentence()
    assert evolution.data()["mean"][0] == 2.0


def test_what_no_step_can_compute_and_unknown_names_are_refused(source):
    with pytest.raises(BadExpression, match=r"shapes \(6, 4\) and \(6, 4\) do not fit"):
        Evolution(source, "model.w @ model.w")
    with pytest.raises(BadExpression, match=r"at “model.v” .*no stored variable has this path; nearest: model\.w"):
        Evolution(source, "model.v * 2")
    with pytest.raises(PathNotFound, match="nearest"):
        Evolution(source, "model.v")


def test_a_glob_that_matches_is_a_glob(source):
    assert Evolution(source, "model*w").data()["path"] == "model.w"


def test_an_expression_over_a_repository_has_the_values_that_were_stored(tmp_path):
    names = {"w": np.zeros((3, 3)), "w0": np.zeros((3, 3))}
    workspace = Workspace(names, tmp_path / "run.zarr")
    for step in range(4):
        names["w"] += 1
        workspace.store(step=step)
    workspace.close()
    evolution = Evolution(snapshot.open(tmp_path / "run.zarr"), ["norm(w - w0)", "w.T @ w"])
    np.testing.assert_allclose(evolution.data()["mean"], [3.0, 6.0, 9.0, 12.0])
    evolution.select("w.T @ w")
    assert evolution.data()["percentiles"][-1].tolist() == [48.0] * 7
