"""The lab: its engine in Node.js, then in this machine's Chromium steps per second while drawing, and memory.

`python -m benchmarks.lab` measures the speed, with the panels of the first page's first screen at three widths and with
all panels, and the seconds that the published run takes; with `--memory` the memory over a million steps too. Nothing
here is asserted: the numbers depend on the machine and on what else it does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from minidyn.lab import state
from tests.conftest import CHROMIUM_FLAGS

LAB = state.HERE / "lab.js"
PAGE = '<!DOCTYPE html><meta charset="utf-8"><script defer src="lab.js"></script><div data-lab="{}"></div>'
SECONDS = 10
ROUNDS = 3
FIRST_SCREEN = "speed=max&dF=frozen&first=map,dF,sharpness,play,reset,burst"
PUBLISHED = f"weights=figure4&clock=notebook&rest=65013&{FIRST_SCREEN}"


def open_lab(browser, folder, query):
    (folder / "page.html").write_text(PAGE.format(query))
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    opened = time.perf_counter()
    page.goto((folder / "page.html").as_uri())
    page.evaluate("window.lab = document.querySelector('[data-lab]').lab")
    page.wait_for_function("lab.session.step > 0")
    return page, time.perf_counter() - opened


def speed(browser, folder, query):
    """Steps per second, drawn frames per second, and seconds from opening to the first step."""
    page, first = open_lab(browser, folder, query)
    page.evaluate(
        "window.frames_drawn = 0; const draw = lab.draw; lab.draw = (now) => (frames_drawn++, draw.call(lab, now))"
    )
    page.wait_for_timeout(1000)
    read = "[lab.session.step, frames_drawn, performance.now() / 1000]"
    before = page.evaluate(read)
    page.wait_for_timeout(1000 * SECONDS)
    steps, frames, seconds = (b - a for a, b in zip(before, page.evaluate(read), strict=True))
    page.close()
    return steps / seconds, frames / seconds, first


def published_run(browser, folder):
    """Seconds from the first answer to the end of the published run, 70,000 steps, on the first screen."""
    page, _ = open_lab(browser, folder, PUBLISHED)
    started = time.perf_counter()
    page.wait_for_function("lab.session.mode === 'paused'", timeout=600_000)
    assert page.evaluate("lab.session.step") == 70_000
    page.close()
    return time.perf_counter() - started


def memory(browser, folder, marks=(100_000, 500_000, 1_000_000)):
    """Bytes of the page's heap after each number of steps, with garbage collected before."""
    page, _ = open_lab(browser, folder, "H=4&A=5&T=100&speed=max&until=0")
    client = page.context.new_cdp_session(page)
    sizes = []
    for mark in marks:
        page.wait_for_function("mark => lab.session.step >= mark", arg=mark, timeout=600_000)
        client.send("HeapProfiler.collectGarbage")
        usage = client.send("Runtime.getHeapUsage")
        sizes.append((mark, usage["usedSize"] + usage.get("backingStorageSize", 0)))
    page.close()
    return sizes


if __name__ == "__main__":
    subprocess.run(["node", Path(__file__).with_name("lab_engine.mjs")], check=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        shutil.copy(LAB, folder)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        widths = [f"{FIRST_SCREEN}&H={width}" for width in (30, 100, 128)]
        for query in (*widths, "speed=max", "speed=max&against=A:1", "speed=max&H=10", "speed=400"):
            steps, frames, first = max(speed(browser, folder, query) for _ in range(ROUNDS))
            print(f"{steps:7,.0f} steps/s {frames:5.1f} frames/s, first step after {first:.2f} s: {query}")
        print(f"{min(published_run(browser, folder) for _ in range(ROUNDS)):.1f} s for the published run, 70,000 steps")
        for mark, size in memory(browser, folder) if "--memory" in sys.argv else []:
            print(f"{mark:9,} steps: {size / 1e6:.1f} MB")
        browser.close()
