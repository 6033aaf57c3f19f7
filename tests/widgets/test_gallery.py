"""Pictures of what real runs hold, for people to look at: they land in ``out/screenshots``.

A machine sees only whether anything is written outside a picture or over something else.
"""

from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.text import Text

from snapshot.model import Role
from snapshot.widgets import Evolution

SCREENSHOTS = Path(__file__).resolve().parents[2] / "out" / "screenshots"
LONG = "transformer.decoder.layers.11.cross_attention.query_projection.lora_adapter.kernel"


def training(shape, count=20, dtype=np.float32):
    rng = np.random.default_rng(0)
    weight, found = rng.normal(0, 0.1, shape), []
    for step in range(count):
        weight = weight * (1 + 0.3 / (step + 3)) + rng.normal(0, 0.05 / (step + 1), shape)
        found.append(weight.astype(dtype))
    return found


def values(weights, name="w"):
    return [{name: weight} for weight in weights]


def spoiled(weights, step):
    holes = np.random.default_rng(1).random(weights[step].shape) < 0.3
    return [np.where(holes, np.nan, one) if index >= step else one for index, one in enumerate(weights)]


def numbers(count):
    return [
        {"loss": 2.3 * 0.8**step + 0.05, "accuracy": 1 - 0.9 * 0.8**step, "rate": 1e-3 * 0.9**step}
        for step in range(count)
    ]


FORK = {
    "steps": [0, 10, 20, 30, 40, 50, 60, 20, 30, 40, 50, 60],
    "parents": [None, 1, 2, 3, 4, 5, 6, 2, 8, 9, 10, 11],
}
GALLERY = {
    "matrix": (values(training((64, 40))), {"reference": "#5"}),
    "previous-log": (values(training((64, 40))), {"reference": "previous", "log": True}),
    "scalar": (numbers(20), {"paths": "loss"}),
    "scalar-log": (numbers(20), {"paths": "loss", "log": True}),
    "lines": (numbers(20), {"paths": ["loss", "accuracy"]}),
    "lines-apart": (numbers(20), {"paths": ["loss", "accuracy", "rate"]}),
    "lines-of-branches": (numbers(12), {"paths": ["loss", "accuracy"], **FORK}),
    "kernels": (values(training((32, 16, 3, 3))), {}),
    "vector": (values(training((10,))), {}),
    "long-vector": (values(training((5000,))), {}),
    "not-finite": (values(spoiled(training((20, 20)), 12)), {}),
    "constant": (values([np.full((5, 5), 0.5)] * 6), {}),
    "unchanged": (values([training((20, 20), 1)[0]] * 3 + training((20, 20), 5)), {}),
    "nothing-finite": (values([np.full((4, 4), np.nan), *training((4, 4), 5)]), {"log": True}),
    "not-positive": (values([0.0, 1.0, 10.0]), {"log": True}),
    "another-shape": (values(training((10, 10), 5) + training((20, 10), 5)), {}),
    "branch": (values(training((64, 40), 12)), FORK),
    "second-run": (numbers(12), {"paths": "loss", "steps": [*range(6), *range(6)]}),
    "empty": (values([np.ones((0, 3))] * 3), {}),
    "enormous": (values(training((5000, 5000), 2)), {}),
    "long-name": (values(training((64, 40), 6), LONG), {}),
    "long-names": (
        [{LONG: one, f"{LONG}_momentum": 2 * one} for one in training((64, 40), 6)],
        {"paths": "transformer*", "statistic": "norm"},
    ),
    "many-lines": (
        [{f"layers.{layer}.w": (layer + 1) * one for layer in range(12)} for one in training((4, 4))],
        {"paths": "layers.*", "statistic": "norm"},
    ),
    "expression": ([{"w": one, "w0": training((8, 8))[0]} for one in training((8, 8))], {"paths": "norm(w - w0)"}),
    "one-snapshot": (values(training((64, 40), 1)), {}),
}


def extents(figure):
    shown = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    renderer = figure.canvas.get_renderer()
    return [(text.get_text(), text.get_window_extent(renderer)) for text in shown]


def covers(one, other):
    """Whether two texts share more than what surrounds their letters."""
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    upwards = min(one.y1, other.y1) - max(one.y0, other.y0)
    return across > 2 and upwards > 4


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", GALLERY)
def test_nothing_is_written_outside_the_picture_or_over_something_else(timeline, name, theme):
    stored, more = GALLERY[name]
    history = {key: more[key] for key in ("steps", "parents") if key in more}
    options = {key: one for key, one in more.items() if key not in history}
    snapshots = timeline(*stored, labels={0: "before"}, roles=dict.fromkeys(stored[0], Role.PARAMETER), **history)
    evolution = Evolution(SimpleNamespace(timeline=snapshots), theme=theme, **options)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    evolution.savefig(SCREENSHOTS / f"gallery-{name}-{theme}.png", scale=1)

    figure = evolution.figure()
    figure.canvas.draw()
    found = extents(figure)
    frame = figure.bbox.padded(1)
    assert [
        text for text, box in found if not (frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1))
    ] == []
    assert [(one[0], other[0]) for one, other in combinations(found, 2) if covers(one[1], other[1])] == []
