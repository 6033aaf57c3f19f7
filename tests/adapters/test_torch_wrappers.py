"""Classes of tensors with a behaviour of their own; distributed tensors, and those without contents."""

from typing import ClassVar

import pytest
import torch

from snapshot.workspace import Workspace
from tests.adapters.contract import AdapterContract, Case, leaf_of

CALLS = []


class Loud(torch.Tensor):
    """Runs code of its own for whatever is done with it."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        CALLS.append(func)
        return super().__torch_function__(func, types, args, kwargs or {})


class Scaled(torch.Tensor):
    """Two tensors that act as one, as quantization libraries make them."""

    @staticmethod
    def __new__(cls, data, scale):
        return torch.Tensor._make_wrapper_subclass(cls, data.shape, dtype=scale.dtype)

    def __init__(self, data, scale):
        self.data_part, self.scale = data, scale

    def __tensor_flatten__(self):
        return ["data_part", "scale"], None

    @staticmethod
    def __tensor_unflatten__(inner, context, outer_size, outer_stride):
        return Scaled(inner["data_part"], inner["scale"])

    def __repr__(self):
        return "Scaled"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        CALLS.append(func)
        plain = [arg.data_part * arg.scale if isinstance(arg, Scaled) else arg for arg in args]
        return func(*plain, **(kwargs or {}))


class Opaque(torch.Tensor):
    """Keeps its contents where nobody sees them."""

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return super().__torch_dispatch__(func, types, args, kwargs or {})


class Own(torch.nn.Parameter):
    """A Parameter of the user's."""


def scaled():
    return Scaled(torch.tensor([1, 2], dtype=torch.int8), torch.tensor(0.5))


def masked():
    return torch.masked.masked_tensor(torch.tensor([1.0, 2.0]), torch.tensor([True, False]))


class TestWrappers(AdapterContract):
    cases: ClassVar = {
        "two in one": Case(
            scaled,
            lambda t: t.data_part.mul_(3),
            lambda t: (t.data_part.tolist(), t.scale.item()),
            lambda: [(Scaled(torch.ones(3), torch.tensor(1.0)), ("shape", "[3]", "[2]"))],
            in_new_kernel=False,
        ),
        "masked": Case(
            masked,
            lambda t: (t._masked_data.mul_(3), t._masked_mask.logical_not_()),
            lambda t: (t._masked_data.tolist(), t._masked_mask.tolist()),
            in_new_kernel=False,
        ),
    }

    def test_the_view_is_never_written_by_building_from_it(self, case):
        obj = case.make()
        adapter = leaf_of(obj)
        with pytest.raises(TypeError, match="live one only"):
            adapter.build(adapter.form(obj), adapter.view(obj))


pytestmark = pytest.mark.filterwarnings("ignore:.*MaskedTensors.*")


@pytest.mark.parametrize("make", [lambda: torch.ones(2).as_subclass(Loud), scaled])
def test_a_store_and_a_restore_run_no_code_of_the_class(make):
    names = {"x": make()}
    workspace = Workspace(names)
    CALLS.clear()
    workspace.store("before")
    workspace.restore("before")
    assert CALLS == []


def test_writing_to_a_loud_tensor_runs_no_code_of_its_class():
    names = {"x": torch.ones(2).as_subclass(Loud)}
    workspace = Workspace(names)
    workspace.store("before")
    names["x"].mul_(3)
    CALLS.clear()
    workspace.restore("before")
    assert CALLS == []
    assert names["x"].as_subclass(torch.Tensor).tolist() == [1, 1]


def test_a_wrapper_from_disk_goes_into_a_live_one_and_else_says_what_to_do(tmp_path):
    Workspace({"x": scaled()}, tmp_path / "run.zarr").store("before")
    live = Scaled(torch.zeros(2, dtype=torch.int8), torch.tensor(9.0))
    parts = live.data_part, live.scale
    Workspace({"x": live}, tmp_path / "run.zarr").restore("before")
    assert (live.data_part.tolist(), live.scale.item()) == ([1, 2], 0.5)
    assert (live.data_part, live.scale) == parts
    status = Workspace({}, tmp_path / "run.zarr").restore("before")
    assert "into a live one only" in status.unused_reasons["x"]


@pytest.mark.parametrize("make", [lambda: Own(torch.ones(2)), lambda: torch.nn.Parameter(torch.ones(2))])
def test_parameters_of_any_class_are_made_again_as_such(make, tmp_path):
    Workspace({"x": make()}, tmp_path / "run.zarr").store("before")
    found = {}
    Workspace(found, tmp_path / "run.zarr").restore("before")
    assert type(found["x"]) is type(make())
    assert found["x"].requires_grad
    assert isinstance(found["x"], torch.nn.Parameter)


def test_buffers_of_a_module_keep_their_mark_and_their_persistence():
    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.kept = torch.nn.Buffer(torch.zeros(2))
            self.passing = torch.nn.Buffer(torch.zeros(2), persistent=False)

    layer = Layer()
    kept = layer.kept
    workspace = Workspace({"layer": layer})
    workspace.store("before")
    kept.fill_(3)
    layer.passing = torch.nn.Buffer(torch.ones(2))
    workspace.restore("before")
    assert layer.kept is kept
    assert isinstance(layer.kept, torch.nn.Buffer)
    assert layer.kept.tolist() == layer.passing.tolist() == [0, 0]
    assert layer.state_dict().keys() == {"kept"}


BY_REFERENCE = {
    "meta": (lambda: torch.empty(2, device="meta"), "meta device"),
    "opaque": (lambda: torch.ones(2).as_subclass(Opaque), "only its class"),
    "four bits": (
        lambda: torch.quantize_per_channel(torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.quint4x2),
        "layout",
    ),
    "mkldnn": (lambda: torch.ones(2, 2).to_mkldnn(), "layout"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", BY_REFERENCE)
def test_tensors_without_plain_storage_are_named_with_a_reason(name):
    make, words = BY_REFERENCE[name]
    names = {"odd": make(), "a": torch.ones(2)}
    odd = names["odd"]
    workspace = Workspace(names)
    stored = workspace.store("before")
    assert words in stored.report["odd"]
    names["odd"] = None
    names["a"].zero_()
    workspace.restore("before")
    assert names["odd"] is odd
    assert names["a"].tolist() == [1, 1]


@pytest.fixture
def one_process(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")
def test_distributed_tensors_are_named_and_hinder_nothing(one_process):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    mesh = init_device_mesh("cpu", (1,))
    net = torch.nn.Linear(2, 2)
    sharded = distribute_tensor(torch.ones(4), mesh, [Shard(0)])
    net.weight = torch.nn.Parameter(distribute_tensor(net.weight.detach(), mesh, [Shard(0)]))
    workspace = Workspace({"sharded": sharded, "net": net})
    stored = workspace.store("before")
    assert "distributed" in stored.report["sharded"]
    assert "distributed" in stored.report["net.weight"]
    torch.nn.init.zeros_(net.bias)
    expected = stored["net.bias"].tolist()
    workspace.restore("before")
    assert net.bias.tolist() == expected
