"""``bytearray`` and ``array.array`` through the adapter's contract; they may change their length."""

from array import array
from typing import ClassVar

import pytest

from snapshot.workspace import Workspace
from tests.adapters.contract import AdapterContract, Case


def contents(buffer):
    return type(buffer), getattr(buffer, "typecode", ""), bytes(memoryview(buffer))


def typed(code, values):
    return Case(
        lambda: array(code, values),
        lambda a: a.extend(a[:2]),
        contents,
        lambda: [(array("b" if code != "b" else "d"), ("items of type", code))],
    )


class TestBuffers(AdapterContract):
    cases: ClassVar = {
        "bytearray": Case(lambda: bytearray(b"abc"), lambda b: b.extend(b"def"), contents),
        "empty bytearray": Case(bytearray, lambda b: b.extend(b"def"), contents),
        **{f"array of {code}": typed(code, [1, 2, 3]) for code in "bBhHiIlLqQfd"},
        "array of text": typed("u", "aβ😀"),
        "empty array": Case(lambda: array("d"), lambda a: a.append(1.5), contents),
    }


@pytest.mark.parametrize("buffer", [bytearray(b"abc"), array("i", [1, 2, 3])])
def test_a_buffer_somebody_looks_into_refuses_another_length_and_nothing_else_changes(buffer):
    names = {"first": [1], "buffer": buffer}
    workspace = Workspace(names)
    workspace.store("before")
    names["first"].append(2)
    buffer.extend(buffer)
    with memoryview(buffer), pytest.raises(Exception, match="everything is as it was"):
        workspace.restore("before")
    assert names["first"] == [1, 2]
    assert len(buffer) == 6


def test_a_buffer_of_the_same_length_is_restored_under_a_view_of_it():
    names = {"buffer": bytearray(b"abc")}
    workspace = Workspace(names)
    workspace.store("before")
    with memoryview(names["buffer"]) as view:
        view[0] = ord("z")
        workspace.restore("before")
        assert view[0] == ord("a")
