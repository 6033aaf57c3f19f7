"""What a rollback may touch: the user's objects, and nothing of the machinery around them.

Three rules, in this order of cost: some types are by reference with everything
behind them (threads, loggers, figures); code of libraries is by reference; and an
object that a library module holds as a global is the library's.
"""

from __future__ import annotations

import sys
import sysconfig
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from snapshot.adapters.reference import BENIGN, Reference

_RUNNING = "belongs to the running process (a thread, lock, queue or pool)"
_PLUMBING = "part of the notebook's own machinery"
_FIGURE = "a figure or part of one"

#: Top-level module of a type -> why its instances are by reference.
_BY_MODULE: dict[str, Reference] = {
    **dict.fromkeys(("_thread", "_queue", "threading", "queue", "asyncio", "concurrent"), Reference(_RUNNING)),
    **dict.fromkeys(("multiprocessing", "subprocess", "signal", "select", "selectors"), Reference(_RUNNING)),
    **dict.fromkeys(("_asyncio", "_contextvars", "contextvars", "sched", "socketserver"), Reference(_RUNNING)),
    **dict.fromkeys(("logging",), Reference("a logger or handler, shared by the whole process")),
    **dict.fromkeys(("weakref", "_weakref", "_weakrefset"), Reference("holds its members weakly")),
    **dict.fromkeys(("io", "_io", "tempfile", "zipfile", "tarfile", "mmap"), Reference("an open file or stream")),
    **dict.fromkeys(("socket", "_socket", "ssl", "_ssl", "http", "urllib3", "requests"), Reference("a connection")),
    **dict.fromkeys(("sqlite3", "_sqlite3", "zmq", "sqlalchemy", "h5py"), Reference("a connection or open file")),
    **dict.fromkeys(("IPython", "ipykernel", "jupyter_client", "comm", "tornado"), Reference(_PLUMBING)),
    **dict.fromkeys(("traitlets", "prompt_toolkit"), Reference(_PLUMBING)),
    **dict.fromkeys(("matplotlib", "mpl_toolkits"), Reference(_FIGURE)),
    **dict.fromkeys(("typing", "types", "importlib", "abc", "_abc", "re"), BENIGN),
    **dict.fromkeys(("ctypes", "_ctypes"), Reference("a ctypes object, whose memory belongs to a C library")),
    # immutable: keeping the object keeps the value
    **dict.fromkeys(("pathlib", "enum", "datetime", "zoneinfo", "uuid", "fractions", "ipaddress"), BENIGN),
    **dict.fromkeys(("polars", "pyarrow"), BENIGN),
}
# user classes may derive from these without becoming part of the machinery
_BASES_THAT_DO_NOT_TELL = {"typing", "types", "abc", "_abc", "enum", "pathlib", "datetime", "uuid", "fractions", "re"}


_MODULE = type.__dict__["__module__"]


def module_of(cls: type) -> str:
    """The module of a class, past any metaclass; empty when it has none."""
    try:
        found = _MODULE.__get__(cls)
    except AttributeError:
        return ""
    return found if isinstance(found, str) else ""


def reference_by_type(cls: type) -> Reference | None:
    """The reason an instance of ``cls`` is by reference because of what it is; else None."""
    module = module_of(cls)
    if module.split(".")[0] == "snapshot" and module in sys.modules:
        return BENIGN
    own = _BY_MODULE.get(module.split(".")[0])
    if own is not None and cls is not SimpleNamespace:
        return own
    for base in type.__getattribute__(cls, "__mro__")[1:-1]:
        top = module_of(base).split(".")[0]
        if top in _BY_MODULE and top not in _BASES_THAT_DO_NOT_TELL and base is not SimpleNamespace:
            return _BY_MODULE[top]
    if issubclass(cls, BaseException):
        return Reference("an exception, with the frames it was raised in")
    return None


@cache
def _library_folders() -> tuple[str, ...]:
    found = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found |= {entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")}
    # below a virtual environment everything is a library, but a notebook may lie beside it
    return tuple(sorted(f"{Path(folder).resolve()}/" for folder in found if folder))


@cache
def is_library(module_name: str) -> bool:
    """Whether a module belongs to the standard library or to an installed package."""
    top = module_name.split(".")[0]
    if module_name == "__main__" or top == "__mp_main__":
        return False
    if top in sys.stdlib_module_names or top == "snapshot":
        return True
    module = sys.modules.get(module_name)
    if module is None:
        # made by exec, or unloaded: nobody can say, so it is the user's
        return False
    file = getattr(module, "__file__", None)
    if file is None:
        spec = getattr(module, "__spec__", None)
        places = list(getattr(spec, "submodule_search_locations", None) or [])
        if not places:
            return spec is not None and getattr(spec, "origin", None) in ("built-in", "frozen")
        file = f"{places[0]}/"
    return str(Path(file).resolve()).startswith(_library_folders())


def is_ours(obj: Any) -> bool:
    """Whether ``obj`` is part of this package: not captured, not removed, not listed."""
    # by type: isinstance would ask the object's own __class__
    if issubclass(type(obj), ModuleType):
        name: str = obj.__name__
        return name == "snapshot" or name.startswith("snapshot.")
    return is_our_type(type(obj))


def is_our_type(cls: type) -> bool:
    """Whether a class is defined by this package."""
    module = module_of(cls)
    return isinstance(module, str) and (module == "snapshot" or module.startswith("snapshot."))


def is_users_module(obj: Any) -> bool:
    """Whether an object is a module that the user wrote."""
    if not issubclass(type(obj), ModuleType):
        return False
    name = vars(obj).get("__name__")
    return type(name) is str and not is_library(name) and not is_ours(obj)


class LibraryGlobals:
    """Which objects library modules hold as globals, by id.

    Built once (tens of milliseconds) and extended when modules appear. An id may be
    taken by another object later, so a hit is checked against the module again.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._holders: dict[int, tuple[str, str]] = {}
        self.namespaces: set[int] = set()  #: ids of modules' own dicts, which no name owns
        self.ids = self._holders.keys()  #: ids that may be a library's; :meth:`holder` tells

    def refresh(self) -> None:
        """Look at modules imported since the last call."""
        for name in [name for name in list(sys.modules) if name not in self._seen]:  # other threads import
            self._seen.add(name)
            module = sys.modules.get(name)
            if module is None or not issubclass(type(module), ModuleType):
                continue
            self.namespaces.add(id(vars(module)))
            if is_library(name):
                self._scan(name, module)

    def _scan(self, name: str, module: ModuleType) -> None:
        # vars, not dir: a lazy module must not be made to load
        for attribute, value in list(vars(module).items()):
            if type(value) not in _NEVER_SHARED and not attribute.startswith("__"):
                self._holders.setdefault(id(value), (name, attribute))

    def holder(self, obj: Any) -> str | None:
        """``"module.name"`` when a library module holds ``obj`` now; else None."""
        found = self._holders.get(id(obj))
        if found is None:
            return None
        name, attribute = found
        module = sys.modules.get(name)
        if module is None or vars(module).get(attribute) is not obj:
            del self._holders[id(obj)]
            return None
        return f"{name}.{attribute}"


_NEVER_SHARED = frozenset(
    (int, float, str, bytes, bool, complex, type(None), tuple, frozenset, type, ModuleType, type(is_ours))
)
