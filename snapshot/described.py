"""How described contents look to a user: their dtype, and one digest for all of them. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from xxhash import xxh3_128_digest

from snapshot.model import Leaf, parse_dtype

Array = np.ndarray[Any, np.dtype[Any]]


def content_digest(leaf: Leaf, base: Leaf | None = None) -> bytes:
    """A hash that is equal for equal contents; ``base`` owns the memory of a view.

    A view's changes whenever its base does, so different digests of views prove nothing.
    """
    about = repr((leaf.dtype, leaf.shape, leaf.order))
    if leaf.view is not None and base is not None:
        about += repr((leaf.view.offset, leaf.view.strides))
    return xxh3_128_digest(about.encode() + b"".join((base or leaf).blocks))


def known_dtype(name: str, leaf: Leaf) -> np.dtype[Any] | str:
    """The dtype a user knows: NumPy's, or its ``name`` where NumPy itself has none (``bfloat16``)."""
    in_bytes = parse_dtype(leaf.dtype)
    try:
        dtype = parse_dtype(name)
    except (TypeError, ValueError, SyntaxError):
        return name
    if dtype.isbuiltin == 2:
        return name  # there only while the library that registered it is imported
    # "float32" does not say that the bytes are big-endian
    return in_bytes if dtype.kind == in_bytes.kind else dtype


def as_known(contents: Array, dtype: np.dtype[Any] | str) -> Array:
    """``contents`` as the dtype a user knows where it can be had, else as its bytes' dtype."""
    if isinstance(dtype, str):
        try:
            import ml_dtypes
        except ImportError:
            return contents
        dtype = np.dtype(getattr(ml_dtypes, dtype, contents.dtype))
    fits = dtype.itemsize == contents.dtype.itemsize and not dtype.hasobject
    return contents.view(dtype) if fits and dtype != contents.dtype else contents
