"""The lab as a widget in a real JupyterLab: it moves, and Python sets its state and reads its history."""

from __future__ import annotations

import json

import pytest

from tests import live_jupyterlab as jupyterlab

pytestmark = pytest.mark.browser

NOTEBOOK = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

```{code-cell} ipython3
from minidyn.lab import Lab

lab = Lab(amplitude=20, period=500, width=25, speed="max", until=300)
lab
```
"""

# Runs code in the notebook's kernel; resolves to what it prints.
IN_KERNEL = """async (code) => {
  const running = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({ code });
  let printed = "";
  running.onIOPub = ({ header, content }) => {
    if (header.msg_type === "stream") printed += content.text;
    if (header.msg_type === "error") printed += content.evalue;
  };
  await running.done;
  return printed;
}"""


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    (folder / "lab.md").write_text(NOTEBOOK)
    with jupyterlab.serve(folder, tmp_path_factory.mktemp("home")) as address:
        yield address


def ask(page, expression):
    """A JSON value that the kernel prints."""
    return json.loads(page.evaluate(IN_KERNEL, f"import json; print(json.dumps({expression}))"))


def wait_for(page, expression):
    for _ in range(100):
        if ask(page, f"bool({expression})"):
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"{expression} stayed false; the state is {ask(page, 'lab.state')}")


def test_python_sets_the_state_and_reads_the_history(page, serve):
    jupyterlab.open_notebook(page, serve, "lab.md")
    assert jupyterlab.run_all(page) == []
    page.get_by_role("group", name="Training lab").wait_for(timeout=jupyterlab.PATIENCE)
    wait_for(page, "lab.state['step'] == 300 and not lab.state['playing']")
    wait_for(page, "lab.history.sizes['step'] == 301")
    first = ask(page, "lab.history.loss.values.tolist()")

    page.evaluate(IN_KERNEL, "lab.state = {'amplitude': 5, 'step': 120, 'playing': False}")
    wait_for(page, "lab.history.sizes['step'] == 121")
    assert page.get_by_text("step 120").is_visible()
    second = ask(page, "lab.history.loss.values.tolist()")
    assert second[0] == first[0]
    assert second[100] != first[100]

    library = """
import minidyn as md
net, gamma = md.MLP(2, 25, 3), md.Oscillation(5, 500)
run = md.train(net, net.init(0), md.spiral(), md.CrossEntropy(gamma), learning_rate=1.0, steps=120,
               validation=md.spiral(seed=1), measure={"hessian_max": 51}, progress=False)
"""
    page.evaluate(IN_KERNEL, library)
    assert ask(page, "float(abs(lab.history / run.history - 1).to_array().max())") < 1e-9


def test_a_slider_in_the_widget_reaches_python(page, serve):
    jupyterlab.open_notebook(page, serve, "lab.md")
    assert jupyterlab.run_all(page) == []
    page.get_by_label("amplitude A").press("ArrowRight", timeout=jupyterlab.PATIENCE)
    wait_for(page, "lab.state['amplitude'] == 30")
