"""Names that break file systems, HTML or JSON are names like any other."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

NAMES = [
    "W", "w", "a/b", "../up", "CON", "nul.txt", "dot.", "<b>", '"quoted"', "it's", "🎉", "👩‍💻", "x" * 300, "ß" * 300,
    "model['a\\b']", "line\nbreak", "\ud800", "latest", "#1", "%20", " ", "zarr.json",
]  # fmt: skip


def test_every_name_keeps_its_own_value_large_or_small(example, commit):
    values = {name: example.big(seed, (100, 100)) for seed, name in enumerate(NAMES)}
    values |= {f"small {name}": np.full(3, seed) for seed, name in enumerate(NAMES)}
    one = commit(example.entry(values))["latest"]
    assert list(one.variables) == list(values)
    for name, value in values.items():
        assert_array_equal(one[name], value)


@pytest.mark.parametrize("name", NAMES)
def test_names_reasons_records_notes_and_labels_can_be_any_text(example, commit, name):
    entry = example.entry({}, names={name: name}, report={name: name}, records={name: b"[]"}, note=name, label=name)
    repository = commit(entry)
    (one,) = repository.timeline
    assert (one.names, one.report, one.note, one.label) == ({name: name}, {name: name}, name, name)
    assert repository.entry(one).groups == (name,)


def test_the_table_for_people_escapes_what_users_wrote(example, commit):
    html = commit(example.entry({}, label="<script>", note='<img src="x">'))._repr_html_()
    assert "<script>" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_numbers_of_numpy_in_descriptions_become_plain_ones(example, commit, home):
    entry = example.entry({"w": np.arange(3)}, step=np.int64(7))
    assert type(commit(entry)["latest"].step) is int
    assert json.loads((home / "runs/first/snapshots/1/zarr.json").read_text())
