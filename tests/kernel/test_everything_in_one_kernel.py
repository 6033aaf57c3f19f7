"""TensorFlow 1 and 2, Keras, PyTorch, JAX, flax, NumPy, pandas and scikit-learn in one notebook, all rolled back."""

import pytest

IMPORTS = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import collections, hashlib, random, types
import jax, jax.numpy as jnp, keras, numpy as np, optax, pandas as pd, tensorflow as tf, torch
from flax import nnx
from sklearn.neural_network import MLPRegressor
traced = collections.Counter()
kept = types.ModuleType("kept")  # what the test remembers: a module's contents are no name's
Point = collections.namedtuple("Point", "x y")
data = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
wanted = data.sum(1, keepdims=True)
"""
DEFINE = """
random.seed(seed); np.random.seed(seed); torch.manual_seed(seed); keras.utils.set_random_seed(seed)

# TensorFlow 2
w2 = tf.Variable(tf.random.stateless_normal((4, 1), (seed, 1)), name="w2")
tracked = tf.Module(); tracked.layers = [w2, tf.Variable([0.5 + seed])]; tracked.by_name = {"w": w2}
chance = tf.random.Generator.from_seed(seed)
descent = keras.optimizers.SGD(0.01, momentum=0.9); descent.build([w2])
@tf.function
def step2(x, y):
    traced["tf.function"] += 1
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ w2 - y) ** 2)
    descent.apply_gradients([(tape.gradient(loss, w2), w2)])
    return loss
def train_tensorflow2():
    return float(step2(tf.constant(data), tf.constant(wanted))), chance.normal((2,)).numpy().tolist()

# TensorFlow 1
graph = tf.Graph()
with graph.as_default():
    x1, y1 = tf.compat.v1.placeholder(tf.float32, (None, 4)), tf.compat.v1.placeholder(tf.float32, (None, 1))
    w1 = tf.compat.v1.get_variable("w1", (4, 1), initializer=tf.compat.v1.random_normal_initializer(seed=seed))
    loss1 = tf.reduce_mean((x1 @ w1 - y1) ** 2)
    step1 = tf.compat.v1.train.AdamOptimizer(0.05).minimize(loss1)
    start1 = tf.compat.v1.global_variables_initializer()
session = tf.compat.v1.Session(graph=graph)
session.run(start1)
def train_tensorflow1():
    return float(session.run([loss1, step1], {x1: data, y1: wanted})[0])

# Keras
net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "tanh"), keras.layers.Dropout(0.5),
    keras.layers.Dense(1)])
net.compile(keras.optimizers.Adam(0.01), "mse")
def train_keras():
    return float(net.train_on_batch(data, wanted))

# PyTorch
from torch.nn import BatchNorm1d, Dropout, Linear
model = torch.nn.Sequential(Linear(4, 8), BatchNorm1d(8), Dropout(0.5), Linear(8, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
def train_torch():
    optimizer.zero_grad()
    loss = (model(torch.from_numpy(data)) - torch.from_numpy(wanted)).square().mean()
    loss.backward(); optimizer.step(); scheduler.step()
    return loss.item()

# JAX
params = {"w": jax.random.normal(jax.random.key(seed), (4, 1)), "b": jnp.zeros(1)}
adam = optax.adam(0.05)
slots = adam.init(params)
@jax.jit
def stepj(params, slots):
    traced["jit"] += 1
    loss, grads = jax.value_and_grad(lambda p: ((data @ p["w"] + p["b"] - wanted) ** 2).mean())(params)
    updates, slots = adam.update(grads, slots)
    return optax.apply_updates(params, updates), slots, loss
def train_jax():
    global params, slots
    params, slots, loss = stepj(params, slots)
    return float(loss)

# flax
mlp = nnx.Linear(4, 1, rngs=nnx.Rngs(seed))
tuner = nnx.Optimizer(mlp, optax.adam(0.05), wrt=nnx.Param)
@nnx.jit
def stepf(mlp, tuner):
    traced["nnx.jit"] += 1
    loss, grads = nnx.value_and_grad(lambda m: ((m(data) - wanted) ** 2).mean())(mlp)
    tuner.update(mlp, grads)
    return loss
def train_flax():
    return float(stepf(mlp, tuner))

# scikit-learn, NumPy, pandas, Python
perceptron = MLPRegressor(hidden_layer_sizes=(4,), random_state=seed).partial_fit(data, wanted[:, 0])
def train_sklearn():
    return float(perceptron.partial_fit(data, wanted[:, 0]).loss_)
W = np.arange(12.0).reshape(3, 4) + seed; row = W[1]; half = W[:, ::2]; rng = np.random.default_rng(seed)
frame = pd.DataFrame({"a": np.arange(3.0) + seed, "s": ["x", "y", str(seed)]}, index=list("abc"))
series = frame["a"].copy(); column = frame["s"]
rows, options, point = [1, seed], {"lr": 0.5 + seed, "W": W}, Point(np.full(2, float(seed)), [seed])
def over(array):
    return lambda: float(array.sum())
total = over(W)
lr = 0.25 + seed

def go_on():
    trainers = train_tensorflow2, train_tensorflow1, train_keras, train_torch, train_jax, train_flax, train_sklearn
    found = {trainer.__name__: [trainer() for _ in range(3)] for trainer in trainers}
    found["drawn"] = (random.random(), np.random.rand(2).tolist(), torch.rand(2).tolist(), rng.random(2).tolist())
    return found
"""
# what can be asked in both kernels
REMEMBER = """
def bits(*arrays):
    return [hashlib.sha256(np.ascontiguousarray(np.asarray(a)).tobytes()).hexdigest()[:12] for a in arrays]
def values():
    with graph.as_default():
        held = sorted(tf.compat.v1.global_variables(), key=lambda v: v.name)
    return {
        "tensorflow2": bits(*(v.numpy() for v in [w2, *tracked.layers, chance.state, *descent.variables])),
        "tensorflow1": bits(*session.run(held)),
        "keras": bits(*net.get_weights(), *(v.numpy() for v in net.optimizer.variables)),
        "torch": bits(*(t.detach().numpy() for t in model.state_dict().values()),
            *(slot.numpy() for state in optimizer.state.values() for slot in state.values())),
        "of torch": (optimizer.param_groups[0]["lr"], scheduler.last_epoch, model.training),
        "jax": bits(*jax.tree.leaves((params, slots))),
        "flax": bits(*jax.tree.leaves((nnx.state(mlp), nnx.state(tuner)))),
        "sklearn": bits(*perceptron.coefs_, *perceptron.intercepts_) + [perceptron.t_],
        "numpy": bits(W, row, half),
        "pandas": (frame.to_dict(), list(frame.index), series.tolist(), column.tolist()),
        "python": (rows, options["lr"], point.x.tolist(), point.y, lr, total()),
    }
def live():
    return [w2, tracked, tracked.layers[1], tracked.by_name, chance, descent, *descent.variables, session, graph, w1,
        net, net.optimizer, *net.variables, net.layers[0], model, *model, optimizer, scheduler, *model.parameters(),
        *model.buffers(), params, mlp, tuner, mlp.kernel, mlp.bias, perceptron, W, row, half, rng, frame, series,
        rows, options, point.y, total]
def same(before, after):
    return len(before) == len(after) > 50 and [type(a).__name__ for a, b in zip(before, after) if a is not b]
"""
CHANGES = """
_ = go_on()
w2.assign(tf.ones_like(w2)); tracked.layers.append(3); tracked.extra = 1; tracked.by_name.clear()
session.run(start1); net.optimizer.learning_rate = 9.0; net.layers[0].trainable = False
with torch.no_grad():
    model[0].weight.zero_()
model.eval(); optimizer.param_groups[0]["lr"] = 9.0; model[3] = Linear(8, 1)
params["w"] = params["w"] * 2; slots = None; mlp.kernel[...] = mlp.kernel[...] * 2; mlp.bias = None
perceptron.fit(data[:8], data[:8, 0]); perceptron.alpha = 9; W[:] = -1; row = row.copy(); half = None; rng = None
frame.loc["a", "a"] = 99.0; frame["new"] = 1; series.iloc[0] = 7; column = None
rows.append(3); options.clear(); point.y.append(4); del point, mlp, frame, lr, model, net, W, w2
random.seed(99); np.random.seed(99); torch.manual_seed(99); later = [1]
"""
UNSTORABLE = """
import itertools, socket, sqlite3, threading, weakref
import matplotlib; matplotlib.use("Agg")
import matplotlib.pyplot as plt
class Refusing(itertools.count):
    def __reduce__(self):
        raise RuntimeError("refused")
    __reduce_ex__ = __copy__ = __reduce__
log = open("log.txt", "w"); batches = (n for n in range(9)); database = sqlite3.connect(":memory:")
lock = threading.Lock(); thread = threading.Thread(target=threading.Event().wait, daemon=True); thread.start()
sock = socket.socket(); refusing = Refusing(); figure = plt.figure(); proxy = weakref.proxy(model)
pipeline = iter(tf.data.Dataset.from_generator(lambda: iter(range(9)), output_signature=tf.TensorSpec((), tf.int32)))
loader = iter(torch.utils.data.DataLoader(list(range(8)), batch_size=2)); _ = next(loader)
scripted = torch.jit.script(torch.nn.Linear(2, 1)); compiled = torch.compile(lambda x: x + 1)
waiting = tf.queue.FIFOQueue(3, tf.int32); waiting.enqueue(1)
beside = {"plain": [1, 2], "log": log, "refusing": refusing}
"""
NAMES_OF_UNSTORABLE = {
    "log": "an open file",
    "batches": "a generator",
    "database": "a connection",
    "lock": "a thread, lock",
    "thread": "a thread, lock",
    "sock": "a connection",
    "refusing": "keeps its state in C",
    "pipeline": "a tf.data iterator that cannot go back",
    "loader": "a DataLoader's iterator",
    "scripted": "a TorchScript module",
    "compiled": "keeps its state in C",
    "waiting": "a TensorFlow queue",
    "figure": "a figure",
    "proxy": "weakly",
}
TRAINED = ["tensorflow2", "tensorflow1", "keras", "torch", "jax", "flax", "sklearn"]
PARTS = [*TRAINED, "of torch", "numpy", "pandas", "python"]


@pytest.fixture(scope="module")
def notebook(start):
    """A kernel that stored, changed everything and restored; with what was seen on the way."""
    kernel = start()
    kernel.run("%load_ext snapshot\n" + IMPORTS)
    kernel.run("seed = 0\n" + DEFINE + REMEMBER)
    kernel.run("_ = go_on()")  # slots exist, and everything is traced
    kernel.run(UNSTORABLE)
    kernel.run("kept.values, kept.live, kept.traced = values(), live(), dict(traced)")
    kernel.stored = kernel.run("%snapshot store before").out
    kernel.report = kernel.run("%snapshot show before --report").text
    kernel.run("%snapshot flush")
    kernel.run("kept.went_on = go_on()")
    kernel.run(CHANGES)
    kernel.restored = kernel.run("%snapshot restore before").out
    kernel.run("kept.values_again, kept.live_again = values(), live()")
    kernel.run("kept.went_on_again = go_on()")
    kernel.values, kernel.went_on = kernel["kept.values"], kernel["kept.went_on"]
    return kernel


@pytest.fixture(scope="module")
def morning(start, notebook):
    """Another kernel, in which the same cells ran with other initial values and the store was restored from disk."""
    kernel = start(notebook.folder)
    kernel.run("%load_ext snapshot\n" + IMPORTS)
    kernel.run("seed = 5\n" + DEFINE + REMEMBER)
    kernel.run("kept.fresh, kept.live = values(), live()")
    kernel.restored = kernel.run("%snapshot restore before").text
    kernel.run("kept.values, kept.live_again = values(), live()")
    kernel.run("kept.went_on = go_on()")
    return kernel


@pytest.mark.parametrize("part", PARTS)
def test_values_are_those_of_the_store_bit_for_bit(notebook, part):
    assert notebook[f"kept.values_again[{part!r}]"] == notebook.values[part]


def test_every_object_is_the_same_object(notebook):
    assert notebook["same(kept.live, kept.live_again)"] == []


def test_aliases_are_the_same_object_and_views_share_memory(notebook):
    shared = "(options['W'] is W, row.base is W, np.shares_memory(half, W), tracked.by_name['w'] is w2)"
    assert notebook[shared] == (True, True, True, True)
    held = "(total.__closure__[0].cell_contents is W, optimizer.param_groups[0]['params'][0] is model[0].weight)"
    assert notebook[held] == (True, True)


def test_what_was_appended_and_added_is_gone(notebook):
    assert notebook["(len(tracked.layers), hasattr(tracked, 'extra'), list(frame), sorted(options))"] == (
        2,
        False,
        ["a", "s"],
        ["W", "lr"],
    )
    assert notebook["(net.layers[0].trainable, perceptron.alpha, type(slots).__name__)"] == (True, 0.0001, "tuple")


@pytest.mark.parametrize("library", TRAINED)
def test_training_goes_on_with_identical_losses(notebook, library):
    again = notebook[f"kept.went_on_again['train_{library}']"]
    assert again == notebook.went_on[f"train_{library}"]
    assert len({str(loss) for loss in again}) == 3


def test_random_generators_draw_the_same_again(notebook):
    assert notebook["kept.went_on_again['drawn']"] == notebook.went_on["drawn"]


def test_nothing_is_traced_again(notebook):
    assert notebook["kept.traced"] == {"tf.function": 1, "jit": 1, "nnx.jit": 1}
    assert notebook["dict(traced)"] == notebook["kept.traced"]


@pytest.mark.parametrize("name", NAMES_OF_UNSTORABLE)
def test_what_cannot_be_stored_is_named_with_its_reason(notebook, name):
    rows = [line.split(maxsplit=1) for line in notebook.report.splitlines() if line.startswith("  ")]
    reasons = [reason for path, reason in rows if path == name or path.startswith(f"{name}.")]
    assert len(reasons) == 1
    assert NAMES_OF_UNSTORABLE[name] in reasons[0]


def test_nothing_else_is_reported(notebook):
    rows = [line.split()[0] for line in notebook.report.splitlines() if line.startswith("  ")]
    assert {path.split(".")[0] for path in rows} == {"path", "(tf", "kept", *NAMES_OF_UNSTORABLE}
    assert f"{len(rows) - 1} by reference" in notebook.stored


def test_what_cannot_be_stored_is_still_there_and_costs_nobody_else(notebook):
    assert notebook["(beside['plain'], beside['log'] is log, beside['refusing'] is refusing, log.closed)"] == (
        [1, 2],
        True,
        True,
        False,
    )
    assert "by reference" in notebook.restored


@pytest.mark.parametrize("part", PARTS)
def test_a_new_kernel_has_the_stored_values(morning, notebook, part):
    assert morning[f"kept.fresh[{part!r}]"] != notebook.values[part]
    assert morning[f"kept.values[{part!r}]"] == notebook.values[part]


def test_a_new_kernel_keeps_its_objects(morning):
    assert morning["same(kept.live, kept.live_again)"] == []
    assert morning["(options['W'] is W, row.base is W, np.shares_memory(half, W), tracked.layers[0] is w2)"] == (
        True,
        True,
        True,
        True,
    )


@pytest.mark.parametrize("library", TRAINED)
def test_a_new_kernel_trains_on_as_the_old_one_would_have(morning, notebook, library):
    assert morning[f"kept.went_on['train_{library}']"] == notebook.went_on[f"train_{library}"]


def test_a_new_kernel_draws_what_the_old_one_would_have(morning, notebook):
    assert morning["kept.went_on['drawn']"] == notebook.went_on["drawn"]


def test_a_new_kernel_says_that_something_ended_with_the_old_one(morning):
    assert "not restored" in morning.restored
    assert "log" in morning.restored
