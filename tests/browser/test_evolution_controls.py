"""Every control of the plot, by mouse and keyboard, in JupyterLab and in Notebook 7."""

import pytest

VIEW = ".snapshot-evolution"
PICTURE = f"{VIEW} .widget-image"
HANDLE = f"{VIEW} .widget-slider .noUi-handle"
TRACK = f"{VIEW} .widget-slider .noUi-base"
CAPTION = f"{VIEW} [role=status]"
TRAIN = """
%load_ext snapshot
import numpy as np
rng = np.random.default_rng(0)
w, b, loss, accuracy = rng.normal(0, 0.1, (40, 24)), np.zeros(24), 2.0, 0.1
for step in range(0, 70, 10):
    w += rng.normal(0, 0.02, w.shape); b += np.linspace(-1, 1, 24); loss *= 0.7; accuracy = 1 - 0.8 * (1 - accuracy)
    %snapshot store --step {step}
"""

pytestmark = pytest.mark.browser


def wait_for_caption(opened, text):
    says = "([selector, text]) => document.querySelector(selector)?.innerText.includes(text)"
    opened.page.wait_for_function(says, arg=[CAPTION, text])


class Changes:
    """Asserts that an act is followed by another picture."""

    def __init__(self, opened):
        self.opened = opened

    def __enter__(self):
        self.before = self.opened.picture(PICTURE)

    def __exit__(self, kind, *error):
        if kind is None:
            self.opened.wait_for_another_picture(PICTURE, self.before)


def button(opened, name):
    return opened.page.locator(f"{VIEW} button", has_text=name).first


def choice(opened, name):
    return opened.page.locator(f"{VIEW} .widget-dropdown:has-text('{name}') select").first


def test_every_control_changes_the_picture_in_jupyterlab(notebook, made):
    opened = notebook(made("controls.ipynb", TRAIN, "%snapshot plot w b"))
    opened.run_all()
    opened.centre(VIEW)
    with Changes(opened):
        opened.page.locator(HANDLE).first.press("ArrowLeft")
    wait_for_caption(opened, "At step 50 ")
    with Changes(opened):  # at the middle of the slider
        opened.page.locator(TRACK).first.click()
    wait_for_caption(opened, "At step 30 ")
    with Changes(opened):
        choice(opened, "Compare with").select_option("the previous step")
    with Changes(opened):
        opened.page.locator(f"{VIEW} .widget-checkbox:has-text('Log') input").check()
    opened.screenshot("evolution-controls")
    with Changes(opened):
        opened.page.locator(HANDLE).nth(1).press("ArrowRight")  # the first step that is shown
        wait_for_caption(opened, "At step 30 ")
    with Changes(opened):
        opened.page.locator(f"{VIEW} .widget-text input").first.fill("b")
        opened.page.locator(f"{VIEW} .widget-text input").first.press("Enter")
        wait_for_caption(opened, "b (24)")
    assert opened.errors() == []


def test_play_goes_on_to_the_last_step(notebook, made):
    opened = notebook(made("play.ipynb", TRAIN, "%snapshot plot loss accuracy"))
    opened.run_all()
    opened.centre(VIEW)
    opened.page.locator(HANDLE).first.press("Home")
    wait_for_caption(opened, "At step 0 ")
    opened.page.locator(f"{VIEW} .jupyter-widgets.widget-play button").first.click()
    wait_for_caption(opened, "At step 30 ")
    wait_for_caption(opened, "At step 60 ")
    opened.screenshot("evolution-lines")
    button(opened, "Previous").click()
    wait_for_caption(opened, "At step 50 ")
    assert opened.errors() == []


def test_the_buttons_and_the_slider_move_the_picture_in_notebook_7(notebook, made):
    opened = notebook(made("seven.ipynb", TRAIN, "%snapshot plot w"), "notebooks")
    opened.run_all()
    opened.centre(VIEW)
    with Changes(opened):
        button(opened, "Previous").click()
    wait_for_caption(opened, "At step 50 ")
    with Changes(opened):
        button(opened, "Next").click()
    wait_for_caption(opened, "At step 60 ")
    with Changes(opened):
        opened.page.locator(TRACK).first.click()
    wait_for_caption(opened, "At step 30 ")
    opened.screenshot("evolution-notebook-7")
    assert opened.errors() == []
    # Notebook 7's own, about settings and commands that only JupyterLab has: an empty notebook brings them too
    for remark in ("(reading 'schema')", "403 (Forbidden)", "'filebrowser:open-path' not registered"):
        opened.forgive(remark)
