"""Trees such as ``tf.train.Checkpoint`` follows: lists, dicts and named tuples of variables and modules."""

import re
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from snapshot.workspace import Workspace


class Dense(tf.Module):
    """One layer."""

    def __init__(self, value):
        super().__init__()
        self.kernel = tf.Variable(tf.fill((2, 2), float(value)))
        self.bias = tf.Variable([float(value)] * 2)


class Pair(NamedTuple):
    """A variable and a module, by name."""

    scale: tf.Variable
    head: Dense


def tree(start):
    return {
        "layers": [Dense(start), Dense(start + 1)],
        "by_name": {
            "first": tf.Variable(start + 2.0),
            "inner": [Dense(start + 3), {"deep": tf.Variable([start + 4.0])}],
        },
        "pair": Pair(tf.Variable(start + 5.0), Dense(start + 6)),
    }


def holder(kind, start):
    """The tree as plain containers, behind a module, or behind a checkpoint."""
    if kind == "containers":
        return tree(start)
    made = tf.train.Checkpoint() if kind == "checkpoint" else tf.Module()
    for name, part in tree(start).items():
        setattr(made, name, part)
    return made


def part(held, name):
    return held[name] if isinstance(held, dict) else getattr(held, name)


def variables(held):
    """Path behind the holder -> variable, found without the product."""
    layers, by_name, pair = (part(held, name) for name in ("layers", "by_name", "pair"))
    found = {"by_name['first']": by_name["first"], "pair.scale": pair.scale}
    found["by_name['inner'][1]['deep']"] = by_name["inner"][1]["deep"]
    modules = {f"layers[{index}]": layer for index, layer in enumerate(layers)}
    modules |= {"by_name['inner'][0]": by_name["inner"][0], "pair.head": pair.head}
    for path, module in modules.items():
        found |= {f"{path}.kernel": module.kernel, f"{path}.bias": module.bias}
    return found


def values(held):
    return {path: variable.numpy().tolist() for path, variable in variables(held).items()}


def train(held):
    for variable in variables(held).values():
        variable.assign_add(tf.ones_like(variable))


KINDS = pytest.mark.parametrize("kind", ["containers", "module", "checkpoint"])


@KINDS
def test_every_variable_has_the_path_that_a_user_would_write(kind):
    held = holder(kind, 0)
    stored = Workspace({"held": held}).store()
    start = r"['\1']" if kind == "containers" else r".\1"
    expected = {"held" + re.sub(r"^(\w+)", start, path) for path in values(held)}
    assert expected <= set(stored.variables)


@KINDS
def test_all_come_back_in_the_same_variables(kind):
    held = holder(kind, 0)
    names = {"held": held}
    workspace = Workspace(names)
    workspace.store("before")
    before, objects = values(held), variables(held)
    train(held)
    part(held, "layers").append(Dense(9))
    workspace.restore("before")
    assert names["held"] is held
    assert values(held) == before
    assert [path for path, variable in variables(held).items() if variable is not objects[path]] == []


@KINDS
def test_a_new_kernel_fills_a_tree_made_again(kind, tmp_path):
    held = holder(kind, 0)
    Workspace({"held": held}, tmp_path / "run.zarr").store("before")
    fresh = holder(kind, 10)
    objects = variables(fresh)
    status = Workspace({"held": fresh}, tmp_path / "run.zarr").restore("before")
    assert values(fresh) == values(held)
    assert [path for path, variable in variables(fresh).items() if variable is not objects[path]] == []
    assert not status.unused


@pytest.mark.parametrize("path", ["held.layers[0].bias", "held.by_name['inner'][1]['deep']", "held.pair.head.bias"])
def test_one_variable_deep_inside_is_restored_alone(path):
    held = holder("checkpoint", 0)
    workspace = Workspace({"held": held})
    workspace.store("before")
    before = values(held)
    train(held)
    after = values(held)
    workspace.restore("before", only=[path])
    inside = path.removeprefix("held.")
    assert values(held) == {**after, inside: before[inside]}


def test_a_checkpoint_written_after_a_restore_holds_the_stored_values(tmp_path):
    held = holder("checkpoint", 0)
    workspace = Workspace({"held": held})
    workspace.store("before")
    train(held)
    workspace.restore("before")
    written = held.save(str(tmp_path / "checkpoint"))
    kernel = tf.train.load_variable(written, "pair/head/kernel/.ATTRIBUTES/VARIABLE_VALUE")
    assert np.array_equal(kernel, np.full((2, 2), 6.0))
