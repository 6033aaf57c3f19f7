"""Functions and modules compiled by torch are not compiled again after a restore."""

import pytest
import torch
from torch._dynamo.utils import counters

from snapshot.workspace import Workspace

BACKENDS = ["eager", "aot_eager"]


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def graphs():
    return counters["stats"]["unique_graphs"]


def net():
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Linear(8, 1))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_compiled_module_is_not_compiled_again(backend):
    model = net()
    compiled = torch.compile(model, backend=backend)
    optimizer = torch.optim.Adam(model.parameters())
    x = torch.randn(5, 4)

    def step():
        optimizer.zero_grad()
        loss = compiled(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    step()
    workspace = Workspace({"model": model, "compiled": compiled, "optimizer": optimizer})
    workspace.store("before")
    expected = [step() for _ in range(3)]
    known = graphs()
    with torch._dynamo.config.patch(error_on_recompile=True):
        workspace.restore("before")
        assert [step() for _ in range(3)] == expected
        workspace.undo()
        step()
    assert graphs() == known > 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_compiled_function_is_not_compiled_again_and_sees_the_stored_values(backend):
    weight, table = torch.arange(3.0), {"bias": torch.ones(3)}

    @torch.compile(backend=backend)
    def predict(x):
        return x * weight + table["bias"]

    x = torch.ones(3)
    workspace = Workspace({"weight": weight, "table": table, "predict": predict})
    workspace.store("before")
    expected = predict(x).tolist()
    weight.zero_()
    table["bias"].fill_(7)
    assert predict(x).tolist() == [7, 7, 7]
    known = graphs()
    with torch._dynamo.config.patch(error_on_recompile=True):
        workspace.restore("before")
        assert predict(x).tolist() == expected
    assert graphs() == known > 0


def test_a_compiled_optimizer_step_is_not_compiled_again():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x = torch.randn(5, 4)

    @torch.compile(backend="eager")
    def update():
        optimizer.step()

    def step():
        optimizer.zero_grad(set_to_none=False)
        model(x).pow(2).mean().backward()
        update()
        return model[0].weight.detach().clone()

    for _ in range(3):
        step()
    workspace = Workspace({"model": model, "optimizer": optimizer})
    workspace.store("before")
    expected = step()
    known = graphs()
    with torch._dynamo.config.patch(error_on_recompile=True):
        workspace.restore("before")
        assert torch.equal(step(), expected)
    assert graphs() == known > 0


class Own(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(4, 4)

    def forward(self, x):
        return self.inner(x).tanh()


def test_a_module_compiled_in_place_is_restored_and_not_compiled_again():
    model = Own()
    model.compile(backend="eager")
    x = torch.randn(5, 4)
    expected = model(x)
    workspace = Workspace({"model": model})
    workspace.store("before")
    torch.nn.init.zeros_(model.inner.weight)
    known = graphs()
    with torch._dynamo.config.patch(error_on_recompile=True):
        workspace.restore("before")
        assert torch.equal(model(x), expected)
    assert graphs() == known > 0
