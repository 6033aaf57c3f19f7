"""polars: in-place changes of frames and series are taken back in the same objects."""

from datetime import date
from typing import ClassVar

import numpy as np
import polars as pl

from snapshot.workspace import Workspace
from tests.adapters.contract import AdapterContract, Case


def frame():
    return pl.DataFrame({"a": [1, 2, None], "s": ["x", None, "z"], "l": [[1], [2, 3], []]})


def as_text(obj):
    return obj.to_frame().write_json() if isinstance(obj, pl.Series) else (obj.columns, obj.write_json())


class TestPolars(AdapterContract):
    cases: ClassVar = {
        "an element": Case(frame, lambda p: p.__setitem__((0, "a"), 100), as_text),
        "a column more": Case(frame, lambda p: p.insert_column(0, pl.Series(f"q{p.width}", [1, 2, 3])), as_text),
        "other names": Case(frame, lambda p: setattr(p, "columns", ["A", "B", "C"]), as_text),
        "more rows": Case(frame, lambda p: p.extend(frame()), as_text),
        "dates and categories": Case(
            lambda: pl.DataFrame({"d": [date(2020, 1, 2)], "c": pl.Series(["u"], dtype=pl.Categorical)}),
            lambda p: p.replace_column(0, pl.Series("d", [date(2021, 1, 2)])),
            as_text,
        ),
        "a series": Case(lambda: pl.Series("v", [1, 2]), lambda s: s.__setitem__(0, 77), as_text),
        "more values": Case(lambda: pl.Series("v", [1.5]), lambda s: s.append(pl.Series([2.5])), as_text),
    }


def test_a_column_taken_out_before_keeps_its_own_contents():
    names = {"p": frame()}
    names["column"] = names["p"]["a"]
    workspace = Workspace(names)
    workspace.store("before")
    names["p"][0, "a"] = 5
    workspace.restore("before")
    assert (names["p"]["a"].to_list(), names["column"].to_list()) == ([1, 2, None], [1, 2, None])


def test_a_comparison_says_that_a_frame_changed():
    names = {"p": frame()}
    workspace = Workspace(names)
    workspace.store("before")
    names["p"][0, "a"] = 5
    assert "p: other contents (polars.DataFrame)" in repr(workspace.compare("before"))


def test_columns_of_any_python_object_are_named_with_a_reason_and_spare_the_rest():
    names = {"p": pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}), "w": np.zeros(2)}
    workspace = Workspace(names)
    assert list(workspace.store("before").report) == ["p"]
    names["w"] += 1
    workspace.restore("before")
    assert names["w"].tolist() == [0, 0]
