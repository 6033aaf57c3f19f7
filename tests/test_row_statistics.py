import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from snapshot.row_statistics import describe_rows, update_sizes
from snapshot.statistics import SAMPLE, describe, update_size

DTYPES = ["f4", "f8", "f2", "i1", "u8", "?", "c8", ">f4"]
shapes = st.tuples(st.integers(1, 7), st.integers(1, 500))
rows = st.one_of(
    hnp.arrays(st.sampled_from(DTYPES), shapes),
    hnp.arrays("f8", shapes, elements=st.floats(-1, 1)),
    # those beyond 1e140 have squares that float64 does not hold
    hnp.arrays("f8", shapes, elements=st.sampled_from([0.0, 1.0, -2.0, 1e200, -1e-200, np.inf, np.nan])),
)


def close(found, expected):
    assert (found.count, found.finite, found.sampled) == (expected.count, expected.finite, expected.sampled)
    bound = 1e-9 * max(abs(expected.minimum), abs(expected.maximum), 0.0) if expected.finite else 0.0
    for name in ("mean", "std", "norm", "magnitude", "percentiles"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9, abs=bound, nan_ok=True), name


@given(rows)
@settings(max_examples=150, deadline=None)
def test_rows_have_the_numbers_that_each_has_alone(values):
    for found, row in zip(describe_rows(values), values, strict=True):
        close(found, describe(row))


@given(rows, st.data())
@settings(max_examples=150, deadline=None)
def test_updates_of_rows_are_those_of_each_pair(values, data):
    order = data.draw(st.permutations(range(len(values))))
    expected = [update_size(old, new) for old, new in zip(values, values[order], strict=True)]
    assert update_sizes(values, values[order]) == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("shape", [(3, 0), (2, SAMPLE + 1), (5, 30, 40), (4,), (300, 1000)])
def test_rows_of_any_size_have_the_numbers_that_each_has_alone(shape):
    values = np.random.default_rng(0).normal(1, 2, shape)
    for found, row in zip(describe_rows(values), values, strict=True):
        close(found, describe(row))
    expected = [update_size(old, new) for old, new in zip(values, values[::-1], strict=True)]
    assert update_sizes(values, values[::-1]) == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_bfloat16_counts_as_the_numbers_it_means():
    values = np.random.default_rng(0).normal(0, 1, (3, 50)).astype(ml_dtypes.bfloat16)
    for found, row in zip(describe_rows(values.view(np.uint16), "bfloat16"), values, strict=True):
        close(found, describe(row.astype("f4")))


def test_rows_of_text_are_refused():
    with pytest.raises(TypeError, match="expected numbers"):
        describe_rows(np.array([["a"], ["b"]]))
