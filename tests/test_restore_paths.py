"""A path that is restored leads to the stored contents afterwards, or the status says why not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from snapshot.workspace import Workspace


def test_the_layer_that_is_at_the_path_now_takes_the_stored_values():
    names = {"net": nn.Sequential(nn.Linear(2, 2))}
    workspace = Workspace(names)
    workspace.store("before")
    stored = names["net"][0].weight.detach().clone()
    layer = names["net"][0] = nn.Linear(2, 2)
    status = workspace.restore("before", only="net.0.weight")
    assert names["net"][0] is layer
    assert torch.equal(layer.weight, stored)
    assert list(status.assigned) == ["net.0.weight"]
    assert "1 had changed" in str(status)
    workspace.undo()
    assert not torch.equal(layer.weight, stored)


@pytest.mark.parametrize("only", ["net.*", "net.0.weight"])
def test_a_layer_that_cannot_take_the_values_is_named_with_what_to_do(only):
    names = {"net": nn.Sequential(nn.Linear(2, 2))}
    workspace = Workspace(names)
    workspace.store("before")
    names["net"][0] = nn.Linear(5, 5)
    status = workspace.restore("before", only=only)
    assert names["net"][0].weight.shape == (5, 5)
    assert "net.0.weight" in status.unused
    assert (list(status.assigned), list(status.rebuilt)) == ([], [])
    assert "leads to another object now: restore net" in str(status)


def test_a_layer_that_was_replaced_is_put_back_when_its_path_is_asked_for():
    names = {"net": nn.Sequential(nn.Linear(2, 2))}
    workspace = Workspace(names)
    workspace.store("before")
    first = names["net"][0]
    names["net"][0] = nn.Linear(5, 5)
    status = workspace.restore("before", only="net.0")
    assert names["net"][0] is first
    assert "net.0" in status.assigned


def test_two_layers_that_were_exchanged_have_their_stored_values_at_their_paths():
    names = {"net": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))}
    workspace = Workspace(names)
    workspace.store("before")
    stored = [layer.weight.detach().clone() for layer in names["net"]]
    names["net"][0], names["net"][1] = names["net"][1], names["net"][0]
    workspace.restore("before", only="net.*")
    assert all(torch.equal(layer.weight, weight) for layer, weight in zip(names["net"], stored))


def test_a_layer_used_twice_since_cannot_hold_both_stored_values():
    names = {"net": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))}
    workspace = Workspace(names)
    workspace.store("before")
    stored, second = names["net"][0].weight.detach().clone(), names["net"][1]
    names["net"][1] = names["net"][0]
    with torch.no_grad():
        names["net"][0].weight.fill_(9)
        second.weight.fill_(9)
    status = workspace.restore("before", only="net.*")
    assert torch.equal(names["net"][0].weight, stored)
    assert (second.weight == 9).all()
    assert set(status.unused) == {"net.1.weight", "net.1.bias"}


def test_nothing_below_an_object_that_has_no_place_is_written():
    names = {"a": SimpleNamespace(part=SimpleNamespace(l=[np.zeros(2)]))}
    workspace = Workspace(names)
    workspace.store("before")
    detached = names["a"].part
    detached.l[0].fill(9)
    names["a"].part = SimpleNamespace(l=[np.zeros((3, 3))])
    status = workspace.restore("before", only="a.part.l")
    assert (detached.l[0] == 9).all()
    assert list(status.unused) == ["a.part.l"]
    assert list(status.assigned) == []


def test_an_array_of_another_shape_at_the_path_gives_way_to_the_stored_one():
    first = np.arange(3.0)
    names = {"d": {"w": first, "b": np.zeros(2)}}
    workspace = Workspace(names)
    workspace.store("before")
    names["d"]["w"] = np.ones(5)
    workspace.restore("before", only="d['w']")
    assert names["d"]["w"] is first


def holders():
    return {
        "a": SimpleNamespace(l=[np.zeros(2), 1], n=1, plain=[1]),
        "d": {"y": [0, np.zeros(2)], "n": 2, "deep": {"s": {1}}},
    }


@pytest.mark.parametrize(
    ("path", "change", "read"),
    [
        ("a.l", lambda a, d: a.l.append(5), lambda a, d: len(a.l)),
        ("a.l", lambda a, d: setattr(a, "l", [3]), lambda a, d: len(a.l)),
        ("a.plain", lambda a, d: a.plain.append(5), lambda a, d: a.plain),
        ("a.n", lambda a, d: setattr(a, "n", 7), lambda a, d: a.n),
        ("d['y']", lambda a, d: d["y"].__setitem__(0, 9), lambda a, d: d["y"][0]),
        ("d['y'][0]", lambda a, d: d["y"].__setitem__(0, 9), lambda a, d: d["y"][0]),
        ("d['n']", lambda a, d: d.update(n=9), lambda a, d: d["n"]),
        ("d['deep']", lambda a, d: d["deep"]["s"].add(2), lambda a, d: d["deep"]),
    ],
)
def test_a_path_to_any_object_restores_it_with_everything_below(path, change, read):
    names = holders()
    workspace = Workspace(names)
    workspace.store("before")
    expected = repr(read(**names))
    change(**names)
    names["a"].other = names["d"]["other"] = "since"
    assert repr(read(**names)) != expected
    status = workspace.restore("before", only=path)
    assert repr(read(**names)) == expected
    assert names["a"].other == names["d"]["other"] == "since"
    assert path in status.assigned
    assert "1 had changed" in str(status)


def test_a_place_that_is_gone_is_named():
    names = holders()
    workspace = Workspace(names)
    workspace.store("before")
    del names["d"]["n"]
    status = workspace.restore("before", only="d['n']")
    assert list(status.unused) == ["d['n']"]
    assert "restore d" in str(status)


@pytest.mark.parametrize("only", ["net.0.weight", "net.*.weight", "orig.weight", "W"])
def test_every_path_to_an_array_means_it(only):
    net = nn.Sequential(nn.Linear(2, 2))
    names = {"net": net, "orig": net[0], "W": net[0].weight}
    workspace = Workspace(names)
    workspace.store("before")
    with torch.no_grad():
        net[0].weight.fill_(9)
        net[0].bias.fill_(9)
    workspace.restore("before", only=only)
    assert (net[0].weight != 9).all()
    assert (net[0].bias == 9).all()


@pytest.mark.parametrize("exclude", ["net.0.weight", "net.*.weight"])
def test_every_path_to_an_array_leaves_it_out(exclude):
    net = nn.Sequential(nn.Linear(2, 2))
    workspace = Workspace({"net": net, "orig": net[0]})
    stored = workspace.store("before", exclude=exclude)
    assert [path for path in stored.variables if "weight" in path] == []
    assert [path for path in stored.variables if "bias" in path]


def test_a_snapshot_is_read_by_every_path():
    net = nn.Sequential(nn.Linear(2, 2))
    names = {"net": net, "orig": net[0], **holders()}
    snap = Workspace(names).store("before")
    assert snap["net.0.weight"].tolist() == snap["orig.weight"].tolist() == net[0].weight.tolist()
    assert snap["d['y'][1]"].tolist() == [0, 0]
    assert (snap["d['y']"][0], snap["d['y'][0]"], snap["d['n']"], snap["a.n"]) == (0, 0, 2, 1)


def test_a_restore_counts_the_variables_that_the_store_counted():
    workspace = Workspace({"np": np, "w": np.zeros(3), "rate": 0.1, "<b>x</b>": 3})
    workspace.store("before")
    assert "3 variables" in str(workspace.last_store)
    assert "3 variables" in str(workspace.restore("before"))
