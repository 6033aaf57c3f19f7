import numpy as np

from snapshot.widgets.histograms import LEVELS, Distributions, Sketches, quantiles, thinned


def shares(value, edges):
    return Distributions((0,), quantiles(np.asarray(value))[None]).shares(np.asarray(edges, float))[0]


def test_a_few_values_fall_into_their_bins_and_into_no_other():
    np.testing.assert_allclose(shares([1.0, 5.0], range(8)), [0, 0.5, 0, 0, 0, 0.5, 0], atol=1 / LEVELS)


def test_many_values_are_shared_out_as_a_histogram_does():
    drawn = np.random.default_rng(0).normal(size=20_000)
    counted = np.histogram(drawn, 20, (-2, 2))[0] / drawn.size
    np.testing.assert_allclose(shares(drawn, np.linspace(-2, 2, 21)), counted, atol=2 / LEVELS)


def test_a_step_without_a_finite_value_is_unknown_and_the_others_are_not():
    rows = np.array([quantiles(np.array([np.nan])), quantiles(np.array([0.5, np.inf]))])
    found = Distributions((0, 1), rows).shares(np.array([0.0, 1.0]))
    assert np.isnan(found[0, 0])
    assert found[1, 0] == 1


def test_long_histories_are_thinned_and_equal_contents_are_read_once():
    read = []
    sketches = Sketches()
    for _ in range(2):
        found = sketches.of(range(1000), lambda index: index // 500, lambda index: read.append(index) or np.ones(2))
    assert (len(found.columns), found.columns[0], found.columns[-1]) == (160, 0, 999)
    assert len(read) == 2
    assert thinned(range(3), 160) == [0, 1, 2]
