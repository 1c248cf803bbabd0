"""What a page comes to show: assertions that wait for it, since a busy machine is late with the next frame."""

from __future__ import annotations

import re
from typing import Any

PATIENCE = 30_000  # milliseconds


def expect(locator: Any) -> Any:
    """Playwright's assertions about what stands in a page."""
    from playwright.sync_api import expect as expect_  # here, since the quick tests run without it

    expect_.set_options(timeout=PATIENCE)
    return expect_(locator)


def starts_with(text: str) -> re.Pattern[str]:
    return re.compile("^" + re.escape(text))
