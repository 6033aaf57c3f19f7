"""Tensors as ndarrays and back, with the dtypes that NumPy does not know as integers of their width."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch

from snapshot.adapters.protocol import Array
from snapshot.adapters.torch_staging import staging_for

_BY_WIDTH: dict[int, tuple[Any, Any]] = {
    1: (torch.uint8, np.uint8),
    2: (torch.int16, np.uint16),
    4: (torch.int32, np.uint32),
}
_OTHERS = ("bfloat16", "complex32", "float4_e2m1fn_x2", "bits16", "bits8", "bits1x8", "bits2x4", "bits4x2")

FREED = "its storage was freed"
#: ``"torch.float32"`` -> the dtype
DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
#: dtype -> the integers that carry its bits, of torch and of NumPy
CARRIERS: dict[Any, tuple[Any, Any]] = {
    dtype: _BY_WIDTH[dtype.itemsize]
    for text, dtype in DTYPES.items()
    if (name := text.removeprefix("torch.")) in _OTHERS
    or name.startswith("float8_")
    # integers of odd widths, one to a byte
    or (name.lstrip("u").startswith("int") and name[-1] in "1234567" and name[-2] == "t")
}


def array_of(tensor: Any) -> Array:
    """The contents of a dense tensor; shares memory with one on the CPU unless it is conjugated or negated.

    Raises ``ValueError`` when its storage was freed.
    """
    place = tensor.device.type
    if place == "cuda":
        return arrays_of([tensor])[0]
    if not holds_memory(tensor):
        raise ValueError(FREED)
    plain = _resolved(tensor)
    return np.asarray(Memory(plain if place == "cpu" else plain.cpu()))


def arrays_of(tensors: Sequence[Any]) -> list[Array]:
    """The contents of several tensors; those on a CUDA device come over together."""
    found: dict[int, Array] = {}
    away: dict[Any, list[int]] = {}
    for number, tensor in enumerate(tensors):
        if tensor.device.type != "cuda":
            found[number] = array_of(tensor)
        elif not holds_memory(tensor):
            raise ValueError(FREED)
        else:
            away.setdefault(tensor.device, []).append(number)
    for device, numbers in away.items():
        plain = [_resolved(tensors[number]).contiguous() for number in numbers]
        fetched = staging_for(device).fetch([_octets(tensor) for tensor in plain])
        for number, tensor, data in zip(numbers, plain, fetched, strict=True):
            found[number] = data.view(_numpy_dtype(tensor.dtype)).reshape(tuple(tensor.shape))
    return [found[number] for number in range(len(tensors))]


class Memory:
    """A tensor's memory as NumPy sees it: ``Tensor.numpy`` would forbid its storage ever to be resized again."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor
        dtype = _numpy_dtype(tensor.dtype)
        self.__array_interface__ = {
            "version": 3,
            "typestr": dtype.str,
            "shape": tuple(tensor.shape),
            "strides": None if tensor.is_contiguous() else tuple(n * dtype.itemsize for n in tensor.stride()),
            "data": (tensor.data_ptr(), False),
        }


def new_tensor(contents: Array, dtype: Any) -> Any:
    """A new tensor: a view into the tensor or array in whose memory ``contents`` lie, else with its own memory."""
    owner: Any = contents
    while isinstance(owner, np.ndarray) and owner.base is not None:
        owner = owner.base
    if isinstance(owner, Memory) and owner.tensor.itemsize == contents.itemsize:
        # a view like any other: a write to the one counts as a change of the other
        start = contents.__array_interface__["data"][0] - owner.tensor.data_ptr()
        strides = [stride // contents.itemsize for stride in contents.strides]
        place = owner.tensor.storage_offset() + start // contents.itemsize
        return owner.tensor.detach().view(dtype).as_strided(contents.shape, strides, place)
    made = tensor_of(contents, dtype)
    # memory that NumPy owns could never be resized
    return made.clone() if contents.base is None else made


def tensor_of(contents: Array, dtype: Any) -> Any:
    """The contents as a tensor of ``dtype`` on the CPU; shares memory with ``contents``."""
    carrier = CARRIERS.get(dtype)
    if not contents.flags.writeable:
        # torch warns about read-only memory, and is right to
        contents = contents.copy()
    if carrier is None:
        return torch.from_numpy(contents)
    signed = contents.view(np.dtype(str(carrier[0]).removeprefix("torch.")))
    return torch.from_numpy(signed).view(dtype)


def write(target: Any, contents: Array) -> None:
    """Write contents of the target's dtype and shape into it, and count that as a change of it.

    Through ``copy_``, never ``.data``. Axes along which the target repeats one element
    are written once.
    """
    source = tensor_of(contents, target.dtype)
    for axis, stride in enumerate(target.stride()):
        if stride == 0 and target.shape[axis] > 1:
            target, source = target.narrow(axis, 0, 1), source.narrow(axis, 0, 1)
    if target.device.type == "cuda" and target.is_contiguous() and not _is_lazy(target):
        staging_for(target.device).send(_flat_octets(source.contiguous()), _octets(target.detach()))
        return
    carrier = CARRIERS.get(target.dtype)
    if carrier is not None and not _is_lazy(target):
        # not every dtype can be copied as itself
        target, source = target.detach().view(carrier[0]), source.view(carrier[0])
    target.copy_(source)


def holds_memory(tensor: Any) -> bool:
    """Whether the storage is as large as the tensor says: sharding frees it in between."""
    if tensor.numel() == 0:
        return True
    count = tensor.numel() if tensor.is_contiguous() else _span(tensor)
    return bool(tensor.untyped_storage().nbytes() >= (tensor.storage_offset() + count) * tensor.itemsize)


def _span(tensor: Any) -> int:
    """How many elements from the first to the last in memory."""
    return 1 + int(sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride())))


def _is_lazy(tensor: Any) -> bool:
    return bool(tensor.is_conj() or tensor.is_neg())


def _resolved(tensor: Any) -> Any:
    return tensor.detach().resolve_conj().resolve_neg() if _is_lazy(tensor) else tensor.detach()


@cache
def _numpy_dtype(dtype: Any) -> np.dtype[Any]:
    carrier = CARRIERS.get(dtype)
    if carrier is not None:
        carried: np.dtype[Any] = np.dtype(carrier[1])
        return carried
    found: np.dtype[Any] = torch.empty(0, dtype=dtype, device="cpu").numpy().dtype
    return found


def _octets(tensor: Any) -> Any:
    """A contiguous tensor as a flat one of bytes that shares its memory."""
    return tensor.view(-1).view(torch.uint8)


def _flat_octets(tensor: Any) -> Array:
    found: Array = _octets(tensor).numpy()
    return found
