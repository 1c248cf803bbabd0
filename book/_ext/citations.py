"""Labels that tell works of one author and year apart: the year 2026a in references.bib becomes [Gan26a]."""

from __future__ import annotations

from typing import Any

from pybtex.plugin import register_plugin
from pybtex.style.formatting.alpha import Style as AlphaStyle
from pybtex.style.labels.alpha import LabelStyle as AlphaLabels


class LetteredLabels(AlphaLabels):
    """Like alpha, with the letter that a year may have."""

    def format_label(self, entry: Any) -> str:
        label, year = super().format_label(entry), entry.fields.get("year", "")
        return label.removesuffix(year[-2:]) + year[2:]


class LetteredStyle(AlphaStyle):
    """Like alpha, with these labels."""

    default_label_style = "lettered"


def setup(app: Any) -> dict[str, bool]:
    register_plugin("pybtex.style.labels", "lettered", LetteredLabels)
    register_plugin("pybtex.style.formatting", "lettered", LetteredStyle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
