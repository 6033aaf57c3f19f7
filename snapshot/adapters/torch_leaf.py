"""What all tensors have beside their contents: class, device, gradient, hooks, attributes of the user's.

User code runs for none of it: an overridden ``__torch_function__`` is stepped past.
"""

from __future__ import annotations

import sys
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import cache
from typing import Any

import torch

from snapshot.adapters.containers import State
from snapshot.adapters.protocol import Form
from snapshot.adapters.subclasses import find_class, name_class
from snapshot.errors import SnapshotWarning
from snapshot.model import Role

_CLASSES = {"Tensor": torch.Tensor, "Parameter": torch.nn.Parameter}
_PLAIN = {cls: name for name, cls in _CLASSES.items()}
_NOTHING = nullcontext()
_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")

Meta = tuple[tuple[str, Any], ...]


class TensorAttributesKind:
    """The state beside a tensor's contents, put back together with what was added since taken away.

    State: number of attributes, names, values. ``inner`` attributes are contents.
    """

    name = "attributes"
    fixed = False
    hashes = False
    lead = 1

    def __init__(self, *inner: str) -> None:
        self._inner = frozenset(inner)

    def take(self, obj: Any) -> State:
        found = [(name, value) for name, value in attributes_of(obj) if name not in self._inner]
        return (len(found), *(name for name, _ in found), *(value for _, value in found))

    def put(self, obj: Any, state: State) -> None:
        names, values = state[1 : 1 + state[0]], state[1 + state[0] :]
        present = dict(attributes_of(obj))
        for name in vars(obj).keys() - set(names) - self._inner:
            del vars(obj)[name]
        for name, value in zip(names, values):
            if name not in present or present[name] is not value:
                set_attribute(obj, name, value)

    def build(self, cls: type, state: State) -> Any:
        raise TypeError("attributes are not an object")

    def edges(self, state: State) -> Iterator[tuple[str, Any]]:
        return ((f".{name}", value) for name, value in zip(state[1 : 1 + state[0]], state[1 + state[0] :]))


class TensorLeaf:
    """The half that all adapters of tensors share."""

    immutable = False
    beside = TensorAttributesKind()

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        return attributes_of(obj)

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        set_attribute(obj, name, value)


def attributes_of(obj: Any) -> tuple[tuple[str, Any], ...]:
    """Gradient, hooks and the instance dict; of a result, which graph it is a result of."""
    with past_overrides(obj):
        own = vars(obj).items()
        if not obj.is_leaf:
            return (("graph", graph_of(obj)), *own)
        return (
            ("requires_grad", obj.requires_grad),
            ("grad", obj.grad),
            # a dict of no hooks and none are the same to autograd
            ("_backward_hooks", obj._backward_hooks or None),
            ("_post_accumulate_grad_hooks", obj._post_accumulate_grad_hooks or None),
            ("graph", None),
            *own,
        )


def set_attribute(obj: Any, name: str, value: Any) -> None:
    """Put one of :func:`attributes_of` back, as far as the tensor takes it."""
    with past_overrides(obj):
        if name == "graph":
            if not obj.is_leaf and graph_of(obj) != value:
                # its contents are no longer that graph's result: a gradient through it would be wrong
                obj.detach_()
        elif name == "requires_grad":
            if not obj.is_leaf:
                obj.detach_()
            obj.requires_grad_(value)
        elif name in _HOOKS:
            if obj.is_leaf:
                # None does not take the hooks of accumulated gradients away
                setattr(obj, name, OrderedDict() if value is None else value)
        elif name == "grad":
            if obj.is_leaf:
                obj.grad = value
        else:
            vars(obj)[name] = value


def past_overrides(obj: Any) -> AbstractContextManager[Any]:
    """A context in which a class's own ``__torch_function__`` is not asked."""
    return _NOTHING if type(obj) in _PLAIN else torch._C.DisableTorchFunctionSubclass()


def graph_of(obj: Any) -> str | None:
    """Which node of a recorded graph made this; the node itself would keep all its activations."""
    node = obj.grad_fn
    return None if node is None else sys.intern(f"{node.name()} {node._sequence_nr()}")


def meta_of(obj: Any) -> Meta:
    """What every tensor needs to be made again, beside its contents."""
    meta = _plain_meta(obj.dtype, obj.device, _PLAIN.get(type(obj)) or name_class(type(obj)))
    if obj.is_leaf:
        if obj.requires_grad:
            # an attribute too; here for what is made anew inside a pickle
            meta += (("requires_grad", True),)
    elif obj._is_view():
        meta += (("graph", graph_of(obj)),)
    if obj.is_inference():
        meta += (("inference", True),)
    return meta


@cache
def _plain_meta(dtype: Any, device: Any, cls: str) -> Meta:
    return (("dtype", str(dtype)), ("device", str(device)), ("class", cls))


def role_of(obj: Any) -> Role:
    """A parameter by its class, or by the mark that ``Parameter`` leaves on other classes."""
    if type(obj) is torch.Tensor:
        return Role.VALUE  # most are
    return Role.PARAMETER if isinstance(obj, torch.nn.Parameter) else Role.VALUE


def misfit_of(obj: Any, form: Form) -> str | None:
    """Why contents of that dtype, device and graph cannot go into ``obj``; shapes are the adapter's."""
    wanted = dict(form.meta)
    if str(obj.dtype) != wanted["dtype"]:
        return f"has dtype {obj.dtype}, stored was {wanted['dtype']}"
    if str(obj.device) != wanted["device"] and is_here(wanted["device"]):
        return f"is on {obj.device}, stored was on {wanted['device']}"
    if not obj.is_leaf and obj._is_view() and graph_of(obj) != wanted.get("graph"):
        return "is a view that became part of a graph recorded since"
    return None


def shapes_misfit(obj: Any, shape: tuple[int, ...]) -> str | None:
    """The sentence about a shape that differs."""
    return None if tuple(obj.shape) == shape else f"has shape {tuple(obj.shape)}, stored was {shape}"


def is_here(device: str) -> bool:
    """Whether this process has that device: one with a GPU may have stored what one without restores."""
    kind, _, index = device.partition(":")
    if kind in ("cpu", "meta"):
        return True
    backend = getattr(torch, kind, None)
    if kind == "mps":
        return bool(torch.backends.mps.is_available())
    return backend is not None and backend.is_available() and int(index or 0) < backend.device_count()


def home_of(meta: Meta) -> str:
    """The device for a tensor made anew: its own, or the CPU with a warning."""
    wanted = str(dict(meta)["device"])
    if is_here(wanted):
        return wanted
    warnings.warn(f"there is no {wanted} here, so a tensor was made on the CPU", SnapshotWarning, stacklevel=2)
    return "cpu"


def as_stored(made: Any, meta: Meta) -> Any:
    """A new plain tensor with the class and ``requires_grad`` of the stored one."""
    wanted = dict(meta)
    cls = _CLASSES.get(wanted["class"]) or find_class(wanted["class"], torch.Tensor)
    if wanted.get("pinned") and torch.cuda.is_available():
        made = made.pin_memory()
    if cls is torch.nn.Parameter:
        made = torch.nn.Parameter(made, requires_grad=False)
    elif type(made) is not cls:
        made = made.as_subclass(cls)
    return made.requires_grad_() if wanted.get("requires_grad") else made


def writing(obj: Any) -> ExitStack:
    """Everything that a write to ``obj`` must happen under."""
    stack = ExitStack()
    # neither what a class overrides nor a default device of the user's
    stack.enter_context(torch._C.DisableTorchFunction())
    # normal tensors written inside inference mode would not count the change
    stack.enter_context(torch.inference_mode(obj.is_inference()))
    stack.enter_context(torch.no_grad())
    return stack


def count_change(obj: Any) -> None:
    """Let graphs that saved ``obj`` know that its contents are others now."""
    if not obj.is_inference():  # these count nothing, and no graph saves them
        torch.autograd.graph.increment_version(obj)


def building(meta: Meta) -> ExitStack:
    """Everything that a new tensor must be made under."""
    stack = ExitStack()
    stack.enter_context(torch._C.DisableTorchFunction())
    stack.enter_context(torch.inference_mode(dict(meta).get("inference", False)))
    stack.enter_context(torch.no_grad())
    return stack
