"""What is on disk is restored onto live objects of the same names that are not what was stored."""

from collections import defaultdict, deque

import numpy as np
import pandas as pd
import pytest
import torch

from snapshot.errors import RestoreFailed
from snapshot.workspace import Workspace


class Key:
    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return hash(self.value)

    def __eq__(self, other):
        return type(other) is Key and self.value == other.value


@pytest.fixture
def onto(tmp_path):
    def restore(stored, live):
        path = tmp_path / "run.zarr"
        workspace = Workspace({**stored, "beside": [1]}, path)
        workspace.store("before")
        workspace.close()
        live["beside"] = [0]
        status = Workspace(live, path).restore("before")
        assert live["beside"] == [1]
        return status

    return restore


@pytest.mark.parametrize("base", [True, False], ids=["one is the base", "both are views"])
@pytest.mark.parametrize("turned", [False, True])
def test_arrays_that_share_memory_here_and_did_not_get_their_own(onto, base, turned):
    memory = np.zeros(4)
    live = {"a": memory, "b": memory[:2]}
    if not base:
        memory = np.zeros(6)
        live = {"a": memory[:4], "b": memory[2:4]}
    if turned:
        live = dict(reversed(live.items()))
    onto({"a": np.arange(4.0), "b": np.ones(2)}, live)
    assert (live["a"].tolist(), live["b"].tolist()) == ([0, 1, 2, 3], [1, 1])


def test_tensors_that_share_memory_here_and_did_not_get_their_own(onto):
    memory = torch.zeros(4)
    live = {"a": memory, "b": memory[:2]}
    onto({"a": torch.arange(4.0), "b": torch.ones(2)}, live)
    assert (live["a"].tolist(), live["b"].tolist()) == ([0, 1, 2, 3], [1, 1])


def test_arrays_that_shared_memory_and_do_still_are_the_same_objects(onto):
    stored, memory = np.arange(4.0), np.zeros(4)
    live = {"a": memory, "b": memory[1:3]}
    part = live["b"]
    onto({"a": stored, "b": stored[1:3]}, live)
    assert live["a"] is memory
    assert live["b"] is part
    assert (memory.tolist(), part.tolist()) == ([0, 1, 2, 3], [1, 2])


@pytest.mark.parametrize("live", [deque([1, 2, 3], maxlen=5), deque([1], maxlen=1), deque([5])])
def test_a_deque_has_the_maximal_length_it_had(onto, live):
    names = {"queue": live}
    onto({"queue": deque([1, 2], maxlen=2)}, names)
    assert names["queue"] == deque([1, 2])
    assert names["queue"].maxlen == 2


@pytest.mark.parametrize(("stored", "live"), [(list, set), (None, set), (list, None), (int, int)])
def test_a_defaultdict_has_the_factory_it_had(onto, stored, live):
    names = {"counts": defaultdict(live, a=2)}
    same = names["counts"]
    onto({"counts": defaultdict(stored, a=1)}, names)
    assert names["counts"] is same
    assert (same.default_factory, dict(same)) == (stored, {"a": 1})


@pytest.mark.parametrize("wanted", ["ab", "abab"])
@pytest.mark.parametrize("series", [False, True])
def test_a_frame_with_an_index_that_only_a_pickle_has_is_made_anew_where_it_is_of_another_length(
    onto, wanted, series
):
    def frame(labels):
        made = pd.DataFrame({"x": np.arange(len(labels))}, index=pd.CategoricalIndex(list(labels)))
        return made["x"] if series else made

    names = {"frame": frame("aba")}
    status = onto({"frame": frame(wanted)}, names)
    assert names["frame"].equals(frame(wanted))
    assert not status.unused


def test_a_dict_whose_keys_cannot_be_made_is_left_as_it_is_and_named(onto):
    names = {"table": {Key(2): "live"}}
    status = onto({"table": {Key(1): "stored"}}, names)
    assert list(names["table"].values()) == ["live"]
    assert any(name.startswith("table") for name in status.unused)


def test_a_dict_keyed_by_an_object_with_a_name_finds_it(onto):
    live = Key(2)
    names = {"key": live, "table": {live: "live"}}
    stored = Key(1)
    onto({"key": stored, "table": {stored: "stored"}}, names)
    assert live.value == 1
    assert names["table"] == {live: "stored"}


def test_what_cannot_be_written_is_named(tmp_path):
    names = {"first": [1], "settings": {"buffer": bytearray(b"ab")}}
    workspace = Workspace(names)
    workspace.store("before")
    names["settings"]["buffer"] += b"c"
    with (
        memoryview(names["settings"]["buffer"]),
        pytest.raises(RestoreFailed, match=r"settings\['buffer'\].*bytearray"),
    ):
        workspace.restore("before")
