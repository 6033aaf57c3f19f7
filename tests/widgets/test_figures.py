import io
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pytest
from matplotlib import image
from matplotlib.text import Text

from snapshot.widgets.axes import spread
from snapshot.widgets.figures import DRAWING, EvolutionPicture, MessagePicture
from snapshot.widgets.png import encode_png
from snapshot.widgets.theme import DARK, LIGHT, find_theme
from snapshot.widgets.viewpoint import Viewpoint

RNG = np.random.default_rng(0)


def look_at(snapshots, path="w", index=-1):
    viewpoint = Viewpoint(SimpleNamespace(timeline=snapshots), [path])
    viewpoint.move(index)
    return viewpoint


def frame_of(snapshots, path="w", index=-1):
    return look_at(snapshots, path, index).frame()


def walk(shape, count=4):
    weight = RNG.normal(0, 0.1, shape)
    return [{"w": weight * (1 + 0.1 * index)} for index in range(count)]


def texts(picture):
    return [text.get_text().replace("\n", " ") for text in picture.figure.findobj(Text) if text.get_text()]


def pixels(png):
    return image.imread(io.BytesIO(png), format="png")


def spoiled(value, place=slice(None)):
    array = np.ones((4, 4))
    array[place] = value
    return array


AWKWARD = {
    "one snapshot": [{"w": RNG.normal(size=(5, 5))}],
    "one number": [{"w": 0.1}, {"w": 0.2}],
    "one number, once": [{"w": 3}],
    "constant": [{"w": np.full((3, 3), 0.5)}] * 3,
    "zeros": [{"w": np.zeros((3, 3))}] * 3,
    "some NaN": [{"w": spoiled(1.0)}, {"w": spoiled(np.nan, 0)}, {"w": spoiled(2.0)}],
    "all NaN in between": [{"w": spoiled(1.0)}, {"w": spoiled(np.nan)}, {"w": spoiled(2.0)}],
    "all NaN": [{"w": spoiled(np.nan)}] * 2,
    "infinite": [{"w": spoiled(np.inf, 1)}, {"w": spoiled(-np.inf, 2)}],
    "another shape": [{"w": np.ones((3, 4))}, {"w": np.ones((4, 4))}],
    "another number of dimensions": [{"w": np.ones(3)}, {"w": np.ones((3, 3))}, {"w": 1.0}],
    "empty": [{"w": np.ones((0, 3))}] * 2,
    "vector": walk((10,)),
    "long vector": walk((5000,)),
    "kernels": walk((8, 4, 3, 3)),
    "heads": walk((3, 8, 8)),
    "large": walk((700, 900), 2),
    "booleans": [{"w": np.eye(4, dtype=bool)}, {"w": ~np.eye(4, dtype=bool)}],
    "complex": [{"w": np.ones((3, 3)) * 1j}, {"w": np.ones((3, 3)) * 2j}],
    "enormous": [{"w": np.full((2, 2), 1e300)}, {"w": np.full((2, 2), -1e300)}],
    "denormal": [{"w": np.full((2, 2), 5e-324)}, {"w": np.full((2, 2), 1e-320)}],
}


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_awkward_values_are_drawn_at_every_step_without_a_warning(timeline, name, theme):
    snapshots = timeline(*AWKWARD[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for index in range(len(snapshots)):
            picture = EvolutionPicture(frame_of(snapshots, index=index), theme)
            assert pixels(picture.png()).shape == (590, 1080, 3)
            assert picture.figure.get_facecolor() == mpl.colors.to_rgba(theme.paper)


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "$x_", r"$\frac{", "a" * 400, "w\n2", "重み😀", "_^{}%"]
)
def test_any_name_is_text_and_never_mathematics(timeline, name):
    snapshots = timeline({name: np.ones((2, 2))}, {name: np.zeros((2, 2))})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = EvolutionPicture(frame_of(snapshots, name))
        picture.png()
    assert not any(text.get_parse_math() for text in picture.figure.findobj(Text) if text.get_text())
    assert any(name[:10].replace("\n", " ").strip("重み") in text for text in texts(picture))


def test_band_names_stand_at_the_ends_of_the_lines_and_do_not_touch(timeline):
    picture = EvolutionPicture(frame_of(timeline(*[{"w": np.full((3, 3), 0.5)}] * 3)))
    names = ("max", "95 %", "75 %", "median", "25 %", "5 %", "min")
    found = {text.get_text(): text for text in picture.figure.findobj(Text) if text.get_text() in names}
    heights = [found[name].get_window_extent().y0 for name in names]
    assert all(upper - lower > 10 for upper, lower in pairwise(heights))


def test_a_single_number_has_one_line_and_no_bands(timeline):
    picture = EvolutionPicture(frame_of(timeline({"w": 0.5}, {"w": 0.25})))
    assert "median" not in texts(picture)
    assert "0.25" in texts(picture)


def test_the_update_panel_marks_a_thousandth(timeline):
    picture = EvolutionPicture(frame_of(timeline(*walk((3, 3)))))
    panel = next(axes for axes in picture.figure.axes if "Size of each update" in [t.get_text() for t in axes.texts])
    assert any(list(line.get_ydata()) == [-3, -3] for line in panel.lines)


def test_what_cannot_be_drawn_is_said(timeline):
    assert "The array is empty" in texts(EvolutionPicture(frame_of(timeline({"w": np.ones((0, 2))}))))
    assert "An update needs two snapshots; this is the first" in texts(
        EvolutionPicture(frame_of(timeline({"w": np.ones((2, 2))})))
    )
    assert "Nothing changed between the snapshots" in texts(
        EvolutionPicture(frame_of(timeline(*[{"w": np.ones((2, 2))}] * 2)))
    )


def test_colours_are_symmetric_around_zero_for_signed_values(timeline):
    weight = np.array([[0.5, -0.5], [0.0, 0.1]])
    picture = EvolutionPicture(frame_of(timeline({"w": weight})))
    sheet = next(one for axes in picture.figure.axes for one in axes.images if one.get_array().shape[:2] == (2, 2))
    (red, blue), (white, _) = np.asarray(sheet.get_array(), int)
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert white.min() > 240


def test_moving_back_and_forth_gives_the_same_pixels_as_a_new_picture(timeline):
    snapshots = timeline(*walk((6, 4)))
    viewpoint = look_at(snapshots, index=0)
    moved = EvolutionPicture(viewpoint.frame())
    for index in (3, 1, 2):
        viewpoint.move(index)
        moved.show(viewpoint.frame())
        assert moved.png() == EvolutionPicture(frame_of(snapshots, index=index)).png()


def test_a_picture_does_not_fit_a_value_of_another_shape(timeline):
    snapshots = timeline({"w": np.ones((2, 3))}, {"w": np.ones((2, 3)) * 2}, {"w": np.ones(3)})
    viewpoint = look_at(snapshots, index=0)
    picture = EvolutionPicture(viewpoint.frame())
    viewpoint.move(1)
    assert picture.fits(viewpoint.frame())
    viewpoint.move(2)
    assert not picture.fits(viewpoint.frame())


def test_the_users_settings_do_not_reach_into_the_picture(timeline):
    frame = frame_of(timeline(*walk((6, 4))))
    expected = EvolutionPicture(frame).png()
    with mpl.rc_context():
        mpl.style.use("dark_background")
        mpl.rcParams.update({
            "font.size": 30, "font.family": "serif", "axes.grid": True, "lines.linewidth": 9, "text.usetex": True,
            "lines.marker": "s", "xtick.minor.visible": True, "figure.constrained_layout.use": True,
            "image.origin": "lower", "axes.linewidth": 8, "hatch.linewidth": 9, "patch.force_edgecolor": True,
        })  # fmt: skip
        assert EvolutionPicture(frame).png() == expected


def test_threads_that_draw_at_the_same_time_get_the_pictures_of_one_thread(timeline):
    frames = [frame_of(timeline(*walk((6, 4))), index=index) for index in range(4)]
    expected = [EvolutionPicture(frame).png() for frame in frames]
    start = threading.Barrier(4)

    def draw(frame):
        start.wait()
        return EvolutionPicture(frame).png()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, frames)) == expected


def test_drawing_waits_for_the_lock_of_the_process(timeline):
    picture = EvolutionPicture(frame_of(timeline({"w": 1.0})))
    with ThreadPoolExecutor(1) as pool:
        with DRAWING:
            png = pool.submit(picture.png)
            assert not png.done()
        assert png.result().startswith(b"\x89PNG")


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_a_file_is_written_in_the_format_of_its_ending(timeline, tmp_path, ending, start):
    file = tmp_path / f"evolution.{ending}"
    EvolutionPicture(frame_of(timeline(*walk((3, 3))))).save(file)
    assert file.read_bytes().startswith(start)


def test_a_saved_file_shows_the_chosen_step_too(timeline):
    frame = frame_of(timeline(*walk((6, 4))), index=1)
    file = io.BytesIO()
    EvolutionPicture(frame).save(file, scale=1)
    saved, shown = pixels(file.getvalue())[..., :3], pixels(EvolutionPicture(frame).png())
    assert np.abs(saved - shown).max(axis=-1)[:, 400:].mean() < 1e-3
    assert (saved[:60] == shown[:60]).all()


def test_a_message_is_a_picture_too():
    assert "nothing here" in texts(picture := MessagePicture("nothing here"))
    assert picture.png().startswith(b"\x89PNG")


def test_the_png_encoder_keeps_every_pixel():
    rgba = RNG.integers(0, 256, (20, 31, 4), dtype=np.uint8)
    assert (pixels(encode_png(rgba)) * 255).round().astype(int).tolist() == rgba[..., :3].tolist()


def test_labels_are_moved_apart_as_little_as_needed_and_stay_inside():
    assert spread([0, 5, 10], 1, 0, 10) == [0, 5, 10]
    assert spread([5, 5, 5], 2, 0, 10) == [3, 5, 7]
    assert spread([10, 10], 2, 0, 10) == [8, 10]


def test_an_unknown_theme_is_refused_by_name():
    with pytest.raises(ValueError, match="expected 'light' or 'dark', found 'blue'"):
        find_theme("blue")


def test_pyplot_is_never_loaded_by_the_widgets():
    code = "import snapshot.widgets, sys; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
