"""The class that ``register_parametrization`` makes for one module, with a property for each parametrized tensor.

``remove_parametrizations`` takes the property out of the class again, so that the class
is state of its module: put back without it, the module would have no such tensor at all.
"""

from __future__ import annotations

from typing import Any

from torch.nn.utils import parametrize

from snapshot.adapters.code import ClassKind


class ParametrizedClassKind(ClassKind):
    """State: as a class of the user's; what is in it is no code of theirs, which might be kept."""

    name = "torch.parametrized class"


PARAMETRIZED = ParametrizedClassKind()


def class_handler(cls: Any) -> ParametrizedClassKind | None:
    """The kind of a class that PyTorch made at run time; None for any other."""
    name = type.__getattribute__(cls, "__name__")
    made_here = type.__getattribute__(cls, "__module__") == parametrize.__name__
    return PARAMETRIZED if made_here and not hasattr(parametrize, name) else None
