"""Sparse, quantized and nested tensors: what their parts are, and how they go back."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

import torch
from xxhash import xxh3_128_hexdigest

from snapshot.adapters.protocol import Form
from snapshot.adapters.reference import Reference
from snapshot.adapters.torch_arrays import arrays_of
from snapshot.adapters.torch_leaf import Meta, TensorAttributesKind
from snapshot.adapters.torch_packing import PackedAdapter, Parts


class SparseAdapter(PackedAdapter):
    """Coordinates: indices, values, and whether they are coalesced. Another number of values fits."""

    kind = "torch sparse"

    def parts(self, obj: Any) -> Parts:
        return (obj._indices(), obj._values(), torch.tensor(obj.is_coalesced(), device="cpu"))

    def about(self, obj: Any) -> Meta:
        return (("sparse_dim", obj.sparse_dim()),)

    def new(self, parts: Parts, like: Mapping[str, Any]) -> Any:
        indices, values, coalesced = parts
        # from disk may come anything
        return torch.sparse_coo_tensor(
            indices, values, like["shape"], is_coalesced=bool(coalesced), check_invariants=True
        )

    def settle(self, obj: Any, parts: Parts) -> None:
        obj._coalesced_(bool(parts[2]))


class CompressedAdapter(PackedAdapter):
    """Compressed rows or columns, or blocks of them."""

    kind = "torch compressed"

    def parts(self, obj: Any) -> Parts:
        if obj.layout in (torch.sparse_csr, torch.sparse_bsr):
            return (obj.crow_indices(), obj.col_indices(), obj.values())
        return (obj.ccol_indices(), obj.row_indices(), obj.values())

    def about(self, obj: Any) -> Meta:
        indices, _, values = self.parts(obj)
        blocks = obj.layout in (torch.sparse_bsr, torch.sparse_bsc)
        block = "x".join(map(str, values.shape[indices.dim() : indices.dim() + 2])) if blocks else ""
        return (("layout", str(obj.layout)), ("block", block), ("indices", str(indices.dtype)))

    def new(self, parts: Parts, like: Mapping[str, Any]) -> Any:
        layout = getattr(torch, like["layout"].removeprefix("torch."))
        return torch.sparse_compressed_tensor(*parts, like["shape"], layout=layout, check_invariants=True)

    def put(self, obj: Any, parts: Parts) -> None:
        made = self.new(parts, dict(self.about(obj), shape=list(obj.shape)))
        needs, had = obj.requires_grad, obj.grad
        obj.requires_grad_(False)  # no tensor that needs a gradient may be resized
        obj.resize_as_sparse_(made).copy_(made)
        obj.requires_grad_(needs)
        obj.grad = had


class QuantizedAdapter(PackedAdapter):
    """Integers with scales and zero points, for the whole tensor or for each channel."""

    kind = "torch quantized"
    by_part = False

    def parts(self, obj: Any) -> Parts:
        if obj.qscheme() in _WHOLE:
            return (
                obj.int_repr(),
                torch.tensor(obj.q_scale(), dtype=torch.float64, device="cpu"),
                torch.tensor(obj.q_zero_point(), device="cpu"),
            )
        return (obj.int_repr(), obj.q_per_channel_scales(), obj.q_per_channel_zero_points())

    def about(self, obj: Any) -> Meta:
        scheme = obj.qscheme()
        return (("scheme", str(scheme)), ("axis", -1 if scheme in _WHOLE else obj.q_per_channel_axis()))

    def new(self, parts: Parts, like: Mapping[str, Any]) -> Any:
        integers, scale, zero = parts
        if like["axis"] == -1:
            return torch._make_per_tensor_quantized_tensor(integers, scale.item(), zero.item())
        return torch._make_per_channel_quantized_tensor(integers, scale, zero, like["axis"])


class NestedAdapter(PackedAdapter):
    """Tensors of several sizes in one buffer, with size, strides and offset of each."""

    kind = "torch nested"
    by_part = False

    def parts(self, obj: Any) -> Parts:
        return (
            obj.values(),
            obj._nested_tensor_size(),
            obj._nested_tensor_strides(),
            obj._nested_tensor_storage_offsets(),
        )

    def new(self, parts: Parts, like: Mapping[str, Any]) -> Any:
        values, *places = parts
        return torch._nested_view_from_buffer(values, *(place.cpu() for place in places))

    def _description(self, obj: Any) -> Meta:
        return (("shape", "+".join("x".join(map(str, each)) for each in obj._nested_tensor_size().tolist())),)


class JaggedAdapter(PackedAdapter):
    """One ragged axis: values, offsets, and lengths where there are holes."""

    kind = "torch jagged"
    beside = TensorAttributesKind(
        "_values", "_offsets", "_lengths", "_ragged_idx", "_size", "_strides", "_metadata_cache",
        "_dynamo_propagated_dynamic_indices",
    )  # fmt: skip

    def parts(self, obj: Any) -> Parts:
        own = (obj._values, obj._offsets)
        return own if obj._lengths is None else (*own, obj._lengths)

    def new(self, parts: Parts, like: Mapping[str, Any]) -> Any:
        values, *places = parts
        offsets = _ragged.setdefault(f"{like['ragged']} {like['symbol']}", places[0])
        return torch.nested.nested_tensor_from_jagged(values, offsets, *places[1:], jagged_dim=like["axis"])

    def about(self, obj: Any) -> Meta:
        places = b"".join(part.tobytes() for part in arrays_of(self.parts(obj)[1:]))
        return (("ragged", xxh3_128_hexdigest(places)), ("axis", obj._ragged_idx))

    def form(self, obj: Any) -> Form:
        found = super().form(obj)
        # those with one offsets tensor share this symbol for their length and can be added: made anew they must again
        symbol = str(obj._size[obj._ragged_idx])
        _ragged.setdefault(f"{dict(found.meta)['ragged']} {symbol}", obj._offsets)
        return replace(found, meta=(*found.meta, ("symbol", symbol)))

    def _description(self, obj: Any) -> Meta:
        return (("shape", "x".join(map(str, obj._values.shape))), *self.about(obj))


_WHOLE = (torch.per_tensor_affine, torch.per_tensor_symmetric)
_ragged: WeakValueDictionary[str, Any] = WeakValueDictionary()

SPARSE = SparseAdapter()
COMPRESSED = CompressedAdapter()
QUANTIZED = QuantizedAdapter()
NESTED = NestedAdapter()
JAGGED = JaggedAdapter()
ADAPTERS = (SPARSE, COMPRESSED, QUANTIZED, NESTED, JAGGED)
_COMPRESSED = (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)
_IN_BYTES = (torch.qint8, torch.quint8, torch.qint32)
_OTHER = Reference("a tensor of a layout that is not stored by value")


def handler_for(obj: Any) -> PackedAdapter | Reference:
    """The adapter of a tensor that is not plainly dense, or why it is by reference."""
    if obj.is_quantized:
        return QUANTIZED if obj.dtype in _IN_BYTES else _OTHER
    if obj.layout is torch.sparse_coo:
        return SPARSE
    if obj.layout in _COMPRESSED:
        return COMPRESSED
    return NESTED if obj.is_nested and obj.layout is torch.strided else _OTHER


def jagged_for(obj: Any) -> PackedAdapter | None:
    """The adapter of torch's own ragged class, which has a dispatch of its own."""
    return JAGGED if type(obj) is getattr(_jagged_class(), "NestedTensor", None) else None


def _jagged_class() -> Any:
    # torch imports it when the first one is made
    return sys.modules.get("torch.nested._internal.nested_tensor")
