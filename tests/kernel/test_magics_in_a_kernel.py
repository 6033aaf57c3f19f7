"""A user's session: every command once, mistakes, strange names, two kernels, no place to write.

What a command prints is compared as a person reads it: ``…`` stands for anything.
"""

import os
import re
import shutil

import pytest

SETUP = """
%load_ext snapshot
import numpy as np, threading
W = np.arange(20_000.0).reshape(10, 2000); lr = 0.5; options = {"lr": 1}
rows = (row for row in W); lock = threading.Lock()
def rate(n):
    return n + 1
"""
CHANGE = """
W[0] = 7; options["lr"] = 3; later = 1
def rate(n):
    return n + 2
"""
# cell -> what is below it
SESSION = {
    "%load_ext snapshot": "The snapshot extension is already loaded. To reload it, use:\n  %reload_ext snapshot",
    "%snapshot": "snapshots…none yet\nmemory…0 B\non disk…snapshots.zarr\n…undo…0 steps back…store…restore…close…",
    "%snapshot store before --note 'a good state'": "stored before (#1, step 1): … variables, … new, … ms; most: W "
    "(160.0 KB); … by reference (%snapshot show before --report)",
    CHANGE: "",
    "%snapshot diff before": "before (#1, step 1) → now…1 changed, 1 added…W: by …added: later…",
    "%snapshot store after --step 100": "stored after (#2, step 100): … new, … ms; most: W (160.0 KB)…",
    "%snapshot diff before after": "before (#1, step 1) → after (#2, step 100): …W: by …added: later…",
    "%snapshot list": "2 snapshots\n…#1  before…1…a good state…\n…→  #2  after…100…#1…",
    "%snapshot list --all": "2 snapshots…notebook…#1  before…#2  after…",
    "%snapshot show before": "#1 before, step 1, …W…value…10×2000…float64…160.0 KB…(numpy.random)…rng…a good state…",
    "%snapshot show before --report": "#1 before…2 objects not stored by value…rows…generator…lock…running process…",
    "%snapshot restore before --dry-run": "would restore before: …made since, kept: later; redefined since, "
    "kept as it is: rate…",
    "%snapshot restore before": "restored before: …made since, kept: later; redefined since, kept as it is: rate…",
    "%snapshot undo": "undo: took back restore before",
    "later += 1": "",
    "%snapshot redo": "redo: back to how it was before the undo of restore before (1 cell ran since)",
    "%snapshot assign W=np.ones((10, 2000))": "assigned W",
    "%snapshot assign options['lr'] = 42": "assigned options['lr']",
    "%snapshot label before good": "#1 is now good (was before)",
    "%snapshot exclude lock rows": "left out of every store from now on: lock, rows",
    "%snapshot  # where are we?": "snapshots…2; now at #1 good (step 1, …)\nlabels…good…excluded…lock, rows…undo…",
    "%snapshot store --memory": "stored (#3, step 2): …",
    "for step in (10, 20):\n    %snapshot store --step {step}": "stored (#4, step 10): …\nstored (#5, step 20): …",
    "%snapshot flush": "4 snapshots of this run are in …snapshots.zarr; #3 is in memory only",
    "%snapshot prune --keep 1": "dropped #3, #4; 3 snapshots left",
    "%snapshot drop after #5": "dropped after (#2), #5; 1 snapshot left",
    "%snapshot open other.zarr": "snapshots go to …other.zarr from now on; 1 snapshot known",
    "%snapshot store elsewhere": "stored elsewhere (#6, …",
    "%snapshot close": "closed …other.zarr; snapshots stay in memory from now on",
    "%snapshot store --step 7": "stored (#7, step 7): …",
    "%snapshot store --help": "usage: %snapshot store [LABEL] [--only NAME ...]…store the state…--note TEXT…",
    "%snapshot --help": "Store the state of the variables in memory…%snapshot restore [REF]…",
}


def reads(text, pattern):
    """Whether a text reads like the pattern, in which … stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), text.strip(), re.DOTALL) is not None


@pytest.fixture(scope="module")
def session(start):
    """What each cell of the session showed."""
    kernel = start()
    kernel.run(SETUP)
    return {cell: kernel.run(cell) for cell in SESSION}


@pytest.mark.parametrize("cell", SESSION)
def test_each_command_says_what_it_did(session, cell):
    assert reads(session[cell].text, SESSION[cell]), session[cell].text


@pytest.mark.parametrize(
    "cell", [cell for cell in SESSION if re.match(r"%snapshot (store|restore|undo|drop)\b", cell)]
)
def test_commands_that_act_take_two_lines_at_most_and_leave_no_output_value(session, cell):
    if "--help" not in cell:
        assert len(session[cell].out.splitlines()) <= 2
        assert session[cell].shown == []


def test_nothing_is_printed_on_the_error_stream_by_a_session_without_mistakes(session):
    assert "".join(answer.err for answer in session.values()) == ""


def test_a_difference_inside_a_dict_is_named_by_diff(session):
    assert "options" in session["%snapshot diff before after"].text


TIMELINE = "[snap.label for snap in get_ipython()._snapshot_door.workspace.timeline]"


@pytest.fixture
def stored(kernel):
    """The module's kernel with a snapshot called ``before`` of W and lr."""
    kernel.run("import numpy as np\nW = np.arange(6.0); lr = 0.5")
    kernel.run("%snapshot store before")
    return kernel


def test_a_question_mark_shows_every_command(stored):
    paged = stored.run("%snapshot?").paged
    for command in ("store [LABEL]", "restore [REF]", "list [--all]", "undo", "plot [PATH ...]", "open PATH_OR_URL"):
        assert f"%snapshot {command}" in paged


def test_plot_shows_a_widget_and_a_picture_that_stays_in_the_notebook(stored):
    answer = stored.run("%snapshot plot W")
    kinds = {kind for data in answer.shown for kind in data}
    assert {"application/vnd.jupyter.widget-view+json", "image/png"} <= kinds
    assert "W (6)" in answer.text


def test_the_magic_works_inside_loops_and_functions(stored):
    stored.run(
        "def train(steps):\n"
        "    for step in range(1, steps + 1):\n"
        "        W[:] = step\n"
        "        %snapshot store --step {1000 + step} epoch$step\n"
        "train(3)"
    )
    stored.run("%snapshot restore epoch2")
    assert stored["W.tolist()"] == [2.0] * 6
    stored.run("%snapshot restore @1001")
    assert stored["W.tolist()"] == [1.0] * 6


# --- mistakes

MISTAKES = {
    "%snapshot sotre": "did you mean store?",
    "%snapshot restore nowhere": "known labels: …before",
    "%snapshot restore #999": "#999",
    "%snapshot restore before --only nobody": "nobody",
    "%snapshot show nowhere": "nowhere",
    "%snapshot diff before nowhere": "nowhere",
    "%snapshot drop before nowhere": "nowhere",
    "%snapshot label nowhere x": "nowhere",
    "%snapshot label before latest": "latest",
    "%snapshot store #1": "#1",
    "%snapshot store a~b": "a~b",
    "%snapshot store 'two words'": "two words",
    "%snapshot store --only nobody": "nobody",
    "%snapshot assign W=np.ones(7)": "W",
    "%snapshot assign nobody=1": "nobody",
    "%snapshot plot nobody": "nobody",
    "%snapshot open holder.txt": "holder.txt",
    "%snapshot open holder.txt/below.zarr": "below.zarr",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_costs_one_line_and_changes_nothing(stored, line):
    (stored.folder / "holder.txt").write_text("not a repository")
    before = stored["(W.tolist(), lr, len(get_ipython()._snapshot_door.workspace.timeline))"]
    answer = stored.attempt(line)
    assert len((answer.out + answer.err).splitlines()) == 1, answer.text
    assert reads(answer.err, f"UsageError: …{MISTAKES[line]}…"), answer.err
    assert answer.traceback == ""
    assert stored["(W.tolist(), lr, len(get_ipython()._snapshot_door.workspace.timeline))"] == before
    assert (stored.folder / "holder.txt").read_text() == "not a repository"


def test_what_the_users_own_expression_raises_keeps_its_traceback(stored):
    answer = stored.attempt("%snapshot assign W=1 / 0")
    assert answer.error == "ZeroDivisionError"


# --- names

STRANGE = ["<b>x</b>", "<script>x</script>", "données 🎉", "it's", 'say "hi"', "a/b", "W", "w", "x.y", "x['k']", " "]
STRANGE += ["line\nbreak", "CON", "nul.", "é" * 200]


def bind(kernel, names):
    kernel.run(
        f"import numpy as np\nstrange = {names!r}\n"
        "for number, name in enumerate(strange): globals()[name] = np.full(10_000, float(number))\n"
        "arrays = [globals()[name] for name in strange]"
    )


def test_any_name_is_restored(kernel):
    bind(kernel, STRANGE)
    kernel.run("%snapshot store strange")
    kernel.run("for name in strange: globals()[name] += 100\nglobals()['W'] = None")
    kernel.run("%snapshot restore strange")
    assert kernel["[float(globals()[name][0]) for name in strange]"] == [float(n) for n in range(len(STRANGE))]
    assert kernel["all(globals()[name] is array for name, array in zip(strange, arrays))"] is True


def test_any_name_comes_back_from_disk(kernel, start):
    bind(kernel, STRANGE)
    kernel.run("%snapshot store strange\n%snapshot flush")
    other = start(kernel.folder)
    other.run("%load_ext snapshot\n%snapshot restore strange")
    assert other["[float(globals()[name][0]) for name in strange]"] == [float(n) for n in range(len(STRANGE))]
    other.end()


def test_even_an_empty_name_can_be_stored(kernel):
    bind(kernel, ["", "W"])
    answer = kernel.run("%snapshot store empty")
    kernel.run("globals()[''][:] = 9")
    kernel.run("%snapshot restore empty")
    assert "stored empty" in answer.out
    assert kernel["float(globals()[''][0])"] == 0.0


@pytest.mark.parametrize("command", ["show strange", "list", "diff strange", ""])
def test_names_and_notes_are_no_markup_in_what_is_displayed(kernel, command):
    bind(kernel, STRANGE)
    kernel.run("%snapshot store strange --note '<script>alert(1)</script>'")
    kernel.run("for name in strange: globals()[name] += 1")
    for data in kernel.run(f"%snapshot {command}").shown:
        assert "<script>" not in data.get("text/html", "")
        assert "<b>x" not in data.get("text/html", "")


def test_names_are_no_markup_in_the_widget(kernel):
    bind(kernel, ["<b>x</b>"])
    kernel.run("%snapshot store strange")
    states = [comm["data"].get("state", {}) for comm in kernel.run("%snapshot plot '<b>x</b>'").comms]
    shown = [state["value"] for state in states if state.get("_model_name") in ("HTMLModel", "HTMLMathModel")]
    assert not any("<b>x" in value for value in shown)
    assert any("<b>x</b>" in str(state) for state in states)


@pytest.mark.parametrize("name", ["<b>x</b>", "it's", 'say "hi"', "données 🎉", "a/b", "x['k']"])
def test_strange_names_can_be_asked_for_on_the_line(kernel, name):
    quoted = "'" + name + "'" if "'" not in name else '"' + name + '"'
    bind(kernel, STRANGE)
    kernel.run("%snapshot store strange")
    kernel.run("for name in strange: globals()[name][:] = -1")
    kernel.run(f"%snapshot restore strange --only {quoted}")
    restored = kernel["[name for name in strange if globals()[name][0] != -1]"]
    assert restored == [name]


# --- two kernels in one folder


@pytest.fixture(scope="module")
def two(start):
    """Two notebooks' kernels in one folder, both with the extension."""
    first = start(JPY_SESSION_NAME="/somewhere/first.ipynb")
    second = start(first.folder, JPY_SESSION_NAME="/somewhere/second.ipynb")
    for kernel, number in ((first, 1), (second, 2)):
        kernel.run(f"import numpy as np\n%load_ext snapshot\nW = np.full(100_000, {number}.0)")
    return first, second


def test_two_kernels_store_at_once_and_each_restores_its_own(two):
    cell = (
        "for step in range(1, 11):\n    W[0] = step\n    get_ipython().run_line_magic('snapshot', f'store s{step}')"
    )
    requests = [kernel.begin(cell) for kernel in two]
    for kernel, request, own in zip(two, requests, (1.0, 2.0)):
        assert kernel.answer(request).error == ""
        assert kernel[TIMELINE] == [f"s{step}" for step in range(1, 11)]
        kernel.run("W[:] = -1\n%snapshot restore s3")
        assert kernel["(float(W[0]), float(W[1]))"] == (3.0, own)


def test_each_list_shows_its_own_notebook_and_all_shows_both(two):
    first, second = two
    first.run("%snapshot store mine"), second.run("%snapshot store yours")
    assert "yours" not in first.run("%snapshot list").text
    everything = first.run("%snapshot list --all").text
    assert "mine" in everything
    assert "yours" in everything
    assert "second.ipynb" in everything


def test_one_kernels_snapshots_can_be_restored_in_the_other_by_their_full_number(two):
    first, second = two
    second.run("W[:] = 22.0\n%snapshot store other\n%snapshot flush")
    run, number = second["(lambda s: (s.run, s.id))(get_ipython()._snapshot_door.workspace['other'])"]
    first.run(f"%snapshot restore #{run}.{number}")
    assert first["float(W[5])"] == 22.0


def test_what_one_kernel_drops_the_other_keeps(two):
    first, second = two
    first.run("%snapshot store same"), second.run("%snapshot store same")
    first.run("%snapshot drop same")
    assert "same" in second.run("%snapshot list").text


# --- nowhere to write


def no_place_to_write(start, tmp_path_factory):
    """A kernel in a folder that refuses to be written; for root without the power to overrule that."""
    folder = tmp_path_factory.mktemp("readonly")
    folder.chmod(0o555)
    if os.getuid() != 0:
        return start(folder)
    if not shutil.which("setpriv"):
        pytest.skip("as root this needs setpriv (util-linux)")
    return start(folder, prefix=("setpriv", "--bounding-set", "-dac_override,-dac_read_search"))


def a_file_in_its_place(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("taken")
    (folder / "snapshots.zarr").write_text("mine")
    return start(folder)


@pytest.mark.parametrize("place", [no_place_to_write, a_file_in_its_place])
def test_where_nothing_can_be_written_snapshots_stay_in_memory_with_one_notice(start, tmp_path_factory, place):
    kernel = place(start, tmp_path_factory)
    kernel.run("%load_ext snapshot\nimport numpy as np\nW = np.arange(3.0)")
    answer = kernel.run("%snapshot store before")
    assert len(answer.err.splitlines()) == 1
    assert str(kernel.folder / "snapshots.zarr") in answer.err
    assert "memory" in answer.err
    assert kernel.run("W[:] = -1\n%snapshot store after\n%snapshot restore before").err == ""
    assert kernel["W.tolist()"] == [0.0, 1.0, 2.0]
    assert "memory only" in kernel.run("%snapshot").text
    kernel.end()


# --- leaving


def test_unloading_takes_the_magic_away_and_loading_again_brings_the_timeline_back(stored):
    before = stored[TIMELINE]
    stored.run("%unload_ext snapshot")
    assert "not found" in stored.attempt("%snapshot").err
    stored.run("%load_ext snapshot")
    assert stored[TIMELINE] == before
    stored.run("W[:] = -1\n%snapshot restore before")
    assert stored["W.tolist()"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_reloading_keeps_everything_too(stored):
    before = stored[TIMELINE]
    stored.run("%reload_ext snapshot")
    assert stored[TIMELINE] == before
