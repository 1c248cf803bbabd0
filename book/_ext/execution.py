"""How the cells of the pages run while the book is built.

Their kernels see MINIDYN_BOOK=1, so that a widget shows a picture instead of a slider that nothing answers, and
no progress bar is left on a page. They use one BLAS thread: at these sizes a second one costs time. Cached outputs
are dropped when the code behind them changes: the cache itself compares only the cells.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

BEHIND = ("minidyn", "book/_data", "requirements.txt")  # what the outputs depend on, besides the cells


def fingerprint(root: Path) -> str:
    """SHA-256 over the names and bytes of all files that the pages' outputs depend on."""
    found = hashlib.sha256()
    for top in map(root.joinpath, BEHIND):
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and not {"__pycache__", "node_modules"} & set(path.parts):
                found.update(f"{path.relative_to(root)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return found.hexdigest()


def prepare(app, config):
    """Set the kernels' environment and drop a cache that was filled by other code."""
    os.environ |= {"MINIDYN_BOOK": "1", "OPENBLAS_NUM_THREADS": "1"}
    cache = Path(app.outdir).parent / ".jupyter_cache"
    stamp, now = cache / "fingerprint", fingerprint(Path(app.srcdir))
    app.minidyn_changed = not stamp.exists() or stamp.read_text() != now
    if app.minidyn_changed:
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        stamp.write_text(now)


def outdated(app, env, added, changed, removed):
    """All pages, once their cache has been dropped."""
    return env.found_docs if app.minidyn_changed else []


def setup(app):
    app.connect("config-inited", prepare)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
