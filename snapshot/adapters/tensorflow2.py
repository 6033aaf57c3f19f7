"""TensorFlow 2: which of our adapters takes which object.

What belongs to a graph (sessions, symbolic tensors, graph variables) was taken by
``tensorflow1`` before; this module is asked for the rest. Keras has its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import tensorflow as tf
from tensorflow.python.distribute.values import DistributedVariable
from tensorflow.python.eager import context
from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
from tensorflow.python.ops import stateful_random_ops
from tensorflow.python.ops.data_flow_ops import QueueBase
from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable
from tensorflow.python.ops.summary_ops_v2 import SummaryWriter
from tensorflow.python.trackable.autotrackable import AutoTrackable
from tensorflow.python.trackable.data_structures import TrackableDataStructure, _DictWrapper, _TupleWrapper

from snapshot.adapters import tensorflow2_composites as composites
from snapshot.adapters import tensorflow2_iterators as iterators
from snapshot.adapters.protocol import Step
from snapshot.adapters.reference import BENIGN, Reference
from snapshot.adapters.tensorflow2_functions import FUNCTION
from snapshot.adapters.tensorflow2_leaves import GENERATOR, TENSOR, VARIABLE
from snapshot.adapters.tensorflow2_tables import MUTABLE, STATIC, STATIC_TABLE, TABLE, is_filled
from snapshot.adapters.tensorflow2_tracked import PROXY, REPLICAS, TRACKABLE
from snapshot.model import Role

LEAF_ADAPTERS = (VARIABLE, TENSOR, GENERATOR, iterators.ITERATOR)
#: Like functions: a newer one under the same name may be kept.
CODE_TYPES = (Function,)


class GlobalSeed:
    """Stands for what ``tf.random.set_seed`` seeds: kernels count their draws where nobody can reach them."""


GLOBAL_SEED = GlobalSeed()
_SEEDED = Reference(
    "the draws that tf.random.set_seed governs go on from where they are; use tf.random.Generator to repeat them"
)
_ARRAY = Reference("a TensorArray: its elements lie in TensorFlow's runtime")
_REASONS: tuple[tuple[Any, Reference], ...] = (
    (tf.GradientTape, Reference("a gradient tape: what it recorded lies in TensorFlow's runtime")),
    (QueueBase, Reference("a TensorFlow queue")),
    (tf.TensorArray, _ARRAY),
    (SummaryWriter, Reference("an open file or stream")),
    ((tf.distribute.Strategy, tf.TypeSpec, Enum), BENIGN),
)
#: Python objects with ordinary attributes.
_WALKED = (
    "tensorflow.python.training",
    "tensorflow.python.checkpoint",
    "tensorflow.python.distribute.sharded_variable",
    "tensorflow.python.distribute.values",
    "tensorflow.python.data.ops.dataset_ops.NumpyIterator",
)
#: Immutable, or code: nobody expects a rollback to touch them.
_BENIGN = tuple(
    f"tensorflow.{name}"
    for name in (
        "core", "python.autograph", "python.client", "python.data", "python.eager", "python.framework",
        "python.ops.init_ops", "python.ops.lookup_ops", "python.saved_model", "python.trackable", "python.types",
        "python.util", "python.distribute",
    )
)  # fmt: skip
_OURS: tuple[tuple[Any, Any], ...] = (
    (tf.random.Generator, GENERATOR),
    (Function, FUNCTION),
    (MUTABLE, TABLE),
    ((_DictWrapper, _TupleWrapper), PROXY),
    (DistributedVariable, REPLICAS),
)


def handler_for(obj: Any) -> Any:
    """How an object of TensorFlow 2 is captured; None for what is not TensorFlow's."""
    cls = type(obj)
    if cls is GlobalSeed:
        return _SEEDED
    tops = {base.__module__.split(".")[0] for base in cls.__mro__}
    if "tensorflow" not in tops or "keras" in tops:
        return None
    if issubclass(cls, tf.Tensor):
        return TENSOR if obj.dtype not in (tf.variant, tf.resource) else BENIGN
    if issubclass(cls, BaseResourceVariable):
        return VARIABLE
    if cls is STATIC:
        return STATIC_TABLE if is_filled(obj) else BENIGN
    for known, handler in _OURS:
        if issubclass(cls, known):
            return handler
    if issubclass(cls, tf.data.Iterator) and not issubclass(cls, tf.compat.v1.data.Iterator):
        return iterators.handler_for(obj)
    return composites.handler_for(obj) or _by_module(cls)


def _by_module(cls: type) -> Any:
    place = f"{cls.__module__}.{cls.__qualname__}"
    for known, reference in _REASONS:
        if issubclass(cls, known):
            return reference
    if issubclass(cls, AutoTrackable | TrackableDataStructure) or place.startswith(_WALKED):
        return TRACKABLE
    if not place.startswith("tensorflow."):
        return None
    if place == _UNUSED_YET:
        return _ARRAY
    return BENIGN if place.startswith(_BENIGN) else _UNKNOWN


#: What a TensorArray's methods return goes about in this, until it is used.
_UNUSED_YET = "tensorflow.python.util.tf_should_use.ShouldUseWrapper"
_UNKNOWN = Reference("a TensorFlow object that keeps its state in TensorFlow's runtime")
_SLOTS = {"_slots": Step(False, Role.SLOT)}


def naming(obj: Any) -> Mapping[str, Step]:
    """What an optimizer keeps for each variable is a slot."""
    return _SLOTS if issubclass(type(obj), tf.compat.v1.train.Optimizer) else {}


def implicit() -> dict[str, Any]:
    """The global generator, once there is one; and what a global seed leaves behind."""
    found: dict[str, Any] = {}
    if stateful_random_ops.global_generator is not None:
        found["(tensorflow.random)"] = stateful_random_ops.global_generator
    if context.global_seed() is not None:
        found["(tf.random.set_seed)"] = GLOBAL_SEED
    return found
