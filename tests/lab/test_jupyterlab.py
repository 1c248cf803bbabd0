"""The lab as a widget in a real JupyterLab: it moves, and Python sets its state and reads its history."""

from __future__ import annotations

import json
import re

import pytest

from tests import live_jupyterlab as jupyterlab
from tests.expectations import expect

pytestmark = pytest.mark.browser

CELL = """from minidyn.lab import Lab

lab = Lab(amplitude=20, period=500, width=25, speed="max", until=300)
lab"""

WAITS = {"await": "await lab.reached(250)", "block": "lab.reached(250).result(60)"}


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    jupyterlab.write_notebook(folder / "lab.ipynb", CELL)
    jupyterlab.write_notebook(folder / "twice.ipynb", CELL, "lab")
    for name, wait in WAITS.items():
        jupyterlab.write_notebook(folder / f"{name}.ipynb", CELL, f"({wait}).sizes['step'], repr(lab)")
    with jupyterlab.serve(folder, tmp_path_factory.mktemp("home")) as address:
        yield address


def ask(page, expression):
    """A JSON value that the kernel prints."""
    return json.loads(jupyterlab.in_kernel(page, f"import json; print(json.dumps({expression}))"))


def wait_for(page, expression):
    for _ in range(100):
        if ask(page, f"bool({expression})"):
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"{expression} stayed false; the state is {ask(page, 'lab.state')}")


def test_python_sets_the_state_and_reads_the_history(page, serve):
    jupyterlab.open_notebook(page, serve, "lab.ipynb")
    assert jupyterlab.run_all(page) == []
    page.get_by_role("group", name="Training lab").wait_for(timeout=jupyterlab.PATIENCE)
    wait_for(page, "lab.state['step'] == 300 and not lab.state['playing']")
    wait_for(page, "lab.history.sizes['step'] == 301")
    first = ask(page, "lab.history.loss.values.tolist()")

    jupyterlab.in_kernel(page, "lab.state = {'amplitude': 5, 'step': 120, 'playing': False}")
    wait_for(page, "lab.history.sizes['step'] == 121")
    page.get_by_text("step 120").wait_for()
    second = ask(page, "lab.history.loss.values.tolist()")
    assert second[0] == first[0]
    assert second[100] != first[100]

    library = """
import minidyn as md
net, gamma = md.MLP(2, 25, 3), md.Oscillation(5, 500)
run = md.train(net, net.init(0), md.spiral(), md.CrossEntropy(gamma), learning_rate=1.0, steps=120,
               validation=md.spiral(seed=1), measure={"hessian_max": 51}, progress=False)
"""
    jupyterlab.in_kernel(page, library)
    assert ask(page, "float(abs(lab.history / run.history - 1).to_array().max())") < 1e-9


def test_a_slider_in_the_widget_reaches_python(page, serve):
    jupyterlab.open_notebook(page, serve, "lab.ipynb")
    assert jupyterlab.run_all(page) == []
    page.get_by_label("amplitude A").press("ArrowRight", timeout=jupyterlab.PATIENCE)
    wait_for(page, "lab.state['amplitude'] == 30")


def test_settings_are_attributes_and_the_page_follows(page, serve):
    jupyterlab.open_notebook(page, serve, "lab.ipynb")
    assert jupyterlab.run_all(page) == []
    wait_for(page, "lab.step == 300")
    assert jupyterlab.in_kernel(page, "lab.amplitude = 5; lab.until = 120; lab.playing = True") == ""
    wait_for(page, "lab.history.sizes['step'] == 121")
    page.get_by_text("step 120", exact=True).wait_for()
    assert "lab.amplitude = 5" in jupyterlab.in_kernel(page, "lab.state['amplitude'] = 7")


@pytest.mark.parametrize("name", WAITS)
def test_a_cell_waits_for_a_step(page, serve, name):
    jupyterlab.open_notebook(page, serve, f"{name}.ipynb")
    assert jupyterlab.run_all(page) == []
    printed = page.locator(".jp-OutputArea-output pre").last.text_content(timeout=jupyterlab.PATIENCE)
    assert int(re.search(r"\d+", printed)[0]) > 250
    assert "Lab(amplitude=20.0, period=500, width=25" in printed


LATE = """
const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
const create = kernel.requestCreateSubshell.bind(kernel);
kernel.requestCreateSubshell = (content) => ({
  done: new Promise((resolve) => setTimeout(resolve, 3000)).then(() => create(content).done),
});
"""


def test_a_cell_that_waits_hears_of_a_lab_whose_first_messages_are_stuck_behind_it(page, serve):
    """Until the page has its own way to the kernel, a subshell, its messages wait for the cell that waits for them."""
    jupyterlab.open_notebook(page, serve, "block.ipynb")
    page.evaluate(f"() => {{ {LATE} }}")
    assert jupyterlab.run_all(page) == []
    wait_for(page, "lab.history.sizes['step'] == 301")


def test_a_guess_that_python_asks_for_comes_before_the_run(page, serve):
    jupyterlab.open_notebook(page, serve, "lab.ipynb")
    assert jupyterlab.run_all(page) == []
    wait_for(page, "lab.step == 300")
    jupyterlab.in_kernel(page, "lab.state = {'until': 600, 'guess': 'accuracy@500', 'playing': True}")
    slider = page.get_by_role("slider", name="validation accuracy", exact=True)
    slider.press("End", timeout=jupyterlab.PATIENCE)
    page.wait_for_timeout(500)
    assert ask(page, "lab.history.sizes['step']") == 1
    page.get_by_role("button", name="Commit and run").click()
    page.get_by_text("Validation accuracy at step 500:").first.wait_for(timeout=jupyterlab.PATIENCE)
    wait_for(page, "lab.history.sizes['step'] == 501")


def test_two_views_are_one_run(page, serve):
    jupyterlab.open_notebook(page, serve, "twice.ipynb")
    assert jupyterlab.run_all(page) == []
    wait_for(page, "lab.history.sizes['step'] == 301")
    expect(page.get_by_role("group", name="Training lab")).to_have_count(1)
    page.get_by_role("button", name="Bring it here").click()
    page.get_by_text("step 300", exact=True).wait_for(timeout=jupyterlab.PATIENCE)
    expect(page.get_by_role("group", name="Training lab")).to_have_count(1)
    expect(page.get_by_role("button", name="Bring it here")).to_have_count(1)
    assert ask(page, "lab.history.sizes['step']") == 301
    jupyterlab.in_kernel(page, "lab.until = 400; lab.playing = True")
    wait_for(page, "lab.history.sizes['step'] == 401")


def test_a_lab_that_has_lost_its_kernel_says_so_and_stops(page, serve):
    jupyterlab.open_notebook(page, serve, "lab.ipynb")
    assert jupyterlab.run_all(page) == []
    wait_for(page, "lab.step == 300")
    jupyterlab.in_kernel(page, "lab.state = {'until': 0, 'speed': '100', 'playing': True}")
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    page.get_by_text("Python is disconnected").wait_for(timeout=jupyterlab.PATIENCE)
    step = page.get_by_text(re.compile(r"^step \d")).text_content()
    page.wait_for_timeout(1000)
    expect(page.get_by_text(re.compile(r"^step \d"))).to_have_text(step)


def test_a_reopened_notebook_shows_a_still_picture_and_what_was_changed(browser, serve):
    page = browser.new_page()  # JupyterLab says on its console that it misses the model
    jupyterlab.open_notebook(page, serve, "lab.ipynb")
    jupyterlab.set_cell(page, 0, CELL.replace("amplitude=20", "amplitude=30"))
    assert jupyterlab.run_all(page) == []
    wait_for(page, "lab.step == 300 and lab._picture")
    still = page.locator(".minidyn-still")
    expect(still).to_be_hidden()
    jupyterlab.save_and_reopen(page, serve, "lab.ipynb")
    still.wait_for(timeout=jupyterlab.PATIENCE)
    expect(still).to_contain_text("Lab(amplitude=30.0, period=500, width=25")
    assert page.evaluate("document.querySelector('.minidyn-still img').naturalWidth") > 200
    expect(page.get_by_text("model not found")).to_be_hidden()
    assert "amplitude=30" in jupyterlab.cell_source(page, 0)
    assert jupyterlab.run_all(page) == []
    wait_for(page, "lab.step == 300")
    expect(still).to_be_hidden()
    page.context.close()
