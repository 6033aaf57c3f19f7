"""A restore never leaves a silently wrong gradient: a graph recorded before it raises, or is still right."""

import gc
import weakref

import numpy as np
import pytest
import torch

from snapshot.workspace import Workspace

WRONG = pytest.raises(RuntimeError, match=r"inplace operation|does not require grad|second time")


def scaled(tensor, by=7.0):
    with torch.no_grad():
        tensor.mul_(by)


def leaf():
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    return {"weight": weight}, weight, lambda: scaled(weight), lambda: (weight**2).sum()


def view():
    weight = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    return {"weight": weight}, weight, lambda: scaled(weight), lambda: (weight[1:] ** 2).sum()


def flat_storage():
    flat = torch.tensor([1.0, 2.0, 3.0])
    weight = torch.nn.Parameter(flat[1:])
    return {"flat": flat, "weight": weight}, weight, lambda: scaled(flat), lambda: (weight**2).sum()


def module():
    layer = torch.nn.Linear(2, 1)
    x = torch.ones(1, 2, requires_grad=True)
    return {"layer": layer}, x, lambda: scaled(layer.weight), lambda: layer(x).sum()


def saved_activation():
    weight, hidden = torch.ones(2, requires_grad=True), torch.tensor([1.0, 2.0])
    return {"hidden": hidden}, weight, lambda: scaled(hidden), lambda: (weight * hidden).sum()


def buffer():
    norm = torch.nn.BatchNorm1d(2).eval()
    x = torch.ones(3, 2, requires_grad=True)
    return {"norm": norm}, x, lambda: scaled(norm.running_var), lambda: norm(x).sum()


def large():
    weight = torch.ones(3_000_000, requires_grad=True)
    return {"weight": weight}, weight, lambda: scaled(weight[-2:]), lambda: (weight**2).sum()


def bfloat16():
    weight = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    return {"weight": weight}, weight, lambda: scaled(weight), lambda: (weight**2).sum()


def expanded():
    x, weight = torch.ones(3, 1), torch.ones(3, 4, requires_grad=True)
    shown = x.expand(3, 4)
    return {"shown": shown}, weight, lambda: scaled(x), lambda: (weight * shown).sum()


def data_alias():
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    return {"data": weight.data, "weight": weight}, weight, lambda: scaled(weight), lambda: (weight**2).sum()


def array_below():
    array = np.ones(2)
    weight = torch.from_numpy(array).requires_grad_()
    return {"array": array, "weight": weight}, weight, lambda: scaled(weight), lambda: (weight**2).sum()


SITUATIONS = [
    leaf,
    view,
    flat_storage,
    module,
    saved_activation,
    buffer,
    large,
    bfloat16,
    expanded,
    data_alias,
    array_below,
]


@pytest.mark.parametrize("make", SITUATIONS)
def test_a_graph_recorded_since_raises(make):
    names, _, change, record = make()
    workspace = Workspace(names)
    workspace.store("before")
    change()
    loss = record()
    workspace.restore("before")
    with WRONG:
        loss.backward()


@pytest.mark.parametrize("make", SITUATIONS)
def test_a_graph_recorded_before_an_undo_raises(make):
    names, _, change, record = make()
    workspace = Workspace(names)
    workspace.store("before")
    change()
    workspace.restore("before")
    loss = record()
    workspace.undo()
    with WRONG:
        loss.backward()


@pytest.mark.parametrize("make", SITUATIONS)
def test_a_graph_over_what_did_not_change_still_gives_the_right_gradient(make):
    names, wanted, _, record = make()
    record().backward()
    expected, wanted.grad = wanted.grad, None
    workspace = Workspace(names)
    workspace.store("before")
    loss = record()
    workspace.restore("before")
    loss.backward()
    assert torch.equal(wanted.grad, expected)


@pytest.mark.parametrize("make", [leaf, bfloat16])
def test_a_graph_recorded_before_an_assign_raises(make):
    names, weight, _, record = make()
    workspace = Workspace(names)
    workspace.store("before")
    loss = record()
    workspace.assign({"weight": torch.full_like(weight, 5).detach()})
    assert weight.tolist() == [5, 5]
    with WRONG:
        loss.backward()


def test_a_graph_recorded_before_a_restore_from_disk_raises(tmp_path):
    names, weight, change, record = leaf()
    Workspace(names, tmp_path / "run.zarr").store("before")
    change()
    loss = record()
    Workspace({"weight": weight}, tmp_path / "run.zarr").restore("before")
    assert weight.tolist() == [1, 2]
    with WRONG:
        loss.backward()


def test_a_tensor_that_became_part_of_a_graph_leaves_it():
    weight, hidden = torch.ones(2, requires_grad=True), torch.zeros(2)
    names = {"hidden": hidden}
    workspace = Workspace(names)
    workspace.store("before")
    hidden.add_(weight)
    workspace.restore("before")
    assert names["hidden"] is hidden
    assert (hidden.is_leaf, hidden.requires_grad, hidden.tolist()) == (True, False, [0, 0])


def test_a_view_that_became_part_of_a_graph_is_made_again_in_the_same_memory():
    weight, hidden = torch.ones(2, requires_grad=True), torch.zeros(2)
    names = {"hidden": hidden, "first": hidden[:1]}
    workspace = Workspace(names)
    workspace.store("before")
    hidden.add_(weight)
    status = workspace.restore("before")
    assert "first" in status.rebuilt
    assert not names["first"].requires_grad
    hidden[0] = 9
    assert names["first"].tolist() == [9]


def test_a_result_written_into_another_graph_since_has_no_gradient_rather_than_a_wrong_one():
    weight = torch.tensor([2.0], requires_grad=True)
    result = weight * 3
    workspace = Workspace({"result": result})
    workspace.store("before")
    result.add_(weight)
    workspace.restore("before")
    assert result.tolist() == [6]
    with WRONG:
        result.sum().backward()


def test_a_result_that_did_not_change_keeps_its_graph():
    weight = torch.tensor([2.0], requires_grad=True)
    result = weight * 3
    workspace = Workspace({"result": result})
    workspace.store("before")
    workspace.restore("before")
    result.backward()
    assert weight.grad.tolist() == [3]


def test_a_snapshot_does_not_keep_a_graph_alive():
    weight = torch.ones(2, requires_grad=True)
    activation = weight * 2
    names = {"result": activation.exp()}
    dead = weakref.ref(activation)
    Workspace(names).store("before")
    del activation
    names.clear()
    gc.collect()
    assert dead() is None


def test_a_view_made_again_counts_writes_to_its_base_as_its_own():
    base = torch.arange(6.0)
    names = {"base": base, "views": [base[2:4]]}
    workspace = Workspace(names)
    workspace.store("before")
    names["views"].clear()
    workspace.restore("before")
    loss = (torch.ones(2, requires_grad=True) * names["views"][0]).sum()
    base.zero_()
    with WRONG:
        loss.backward()


# --- .grad


def zeros(weight):
    weight.grad = torch.zeros(2)


def ones(weight):
    weight.grad = torch.ones(2)


def none(weight):
    weight.grad = None


@pytest.mark.parametrize("later", [zeros, ones, none, lambda w: w.grad is not None and w.grad.add_(5)])
@pytest.mark.parametrize("first", [zeros, ones, none])
@pytest.mark.parametrize("where", ["memory", "disk"])
def test_the_gradient_comes_back_as_none_as_zeros_or_as_it_was(first, later, where, tmp_path):
    weight = torch.ones(2, requires_grad=True)
    first(weight)
    grad = weight.grad
    expected = None if grad is None else grad.tolist()
    workspace = Workspace({"weight": weight}, tmp_path / "run.zarr")
    workspace.store("before")
    later(weight)
    if where == "disk":
        workspace.flush()
        workspace = Workspace({"weight": weight}, tmp_path / "run.zarr")
    workspace.restore("before")
    assert (None if weight.grad is None else weight.grad.tolist()) == expected
    if where == "memory":
        assert weight.grad is grad


def test_accumulation_goes_on_in_the_same_gradient():
    weight = torch.ones(2, requires_grad=True)
    (weight * 2).sum().backward()
    grad = weight.grad
    workspace = Workspace({"weight": weight})
    workspace.store("before")
    (weight * 2).sum().backward()
    workspace.restore("before")
    (weight * 3).sum().backward()
    assert weight.grad is grad
    assert grad.tolist() == [5, 5]


# --- what lies beside

HOOKS = {
    "gradient hook": lambda weight, calls: weight.register_hook(lambda grad: calls.append(1)),
    "hook after accumulation": lambda weight, calls: weight.register_post_accumulate_grad_hook(
        lambda weight: calls.append(1)
    ),
}


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_of_a_tensor_added_since_go_and_those_removed_since_come_back(name):
    calls = []
    weight = torch.ones(2, requires_grad=True)
    workspace = Workspace({"weight": weight})
    workspace.store("without")
    handle = HOOKS[name](weight, calls)
    workspace.store("with")
    handle.remove()
    workspace.restore("with")
    weight.sum().backward()
    assert calls == [1]
    workspace.restore("without")
    weight.sum().backward()
    assert calls == [1]


def test_attributes_of_a_tensor_come_back_and_those_added_since_go():
    weight = torch.ones(2)
    weight.tag = "old"
    workspace = Workspace({"weight": weight})
    workspace.store("before")
    weight.tag, weight.other = "new", 1
    workspace.restore("before")
    assert (weight.tag, hasattr(weight, "other")) == ("old", False)


@pytest.mark.parametrize("frozen", [True, False])
def test_requires_grad_and_training_of_a_module_come_back(frozen):
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())
    net.requires_grad_(not frozen).train(frozen)
    workspace = Workspace({"net": net})
    workspace.store("before")
    net.requires_grad_(frozen).train(not frozen)
    workspace.restore("before")
    assert {p.requires_grad for p in net.parameters()} == {not frozen}
    assert {m.training for m in net.modules()} == {frozen}


def test_a_storage_can_still_be_resized_after_a_store():
    names = {"a": torch.ones(3), "b": [torch.ones(2)]}
    workspace = Workspace(names)
    workspace.store("before")
    names["b"].clear()
    workspace.restore("before")
    assert names["a"].resize_(50).shape == (50,)
    assert names["b"][0].resize_(50).shape == (50,)
