"""Run the cells of the book's pages, several pages at once: `python book/_ext/run_pages.py`, a part of `make book`.

Sphinx would run the pages one after the other. Here each core runs one page at a time, the slowest pages first, and
the outputs go into the cache where Sphinx looks for them. Pages whose cells have not changed are not run again. A
page fails if a cell raises, takes longer than the limit in _config.yml, or writes to stderr; the others still run.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import yaml
from execution import KERNEL_ENVIRONMENT, drop_stale_cache
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from myst_nb.core.read import is_myst_markdown_notebook, myst_nb_reader_plugin
from nbclient import NotebookClient
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from sphinx.util.matching import get_matching_files

import minidyn as md

ROOT = Path(__file__).resolve().parents[2]
BUDGET = 15  # seconds of a core for the cells of one page; what takes longer becomes a stored result


@dataclass(frozen=True, kw_only=True)
class PageRun:
    """The outputs of a page, the time that its cells took, and the failure, if there was one."""

    path: Path
    notebook: NotebookNode
    seconds: float  # by the clock
    core_seconds: float  # summed over the cores that worked for this page
    failure: str = ""

    def __str__(self) -> str:
        return f"{self.seconds:6.1f} s {self.core_seconds:8.1f} s of a core   {_name(self.path)}"


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def configuration(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "_config.yml").read_text())


def book_pages(root: Path) -> list[Path]:
    """The pages with cells, in alphabetical order: those that Sphinx would run."""
    config = configuration(root)
    names = get_matching_files(root, config["sphinx"]["config"]["include_patterns"], config["exclude_patterns"])
    paths = sorted(root / name for name in names if name.endswith(".md"))
    return [path for path in paths if is_myst_markdown_notebook(path.read_text())]


def last_seconds(cache: JupyterCacheAbstract) -> dict[str, float]:
    """Seconds that each page took when it last ran."""
    records = sorted(cache.list_cache_records(), key=lambda record: record.created)
    return {record.uri: record.data["execution_seconds"] for record in records}


def slowest_first(paths: Iterable[Path], seconds: dict[str, float]) -> list[Path]:
    """Pages of unknown time come first, the longest text leading; the others follow by their times."""
    return sorted(paths, key=lambda path: (-seconds.get(str(path), float("inf")), -path.stat().st_size))


def is_cached(cache: JupyterCacheAbstract, path: Path) -> bool:
    try:
        return bool(cache.match_cache_notebook(myst_nb_reader_plugin(str(path))))
    except KeyError:
        return False


def store(cache: JupyterCacheAbstract, run: PageRun) -> None:
    """Keep the outputs of a page where Sphinx looks for them."""
    times = {"execution_seconds": run.seconds, "core_seconds": run.core_seconds}
    cache.cache_notebook_bundle(
        CacheBundleIn(run.notebook, str(run.path), data=times), check_validity=False, overwrite=True
    )


def compile_kernels() -> None:
    """Compile the library's loops and list the fonts once; otherwise each of the first pages would do both."""
    import matplotlib.pyplot  # noqa: F401

    net, loss = md.MLP(2, 3, 3), md.CrossEntropy(md.Oscillation(1, 1))
    md.train(net, net.init(0), md.spiral(2), loss, learning_rate=1, steps=1, progress=False)


def run_page(path: Path, cell_timeout: float) -> PageRun:
    """Run the cells of a page in a kernel of its own, in the page's folder; no cell may take more than the timeout."""
    notebook, error = myst_nb_reader_plugin(str(path)), None
    begun: list[int] = []
    client = NotebookClient(
        notebook,
        on_cell_execute=lambda cell, cell_index: begun.append(cell_index),
        timeout=cell_timeout,
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,  # times in the cells' metadata would change the key under which Sphinx looks for them
        extra_arguments=["--log-level=ERROR"],  # a kernel's warnings are about servers
    )
    started, busy = time.perf_counter(), _core_seconds()
    try:
        client.execute()
    except Exception as exception:  # a cell that raises, a timeout, a kernel that dies: the other pages go on
        error = exception
    return PageRun(
        path=path,
        notebook=notebook,
        seconds=time.perf_counter() - started,
        core_seconds=_core_seconds() - busy,
        failure=describe_failure(path, notebook, begun, error),
    )


def _core_seconds() -> float:
    """Processor time of all kernels that this process has started and seen end."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def describe_failure(path: Path, notebook: NotebookNode, begun: list[int], error: Exception | None = None) -> str:
    """The page, line and number of the cell that failed, and what it said; empty if none failed.

    `begun` has the indices of the cells that were sent to the kernel. One that dies says nothing of its last cell.
    """
    for number in begun[-1:] if error else begun:
        message = str(error) if error else _stderr(notebook.cells[number])
        if message:
            line = notebook.metadata.source_map[number] + 1
            return f"{_name(path)}:{line}, code cell {begun.index(number) + 1}: {strip_ansi(message)}"
    return f"{_name(path)}: {error}" if error else ""


def _stderr(cell: NotebookNode) -> str:
    text = "".join(output.text for output in cell.outputs if output.get("name") == "stderr")
    return f"it wrote to stderr\n{text}" if text else ""


def run_pages(paths: Iterable[Path], workers: int, cell_timeout: float) -> Iterator[PageRun]:
    """Run the pages in this order, `workers` at once; each is yielded as soon as it has ended."""
    pool = ProcessPoolExecutor(workers)
    try:
        pool.submit(compile_kernels).result()
        for future in as_completed([pool.submit(run_page, path, cell_timeout) for path in paths]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C ends the pages that run, and starts no other


def fill_cache(root: Path, workers: int) -> list[PageRun]:
    """Run the pages that are not in the cache, with a line for each as it ends."""
    folder = root / "_build" / ".jupyter_cache"
    seconds = last_seconds(get_cache(folder))
    drop_stale_cache(root, folder)
    cache = get_cache(folder)
    paths = [path for path in slowest_first(book_pages(root), seconds) if not is_cached(cache, path)]
    print(f"{len(paths)} pages to run, {workers} at once", flush=True)
    runs: list[PageRun] = []
    for run in run_pages(paths, workers, configuration(root)["execute"]["timeout"]) if paths else ():
        runs.append(run)
        print(f"{len(runs):3} of {len(paths)} {run}", flush=True)
        if run.failure:
            print(f"FAILED {run.failure}", flush=True)
        else:
            store(cache, run)
    return runs


def report(runs: Iterable[PageRun], budget: float = BUDGET) -> str:
    """The pages that failed, and those that kept a core busy for longer than the budget; empty if there are none."""
    failures = [f"FAILED {run.failure.splitlines()[0]}" for run in runs if run.failure]
    over = sorted((run for run in runs if run.core_seconds > budget), key=lambda run: -run.core_seconds)
    heading = [f"Over the budget of {budget} s of a core for a page:"] if over else []
    return "\n".join([*heading, *map(str, over), *failures])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=joblib.cpu_count(), help="pages at once (default: one per core)")
    workers = parser.parse_args().workers
    os.environ |= KERNEL_ENVIRONMENT
    runs = fill_cache(ROOT, workers)
    print(report(runs), end="\n" if runs else "")
    sys.exit(int(any(run.failure for run in runs)))


if __name__ == "__main__":
    main()
