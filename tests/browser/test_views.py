"""The other views: Browse restores on a click, Compare draws what is chosen, Overview opens it."""

import pytest

COMPARE, BROWSE = ".snapshot-compare", ".snapshot-browse"
PICTURE = f"{COMPARE} .widget-image"
LIST = f"{BROWSE} .widget-select select"
TRAIN = """
%load_ext snapshot
import numpy as np
rng = np.random.default_rng(0)
w, b, rate = rng.normal(0, 0.1, (40, 24)), np.zeros(24), 0.1
%snapshot store before --step 10 --note "untrained"
w += rng.normal(0, 0.02, w.shape); b += np.linspace(-1, 1, 24); rate = 0.05
%snapshot store trained --step 20
w[:] = 0
%snapshot store ruined --step 30 --note "a bad idea"
%snapshot restore trained
%snapshot store again --step 30
"""
RUN_UNTIL_STOPPED = """
from pathlib import Path
from time import sleep
while not Path("stop-browsing").exists():
    sleep(0.01)
"""
CHECK = "print('mean is', round(float(w.mean()), 3), 'rate is', rate)"

pytestmark = pytest.mark.browser


def choose(opened, selector, text):
    """Choose the line of a list that contains ``text``."""
    line = f"{selector} option:has-text('{text}')"
    opened.page.locator(selector).first.select_option(opened.page.locator(line).first.inner_text())


def wait_for_text(opened, selector, text):
    shows = "([selector, text]) => document.querySelector(selector)?.innerText.includes(text)"
    opened.page.wait_for_function(shows, arg=[selector, text])


def click(opened, view, name):
    opened.page.locator(f"{view} button", has_text=name).first.click()


def dark(opened, yes=True):
    """JupyterLab's own theme; it outlives the page, so set it back."""
    theme = "JupyterLab Dark" if yes else "JupyterLab Light"
    opened.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    opened.page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=str(not yes).lower())
    opened.page.locator("#jupyterlab-splash").wait_for(state="detached")


def test_compare_draws_the_variable_that_is_chosen(notebook, made):
    opened = notebook(made("compare.ipynb", TRAIN, "%snapshot compare before"))
    opened.run_all()
    at_first = opened.picture(PICTURE)
    opened.centre(COMPARE)
    opened.screenshot("compare-widget")

    choose(opened, f"{COMPARE} .widget-select select", "40 × 24")

    opened.wait_for_another_picture(PICTURE, at_first)
    wait_for_text(opened, COMPARE, "w (40 × 24) changed by")
    opened.centre(COMPARE)
    opened.screenshot("compare-widget-matrix")
    assert opened.errors() == []


def test_a_click_restores_what_was_chosen_and_is_refused_while_a_cell_runs(notebook, made, lab):
    opened = notebook(made("browse.ipynb", TRAIN, "%snapshot browse", RUN_UNTIL_STOPPED, CHECK))
    opened.start_all()
    opened.wait_for_prompt(2, "[2]:")
    try:
        wait_for_text(opened, BROWSE, "4 snapshots")
        choose(opened, LIST, "before")
        click(opened, BROWSE, "Restore")
        click(opened, BROWSE, "Yes, restore")
        wait_for_text(opened, BROWSE, "Refused: a cell is running")
        assert opened.prompt(3) == "[*]:"
        opened.screenshot("browse-refused")
    finally:
        (lab.folder / "stop-browsing").touch()
    opened.wait_for_prompt(4, "[4]:")
    wait_for_text(opened, ".jp-Cell:nth-of-type(4) .jp-OutputArea", "rate is 0.05")

    click(opened, BROWSE, "Restore")
    opened.screenshot("browse-asks")
    click(opened, BROWSE, "Yes, restore")
    wait_for_text(opened, BROWSE, "restored before")
    opened.screenshot("browse-restored")
    dark(opened)
    opened.screenshot("browse-restored-dark")
    dark(opened, False)

    opened.page.locator(".jp-Notebook-cell:nth-of-type(4) .cm-content").click()
    opened.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
    wait_for_text(opened, ".jp-Cell:nth-of-type(4) .jp-OutputArea", "rate is 0.1")
    assert opened.errors() == []


def test_choosing_a_variable_in_the_overview_opens_its_evolution_below(notebook, made):
    opened = notebook(made("overview.ipynb", TRAIN, "%snapshot overview --theme dark"))
    dark(opened)
    opened.run_all()
    opened.picture(".snapshot-overview .widget-image")

    choose(opened, ".snapshot-overview .widget-select select", "40 × 24")

    opened.picture(".snapshot-overview .snapshot-evolution .widget-image")
    wait_for_text(opened, ".snapshot-overview .snapshot-evolution", "w (40 × 24) has median")
    opened.page.set_viewport_size({"width": 1280, "height": 1500})
    opened.centre(".snapshot-overview")
    opened.screenshot("overview-widget-dark")
    dark(opened, False)
    assert opened.errors() == []
