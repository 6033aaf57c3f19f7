"""Why something was not restored, and where it is, in words that are true and can be read."""

import ctypes
import sys
import threading

import numpy as np
import pytest

from snapshot import Workspace


def reasons(namespace, home, **options):
    """Name or path -> why a new kernel did not restore it."""
    stored = Workspace(namespace, home)
    stored.store("before")
    stored.close()
    later = Workspace({}, home, **options)
    status = later.restore("before")
    later.close()
    return status.unused_reasons


def code():
    return 1


code.__module__ = code.__qualname__ = "cells"  # as if a cell had defined it


@pytest.mark.parametrize("trust", [True, False])
@pytest.mark.parametrize(
    "made", [threading.Lock, lambda: (one for one in "ab"), threading.Condition, lambda: memoryview(b"ab")]
)
def test_what_cannot_be_pickled_is_not_said_to_need_trust(tmp_path, made, trust):
    (reason,) = reasons({"held": [made()]}, tmp_path / "home.zarr", trust=trust).values()
    kind = type(made()).__name__
    assert reason == f"it holds a {kind}, which could not be pickled, so it ended with its kernel"


def test_of_code_in_a_container_the_cell_is_named_not_a_pickle(tmp_path):
    (reason,) = reasons({"held": [code]}, tmp_path / "home.zarr").values()
    assert reason == "it holds cells, and code is not restored: run the cell that defines it"


def test_what_a_pickle_could_not_do_is_said_with_what_it_is_about(tmp_path):
    found = reasons({"version": sys.version_info}, tmp_path / "home.zarr")
    assert found["version"].startswith("it is a version_info; its pickle cannot be loaded here (TypeError: ")


def test_a_ctypes_object_is_called_one(tmp_path):
    workspace = Workspace({"number": ctypes.c_int(3), "numbers": (ctypes.c_double * 3)()})
    report = workspace.store().report
    assert set(report) == {"number", "numbers"}
    assert all("ctypes object" in reason for reason in report.values())


def test_a_path_to_a_key_or_an_element_of_a_set_can_be_read():
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.ones(3))
    weight.sum().backward()

    class Named:
        def __init__(self):
            self.w = np.arange(3)

    snap = Workspace({"by": {1: 0, weight: 1}, "bag": {torch.zeros(2)}, "of": {Named(): 2}}).store()
    paths = {path for path in snap.variables if not path.startswith("(")}
    assert paths == {"by.keys()[1]", "by.keys()[1].grad", "bag{<Tensor 0>}", "of.keys()[0].w"}
    assert snap["by.keys()[1].grad"].tolist() == [1, 1, 1]
