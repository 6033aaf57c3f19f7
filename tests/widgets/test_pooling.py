import numpy as np
import pytest

from snapshot.widgets.pooling import as_kernels, envelope, lay_out, pool

ROOM = (180, 340)


def test_pooling_keeps_the_largest_magnitude_with_its_sign():
    matrix = np.zeros((100, 100))
    matrix[17, 3], matrix[90, 95] = -7, 5
    pooled = pool(matrix, 10, 10)
    assert pooled.shape == (10, 10)
    assert (pooled[1, 0], pooled[9, 9]) == (-7, 5)
    assert np.count_nonzero(pooled) == 2


def test_pooling_lets_no_nan_disappear():
    matrix = np.zeros((50, 50))
    matrix[7, 7] = np.nan
    assert np.isnan(pool(matrix, 5, 5)).sum() == 1


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "complex64"])
def test_every_numeric_dtype_can_be_pooled(dtype):
    assert pool(np.ones((30, 7), dtype), 4, 4).tolist() == np.ones((4, 4)).tolist()


def test_a_small_matrix_is_shown_as_it_is():
    matrix = np.arange(6.0).reshape(2, 3)
    sheet = lay_out(matrix, ROOM)
    assert sheet.pixels.tolist() == matrix.tolist()
    assert (sheet.rows, sheet.columns, sheet.pooled) == ("2 rows", "3 columns", False)


def test_kernels_of_torch_and_tensorflow_are_recognised_by_their_small_sides():
    assert as_kernels(np.empty((64, 32, 3, 3))).shape == (64, 32, 3, 3)
    assert as_kernels(np.empty((3, 3, 32, 64))).shape == (64, 32, 3, 3)
    assert as_kernels(np.empty((20, 20, 20, 20))) is None


def test_each_kernel_is_a_tile_of_the_grid():
    kernels = np.arange(8 * 5 * 9.0).reshape(8, 5, 3, 3)
    sheet = lay_out(kernels, ROOM)
    assert (sheet.rows, sheet.columns) == ("5 inputs", "8 outputs")
    assert sorted(set(sheet.pixels[~sheet.gap])) == sorted(set(kernels.ravel()))


def test_tiles_that_do_not_fit_are_left_out_and_the_sheet_says_so():
    sheet = lay_out(np.zeros((512, 256, 3, 3), "f4"), ROOM)
    assert "of 256 × 512" in sheet.note
    assert sheet.pixels.shape <= ROOM


def test_kernels_of_one_channel_are_wrapped_and_empty_places_belong_to_no_value():
    sheet = lay_out(np.ones((7, 1, 3, 3)), ROOM)
    assert sheet.columns == "7 kernels of 3 × 3"
    assert (sheet.pixels[~sheet.gap] == 1).all()


@pytest.mark.parametrize("shape", [(12, 64, 64), (2, 3, 4, 50, 60), (1, 1, 1), (5000, 2, 2), (2, 900, 900)])
def test_any_number_of_dimensions_fits_the_room(shape):
    sheet = lay_out(np.ones(shape, "f4"), ROOM)
    assert sheet.pixels.shape[0] <= ROOM[0]
    assert sheet.pixels.shape[1] <= ROOM[1]
    assert (sheet.pixels[~sheet.gap] == 1).all()


def test_the_curve_of_a_long_vector_keeps_its_peaks():
    vector = np.zeros(100_000)
    vector[[123, 77_777]] = 9, -9
    places, values = envelope(vector, 300)
    assert places.shape == values.shape == (600,)
    assert (values.max(), values.min()) == (9, -9)
