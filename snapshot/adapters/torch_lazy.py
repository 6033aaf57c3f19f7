"""PyTorch: how a module tells that it has parameters, for values that wait.

Documented doors only: a forward pre-hook on a lazy module (it runs after the module's
own, which makes the parameters), the global hooks on registration for as long as
anything waits, and a step pre-hook on an optimizer, whose state is made at its first step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from threading import RLock
from typing import Any
from weakref import ref

import torch
from torch.nn.modules import module as registration
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedTensorMixin, is_lazy  # type: ignore[attr-defined]

from snapshot.adapters.builders import Builder, Tell

_MEMBER = re.compile(r"\._(parameters|buffers|modules)\[.*\]$", re.DOTALL)


class Once:
    """A hook of one object that tells once. In a copy or a pickle of the object it does nothing."""

    def __init__(self, tell: Tell | None = None) -> None:
        self.tell = tell
        self.running = False

    def __call__(self, *_: Any) -> None:
        tell, self.tell = self.tell, None
        if tell is None:
            return
        self.running = True
        try:
            tell()
        finally:
            self.running = False

    def __reduce__(self) -> tuple[type[Once], tuple[()]]:
        return (Once, ())


def _let_go(handle: Any, hooks: dict[int, Any], running: bool) -> bool:
    """Remove a hook. While torch runs its hooks only the last may leave their dict; a spent one may as well stay."""
    if running and next(reversed(hooks), None) != handle.id:
        return False
    handle.remove()
    return True


class _Registrations:
    """Modules that wait for a parameter, buffer or module, and torch's global hooks while there are any."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._running = 0
        self._waiting: dict[int, list[tuple[ref[Any], Tell]]] = {}
        self._handles: dict[str, Any] = {}

    def watch(self, module: Any, tell: Tell) -> Callable[[], None]:
        key, entry = id(module), (ref(module), tell)
        with self._lock:
            self._waiting.setdefault(key, []).append(entry)
            self._install()

        def end() -> None:
            with self._lock:
                left = [each for each in self._waiting.pop(key, []) if each is not entry]
                if left:
                    self._waiting[key] = left
                if not self._waiting:
                    self._uninstall()

        return end

    def _install(self) -> None:
        for what in {"parameter", "buffer", "module"} - self._handles.keys():
            register = getattr(registration, f"register_module_{what}_registration_hook")
            self._handles[what] = register(self._hook(f"_{what}s"))

    def _uninstall(self) -> None:
        for what in list(self._handles):
            hooks = getattr(registration, f"_global_{what}_registration_hooks")
            if _let_go(self._handles[what], hooks, self._running > 0):
                del self._handles[what]

    def _hook(self, holder: str) -> Callable[[Any, str, Any], None]:
        def registered(module: Any, name: str, child: Any) -> None:
            for live, tell in tuple(self._waiting.get(id(module), ())):
                if live() is module and child is not None:
                    self._running += 1
                    try:
                        tell(f".{holder}[{name!r}]", child)
                    finally:
                        self._running -= 1

        return registered


_registrations = _Registrations()


class ModuleBuilder:
    """Modules, and what stands for their parameters before the first batch."""

    def unbuilt(self, obj: Any) -> bool:
        if issubclass(type(obj), UninitializedTensorMixin):
            return True
        return issubclass(type(obj), LazyModuleMixin) and any(
            is_lazy(each) for each in (*obj._parameters.values(), *obj._buffers.values())
        )

    def prepare(self, obj: Any) -> None:
        """Nothing: a module is complete from the start."""

    def makes(self, place: str) -> bool:
        return _MEMBER.match(place) is not None

    def private(self, place: str) -> bool:
        return False

    def watch(self, obj: Any, places: Collection[str], tell: Tell) -> Callable[[], None]:
        if not issubclass(type(obj), torch.nn.Module):
            return lambda: None  # a parameter is made by its module, which is watched
        end = _registrations.watch(obj, tell)
        if not self.unbuilt(obj):
            return end
        # the module's own hook was registered when it was made, so it runs before this one
        handle = obj.register_forward_pre_hook(Once(tell))

        def both() -> None:
            end()
            handle.remove()

        return both


class OptimizerBuilder:
    """Optimizers: what they keep for a parameter is made at the first step."""

    def unbuilt(self, obj: Any) -> bool:
        return False

    def prepare(self, obj: Any) -> None:
        """Nothing: a module is complete from the start."""

    def makes(self, place: str) -> bool:
        return place.startswith(".state[")

    def private(self, place: str) -> bool:
        return False

    def watch(self, obj: Any, places: Collection[str], tell: Tell) -> Callable[[], None]:
        hook = Once(tell)
        handle = obj.register_step_pre_hook(hook)
        hooks = obj._optimizer_step_pre_hooks

        def end() -> None:
            _let_go(handle, hooks, hook.running)

        return end


MODULE = ModuleBuilder()
OPTIMIZER = OptimizerBuilder()


def builder_for(cls: type) -> Builder | None:
    """Modules and optimizers of PyTorch itself; a Keras layer is Keras's on this backend too."""
    if any(base.__module__.split(".")[0] == "keras" for base in cls.__mro__):
        return None
    if issubclass(cls, torch.nn.Module | UninitializedTensorMixin):
        return MODULE
    return OPTIMIZER if issubclass(cls, torch.optim.Optimizer) else None
