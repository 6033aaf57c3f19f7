"""PyTorch objects that cannot go back are named as a whole, and none of their parts is restored."""

import pytest
import torch

from snapshot.workspace import Workspace


def script(x):
    return x + 1


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: iter(torch.utils.data.DataLoader(list(range(6)), batch_size=2)), "DataLoader"),
        (lambda: torch.jit.script(torch.nn.Linear(2, 1)), "TorchScript module"),
        (lambda: torch.jit.trace(torch.nn.Linear(2, 1), torch.ones(1, 2)), "TorchScript module"),
        (lambda: torch.jit.trace(script, torch.ones(1)), "TorchScript function"),
    ],
    ids=["loader", "scripted", "traced module", "traced function"],
)
def test_it_is_one_line_of_the_report_and_the_same_object_afterwards(make, reason):
    thing = make()
    names = {"thing": thing, "kept": [1]}
    workspace = Workspace(names)
    report = workspace.store("before").report
    assert [(path, reason in why) for path, why in report.items()] == [("thing", True)]
    names["thing"] = None
    names["kept"].append(2)
    workspace.restore("before")
    assert names["thing"] is thing
    assert names["kept"] == [1]


def test_a_loaders_iterator_goes_on_where_it_is():
    batches = iter(torch.utils.data.DataLoader(list(range(6)), batch_size=2))
    next(batches)
    workspace = Workspace({"batches": batches})
    workspace.store("before")
    next(batches)
    workspace.restore("before")
    assert next(batches).tolist() == [4, 5]
    assert next(batches, None) is None
