"""The lab in marimo: `mo.ui.anywidget(Lab())` moves, Python has its history, and cells follow its state."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request

import pytest

pytest.importorskip("marimo")

APP = """import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo

    from minidyn.lab import Lab

    lab = Lab(amplitude=20, period=500, width=25, speed="max", until=300)
    shown = mo.ui.anywidget(lab)
    shown
    return lab, mo, shown


@app.cell
def _(lab, mo, shown):
    mo.md(f"step {shown.value['state']['step']}, history {lab.history.sizes['step'] > 100}")
    return


if __name__ == "__main__":
    app.run()
"""
PATIENCE = 60_000  # milliseconds


@pytest.fixture
def app(tmp_path):
    path = tmp_path / "app.py"
    path.write_text(APP)
    return path


def test_the_lab_is_a_value_of_marimo(app):
    subprocess.run([sys.executable, app], check=True)


@pytest.fixture
def address(app, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "run", str(app), "--headless", "--port", str(port), "--no-token"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.browser
def test_the_lab_moves_and_cells_follow_it(browser, address):
    page = browser.new_page()  # marimo asks for fonts and statistics of its own
    page.goto(address)
    page.get_by_role("group", name="Training lab").wait_for(timeout=PATIENCE)
    page.get_by_text("step 300, history True").wait_for(timeout=PATIENCE)
    page.get_by_label("amplitude A").press("ArrowRight")
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_timeout(3000)
    page.get_by_text("step 300, history True").wait_for(timeout=PATIENCE)
    page.context.close()
