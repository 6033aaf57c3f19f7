"""Tensors, generators and training on CUDA devices. Run them with ``pytest -m cuda`` where there is one."""

import pytest
import torch

from snapshot.adapters.torch_staging import BUFFER_BYTES
from snapshot.workspace import Workspace

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

TENSORS = {
    "float32": lambda: torch.arange(6.0, device="cuda").reshape(2, 3),
    "bfloat16": lambda: torch.ones(5, device="cuda", dtype=torch.bfloat16),
    "float8": lambda: torch.ones(5, device="cuda").to(torch.float8_e4m3fn),
    "bool": lambda: torch.tensor([True, False], device="cuda"),
    "0-d": lambda: torch.tensor(2.5, device="cuda"),
    "empty": lambda: torch.empty(0, 3, device="cuda"),
    "complex": lambda: torch.ones(3, device="cuda", dtype=torch.complex64),
    "transposed": lambda: torch.arange(6.0, device="cuda").reshape(2, 3).t(),
    "every second": lambda: torch.arange(8.0, device="cuda")[::2],
    "expanded": lambda: torch.arange(3.0, device="cuda").reshape(3, 1).expand(3, 4),
    "conjugated": lambda: torch.ones(3, device="cuda", dtype=torch.complex64).conj(),
    "channels last": lambda: torch.ones(1, 2, 3, 4, device="cuda").to(memory_format=torch.channels_last),
    "larger than a buffer": lambda: torch.arange(BUFFER_BYTES // 4 * 2 + 5, device="cuda", dtype=torch.float32),
    "Parameter": lambda: torch.nn.Parameter(torch.ones(3, device="cuda")),
    "sparse": lambda: torch.eye(3, device="cuda").to_sparse(),
    "csr": lambda: torch.eye(3, device="cuda").to_sparse_csr(),
}


def plain(tensor):
    dense = tensor.detach().to_dense() if tensor.layout is not torch.strided else tensor.detach()
    return dense.resolve_conj().cpu().to(torch.complex128)


def zero(tensor):
    with torch.no_grad():
        if tensor.layout is torch.strided:
            tensor.as_strided(*dense_part(tensor)).copy_(torch.zeros((), device="cuda"))
        else:
            (tensor._values() if tensor.layout is torch.sparse_coo else tensor.values()).zero_()


def dense_part(tensor):
    return [n if s else 1 for n, s in zip(tensor.shape, tensor.stride())], [s or 1 for s in tensor.stride()]


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_on_the_device_is_taken_back_in_place(name):
    tensor = TENSORS[name]()
    expected, version = plain(tensor), tensor._version
    workspace = Workspace({"tensor": tensor})
    workspace.store("before")
    zero(tensor)
    changed = plain(tensor)
    status = workspace.restore("before")
    assert not status.rebuilt
    assert tensor.device.type == "cuda"
    assert torch.equal(plain(tensor), expected)
    assert tensor._version > version or not tensor.numel()
    workspace.undo()
    assert torch.equal(plain(tensor), changed)


@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_new_kernel_makes_all_of_them_again_on_the_device(tmp_path):
    names = {name: make() for name, make in TENSORS.items()}
    Workspace(names, tmp_path / "run.zarr").store("before")
    found = {}
    Workspace(found, tmp_path / "run.zarr").restore("before")
    assert {name: str(tensor.device) for name, tensor in found.items()} == dict.fromkeys(names, "cuda:0")
    assert [name for name in names if not torch.equal(plain(found[name]), plain(names[name]))] == []


def test_changes_in_one_block_of_a_large_tensor_come_back():
    tensor = torch.arange(5_000_000, device="cuda", dtype=torch.float32)
    workspace = Workspace({"tensor": tensor})
    workspace.store("before")
    tensor[4_900_000:] = 0
    workspace.restore("before")
    assert torch.equal(tensor.cpu(), torch.arange(5_000_000, dtype=torch.float32))


def test_writes_queued_on_another_stream_are_waited_for():
    tensor, stream = torch.zeros(1_000_000, device="cuda"), torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)
        tensor.fill_(3)
    workspace = Workspace({"tensor": tensor})
    stored = workspace.store("before")
    assert stored["tensor"].min() == 3


@pytest.mark.parametrize("stored_on", ["cpu", "cuda"])
def test_a_tensor_that_moved_to_another_device_is_named_and_comes_back_on_its_own(stored_on):
    other = "cuda" if stored_on == "cpu" else "cpu"
    layer = torch.nn.Linear(2, 2, device=stored_on)
    expected = layer.weight.tolist()
    workspace = Workspace({"layer": layer})
    workspace.store("before")
    layer.to(other)
    status = workspace.restore("before")
    assert "layer.weight" in status.rebuilt
    assert layer.weight.device.type == stored_on
    assert layer.weight.tolist() == expected


def test_a_misfit_of_devices_says_both():
    from tests.adapters.contract import leaf_of

    on_cpu, on_cuda = torch.ones(2), torch.ones(2, device="cuda")
    adapter = leaf_of(on_cpu)
    assert adapter.misfit(on_cuda, adapter.form(on_cpu)) == "is on cuda:0, stored was on cpu"
    assert adapter.misfit(on_cpu, adapter.form(on_cuda)) == "is on cpu, stored was on cuda:0"


def test_pinned_memory_stays_pinned_and_is_made_again_pinned():
    torch.cuda.init()
    names = {"x": torch.ones(3).pin_memory(), "items": [torch.ones(3).pin_memory()]}
    x = names["x"]
    workspace = Workspace(names)
    workspace.store("before")
    x.zero_()
    names["items"].clear()
    workspace.restore("before")
    assert x.is_pinned()
    assert x.tolist() == [1, 1, 1]
    assert names["items"][0].is_pinned()


def test_the_generators_of_all_devices_come_back():
    torch.cuda.init()
    own = torch.Generator("cuda").manual_seed(3)
    workspace = Workspace({"own": own})
    workspace.store("before")

    def numbers():
        devices = range(torch.cuda.device_count())
        return [torch.rand(3, device=f"cuda:{n}").tolist() for n in devices] + [
            torch.rand(3, device="cuda", generator=own).tolist(),
            torch.rand(3).tolist(),
        ]

    expected = numbers()
    workspace.restore("before")
    assert numbers() == expected


OPTIMIZERS = {
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "Adam capturable": lambda p: torch.optim.Adam(p, lr=0.01, capturable=True),
    "Adam fused": lambda p: torch.optim.Adam(p, lr=0.01, fused=True),
    "AdamW fused capturable": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True, capturable=True),
    "SGD fused": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, fused=True),
    "Adam with its rate in a tensor": lambda p: torch.optim.Adam(
        p, lr=torch.tensor(0.01, device="cuda"), capturable=True
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_with_the_same_losses(name, tmp_path):
    def made(seed):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(8, 1)
        ).cuda()
        optimizer = OPTIMIZERS[name](net.parameters())
        scaler = torch.amp.GradScaler("cuda", init_scale=8.0, growth_interval=2)
        return {"net": net, "optimizer": optimizer, "scaler": scaler}

    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(1)).cuda()

    def losses(names):
        found = []
        for _ in range(3):
            names["optimizer"].zero_grad()
            with torch.autocast("cuda", torch.float16):
                loss = names["net"](x).pow(2).mean()
            names["scaler"].scale(loss).backward()
            names["scaler"].step(names["optimizer"])
            names["scaler"].update()
            found.append((loss.item(), names["scaler"].get_scale()))
        return found, [parameter.tolist() for parameter in names["net"].parameters()]

    names = made(0)
    workspace = Workspace(names, tmp_path / "run.zarr")
    workspace.store("cold")
    cold = losses(names)
    workspace.store("warm")
    warm = losses(names)
    workspace.restore("warm")
    assert losses(names) == warm
    workspace.restore("cold")
    assert losses(names) == cold
    workspace.flush()
    for label, expected in (("cold", cold), ("warm", warm)):
        fresh = made(5)
        Workspace(fresh, tmp_path / "run.zarr").restore(label)
        assert losses(fresh) == expected


def test_a_graph_recorded_before_a_restore_raises():
    weight = torch.ones(2, device="cuda", requires_grad=True)
    workspace = Workspace({"weight": weight})
    workspace.store("before")
    with torch.no_grad():
        weight.mul_(7)
    loss = (weight**2).sum()
    workspace.restore("before")
    with pytest.raises(RuntimeError, match="inplace operation"):
        loss.backward()


def test_many_small_tensors_come_over_in_one_bufferful(monkeypatch):
    from snapshot.adapters import torch_staging
    from snapshot.adapters.torch import TENSOR

    waits = []
    monkeypatch.setattr(torch_staging, "_wait", waits.append)
    torch.cuda.synchronize()
    TENSOR.views([torch.ones(10, device="cuda") for _ in range(100)])
    assert len(waits) == 1


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_tensors_of_two_devices_stay_where_they_are():
    names = {"a": torch.ones(3, device="cuda:0"), "b": torch.ones(3, device="cuda:1")}
    a, b = names["a"], names["b"]
    workspace = Workspace(names)
    workspace.store("before")
    a.zero_()
    b.zero_()
    workspace.restore("before")
    assert (a.tolist(), b.tolist()) == ([1, 1, 1], [1, 1, 1])
    assert [str(t.device) for t in (a, b)] == ["cuda:0", "cuda:1"]
