"""PyTorch tensors and generators on the real library."""

from typing import ClassVar

import pytest
import torch

from snapshot.workspace import Workspace
from tests.adapters.contract import AdapterContract, Case

NUMBERS = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
)
NUMBERS += (torch.uint16, torch.uint32, torch.uint64, torch.complex64, torch.complex128, torch.bfloat16)
OCTETS = [
    dtype
    for name in ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu")
    if (dtype := getattr(torch, name, None)) is not None
]


class Tagged(torch.Tensor):
    """A subclass as people write it, without a dispatch of its own."""


def contents(tensor):
    own = torch.Tensor.detach(tensor).as_subclass(torch.Tensor)
    octets = own.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format).reshape(-1)
    grad = None if not tensor.is_leaf or tensor.grad is None else tensor.grad.tolist()
    data = bytes(octets.view(torch.uint8).numpy()) if octets.numel() else b""
    return str(tensor.dtype), tuple(tensor.shape), data, tensor.requires_grad, grad


def flip(tensor):
    """Change every byte that there is memory for."""
    with torch.inference_mode(tensor.is_inference()), torch.no_grad():
        target = torch.Tensor.detach(tensor).as_subclass(torch.Tensor)
        for axis, stride in enumerate(target.stride()):
            if stride == 0 and target.shape[axis] > 1:
                target = target.narrow(axis, 0, 1)
        other = torch.where(target.to(torch.complex128) == 1, 0, 1) if target.dtype != torch.bool else ~target
        target.copy_(other)


def case_of(make, change=flip, **options):
    def others():
        made = make()
        wrong = torch.zeros((*made.shape, 2), dtype=made.dtype)
        yield wrong, ("shape", str(tuple(wrong.shape)), str(tuple(made.shape)))
        other = torch.int16 if made.dtype != torch.int16 else torch.int8
        yield torch.zeros(made.shape, dtype=other), ("dtype", str(other), str(made.dtype))

    return Case(make, change, contents, lambda: list(others()), **options)


def with_gradient():
    made = torch.arange(3.0, requires_grad=True)
    made.grad = torch.ones(3)
    return made


class TestTensors(AdapterContract):
    cases: ClassVar = {
        **{str(dtype): case_of(lambda dtype=dtype: torch.tensor([0, 1, 0, 1]).to(dtype)) for dtype in NUMBERS},
        **{str(dtype): case_of(lambda dtype=dtype: torch.tensor([1.0, 2.0]).to(dtype)) for dtype in OCTETS},
        "bool": case_of(lambda: torch.tensor([True, False])),
        "0-d": case_of(lambda: torch.tensor(2.5)),
        "0-d bfloat16": case_of(lambda: torch.tensor(2.5, dtype=torch.bfloat16)),
        "empty": case_of(lambda: torch.empty(0, 3), can_change=False),
        "transposed": case_of(lambda: torch.arange(6.0).reshape(2, 3).t()),
        "transposed bfloat16": case_of(lambda: torch.arange(6.0).reshape(2, 3).bfloat16().t()),
        "permuted": case_of(lambda: torch.arange(24.0).reshape(2, 3, 4).permute(1, 2, 0)),
        "channels last": case_of(lambda: torch.ones(1, 3, 4, 4).to(memory_format=torch.channels_last)),
        "every second": case_of(lambda: torch.arange(8.0)[::2]),
        "expanded": case_of(lambda: torch.arange(3.0).reshape(3, 1).expand(3, 4)),
        "conjugated": case_of(lambda: torch.tensor([1 + 2j, 3.0]).conj()),
        "requires grad": case_of(lambda: torch.arange(3.0, requires_grad=True)),
        "with a gradient": case_of(with_gradient),
        "several blocks": case_of(lambda: torch.arange(1_200_000.0)),
        "subclass": case_of(lambda: torch.arange(3.0).as_subclass(Tagged)),
        "made for inference": case_of(lambda: _inference()),
        "Generator": Case(
            lambda: torch.Generator().manual_seed(3),
            lambda g: torch.rand(3, generator=g),
            lambda g: bytes(g.get_state().numpy()),
        ),
        "Parameter": case_of(lambda: torch.nn.Parameter(torch.arange(3.0))),
        "frozen Parameter": case_of(lambda: torch.nn.Parameter(torch.arange(3.0), requires_grad=False)),
    }


def _inference():
    with torch.inference_mode():
        return torch.arange(3.0)


def restored(names, change):
    workspace = Workspace(names)
    workspace.store("before")
    change()
    return workspace.restore("before")


def test_views_of_one_storage_share_it_still():
    base = torch.arange(6.0)
    names = {"base": base, "row": base.view(2, 3)[1], "column": base.view(2, 3)[:, 0]}
    restored(names, lambda: base.zero_())
    base[3] = 9
    assert (names["row"][0], names["column"][1]) == (9, 9)


def test_a_view_that_is_gone_shares_the_storage_again():
    base = torch.arange(6.0)
    names = {"base": base, "views": [base[2:4]]}
    restored(names, lambda: (names["views"].clear(), base.zero_()))
    base[2] = 9
    assert names["views"][0].tolist() == [9, 3]


def test_tied_weights_stay_tied():
    first, second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
    second.weight = first.weight
    names = {"net": torch.nn.Sequential(first, second)}
    expected = first.weight.tolist()
    restored(names, lambda: torch.nn.init.zeros_(first.weight))
    assert names["net"][1].weight is names["net"][0].weight
    assert first.weight.tolist() == expected


def test_a_numpy_view_of_a_tensor_follows():
    tensor = torch.arange(3.0)
    names = {"tensor": tensor, "array": tensor.numpy()}
    restored(names, lambda: tensor.zero_())
    assert names["array"].tolist() == [0, 1, 2]


def test_a_gradient_comes_back_as_the_same_object_or_as_none():
    weight = torch.ones(2, requires_grad=True)
    names = {"weight": weight}
    restored(names, lambda: weight.sum().backward())
    assert weight.grad is None


def test_requires_grad_comes_back():
    weight = torch.ones(2)
    restored({"weight": weight}, lambda: weight.requires_grad_())
    assert not weight.requires_grad


def test_a_graph_recorded_before_a_restore_raises_and_gives_no_wrong_gradient():
    weight = torch.ones(2, requires_grad=True)
    names = {"weight": weight}
    workspace = Workspace(names)
    workspace.store("before")
    with torch.no_grad():
        weight.mul_(7)
    loss = (weight**2).sum()
    workspace.restore("before")
    with pytest.raises(RuntimeError, match="inplace operation"):
        loss.backward()


def test_paths_are_the_modules_own():
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(4, 2)).sum().backward()
    optimizer.step()
    stored = Workspace({"net": net, "optimizer": optimizer}).store("before")
    roles = {path: str(variable.role) for path, variable in stored.variables.items()}
    assert roles["net.0.weight"] == "parameter"
    assert roles["net.1.running_mean"] == "buffer"
    assert roles["optimizer.state[net.0.weight]['exp_avg']"] == "slot"


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.LBFGS])
def test_training_goes_on_with_the_same_losses(kind):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
    optimizer = kind(net.parameters(), lr=0.01, **({"momentum": 0.9} if kind is torch.optim.SGD else {}))
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    x = torch.randn(16, 4)
    names = {"net": net, "optimizer": optimizer, "scheduler": scheduler}

    def losses(steps):
        def closure():
            optimizer.zero_grad()
            loss = net(x).pow(2).mean()
            loss.backward()
            return loss

        found = []
        for _ in range(steps):
            found.append(optimizer.step(closure).item())
            scheduler.step()
        return found

    workspace = Workspace(names)
    workspace.store("cold")
    cold = losses(3)
    workspace.store("warm")
    warm = losses(3)
    workspace.restore("warm")
    assert losses(3) == warm
    workspace.restore("cold")
    assert losses(3) == cold
    assert optimizer.param_groups[0] is names["optimizer"].param_groups[0]


def test_a_fused_step_that_bumps_no_version_is_seen():
    weight = torch.ones(4)
    array = weight.numpy()
    version = weight._version
    names = {"weight": weight}
    restored(names, lambda: array.fill(5))
    assert weight.tolist() == [1, 1, 1, 1]
    assert version == 0


def test_lazy_layers_without_weights_yet_do_not_stop_a_store():
    names = {"net": torch.nn.Sequential(torch.nn.LazyLinear(3)), "a": torch.ones(2)}
    workspace = Workspace(names)
    stored = workspace.store("before")
    names["a"].zero_()
    workspace.restore("before")
    assert names["a"].tolist() == [1, 1]
    assert any("net" in path for path in stored.report)


def test_the_global_generator_comes_back():
    workspace = Workspace({})
    workspace.store("before")
    expected = torch.rand(3).tolist()
    workspace.restore("before")
    assert torch.rand(3).tolist() == expected


def test_dataloader_workers_and_datasets_are_no_obstacle():
    data = torch.utils.data.TensorDataset(torch.arange(6.0))
    loader = torch.utils.data.DataLoader(data, batch_size=2, generator=torch.Generator().manual_seed(1))
    names = {"loader": loader, "running": iter(loader)}
    workspace = Workspace(names)
    workspace.store("before")
    data.tensors[0].zero_()
    workspace.restore("before")
    assert data.tensors[0].tolist() == [0, 1, 2, 3, 4, 5]


def test_parametrizations_added_since_go_again():
    layer = torch.nn.Linear(2, 2)
    names = {"layer": layer}
    cls, weight = type(layer), layer.weight
    workspace = Workspace(names)
    workspace.store("before")
    torch.nn.utils.parametrizations.weight_norm(layer)
    workspace.restore("before")
    assert type(layer) is cls
    assert layer.weight is weight


def test_hooks_of_a_module_are_its_state():
    layer = torch.nn.Linear(2, 2)
    calls = []
    names = {"layer": layer}
    restored(names, lambda: layer.register_forward_hook(lambda *_: calls.append(1)))
    layer(torch.ones(1, 2))
    assert calls == []
