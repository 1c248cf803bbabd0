"""The students' notebooks of the coursework, made from their masters and put beside the pages that link them."""

from __future__ import annotations

import shutil
from pathlib import Path

from minidyn.coursework.teacher import build

FOLDER = "_downloads/coursework"  # in the built book


def publish(app, exception):
    """Write the notebooks and an archive of them. The teacher's folder stays out: `make coursework` makes it."""
    if exception is None and app.builder.format == "html":
        made, out = Path(app.outdir).parent / "coursework", Path(app.outdir) / FOLDER
        masters = Path(app.srcdir) / "book" / "coursework" / "masters"
        archive, _ = build.build(made, masters, build.Addresses(book=app.config.html_baseurl))
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(made / "student", out)
        shutil.copy(archive, out)


def setup(app):
    app.connect("build-finished", publish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
