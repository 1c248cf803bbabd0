"""The colours of the book's pictures, by name: those of `palette.json`, which the lab in the page reads too."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

PALETTE: dict[str, Any] = json.loads((resources.files("minidyn") / "palette.json").read_text())
