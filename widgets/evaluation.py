"""A tree of Python's parser -> an array, by tables of what is allowed. Nothing else is evaluated.

Arithmetic, ``@``, comparisons, ``& | ^ ~``, ``.T``, indices, and :data:`FUNCTIONS`. There are no
names but those of stored values, no attributes but ``.T``, no calls of anything stored.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Set
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Read = Callable[[str], Any]

#: A result of more bytes than this is refused before it is computed.
MOST_BYTES = 1 << 30
CONSTANTS = {"pi": math.pi, "inf": math.inf, "nan": math.nan}
_WRONG = (ValueError, TypeError, IndexError, ArithmeticError, np.linalg.LinAlgError, MemoryError)


class Refused(Exception):
    """What is wrong with ``node``."""

    def __init__(self, node: ast.expr, message: str) -> None:
        super().__init__(message)
        self.node = node


def _norm(value: Array, axis: Any = None) -> Any:
    return np.sqrt(np.sum(np.abs(value).astype(np.float64) ** 2, axis=axis))


_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide, ast.Mod: np.mod, ast.Pow: np.power, ast.MatMult: np.matmul,
    ast.BitAnd: np.bitwise_and, ast.BitOr: np.bitwise_or, ast.BitXor: np.bitwise_xor,
    ast.USub: np.negative, ast.UAdd: np.positive, ast.Invert: np.invert,
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
    ast.Eq: np.equal, ast.NotEq: np.not_equal,
}  # fmt: skip
#: These take one value and, if wanted, ``axis``.
_REDUCTIONS: Mapping[str, Callable[..., Any]] = {
    "norm": _norm, "mean": np.mean, "sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "std": np.std,
    "var": np.var, "median": np.median, "any": np.any, "all": np.all, "argmax": np.argmax, "argmin": np.argmin,
    "count_nonzero": np.count_nonzero, "cumsum": np.cumsum, "sort": np.sort, "diff": np.diff,
}  # fmt: skip
_PLAIN: Mapping[str, tuple[Callable[..., Any], int]] = {
    **{name: (getattr(np, name), 1) for name in (
        "abs", "sqrt", "exp", "expm1", "log", "log2", "log10", "log1p", "sign", "sin", "cos", "tan", "tanh", "round",
        "floor", "ceil", "isnan", "isfinite", "real", "imag", "angle", "ravel", "trace", "diag",
    )},
    **{name: (getattr(np, name), 2) for name in ("maximum", "minimum", "dot", "outer", "percentile", "quantile")},
    "svd": (lambda value: np.linalg.svd(value, compute_uv=False), 1),
    "det": (np.linalg.det, 1), "clip": (np.clip, 3), "where": (np.where, 3),
}  # fmt: skip
FUNCTIONS = frozenset((*_REDUCTIONS, *_PLAIN))
_PRODUCTS = frozenset({"outer", "dot"})
_ALLOWED = "arithmetic, @, comparisons, & | ~, .T, indices and functions such as norm, mean or abs are allowed"


def check(tree: ast.expr, names: Set[str]) -> None:
    """Refuse whatever is not in the tables, before anything is read."""
    match tree:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            inner = [left, right]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            inner = [operand]
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _OPERATORS for op in ops):
            inner = [left, *others]
        case ast.Attribute(value=value, attr="T"):
            inner = [value]
        case ast.Subscript(value=value, slice=index):
            inner = [value]
            _check_index(index, names)
        case ast.Call():
            inner = tree.args
            _check_call(tree)
        case ast.Name(id=name) if name in names or name in CONSTANTS:
            inner = []
        case ast.Constant(value=bool() | int() | float() | complex()):
            inner = []
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
            raise Refused(tree, "write & for and, | for or, ~ for not")
        case ast.Attribute(attr=name):
            raise Refused(tree, f".{name}: of all attributes only .T is allowed")
        case _:
            raise Refused(tree, f"only {_ALLOWED}")
    for one in inner:
        check(one, names)


def _check_call(call: ast.Call) -> None:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name not in FUNCTIONS:
        raise Refused(call, f"only these can be called: {', '.join(sorted(FUNCTIONS))}")
    wanted = 1 if name in _REDUCTIONS else _PLAIN[name][1]
    if len(call.args) != wanted:
        hint = ", and axis=N if wanted" if name in _REDUCTIONS else ""
        raise Refused(call, f"{name} takes {wanted} value{'s' * (wanted > 1)}{hint}; found {len(call.args)}")
    for keyword in call.keywords:
        if keyword.arg != "axis" or name not in _REDUCTIONS or not isinstance(_literal(keyword.value), int | tuple):
            raise Refused(call, "of all named arguments only axis=N of a reduction is allowed")


def _check_index(index: ast.expr, names: Set[str]) -> None:
    for one in index.elts if isinstance(index, ast.Tuple) else [index]:
        if isinstance(one, ast.Slice):
            if any(part and not isinstance(_literal(part), int) for part in (one.lower, one.upper, one.step)):
                raise Refused(index, "a slice is written with whole numbers")
        elif not (isinstance(one, ast.Constant) and one.value is Ellipsis):
            check(one, names)


def _literal(node: ast.expr) -> Any:
    """The number written there, or a tuple of numbers; None if it is neither."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return None


def evaluate(tree: ast.expr, read: Read) -> Array:
    """The value of a tree that :func:`check` has passed; ``read`` gives the value of a name.

    Raises :class:`Refused` at the part that cannot be computed. Warnings of NumPy are silenced:
    what is not finite is seen in the picture.
    """
    with np.errstate(all="ignore"):
        return np.asarray(_value(tree, read))


def _value(node: ast.expr, read: Read) -> Any:
    match node:
        case ast.Name(id=name):
            return CONSTANTS[name] if name in CONSTANTS else _plain(read(name))
        case ast.Constant(value=value):
            return value if not isinstance(value, int) or abs(value) < 1 << 53 else float(value)
        case ast.BinOp(left=left, op=op, right=right):
            return _apply(node, op, _value(left, read), _value(right, read))
        case ast.UnaryOp(op=op, operand=operand):
            return _apply(node, op, _value(operand, read))
        case ast.Compare(left=left, ops=ops, comparators=others):
            values = [_value(one, read) for one in (left, *others)]
            found = [_apply(node, op, *pair) for op, pair in zip(ops, pairwise(values), strict=True)]
            return np.logical_and.reduce(found) if len(found) > 1 else found[0]
        case ast.Attribute(value=value):
            return np.transpose(_value(value, read))
        case ast.Subscript(value=value, slice=index):
            return _try(node, np.asarray(_value(value, read)).__getitem__, _index(index, read))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            values = [_value(one, read) for one in arguments]
            if name in _PRODUCTS:
                _refuse_large(node, math.prod(np.size(one) for one in values) if name == "outer" else 0)
            named = {str(keyword.arg): _literal(keyword.value) for keyword in keywords}
            function = _REDUCTIONS[name] if name in _REDUCTIONS else _PLAIN[name][0]
            return _try(node, function, *values, **named)
    raise Refused(node, f"only {_ALLOWED}")  # check has refused it before


def _apply(node: ast.expr, operator: ast.AST, *values: Any) -> Any:
    function = _OPERATORS[type(operator)]
    if len(values) == 2:
        shapes = [np.shape(one) for one in values]
        if isinstance(operator, ast.MatMult):
            size = math.prod(shapes[0][:-1]) * (shapes[1][-1] if len(shapes[1]) > 1 else 1)
        else:
            size = math.prod(_try(node, np.broadcast_shapes, *shapes, words=_shapes(shapes)))
        _refuse_large(node, size)
        if isinstance(operator, ast.Pow) and all(np.asarray(one).dtype.kind in "biu" for one in values):
            values = float(values[0]) if np.ndim(values[0]) == 0 else values[0].astype(float), values[1]
        return _try(node, function, *values, words=_shapes(shapes) if isinstance(operator, ast.MatMult) else "")
    return _try(node, function, *values)


def _shapes(shapes: list[Any]) -> str:
    return "shapes " + " and ".join(str(tuple(shape)) for shape in shapes) + " do not fit each other"


def _try(node: ast.expr, function: Callable[..., Any], *values: Any, words: str = "", **named: Any) -> Any:
    try:
        return function(*values, **named)
    except _WRONG as error:
        raise Refused(node, words or str(error) or type(error).__name__) from None


def _refuse_large(node: ast.expr, size: int) -> None:
    if size * 8 > MOST_BYTES:
        raise Refused(node, f"the result would have {size:,} elements; at most {MOST_BYTES // 8:,} are computed")


def _index(node: ast.expr, read: Read) -> Any:
    if isinstance(node, ast.Tuple):
        return tuple(_index(one, read) for one in node.elts)
    if isinstance(node, ast.Slice):
        return slice(*(part and _literal(part) for part in (node.lower, node.upper, node.step)))
    return _value(node, read)  # Ellipsis is a constant too


def _plain(value: Any) -> Array:
    """Numbers that NumPy computes with: half precision as float32, unsigned integers as signed ones."""
    array = np.asarray(value)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "V" or (kind == "f" and size < 4):
        return array.astype(np.float32)
    if kind == "u" or (kind == "i" and size < 8):
        return array.astype(np.float64 if kind == "u" and size == 8 else np.int64)
    return array
