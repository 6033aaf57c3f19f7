import io
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from matplotlib import image
from matplotlib.text import Text

from snapshot.statistics import difference
from snapshot.widgets.compare_figure import ComparePicture, TextPicture
from snapshot.widgets.compare_numbers import Pair, counted, is_small, magnitude, minus, scattered, spectrum
from snapshot.widgets.theme import DARK, LIGHT

RNG = np.random.default_rng(0)
NAMES = ("before (#1, step 10)", "now")


def pair_of(before, after, path="model.w", spectra=True):
    fits = before is not None and after is not None and before.shape == after.shape
    pair = Pair(path, NAMES, before, after, difference(before, after) if fits else None)
    if spectra and is_small(pair):
        return Pair(
            path, NAMES, before, after, pair.size, spectra=(spectrum(pair.sides[0]), spectrum(pair.sides[-1]))
        )
    return pair


def texts(picture):
    return [text.get_text() for text in picture.figure.findobj(Text) if text.get_text()]


def pixels(picture):
    return image.imread(io.BytesIO(picture.png()), format="png")


def spoiled(value, place=slice(None), shape=(4, 4)):
    array = np.ones(shape)
    array[place] = value
    return array


def normal(*shape):
    return RNG.normal(0, 0.1, shape)


AWKWARD = {
    "matrix": (normal(6, 4), normal(6, 4)),
    "unchanged": (np.ones((3, 3)), np.ones((3, 3))),
    "constant": (np.full((3, 3), 0.5), np.full((3, 3), 0.7)),
    "from zero": (np.zeros((3, 3)), np.ones((3, 3))),
    "zeros": (np.zeros((3, 3)), np.zeros((3, 3))),
    "some NaN": (spoiled(1.0), spoiled(np.nan, 0)),
    "all NaN": (spoiled(np.nan), spoiled(np.nan)),
    "NaN on one side": (spoiled(np.nan), spoiled(1.0)),
    "infinite": (spoiled(np.inf, 1), spoiled(-np.inf, 1)),
    "another shape": (np.ones((3, 4)), np.ones((4, 4))),
    "another number of dimensions": (np.ones(3), np.ones((3, 3))),
    "a number that became a matrix": (np.array(1.0), np.ones((3, 3))),
    "empty": (np.ones((0, 3)), np.ones((0, 3))),
    "empty vector": (np.ones(0), np.ones(0)),
    "empty that was filled": (np.ones((0, 3)), np.ones((2, 3))),
    "vector": (normal(10), normal(10)),
    "vector with NaN": (spoiled(np.nan, 1, (4,)), spoiled(2.0, 1, (4,))),
    "long vector": (normal(5000), normal(5000)),
    "kernels": (normal(8, 4, 3, 3), normal(8, 4, 3, 3)),
    "heads": (normal(3, 8, 8), normal(3, 8, 8)),
    "booleans": (np.eye(4, dtype=bool), ~np.eye(4, dtype=bool)),
    "bytes": (np.arange(12, dtype=np.uint8).reshape(3, 4), np.zeros((3, 4), np.uint8)),
    "complex": (np.ones((3, 3)) * 1j, np.ones((3, 3)) * 2j),
    "enormous": (np.full((2, 2), 1e300), np.full((2, 2), -1e300)),
    "denormal": (np.full((2, 2), 5e-324), np.full((2, 2), 1e-320)),
    "only A": (normal(3, 3), None),
    "only B": (None, normal(3)),
}


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_awkward_pairs_are_drawn_without_a_warning(name, theme):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pixels(ComparePicture(pair_of(*AWKWARD[name]), theme)).shape == (590, 1080, 3)


def test_a_large_matrix_is_pooled_and_its_one_changed_element_is_seen():
    before = np.zeros((5000, 5000), np.float32)
    after = before.copy()
    after[4321, 1234] = 1
    picture = ComparePicture(pair_of(before, after))
    panel = next(axes for axes in picture.figure.axes if "B minus A" in [text.get_text() for text in axes.texts])
    painted = panel.images[0].get_array()
    assert max(painted.shape) < 500
    assert len(np.unique(painted.reshape(-1, 3), axis=0)) == 2


def test_the_scale_of_the_difference_is_symmetric_and_leaves_outliers_out():
    before, after = np.zeros((100, 100)), normal(100, 100)
    after[0, 0] = 1000
    limit = magnitude([minus(after, before)])
    assert 0.2 < limit < 0.5


def test_a_few_changes_among_very_many_elements_still_have_a_scale():
    after = np.zeros(1_000_000)
    after[77] = -3
    assert magnitude([after]) == 3


def test_the_scatter_is_a_sample_that_holds_what_moved_furthest():
    before = normal(100_000)
    after = before.copy()
    after[54321] += 9
    old, new = scattered(before, after)
    assert old.size < 10_000
    assert (new - old).max() == pytest.approx(9)


def test_differences_of_unsigned_numbers_and_booleans_have_a_sign():
    assert minus(np.uint8([1]), np.uint8([3])).tolist() == [-2]
    assert minus(np.array([False]), np.array([True])).tolist() == [-1]


def test_histograms_of_both_sides_share_their_bins_and_count_shares():
    edges, (first, second) = counted([normal(500), normal(900)])
    assert (np.diff(edges) > 0).all()
    assert (first.size, second.size) == (edges.size - 1,) * 2
    assert first.sum() <= 1.0 + 1e-9


def test_the_stable_rank_of_an_identity_is_its_size_and_of_an_outer_product_one():
    assert spectrum(np.eye(5)).stable_rank == pytest.approx(5)
    assert spectrum(np.outer(normal(5), normal(7))).stable_rank == pytest.approx(1)
    assert spectrum(np.zeros((2, 2))).stable_rank == 0


def test_a_spectrum_of_what_is_not_finite_says_so():
    assert "finite" in spectrum(spoiled(np.nan, 0)).problem
    assert "Not every value is finite" in texts(ComparePicture(pair_of(spoiled(1.0), spoiled(np.nan, 0))))


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "$x_", r"$\frac{", "a" * 400, "w\n2", "重み😀"])
def test_any_name_and_any_text_is_text_and_never_mathematics(name):
    pictures = [
        ComparePicture(pair_of(np.ones((2, 2)), np.zeros((2, 2)), path=name)),
        TextPicture(name, NAMES, ("", name)),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for picture in pictures:
            picture.png()
            assert not any(text.get_parse_math() for text in picture.figure.findobj(Text) if text.get_text())


def test_a_long_text_is_cut_and_says_by_how_much():
    picture = TextPicture("log", NAMES, (None, "\n".join(f"line {index}" for index in range(100))))
    assert "Not there" in texts(picture)
    assert "… and 87 more lines" in texts(picture)


def test_threads_that_draw_at_the_same_time_get_the_pictures_of_one_thread():
    pairs = [pair_of(np.full((4, 4), float(index)), np.full((4, 4), index + 1.0)) for index in range(4)]
    alone = [ComparePicture(pair).png() for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda pair: ComparePicture(pair).png(), pairs * 3))
    assert together == alone * 3
