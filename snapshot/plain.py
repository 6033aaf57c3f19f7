"""Plain values as JSON and back: what a snapshot on disk can hold without pickle.

``None``, booleans, text, integers and finite floats are themselves; everything else
is an object with one key, its tag. Unknown tags are refused, so a repository of a
later version cannot be misread.
"""

from __future__ import annotations

import base64
import datetime
import math
import pathlib
import sys
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any
from uuid import UUID

import numpy as np

from snapshot.adapters.objects import ABSENT, Absent
from snapshot.model import format_dtype, parse_dtype

NOT_PLAIN = object()

_BY_TYPE: dict[type, Callable[[Any], Any]] = {
    type(None): lambda value: value,
    bool: lambda value: value,
    str: lambda value: value,
    int: lambda value: value,
    float: lambda value: value if math.isfinite(value) else {"float": repr(value)},
    complex: lambda value: {"complex": [repr(value.real), repr(value.imag)]},
    bytes: lambda value: {"bytes": base64.b64encode(value).decode()},
    type(...): lambda value: {"ellipsis": 1},
    range: lambda value: {"range": [value.start, value.stop, value.step]},
    datetime.date: lambda value: {"date": value.isoformat()},
    datetime.time: lambda value: {"time": value.isoformat()} if value.tzinfo is None else NOT_PLAIN,
    datetime.timedelta: lambda value: {"timedelta": [value.days, value.seconds, value.microseconds]},
    datetime.datetime: lambda value: _datetime(value),
    Decimal: lambda value: {"decimal": str(value)},
    Fraction: lambda value: {"fraction": [value.numerator, value.denominator]},
    UUID: lambda value: {"uuid": value.hex},
    ModuleType: lambda value: {"module": value.__name__},
    Absent: lambda value: {"absent": 1},
}

_BY_TAG: dict[str, Callable[[Any], Any]] = {
    "float": float,
    "complex": lambda found: complex(float(found[0]), float(found[1])),
    "bytes": base64.b64decode,
    "ellipsis": lambda found: ...,
    "range": lambda found: range(*found),
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": lambda found: datetime.timedelta(*found),
    "datetime": datetime.datetime.fromisoformat,
    "decimal": Decimal,
    "fraction": lambda found: Fraction(*found),
    "uuid": lambda found: UUID(hex=found),
    "scalar": lambda found: np.frombuffer(base64.b64decode(found[1]), parse_dtype(found[0]))[0],
    "dtype": lambda found: parse_dtype(found),
    "path": lambda found: getattr(pathlib, found[0])(found[1]),
    "code": lambda found: locate(found),
    "module": lambda found: sys.modules.get(found, NOT_PLAIN),
    "member": lambda found: _member(*found),
    "absent": lambda found: ABSENT,
}


def encode(value: Any) -> Any:
    """JSON for a plain value; :data:`NOT_PLAIN` for anything else. Calls no user code."""
    by_type = _BY_TYPE.get(type(value))
    if by_type is not None:
        return by_type(value)
    if issubclass(type(value), type | FunctionType | BuiltinFunctionType):
        return _code(value)
    if issubclass(type(value), np.ufunc | type(np.sum)):
        name: str = value.__name__
        return {"code": f"numpy:{name}"} if getattr(np, name, None) is value else NOT_PLAIN
    if issubclass(type(value), np.generic) and not issubclass(type(value), np.void | np.object_):
        return {"scalar": [value.dtype.str, base64.b64encode(value.tobytes()).decode()]}
    if issubclass(type(value), np.dtype):
        return {"dtype": format_dtype(value)}
    if issubclass(type(value), Enum):
        return {"member": [name_of(type(value)), value.name]} if value.name else NOT_PLAIN
    if issubclass(type(value), pathlib.PurePath) and type(value).__module__ == "pathlib":
        return {"path": [type(value).__name__, str(value)]}
    return NOT_PLAIN


def decode(found: Any) -> Any:
    """The value; :data:`NOT_PLAIN` when it names code that this process has not loaded."""
    if not isinstance(found, dict):
        return found
    ((tag, content),) = found.items()
    return _BY_TAG[tag](content) if tag in _BY_TAG else NOT_PLAIN


def name_of(cls: Any) -> str:
    """``module:qualified name``, by which :func:`locate` finds it again."""
    return f"{cls.__module__}:{cls.__qualname__}"


def locate(name: str) -> Any:
    """Code by name, in modules that are loaded; nothing is imported."""
    module, _, qualified = name.partition(":")
    found: Any = sys.modules.get(module, NOT_PLAIN)
    for part in qualified.split("."):
        if found is NOT_PLAIN:
            return found
        found = vars(found).get(part, NOT_PLAIN) if isinstance(found, type | ModuleType) else NOT_PLAIN
    return found


def _datetime(value: datetime.datetime) -> Any:
    # a named zone's rules are not in its ISO text
    fixed = value.tzinfo is None or type(value.tzinfo) is datetime.timezone
    return {"datetime": value.isoformat()} if fixed and not value.fold else NOT_PLAIN


def _code(value: Any) -> Any:
    try:
        name = name_of(value)
    except AttributeError:
        return NOT_PLAIN
    return {"code": name}


def _member(cls_name: str, name: str) -> Any:
    cls = locate(cls_name)
    return cls.__members__.get(name, NOT_PLAIN) if isinstance(cls, type) and issubclass(cls, Enum) else NOT_PLAIN
