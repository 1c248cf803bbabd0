"""How the cells of the pages run while the book is built.

Their kernels see MINIDYN_BOOK=1, so that a widget shows a picture instead of a slider that nothing answers, and
no progress bar is left on a page. They use one BLAS thread: at these sizes a second one costs time. Cached outputs
are dropped when the code behind them changes: the cache itself compares only the cells.

`run_pages.py` fills the cache, several pages at once, before Sphinx takes the outputs from it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

BEHIND = ("minidyn", "book/_data", "requirements.txt")  # what the outputs depend on, besides the cells
KERNEL_ENVIRONMENT = {"MINIDYN_BOOK": "1", "OPENBLAS_NUM_THREADS": "1"}


def fingerprint(root: Path) -> str:
    """SHA-256 over the names and bytes of all files that the pages' outputs depend on."""
    digest = hashlib.sha256()
    for top in map(root.joinpath, BEHIND):
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and not {"__pycache__", "node_modules"} & set(path.parts):
                digest.update(f"{path.relative_to(root)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def drop_stale_cache(root: Path, cache: Path) -> bool:
    """Whether the cache was filled by other code than that under `root`; if so, it is empty afterwards."""
    stamp, now = cache / "fingerprint", fingerprint(root)
    if stamp.exists() and stamp.read_text() == now:
        return False
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    stamp.write_text(now)
    return True


def prepare(app, config):
    """Set the kernels' environment and drop a cache that was filled by other code."""
    os.environ |= KERNEL_ENVIRONMENT
    app.minidyn_changed = drop_stale_cache(Path(app.srcdir), Path(app.outdir).parent / ".jupyter_cache")


def outdated(app, env, added, changed, removed):
    """All pages, once their cache has been dropped."""
    return env.found_docs if app.minidyn_changed else []


def setup(app):
    app.connect("config-inited", prepare)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
