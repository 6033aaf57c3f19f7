import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from snapshot.statistics import (
    EDGES,
    PERCENTILES,
    SAMPLE,
    as_numbers,
    describe,
    difference,
    histogram,
    is_numeric,
    update_size,
)

floats = hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6))


def weights(n=1000, scale=0.1, seed=0):
    return np.random.default_rng(seed).normal(0, scale, n)


@given(floats)
@settings(max_examples=50, deadline=None)
def test_numbers_of_a_small_array_are_those_of_numpy(array):
    found = describe(array)
    assert found.count == found.finite == array.size
    assert found.percentiles == pytest.approx(np.percentile(array, PERCENTILES), rel=1e-9, abs=1e-9)
    assert found.mean == pytest.approx(array.mean(), rel=1e-9, abs=1e-6)
    assert found.std == pytest.approx(array.std(), rel=1e-6, abs=1e-6)
    assert found.norm == pytest.approx(np.linalg.norm(array), rel=1e-9)


def test_moments_merged_over_many_pieces_are_those_of_the_whole():
    array = weights(300_000) + 1000
    found = describe(array)
    assert found.sampled
    assert found.mean == pytest.approx(array.mean(), rel=1e-12)
    assert found.std == pytest.approx(array.std(), rel=1e-9)


def test_extremes_of_a_large_array_are_exact_though_percentiles_are_sampled():
    array = weights(SAMPLE * 3)
    array[[5, 77]] = -9, 9
    found = describe(array)
    assert (found.minimum, found.maximum) == (-9, 9)
    assert found.percentiles[1:-1] == pytest.approx(np.percentile(array, PERCENTILES[1:-1]), abs=2e-3)


def test_a_large_array_gives_the_same_numbers_every_time():
    array = weights(SAMPLE * 2)
    assert describe(array) == describe(array.copy())


def test_values_that_are_not_finite_are_counted_and_left_out():
    found = describe(np.array([1.0, np.nan, 3.0, np.inf, -np.inf]))
    assert (found.count, found.finite) == (5, 2)
    assert (found.mean, found.minimum, found.maximum) == (2.0, 1.0, 3.0)


def test_an_array_without_finite_values_has_nan_for_every_number():
    found = describe([np.nan, np.inf])
    assert found.finite == 0
    assert np.isnan([found.mean, found.std, found.norm, found.magnitude, *found.percentiles]).all()


def test_an_empty_array_has_norm_zero_and_no_percentiles():
    found = describe(np.empty((0, 4)))
    assert (found.count, found.norm) == (0, 0.0)
    assert np.isnan(found.percentiles).all()


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3.0), (True, 1.0), (2.5, 2.5), (3 + 4j, 5.0), (np.uint8(200), 200.0), (np.float16(0.5), 0.5)],
)
def test_a_single_number_is_its_own_median(value, expected):
    assert describe(value).median == expected


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "int4"])
def test_dtypes_that_only_frameworks_have_are_numbers(name):
    array = np.array([1, 2, 3]).astype(getattr(ml_dtypes, name))
    assert is_numeric(name)
    assert is_numeric(array.dtype)
    assert describe(array).median == 2.0


def test_bfloat16_that_arrives_as_its_bits_is_decoded():
    array = np.array([1.5, -2.0], ml_dtypes.bfloat16)
    assert as_numbers(array.view(np.uint16), "bfloat16").tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "value", [np.array([object()]), "text", np.array(["2020-01-01"], "M8[D]"), np.zeros(2, "f4,i4"), None]
)
def test_what_is_no_number_is_refused_with_its_dtype(value):
    assert not is_numeric(np.asarray(value).dtype)
    with pytest.raises(TypeError, match="dtype"):
        describe(value)


def test_values_near_the_ends_of_float64_neither_overflow_nor_vanish():
    assert describe([3e200, 4e200]).norm == pytest.approx(5e200)
    assert describe([3e-200, 4e-200]).norm == pytest.approx(5e-200)
    assert update_size([1e308], [-1e308]) == pytest.approx(np.log10(2))


def test_update_size_of_a_tenth_of_a_percent_is_minus_three():
    assert update_size(weights(), weights() * 1.001) == pytest.approx(-3, abs=1e-3)


def test_update_size_divides_by_the_larger_side_so_that_leaving_zero_is_one():
    assert update_size(np.zeros(4), np.ones(4)) == update_size(np.ones(4), np.zeros(4)) == 0.0


def test_update_size_of_no_change_is_minus_infinity_also_at_zero():
    assert update_size(weights(), weights()) == update_size(0, 0) == -np.inf


def test_update_size_is_unknown_when_the_shape_changed_or_nothing_is_finite():
    assert np.isnan(update_size([1, 2], [1, 2, 3]))
    assert np.isnan(update_size([np.nan], [1.0]))


def test_unsigned_and_boolean_changes_do_not_wrap_around():
    assert difference(np.uint8([3]), np.uint8([5])).largest == 2
    assert difference([True, False], [False, False]).norm == 1


def test_a_difference_ignores_elements_that_are_not_finite_on_one_side():
    found = difference([1.0, np.nan, 3.0], [2.0, 1.0, np.inf])
    assert (found.norm_before, found.norm_after, found.largest) == (1.0, 2.0, 1.0)


def test_a_complex_difference_sees_a_turn_of_phase():
    assert difference([1 + 0j], [-1 + 0j]).norm == 2


@given(floats)
@settings(max_examples=50, deadline=None)
def test_histogram_counts_are_those_of_numpy_between_the_universal_edges(array):
    assert histogram(array).tolist() == np.histogram(array, EDGES)[0].tolist()


def test_histogram_keeps_zero_in_the_middle_and_giants_at_the_ends():
    assert np.flatnonzero(histogram([0.0, -0.0, 1e300, -1e300, np.nan])).tolist() == [0, 470, 940]


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0], 0.25),
        ([1.0, np.nan, np.inf, 4.0], [1.0, np.nan, np.inf, 4.0], 0.0),
        ([1.0, np.nan, np.inf, np.inf], [np.nan, 1.0, -np.inf, np.inf], 0.75),
        ([True, False], [True, True], 0.5),
        ([1j, 2.0], [-1j, 2.0], 0.5),
    ],
)
def test_the_share_of_changed_elements_counts_what_is_not_finite_too(before, after, share):
    assert difference(before, after).share == share


def test_the_share_is_unknown_where_no_two_elements_can_be_compared():
    assert np.isnan(difference([], []).share)
    assert np.isnan(difference([1.0], [1.0, 2.0]).share)
