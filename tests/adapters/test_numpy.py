"""NumPy arrays of every shape and kind, through the adapter's contract and in workspaces."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from snapshot.adapters.numpy import ARRAY
from snapshot.errors import SnapshotWarning
from snapshot.workspace import Workspace
from tests.adapters.contract import AdapterContract, Case


class Tagged(np.ndarray):
    """A subclass with a tag of its own, as unit libraries define it."""


def contents(array):
    masks = (np.ma.getmaskarray(array).tobytes(), str(array.fill_value)) if np.ma.isMA(array) else ()
    attributes = sorted(getattr(array, "__dict__", {})) if type(array) is Tagged else ()
    plain = np.ndarray.view(array, np.ndarray)
    return plain.dtype, plain.shape, plain.tobytes(), masks, attributes, array.flags.writeable


def overwrite(array, values):
    locked = not array.flags.writeable
    if locked:
        array.flags.writeable = True
    np.copyto(array, values, casting="unsafe")
    if locked:
        array.flags.writeable = False


def case_of(make, **options):
    """An array, changed to what it holds backwards."""

    def backwards(array):
        values = np.asarray(make())
        overwrite(array, values.reshape(-1)[::-1].reshape(values.shape) if values.ndim else values + values)

    def others():
        array = make()
        yield np.zeros((*array.shape, 2), array.dtype), ("shape", str((*array.shape, 2)), str(array.shape))
        other = np.uint16 if array.dtype != np.uint16 else np.int8
        yield np.zeros(array.shape, other), ("dtype", np.dtype(other).name, str(array.dtype))
        fixed = np.frombuffer(bytes(array.nbytes or 0), array.dtype).reshape(array.shape) if array.nbytes else None
        if fixed is not None:
            yield fixed, ("read-only",)

    return Case(make, options.pop("change", backwards), contents, lambda: list(others()), **options)


def read_only():
    array = np.arange(5.0)
    array.flags.writeable = False
    return array


RECORD = np.dtype([("name", "U4"), ("position", "<f8", (2,)), ("id", ">i4")])


def records():
    return np.array([("a", (0.5, 1.5), 1), ("b", (2.5, 3.5), 2)], RECORD)


class TestArrays(AdapterContract):
    cases: ClassVar = {
        "plain": case_of(lambda: np.arange(6.0)),
        "C-ordered": case_of(lambda: np.arange(6.0).reshape(2, 3)),
        "F-ordered": case_of(lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3))),
        "three axes transposed": case_of(lambda: np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0)),
        "every second": case_of(lambda: np.arange(12.0)[::2]),
        "backwards": case_of(lambda: np.arange(6)[::-1]),
        "0-d": case_of(lambda: np.array(3.5)),
        "0-d big-endian": case_of(lambda: np.array(3, ">i8")),
        "structured": case_of(records),
        "datetime": case_of(lambda: np.array(["2026-01-02", "NaT"], "datetime64[ns]")),
        "timedelta": case_of(lambda: np.array([3, 4], "timedelta64[s]")),
        "read-only owner": case_of(read_only),
        "subclass": case_of(lambda: np.arange(4.0).view(Tagged)),
        "matrix": case_of(lambda: np.arange(4.0).reshape(2, 2).view(np.matrix)),
        "big-endian": case_of(lambda: np.arange(5, dtype=">f4")),
        "bool": case_of(lambda: np.array([True, False, False])),
        "complex": case_of(lambda: np.array([1 + 2j, 3 - 4j], np.complex64)),
        "half": case_of(lambda: np.array([1.5, -0.0, 3], np.float16)),
        "long double": case_of(lambda: np.array([1.5, 2.5], np.longdouble)),
        "text": case_of(lambda: np.array(["a", "bcd", ""])),
        "bytes": case_of(lambda: np.array([b"a", b"bcd"])),
        "void": case_of(lambda: np.array([b"ab", b"cd"], "V2")),
        "NaN with a payload": case_of(lambda: np.array([0x7FF80000DEADBEEF, 0], np.uint64).view(float)),
        "empty": case_of(lambda: np.empty((0, 3)), can_change=False),
        "several blocks": case_of(lambda: np.arange(1_200_000.0)),
        "several blocks, F-ordered": case_of(lambda: np.asfortranarray(np.arange(1_200_000.0).reshape(1200, 1000))),
        "masked": case_of(
            lambda: np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0], fill_value=-9),
            change=lambda a: a.__setitem__(slice(None), np.ma.masked),
        ),
        "masked without a mask": case_of(
            lambda: np.ma.array([1.0, 2.0], fill_value=-9),
            change=lambda a: a.__setitem__(0, np.ma.masked),
            says_changed=False,
        ),
    }


def after_restore(names, change):
    """Store, run ``change``, restore; returns the status."""
    workspace = Workspace(names)
    workspace.store("before")
    change()
    return workspace.restore("before")


def odd_records():
    """Fields at offsets of their own, with titles, nested and with shapes."""
    offsets = {"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [0, 8], "itemsize": 24}
    titled, nested = [(("Title", "a"), "i4")], [("o", [("p", "f4", (2, 2))])]
    return [np.ones(3, np.dtype(dtype)) for dtype in (offsets, titled, nested)]


@pytest.mark.parametrize("array", odd_records(), ids=["offsets", "titles", "nested"])
def test_records_of_any_layout_are_restored_and_made_again(array):
    names = {"array": array, "items": [array.copy()]}
    expected = repr(array.tolist())
    after_restore(names, lambda: (array.fill(0), names["items"].clear()))
    assert repr(array.tolist()) == repr(names["items"][0].tolist()) == expected
    assert names["items"][0].dtype == array.dtype


def test_a_field_of_records_shares_their_memory_still():
    array = records()
    names = {"array": array, "ids": array["id"], "fields": [array["id"]]}
    after_restore(names, lambda: (array["id"].fill(7), names["fields"].clear()))
    array["id"][0] = 99
    assert names["ids"].tolist() == names["fields"][0].tolist() == [99, 2]


def test_memory_behind_itself_is_written_once():
    memory = np.arange(6.0)
    windows = np.lib.stride_tricks.sliding_window_view(memory, 3, writeable=True)
    names = {"windows": windows, "repeated": np.broadcast_to(memory, (2, 6))}
    after_restore(names, lambda: memory.fill(0))
    assert memory.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_mask_shared_by_two_arrays_stays_shared():
    first = np.ma.array([1.0, 2.0], mask=[0, 1])
    second = np.ma.array([3.0, 4.0], mask=first._mask, copy=False)
    second._sharedmask = False
    after_restore({"first": first, "second": second}, lambda: second.__setitem__(0, np.ma.masked))
    assert first.mask.tolist() == second.mask.tolist() == [False, True]


def test_attributes_of_a_subclass_come_back():
    tagged = np.zeros(2).view(Tagged)
    tagged.unit = ["m"]
    after_restore({"tagged": tagged}, lambda: (tagged.unit.append("km"), tagged.__dict__.update(other=1)))
    assert tagged.unit == ["m"]


def test_a_subclass_that_is_not_defined_any_more_becomes_a_plain_array_with_a_warning():
    form = ARRAY.form(np.ones(2).view(Tagged))
    gone = replace(form, meta=(("class", "a_module_that_is_gone:Tagged"),))
    with pytest.warns(SnapshotWarning, match="Tagged is not defined here"):
        made = ARRAY.build(gone, np.ones(2))
    assert type(made) is np.ndarray


def test_a_memory_mapped_file_is_never_written(tmp_path):
    mapped = np.memmap(tmp_path / "data", "f8", "w+", shape=(3,))
    names = {"mapped": mapped, "view": mapped[1:], "items": [1]}
    after_restore(names, lambda: (mapped.fill(5), names["items"].append(2)))
    assert mapped.tolist() == [5, 5, 5]
    assert names["items"] == [1]


def test_an_object_array_reshaped_in_place_has_its_shape_again():
    array = np.array([1, None, "a", 2.5], object)
    after_restore({"array": array}, lambda: setattr(array, "shape", (2, 2)))
    assert array.tolist() == [1, None, "a", 2.5]


def test_views_of_object_arrays_share_elements_still():
    array = np.array([[1], None, [3]], object)
    names = {"array": array, "view": array[1:]}
    after_restore(names, lambda: (array.fill(0), names.update(view=None)))
    array[1] = "new"
    assert names["view"][0] == "new"


def test_strings_of_variable_width_are_named_as_not_stored():
    stored = Workspace({"text": np.array(["a", "bb"], np.dtypes.StringDType())}).store("before")
    assert "string dtype" in stored.report["text"]


def test_an_array_that_cannot_be_described_is_named_by_its_path():
    dtype = np.dtype({"names": ["a", "b"], "formats": ["u4", "u2"], "offsets": [0, 0]})
    stored = Workspace({"overlapping": np.zeros(3, dtype), "items": [1]}).store("before")
    assert "overlapping" in stored.report


@pytest.mark.xfail(strict=True, reason="NumPy refuses to resize an array that is held weakly")
def test_an_array_can_be_resized_in_place_after_a_store():
    names = {"array": np.arange(4.0)}
    workspace = Workspace(names)
    workspace.store("before")
    names["array"].resize(8, refcheck=False)
    workspace.restore("before")
