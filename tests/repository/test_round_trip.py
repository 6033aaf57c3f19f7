"""Whatever goes in comes out, in memory order, dtype and shape."""

import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_array_equal

from snapshot.errors import PathNotFound
from snapshot.model import Role, Variable
from snapshot.repository import Repository

DTYPES = (
    arrays.boolean_dtypes()
    | arrays.integer_dtypes(endianness="?")
    | arrays.floating_dtypes(endianness="?")
    | arrays.complex_number_dtypes(endianness="?")
    | arrays.datetime64_dtypes(endianness="?")
    | arrays.timedelta64_dtypes(endianness="?")
    | arrays.byte_string_dtypes(max_len=5)
    | arrays.unicode_string_dtypes(endianness="?", max_len=5)
    | st.just(np.dtype(np.longdouble))
    | st.just(np.dtype([("id", "<i4"), ("at", "<f8", (2,)), ("name", "<U3")]))
)


@st.composite
def any_array(draw):
    """Small arrays, and arrays repeated to more than one object's worth of bytes."""
    dtype = draw(DTYPES)
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    array = np.frombuffer(draw(st.binary(min_size=1, max_size=16)) * 5**4 * dtype.itemsize, np.uint8)
    size = int(np.prod(shape)) * dtype.itemsize
    array = np.ndarray(shape, dtype, array[: max(1, size)].copy().data if size else bytes(16))
    if draw(st.booleans()) and array.ndim:
        array = np.tile(array, (-(-70_000 // max(1, array.nbytes)), *[1] * (array.ndim - 1)))
    return np.asfortranarray(array) if draw(st.booleans()) else np.ascontiguousarray(array).reshape(array.shape)


def same(left, right):
    """Equal in shape, dtype and every byte."""
    return left.shape == right.shape and left.dtype == right.dtype and left.tobytes() == right.tobytes()


@given(any_array())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_array_comes_back_bit_for_bit(example, tmp_path_factory, array):
    home = tmp_path_factory.mktemp("any") / "run.zarr"
    Repository.create_or_open(home).writer("r").commit(example.entry({"x": array}, run="r"))
    back = Repository(home)["latest"]["x"]
    assert same(back, array)
    assert back.flags.writeable


@pytest.mark.parametrize("shape", [(1, 3_000_000), (3_000_000, 1), (3, 5, 200_000), (524_288,), (2, 524_289)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_several_blocks_come_back(example, commit, shape, order):
    array = np.asarray(np.random.default_rng(1).random(shape), order=order)
    back = commit(example.entry({"x": array}))["latest"]["x"]
    assert_array_equal(back, array)
    assert back.flags.f_contiguous == array.flags.f_contiguous


def test_two_reads_share_no_memory(example, commit):
    snapshot = commit(example.entry({"x": np.arange(3)}))["latest"]
    snapshot["x"][:] = 7
    assert snapshot["x"].tolist() == [0, 1, 2]


def test_a_view_is_read_out_of_its_base(example, commit):
    base = np.arange(24.0).reshape(4, 6)
    part = base[::-2, 1::2]
    offset = part.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    repository = commit(example.entry({"base": base}, views={"part": ("base", part, offset)}))
    assert_array_equal(repository["latest"]["part"], part)
    assert set(repository["latest"].variables) == {"base", "part"}


def test_an_alias_reads_the_same_value(example, commit):
    snapshot = commit(example.entry({"w": np.arange(3)}, aliases={"w": ("model.weight",)}))["latest"]
    assert_array_equal(snapshot["model.weight"], np.arange(3))
    assert snapshot.variables["w"].aliases == ("model.weight",)


def test_bfloat16_comes_back_as_itself_where_it_can(example, commit):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = np.arange(6).astype(ml_dtypes.bfloat16)
    snapshot = commit(example.entry({"w": values.view("<u2")}, dtypes={"w": "bfloat16"}))["latest"]
    assert snapshot.variables["w"].dtype == "bfloat16"
    assert same(snapshot["w"], values)


def test_bfloat16_comes_back_as_its_bits_without_ml_dtypes(example, commit, monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    bits = np.arange(6, dtype="<u2")
    snapshot = commit(example.entry({"w": bits}, dtypes={"w": "bfloat16"}))["latest"]
    assert same(snapshot["w"], bits)


def test_everything_about_a_snapshot_comes_back(example, commit):
    entry = example.entry(
        {"x": np.arange(3)}, 4, label="good", step=1000, note='<"note">', names={"x": "ndarray", "f": "function"},
        report={"f": "a generator cannot be stored"},
    )  # fmt: skip
    one = commit(entry)["good"]
    for name in ("id", "label", "step", "time", "run", "parent", "note", "names", "report"):
        expected = getattr(entry.snapshot if name not in ("names", "report") else entry, name)
        assert getattr(one, name) == expected
    assert one.notebook == "train.ipynb"


def test_leaves_records_and_pickles_come_back(example, commit):
    entry = example.entry(
        {"x": np.arange(3), "big": example.big()}, records={"g": b"[1]", "none": b""}, pickles={"g": b"\x80."}
    )
    repository = commit(entry)
    stored = repository.entry(repository["latest"])
    assert stored.leaves == entry.leaves
    assert stored.groups == ("g", "none")
    assert (stored.record("g"), stored.record("none")) == (b"[1]", b"")
    assert stored.pickled == ("g",)
    assert stored.pickle("g", trust=True) == b"\x80."


def test_every_block_of_every_leaf_can_be_read_alone(example, commit):
    arrays = {"small": np.arange(3), "big": example.big(), "fortran": np.asfortranarray(example.big(1))}
    repository = commit(example.entry(arrays))
    stored = repository.entry(repository["latest"])
    for one in stored.leaves:
        expected = example.described(arrays[one.path])[1]
        blocks = [stored.block(one.number, index) for index in range(len(one.leaf.blocks))]
        assert blocks == [bytes(expected[digest]) for digest in one.leaf.blocks]


def test_a_pickle_is_not_handed_out_without_trust(example, commit):
    repository = commit(example.entry({}, records={"g": b"[]"}, pickles={"g": b"\x80."}))
    with pytest.raises(PermissionError, match="can run any code"):
        repository.entry("latest").pickle("g", trust=False)


def test_a_record_that_is_not_there_is_a_key_error(example, commit):
    with pytest.raises(KeyError):
        commit(example.entry({})).entry("latest").record("unknown")


def test_numbers_kept_in_records_are_listed_and_decoded_on_demand(example, commit, home):
    loss = Variable("loss", Role.VALUE, (), np.dtype("f8"), 8, b"\x01" * 16)
    commit(example.entry({}, plain=[loss], records={"loss": b"0.5"}))
    one = Repository(home, decode=lambda entry, path: float(entry.record(path)))["latest"]
    assert one.variables["loss"] == loss
    assert one["loss"] == 0.5


def test_an_unknown_path_names_the_nearest(example, commit):
    with pytest.raises(PathNotFound, match=r"Did you mean 'weight'\?"):
        commit(example.entry({"weight": np.arange(3)}))["latest"]["wieght"]


def test_variables_are_known_without_reading_values(example, commit, home):
    commit(example.entry({"x": example.big(), "n": np.int16(3)[...]}))
    for one in [*home.rglob("c.*")]:
        one.unlink()
    variables = Repository(home)["latest"].variables
    assert (variables["x"].shape, variables["x"].dtype, variables["x"].nbytes) == ((1500, 1000), "f8", 12_000_000)
    assert (variables["n"].shape, variables["n"].dtype) == ((), "i2")


def test_equal_contents_have_equal_digests_and_others_have_others(example, commit):
    x = np.arange(6)
    variables = commit(example.entry({"a": x, "b": x.copy(), "c": x + 1, "d": x.reshape(2, 3)}))["latest"].variables
    assert variables["a"].digest == variables["b"].digest
    assert len({one.digest for one in variables.values()}) == 3
