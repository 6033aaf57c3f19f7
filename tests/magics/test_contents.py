"""What ``%snapshot show`` says a snapshot holds."""

import pytest

from snapshot.magics import workspace_of

CELL = """
losses = [1.0, 2.0]; options = {"lr": 1, "w": np.ones(3)}; text = "x"; nothing = None; V = W
class Thing: pass
thing = Thing(); thing.w = np.zeros(2)
def rate(n): return n
"""


@pytest.fixture
def held(run, shown):
    """Path -> its row in a listing of the snapshot called ``before``."""

    def rows(*cells, reference="before"):
        run(CELL, *cells)
        return {row[0]: row for row in shown(f"%snapshot show {reference}").rows}

    return rows


def test_names_of_plain_objects_are_listed_with_their_types(held):
    rows = held("%snapshot store before")
    types = {name: rows[name][3] for name in ("losses", "options", "text", "thing", "Thing", "rate")}
    assert types == {
        "losses": "list",
        "options": "dict",
        "text": "str",
        "thing": "Thing",
        "Thing": "type",
        "rate": "function",
    }
    assert all(rows[name][2] == "" for name in types)


def test_modules_and_second_names_have_no_row_of_their_own(held):
    rows = held("%snapshot store before")
    assert "np" not in rows
    assert "V" not in rows
    assert rows["W"][-1] == "V"


def test_what_is_not_held_by_value_is_marked(held):
    assert held("%snapshot store before")["rows"][1] == "by reference"


def test_the_values_below_a_name_follow_it(held):
    paths = list(held("%snapshot store before"))
    assert paths.index("options['w']") == paths.index("options") + 1
    assert paths.index("thing.w") == paths.index("thing") + 1


@pytest.mark.parametrize("store", ["--only lr losses", "--exclude W V text"])
def test_names_that_were_left_out_are_not_listed(held, store):
    rows = held(f"%snapshot store before {store}")
    assert {"lr", "losses"} <= rows.keys()
    assert not {"W", "V", "text"} & rows.keys()


def test_the_heading_counts_names_and_values_apart(run, shown, shell):
    run(CELL, "%snapshot store before", "%snapshot store one --only lr")
    # not a number: there is a random generator more where an earlier test has imported a framework
    values = len(workspace_of(shell)["before"].variables)
    assert f": 11 names, {values} arrays and numbers, " in shown("%snapshot show before").title
    assert ": 1 name, 1 array or number, " in shown("%snapshot show one").title


def test_a_snapshot_of_an_earlier_run_shows_the_same(run, shown, held, tmp_path):
    import snapshot
    from snapshot.magics.contents import stored_names

    held("%snapshot store before", "%snapshot store some --only losses lr", "%snapshot flush")
    stored = snapshot.open(tmp_path / "snapshots.zarr")
    assert set(stored_names(stored["some"])) == {"losses", "lr"}
    assert {"losses", "options", "thing", "rate", "W", "rows"} <= stored_names(stored["before"]).keys()
