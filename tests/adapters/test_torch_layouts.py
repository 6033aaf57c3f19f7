"""Sparse, quantized, nested and oddly arranged tensors, and every dtype there is."""

from typing import ClassVar

import numpy as np
import pytest
import torch

from snapshot.workspace import Workspace
from tests.adapters.contract import AdapterContract, Case, leaf_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*(Sparse|sparse|nested|quantiz|Quantiz).*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

TWO = torch.tensor([[1.0, 0, 2, 0], [0, 0, 3, 0], [0, 0, 0, 4], [5, 0, 0, 0]])
LESS = torch.tensor([[0.0, 0, 7, 0], [0, 0, 0, 0], [0, 6, 0, 0], [0, 0, 0, 0]])
COMPRESSED = {
    "csr": lambda dense: dense.to_sparse_csr(),
    "csc": lambda dense: dense.to_sparse_csc(),
    "bsr": lambda dense: dense.to_sparse_bsr((2, 2)),
    "bsc": lambda dense: dense.to_sparse_bsc((2, 2)),
}


def parts_of(tensor):
    adapter = leaf_of(tensor)
    with torch.no_grad():
        return [(part.dtype, tuple(part.shape), part.tolist()) for part in adapter.parts(tensor)]


def double(tensor):
    """Change the values where they are."""
    with torch.inference_mode(tensor.is_inference()), torch.no_grad():
        values = tensor._values() if tensor.layout is torch.sparse_coo else tensor.values()
        values.copy_(values * 2)


def resized(other):
    """Change everything there is to a tensor, the number of its values too."""

    def change(tensor):
        with torch.no_grad():
            if tensor.layout is not torch.sparse_coo:
                tensor.resize_as_sparse_(other())
            tensor.copy_(other())

    return change


def case_of(make, change=double, **options):
    return Case(make, change, parts_of, **options)


def uncoalesced():
    return torch.sparse_coo_tensor([[0, 0, 2]], [1.0, 2.0, 3.0], (4,))


def whole(scale=0.5, zero=3):
    return torch.quantize_per_tensor(torch.arange(4.0), scale, zero, torch.quint8)


def by_channel(scale=0.5):
    return torch.quantize_per_channel(
        torch.arange(6.0).reshape(2, 3), torch.tensor([scale, 0.25]), torch.tensor([0, 3]), 0, torch.qint8
    )


def nested(layout=torch.strided):
    return torch.nested.nested_tensor([torch.ones(2, 3), torch.zeros(1, 3) + 2], layout=layout)


def with_gaps():
    values, offsets = torch.arange(6.0).reshape(6, 1), torch.tensor([0, 3, 6])
    return torch.nested.nested_tensor_from_jagged(values, offsets, torch.tensor([2, 3]))


class TestLayouts(AdapterContract):
    cases: ClassVar = {
        "coo": case_of(TWO.to_sparse, misfits=lambda: [(torch.eye(3).to_sparse(), ("shape", "3x3", "4x4"))]),
        "coo with another number of values": case_of(TWO.to_sparse, resized(LESS.to_sparse)),
        "coo emptied": case_of(TWO.to_sparse, resized(torch.zeros(4, 4).to_sparse)),
        "empty coo": case_of(torch.zeros(4, 4).to_sparse, resized(TWO.to_sparse)),
        "coo not coalesced": case_of(uncoalesced),
        "coo coalesced since": case_of(uncoalesced, lambda t: t.copy_(t.coalesce())),
        "coo of rows": case_of(lambda: TWO.to_sparse(1)),
        "coo of bfloat16": case_of(lambda: TWO.bfloat16().to_sparse()),
        "coo of complex": case_of(lambda: (TWO * 1j).to_sparse()),
        "coo Parameter": case_of(lambda: torch.nn.Parameter(TWO.to_sparse())),
        **{name: case_of(lambda make=make: make(TWO)) for name, make in COMPRESSED.items()},
        **{
            f"{name} with another number of values": case_of(
                lambda make=make: make(TWO), resized(lambda make=make: make(LESS))
            )
            for name, make in COMPRESSED.items()
        },
        "csr that needs a gradient": case_of(
            lambda: TWO.to_sparse_csr().requires_grad_(), resized(lambda: TWO.to_sparse_csr() * 3)
        ),
        "csr with narrow indices": case_of(
            lambda: torch.sparse_csr_tensor(
                torch.tensor([0, 1, 2], dtype=torch.int32), torch.tensor([1, 0], dtype=torch.int32), torch.ones(2)
            ),
            misfits=lambda: [(torch.eye(2).to_sparse_csr(), ("indices", "int32", "int64"))],
        ),
        "csr batch": case_of(lambda: torch.stack([TWO, TWO]).to_sparse_csr()),
        "quantized": case_of(whole, lambda t: t.copy_(whole() if t.q_scale() != 0.5 else whole(0.25))),
        "quantized, new scale": case_of(whole, lambda t: t.copy_(whole(0.1, 7))),
        "quantized by channel": case_of(
            by_channel,
            lambda t: t.copy_(by_channel(0.75)),
            misfits=lambda: [
                (torch.quantize_per_tensor(torch.ones(2, 3), 1.0, 0, torch.qint8), ("scheme", "affine"))
            ],
        ),
        "quantized with zero points between": case_of(
            lambda: torch.quantize_per_channel(
                torch.arange(4.0).reshape(2, 2), torch.ones(2), torch.tensor([0.5, 1.5]), 1, torch.quint8
            ),
            can_change=False,
            change=lambda t: None,
        ),
        "qint32": case_of(
            lambda: torch.quantize_per_tensor(torch.arange(3.0), 0.1, 0, torch.qint32),
            lambda t: t.copy_(torch.quantize_per_tensor(torch.ones(3), 0.2, 0, torch.qint32)),
        ),
        "nested": case_of(
            nested,
            misfits=lambda: [(torch.nested.nested_tensor([torch.ones(1, 3)]), ("shape", "1x3", "2x3+1x3"))],
        ),
        "nested that needs a gradient": case_of(lambda: nested().requires_grad_()),
        "jagged": case_of(
            lambda: nested(torch.jagged),
            lambda t: t._values.detach().mul_(2),
            misfits=lambda: [
                (torch.nested.nested_tensor([torch.ones(1, 3), torch.ones(2, 3)], layout=torch.jagged), ("ragged",))
            ],
        ),
        "jagged with gaps": case_of(with_gaps, lambda t: t._values.mul_(2)),
    }


@pytest.mark.parametrize("make", [TWO.to_sparse, *(lambda m=m: m(TWO) for m in COMPRESSED.values())])
def test_an_alias_of_sparse_values_follows_while_their_number_stays(make):
    tensor = make()
    values = tensor._values() if tensor.layout is torch.sparse_coo else tensor.values()
    expected = values.tolist()
    workspace = Workspace({"tensor": tensor})
    workspace.store("before")
    values.zero_()
    workspace.restore("before")
    assert values.tolist() == expected


def test_a_graph_over_a_sparse_tensor_written_since_raises():
    sparse, dense = TWO.to_sparse(), torch.ones(4, 2, requires_grad=True)
    workspace = Workspace({"sparse": sparse})
    workspace.store("before")
    with torch.no_grad():
        sparse._values().mul_(7)
    loss = torch.sparse.mm(sparse, dense).sum()
    workspace.restore("before")
    with pytest.raises(RuntimeError, match="inplace operation"):
        loss.backward()


def test_sparse_tensors_that_need_a_resize_keep_their_gradient_and_their_need_of_one():
    tensor = TWO.to_sparse_csr().requires_grad_()
    tensor.grad = TWO.to_sparse_csr()
    grad = tensor.grad
    workspace = Workspace({"tensor": tensor})
    workspace.store("before")
    resized(lambda: LESS.to_sparse_csr())(tensor.detach())
    workspace.restore("before")
    assert tensor.requires_grad
    assert tensor.grad is grad
    assert torch.equal(tensor.detach().to_dense(), TWO)


def test_jagged_tensors_made_again_can_be_added_as_before():
    one = nested(torch.jagged)
    names = {"one": one, "both": [one * 2]}
    workspace = Workspace(names)
    workspace.store("before")
    names["both"].clear()
    workspace.restore("before")
    assert (names["both"][0] + one).values().tolist() == (one.values() * 3).tolist()


def test_sparse_gradients_of_an_embedding_come_back():
    layer = torch.nn.Embedding(5, 2, sparse=True)
    layer(torch.tensor([1, 3, 1])).sum().backward()
    grad, expected = layer.weight.grad, layer.weight.grad.to_dense().tolist()
    workspace = Workspace({"layer": layer})
    workspace.store("before")
    layer(torch.tensor([0])).sum().backward()
    workspace.restore("before")
    assert layer.weight.grad.to_dense().tolist() == expected
    assert layer.weight.grad.is_coalesced() == grad.is_coalesced()


def test_an_impossible_sparse_tensor_from_disk_is_refused_and_does_not_crash():
    tensor = TWO.to_sparse()
    adapter = leaf_of(tensor)
    contents = adapter.view(tensor).copy()
    indices = np.asarray(tensor._indices()).tobytes()
    start = contents.tobytes().index(indices)
    contents[start : start + len(indices)].view(np.int64)[:] = 10**6
    with pytest.raises(RuntimeError, match=r"index|size"):
        adapter.build(adapter.form(tensor), contents)


# --- arrangement in memory

ARRANGED = {
    "channels last": lambda: torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
    "channels last in three dimensions": lambda: torch.ones(1, 2, 2, 2, 2).to(memory_format=torch.channels_last_3d),
    "transposed": lambda: torch.arange(6.0).reshape(2, 3).t(),
    "permuted": lambda: torch.arange(24.0).reshape(2, 3, 4).permute(1, 2, 0).bfloat16(),
    "expanded": lambda: torch.arange(3.0).reshape(3, 1).expand(3, 4),
    "expanded twice": lambda: torch.arange(3.0).reshape(1, 3, 1).expand(2, 3, 4),
}


@pytest.mark.parametrize("name", ARRANGED)
def test_a_tensor_made_again_lies_in_memory_as_before(name, tmp_path):
    tensor = ARRANGED[name]()
    names = {"items": [tensor]}
    expected, stride = tensor.tolist(), tensor.stride()
    Workspace(names, tmp_path / "run.zarr").store("before")
    found = {}
    Workspace(found, tmp_path / "run.zarr").restore("before")
    assert (found["items"][0].tolist(), found["items"][0].stride()) == (expected, stride)


def test_one_element_shown_a_million_times_is_made_again_as_one():
    names = {"items": [torch.tensor(5.0).expand(1000, 1000)]}
    workspace = Workspace(names)
    workspace.store("before")
    names["items"].clear()
    workspace.restore("before")
    assert names["items"][0].untyped_storage().nbytes() == 4


@pytest.mark.parametrize("make", [lambda: torch.tensor([1 + 2j]).conj(), lambda: torch.tensor([1 + 2j]).conj().imag])
def test_lazy_conjugates_and_negatives_come_back_as_such(make, tmp_path):
    tensor = make()
    expected = tensor.resolve_neg().tolist()
    Workspace({"tensor": tensor}, tmp_path / "run.zarr").store("before")
    found = {}
    Workspace(found, tmp_path / "run.zarr").restore("before")
    assert (found["tensor"].is_conj(), found["tensor"].is_neg()) == (tensor.is_conj(), tensor.is_neg())
    assert found["tensor"].resolve_neg().tolist() == expected


def test_a_conjugate_view_and_its_base_are_one_after_a_restore():
    base = torch.tensor([1 + 2j, 3 - 1j])
    names = {"base": base, "conjugate": base.conj(), "imaginary": base.conj().imag}
    workspace = Workspace(names)
    workspace.store("before")
    base.zero_()
    workspace.restore("before")
    assert base.tolist() == [1 + 2j, 3 - 1j]
    assert names["conjugate"].tolist() == [1 - 2j, 3 + 1j]
    assert names["imaginary"].tolist() == [-2, 1]
    assert names["conjugate"].data_ptr() == base.data_ptr()


def test_windows_that_overlap_are_written_without_an_error():
    names = {"windows": torch.arange(6.0).unfold(0, 3, 1)}
    expected = names["windows"].tolist()
    workspace = Workspace(names)
    workspace.store("before")
    names["windows"].as_strided((6,), (1,)).zero_()
    workspace.restore("before")
    assert names["windows"].tolist() == expected


def test_a_tensor_made_for_inference_is_made_again_for_inference(tmp_path):
    with torch.inference_mode():
        made = torch.arange(3.0)
    Workspace({"made": made}, tmp_path / "run.zarr").store("before")
    found = {}
    Workspace(found, tmp_path / "run.zarr").restore("before")
    assert found["made"].is_inference()


def test_a_restore_inside_inference_mode_counts_as_a_change_all_the_same():
    weight = torch.ones(2, requires_grad=True)
    workspace = Workspace({"weight": weight})
    workspace.store("before")
    with torch.no_grad():
        weight.mul_(7)
    loss = (weight**2).sum()
    with torch.inference_mode():
        workspace.restore("before")
    with pytest.raises(RuntimeError, match="inplace operation"):
        loss.backward()


def test_from_numpy_tensor_and_array_share_memory_after_a_restore():
    array = np.arange(3.0)
    names = {"array": array, "tensor": torch.from_numpy(array)}
    workspace = Workspace(names)
    workspace.store("before")
    array[:] = 7
    workspace.restore("before")
    assert names["array"] is array
    names["tensor"][0] = 9
    assert array.tolist() == [9, 1, 2]


def test_a_freed_storage_is_named_and_never_read():
    names = {"weight": torch.ones(1000), "a": torch.ones(2)}
    workspace = Workspace(names)
    workspace.store("before")
    names["weight"].untyped_storage().resize_(0)
    assert "storage was freed" in workspace.store("after").report["weight"]
    workspace.restore("before")
    assert names["weight"].tolist() == [1] * 1000


NUMBERLESS = [
    dtype
    for name in ("float4_e2m1fn_x2", "bits8", "bits16", "uint1", "uint7", "int1", "int4")
    if (dtype := getattr(torch, name, None)) is not None
]


@pytest.mark.parametrize("dtype", NUMBERLESS, ids=str)
def test_dtypes_without_arithmetic_are_stored_by_their_bits(dtype, tmp_path):
    bits = torch.arange(4 * dtype.itemsize, dtype=torch.uint8)
    names = {"x": bits.clone().view(dtype)}
    tensor = names["x"]
    workspace = Workspace(names, tmp_path / "run.zarr")
    workspace.store("before")
    tensor.view(torch.uint8).zero_()
    workspace.restore("before")
    assert names["x"] is tensor
    assert tensor.view(torch.uint8).tolist() == bits.tolist()
    found = {}
    Workspace(found, tmp_path / "run.zarr").restore("before")
    assert found["x"].dtype == dtype
    assert found["x"].view(torch.uint8).tolist() == bits.tolist()


@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_every_dtype_that_is_not_quantized_is_stored():
    left = []
    for dtype in {value for value in vars(torch).values() if isinstance(value, torch.dtype)}:
        if not str(dtype).startswith("torch.q"):
            tensor = torch.empty(2, dtype=dtype)
            if Workspace({"x": tensor}).store("x").report:
                left.append(str(dtype))
    assert left == []


def test_constants_of_torch_are_not_reported():
    names = {"device": torch.device("cpu"), "dtype": torch.float32, "layout": torch.strided, "size": torch.Size([2])}
    assert not Workspace(names).store("before").report
