"""The lab in this machine's Chromium: steps per second while drawing, and memory over a million steps.

`python -m benchmarks.lab` measures the speed, and with `--memory` the memory too. Nothing here is asserted: the numbers
depend on the machine and on what else it does.
"""

from __future__ import annotations

import shutil
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
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        shutil.copy(LAB, folder)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        for query in ("speed=max", "speed=max&against=A:1", "speed=max&H=10", "speed=400"):
            steps, frames, first = speed(browser, folder, query)
            print(f"{query:22} {steps:7.0f} steps/s {frames:5.1f} frames/s, first step after {first:.2f} s")
        for mark, size in memory(browser, folder) if "--memory" in sys.argv else []:
            print(f"{mark:9,} steps: {size / 1e6:.1f} MB")
        browser.close()
