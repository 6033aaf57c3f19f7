"""Tensors that were given other memory since: after a restore they share it with those they shared it with."""

import numpy as np
import pytest
import torch

from snapshot.workspace import Workspace


def stored(**names):
    workspace = Workspace(names)
    workspace.store("before")
    return workspace


def share(one, other):
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def test_two_that_were_one_since_are_two_again():
    a, b = torch.zeros(3), torch.ones(3)
    workspace = stored(a=a, b=b)
    b.data = a.data
    status = workspace.restore("before")
    assert (a.tolist(), b.tolist(), share(a, b)) == ([0, 0, 0], [1, 1, 1], False)
    assert not status.rebuilt
    assert "b" in status.changed
    a.add_(1)
    assert b.tolist() == [1, 1, 1]


def test_two_that_were_tied_are_tied_again_and_train_alike():
    student, teacher = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    teacher.weight.data = student.weight.data
    weight = teacher.weight
    workspace = stored(student=student, teacher=teacher)
    before = student.weight.detach().clone()
    teacher.weight.data = student.weight.data.clone() + 1
    workspace.restore("before")
    assert teacher.weight is weight
    assert torch.equal(teacher.weight, before)
    with torch.no_grad():
        student.weight.add_(1)
    assert torch.equal(teacher.weight, student.weight)


def test_views_taken_before_follow_a_tensor_that_got_other_memory():
    whole = torch.arange(6.0)
    part, turned, detached = whole[2:4], whole.view(2, 3).T, whole.detach()
    workspace = stored(whole=whole, part=part, turned=turned, detached=detached)
    whole.data = torch.zeros(6)
    workspace.restore("before")
    whole[2] = 7
    assert (part.tolist(), turned[2, 0].item(), detached[2].item()) == ([7, 3], 7, 7)


def test_an_array_that_cannot_follow_is_named():
    tensor = torch.zeros(3)
    array = tensor.numpy()
    workspace = stored(tensor=tensor, array=array)
    array += 1
    tensor.data = torch.full((3,), 5.0)
    status = workspace.restore("before")
    assert (tensor.tolist(), array.tolist()) == ([0, 0, 0], [0, 0, 0])
    together = np.shares_memory(tensor.numpy(), array)
    assert together or "does not share memory any more as it did" in str(status)


def test_undo_gives_back_the_memory_that_a_restore_took():
    a, b = torch.zeros(3), torch.ones(3)
    workspace = stored(a=a, b=b)
    b.data = a.data
    workspace.restore("before")
    workspace.undo()
    assert share(a, b)
    assert a.tolist() == b.tolist() == [0, 0, 0]
    workspace.redo()
    assert (a.tolist(), b.tolist(), share(a, b)) == ([0, 0, 0], [1, 1, 1], False)


def test_a_graph_recorded_before_other_memory_was_given_back_raises():
    a, b = torch.zeros(3), torch.ones(3, requires_grad=True)
    workspace = stored(a=a, b=b)
    b.data = a.data
    loss = (b * b).sum()
    workspace.restore("before")
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_nothing_moves_where_the_same_share_memory_in_another_order():
    whole = torch.arange(4.0)
    alias = whole.detach()
    names = {"whole": whole, "alias": alias}
    workspace = Workspace(names)
    workspace.store("before")
    address = whole.data_ptr()
    names["whole"] = names.pop("whole")  # the walk meets it last now
    whole.add_(1)
    status = workspace.restore("before")
    assert (whole.data_ptr(), alias.data_ptr()) == (address, address)
    assert alias.tolist() == [0, 1, 2, 3]
    assert "share" not in str(status)
