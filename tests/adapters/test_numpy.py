"""NumPy arrays of every shape and kind, through the adapter's contract and in workspaces."""

from typing import ClassVar

import numpy as np

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
