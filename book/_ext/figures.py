"""Lighter figures: each PNG of the built pages is stored with a palette of 256 colours, a third of its bytes.

Lines, text and a few fills need no more; Matplotlib itself writes four bytes per pixel.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image


def lighten(path: Path) -> None:
    """Rewrite an opaque true-colour PNG with a palette if that makes it smaller."""
    with Image.open(path) as image:
        if image.mode == "P" or image.convert("RGBA").getextrema()[3][0] < 255:
            return
        reduced = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    smaller = path.with_suffix(".tmp")
    reduced.save(smaller, "PNG", optimize=True)
    smaller.replace(path) if smaller.stat().st_size < path.stat().st_size else smaller.unlink()


def lighten_all(app, exception):
    """Lighten all pictures of the HTML pages, on all cores: Pillow releases the interpreter while it works."""
    if exception is None and app.builder.format == "html":
        with ThreadPoolExecutor() as pool:
            list(pool.map(lighten, Path(app.outdir, "_images").glob("*.png")))


def setup(app):
    app.connect("build-finished", lighten_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
