"""PyTorch objects that cannot go back, kept as they are: walked, one half of them would be restored."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import dataloader

from snapshot.adapters.reference import Reference

_REASONS: tuple[tuple[type, Reference], ...] = (
    (dataloader._BaseDataLoaderIter, Reference("a DataLoader's iterator, which cannot go back: make a new one")),
    (torch.jit.ScriptModule, Reference("a TorchScript module, whose parameters lie in C++")),
    (torch.jit.ScriptFunction, Reference("a TorchScript function, compiled code")),
)


def handler_for(obj: Any) -> Any:
    """A reference with its reason; None for everything else."""
    return next((reference for cls, reference in _REASONS if issubclass(type(obj), cls)), None)
