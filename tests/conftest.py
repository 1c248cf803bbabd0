"""Fixtures for what is tested in a browser: the built book, a Chromium, a page that may talk to nobody else.

Only tests marked `browser` use them, so that the quick tests need neither Chromium nor a built book.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build" / "html"

# Debian's Chromium, as root, in a closed network: without these it keeps calling its maker's hosts.
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]


def lacking(what: str) -> None:
    """Skip on a reader's machine, fail where everything is meant to be there."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def site():
    """Address of a server of the built book, with a slash at its end."""
    if not (SITE / "index.html").exists():
        lacking("the book is not built: run `make book`")
    handler = functools.partial(QuietHandler, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    """A Chromium that resolves no name, with a fresh profile; for a module, since it holds the event loop."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        lacking("there is no Chromium: install one, for example Debian's package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def watch(page):
    """The list that fills with what goes wrong on `page`; a request to another machine is stopped."""
    trouble = []

    def stop(route):
        trouble.append(f"request to another host: {route.request.url}")
        route.abort()

    page.route(lambda url: not url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:")), stop)
    page.on("pageerror", lambda error: trouble.append(f"exception: {error}"))
    page.on(
        "console",
        lambda said: said.type == "error" and trouble.append(f"console: {said.text} {said.location['url']}"),
    )
    return trouble


@pytest.fixture
def page(browser):
    """A fresh page, 1280 wide. The test fails if the page logs an error or calls another host."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    trouble = watch(page)
    yield page
    context.close()
    assert trouble == []
