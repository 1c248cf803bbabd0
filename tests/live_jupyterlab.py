"""A real JupyterLab, driven through its page as a reader drives it.

with serve(folder, tmp_path) as lab:
    open_notebook(page, lab, "chapter.ipynb")
    assert run_all(page) == []
    before = picture(page)
    move_slider(page, "amplitude", steps=3)
    wait_for_other_picture(page, before)
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat

SETTINGS = Path(__file__).parents[1] / "book" / "_jupyter"  # as `make lab` has them
PATIENCE = 120_000  # milliseconds that a kernel may take
CLICK = 30_000  # milliseconds until a double click that JupyterLab has lost, while it drew its list anew, is repeated
OPEN = "path => window.jupyterapp?.shell.currentWidget?.context?.path === path"
# JupyterLab draws cells one by one, and its cell toolbar stumbles over one that is selected too early.
READY = """path => {
  const panel = window.jupyterapp?.shell.currentWidget;
  return panel?.context?.path === path && panel.sessionContext?.session?.kernel?.status === "idle"
    && panel.content.widgets.every(cell => !cell.isPlaceholder());
}"""
TROUBLE = """window.jupyterapp.shell.currentWidget.content.widgets
  .flatMap(cell => cell.model.outputs?.toJSON() ?? [])
  .filter(output => output.output_type === "error" || output.name === "stderr")
  .map(output => output.text ? `stderr: ${[output.text].flat().join("")}` : `${output.ename}: ${output.evalue}`)"""
LONGEST = 300_000  # milliseconds that all cells of a notebook may take: a reply that is lost must not hang the tests
WITHIN = f"""(what, promise) => Promise.race([
  promise,
  new Promise((_, reject) => setTimeout(() => reject(new Error(what)), {LONGEST})),
])"""
RUN_ALL = f"""() => ({WITHIN})(
  "the cells did not come to their end", window.jupyterapp.commands.execute("notebook:run-all-cells"))"""
# Runs code in the notebook's kernel; resolves to what it prints.
IN_KERNEL = """async (code) => {
  const running = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({ code });
  let printed = "";
  running.onIOPub = ({ header, content }) => {
    if (header.msg_type === "stream") printed += content.text;
    if (header.msg_type === "error") printed += content.evalue;
  };
  await (WITHIN)("the kernel did not answer", running.done);
  return printed;
}""".replace("WITHIN", WITHIN)


def write_notebook(path, *cells):
    """A notebook of code cells, which asks for no kernel."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


@contextlib.contextmanager
def serve(folder, home):
    """Run JupyterLab in `folder`, untouched by the user's settings; yield the function from a path to its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    own = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(home / "w"), "JUPYTERLAB_SETTINGS_DIR": str(home / "s")}
    log = home / "jupyterlab.log"
    with log.open("w") as out:
        lab = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
            + [
                "--ServerApp.port_retries=0",
                f"--IdentityProvider.token={token}",
                "--LabApp.expose_app_in_browser=True",
            ],
            cwd=folder,
            env=os.environ | own | {"JUPYTER_CONFIG_PATH": str(SETTINGS)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _await_answer(lab, f"http://127.0.0.1:{port}/api?token={token}", log)
        yield lambda at: f"http://127.0.0.1:{port}/lab{'/tree/' if at else ''}{at}?token={token}"
    finally:
        lab.terminate()
        lab.wait(30)


def _await_answer(lab, address, log):
    for _ in range(240):
        if lab.poll() is not None:
            break
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(address, timeout=5).close()
        time.sleep(0.25)
    raise RuntimeError(f"JupyterLab does not answer:\n{log.read_text()[-3000:]}")


def open_notebook(page, lab, path):
    """Double-click a notebook in the file browser; wait until its cells are drawn and its kernel is ready."""
    folder, _, name = path.rpartition("/")
    page.goto(lab(folder))
    for _ in range(PATIENCE // CLICK):
        page.locator(".jp-DirListing-item").get_by_text(name, exact=True).dblclick(timeout=PATIENCE)
        with contextlib.suppress(_timeout()):
            page.wait_for_function(OPEN, arg=path, timeout=CLICK)
            break
    await_ready(page, path)


def _timeout():
    from playwright.sync_api import TimeoutError  # here, since the quick tests run without it

    return TimeoutError


def await_ready(page, path):
    """Wait until the notebook at a path is the current one, its cells are drawn and its kernel is ready."""
    page.wait_for_function(READY, arg=path, timeout=PATIENCE)


def run_all(page):
    """Run all cells; return the errors that they show, and what they wrote to stderr."""
    page.evaluate(RUN_ALL)
    return page.evaluate(TROUBLE)


def in_kernel(page, code):
    """Run code in the notebook's kernel; return what it prints."""
    return page.evaluate(IN_KERNEL, code)


def cell_source(page, index):
    return page.evaluate(
        "k => window.jupyterapp.shell.currentWidget.content.widgets[k].model.sharedModel.source", index
    )


def set_cell(page, index, source):
    """Type something else into a cell."""
    page.evaluate(
        "([k, source]) => window.jupyterapp.shell.currentWidget.content.widgets[k].model.sharedModel.setSource(source)",
        [index, source],
    )


def save_and_reopen(page, lab, path):
    """Save the notebook, shut its kernel down, and open it again."""
    page.evaluate(
        """async () => {
          const { context, sessionContext } = window.jupyterapp.shell.currentWidget;
          await context.save();
          await sessionContext.shutdown();
        }"""
    )
    page.goto("about:blank")
    page.goto(lab(path))
    await_ready(page, path)


def scroll_to(page, start):
    """Bring the first code cell that has a line which starts like this into view; whether there is one."""
    return page.evaluate(
        """async start => {
          const notebook = window.jupyterapp.shell.currentWidget.content;
          const index = notebook.widgets.findIndex(cell =>
            cell.model.type === "code" && `\\n${cell.model.sharedModel.source}`.includes(`\\n${start}`));
          if (index < 0) return false;
          notebook.activeCellIndex = index;
          await notebook.scrollToItem(index, "start");
          return true;
        }""",
        start,
    )


def picture(page):
    """The picture that the notebook shows last, as its data address."""
    return page.locator(".jp-OutputArea-output img").last.get_attribute("src", timeout=PATIENCE)


def move_slider(page, name, steps):
    """Press the right arrow key `steps` times on the slider with this description."""
    handle = page.locator(".widget-slider", has_text=name).locator(".noUi-handle")
    for _ in range(steps):
        handle.press("ArrowRight")


def wait_for_other_picture(page, before):
    """Wait until the notebook's last picture is not `before`; return it."""
    page.wait_for_function(
        """before => {
          const pictures = [...document.querySelectorAll(".jp-OutputArea-output img")];
          return pictures.length && pictures.at(-1).src !== before;
        }""",
        arg=before,
        timeout=PATIENCE,
    )
    return picture(page)
