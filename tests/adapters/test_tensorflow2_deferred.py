"""Values that wait for variables of TensorFlow 2: attributes, tracked lists and dicts."""

import copy

import pytest

tf = pytest.importorskip("tensorflow")

from tests.adapters.deferral import restored  # noqa: E402


class Net(tf.Module):
    def __init__(self):
        super().__init__()
        self.layers = []
        self.table = {}
        self.late = None


def grow(net, value):
    net.weight = tf.Variable([value, value])
    net.late = tf.Variable(value)
    net.layers.append(tf.Variable([value]))
    net.layers.extend([tf.Variable([value]), tf.Variable([value])])
    net.table["key"] = tf.Variable([value])
    net.part = tf.Module()
    net.part.inner = tf.Variable(value)
    return net


def values(net):
    return [variable.numpy().tolist() for variable in net.trainable_variables]


def tables(net):
    return [part._self_unconditional_deferred_dependencies for part in (net, net.layers, net.table)]


def test_attributes_elements_and_keys_take_their_values_as_they_are_tracked(tmp_path):
    live = {"net": Net()}
    _, status = restored(tmp_path, {"net": grow(Net(), 3.0)}, live)
    assert "net.layers[1]" in status.deferred
    assert "net.table['key']" in status.deferred
    assert live["net"].late is None
    assert len(live["net"].layers) == 0
    grow(live["net"], 0.0)
    assert values(live["net"]) == values(grow(Net(), 3.0))
    status.assert_consumed()
    assert tables(live["net"]) == [{}, {}, {}]


def test_a_module_without_any_attribute_yet_waits_too(tmp_path):
    stored, live = {"net": tf.Module()}, {"net": tf.Module()}
    stored["net"].weight = tf.Variable(3.0)
    _, status = restored(tmp_path, stored, live)
    live["net"].weight = tf.Variable(0.0)
    assert live["net"].weight.numpy() == 3
    status.assert_consumed()


def test_a_value_is_assigned_once(tmp_path):
    live = {"net": Net()}
    _, status = restored(tmp_path, {"net": grow(Net(), 3.0)}, live)
    grow(live["net"], 0.0).weight.assign([5.0, 5.0])
    live["net"].late = tf.Variable(8.0)
    status.apply_deferred()
    assert live["net"].weight.numpy().tolist() == [5, 5]
    assert live["net"].late.numpy() == 8


class Lazy(tf.Module):
    def __init__(self):
        super().__init__()
        self.weight = None
        self.traces = 0

    @tf.function
    def __call__(self, batch):
        self.traces += 1
        if self.weight is None:
            self.weight = tf.Variable(tf.ones([3, 2]))
        return batch @ self.weight


def called(net):
    net(tf.ones([1, 3]))
    return net


def test_a_variable_made_while_a_function_is_traced_has_its_value_at_the_first_call(tmp_path):
    stored, live = {"net": called(Lazy())}, {"net": Lazy()}
    stored["net"].weight.assign(tf.fill([3, 2], 7.0))
    traces = stored["net"].traces
    _, status = restored(tmp_path, stored, live)
    live["net"].traces = 0
    assert live["net"](tf.ones([1, 3])).numpy().tolist() == [[21, 21]]
    status.assert_consumed()
    assert live["net"].traces == traces
    graph = live["net"].__call__.get_concrete_function(tf.ones([1, 3])).graph
    assert not [op for op in graph.get_operations() if "Assign" in op.type]


def test_another_shape_is_named(tmp_path):
    live = {"net": Net()}
    _, status = restored(tmp_path, {"net": grow(Net(), 3.0)}, live)
    live["net"].weight = tf.Variable([0.0, 0.0, 0.0])
    assert live["net"].weight.numpy().tolist() == [0, 0, 0]
    assert status.deferred_reasons == {"net.weight": "has shape (3,), stored was (2,)"}


def test_undo_gives_first_values_back_and_ends_the_wait(tmp_path):
    live = {"net": Net()}
    workspace, status = restored(tmp_path, {"net": grow(Net(), 3.0)}, live)
    kept = tf.Variable(0.0)
    live["net"].late = kept
    assert kept.numpy() == 3
    workspace.undo()
    assert kept.numpy() == 0
    assert set(status.unused_reasons.values()) == {"its restore was undone"}
    live["net"].weight = tf.Variable([0.0, 0.0])
    assert live["net"].weight.numpy().tolist() == [0, 0]


def test_closing_empties_the_tables_that_tensorflow_keeps(tmp_path):
    live = {"net": Net()}
    workspace, _ = restored(tmp_path, {"net": grow(Net(), 3.0)}, live)
    assert "weight" in tables(live["net"])[0]
    workspace.close()
    assert tables(live["net"]) == [{}, {}, {}]


def test_a_copy_of_a_waiting_module_takes_nothing(tmp_path):
    live = {"net": Net()}
    _, status = restored(tmp_path, {"net": grow(Net(), 3.0)}, live)
    other = copy.deepcopy(live["net"])
    other.weight = tf.Variable([0.0, 0.0])
    assert other.weight.numpy().tolist() == [0, 0]
    assert "net.weight" in status.deferred


def test_a_checkpoint_of_tensorflow_still_works_while_values_wait(tmp_path):
    live = {"net": Net()}
    restored(tmp_path, {"net": grow(Net(), 3.0)}, live)
    live["net"].weight = tf.Variable([0.0, 0.0])
    saved = tf.train.Checkpoint(net=live["net"]).write(str(tmp_path / "ckpt"))
    live["net"].weight.assign([9.0, 9.0])
    tf.train.Checkpoint(net=live["net"]).read(saved).assert_existing_objects_matched()
    assert live["net"].weight.numpy().tolist() == [3, 3]
    live["net"].late = tf.Variable(0.0)
    assert live["net"].late.numpy() == 3
