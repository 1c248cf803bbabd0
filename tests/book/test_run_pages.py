"""The pages run several at once before Sphinx: what fails says so, what ran lies where Sphinx looks for it."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace

import execution
import pytest
import run_pages
from jupyter_cache import get_cache
from myst_nb.core.config import NbParserConfig
from myst_nb.core.execute import create_client
from myst_nb.core.read import create_nb_reader
from myst_parser.config.main import MdParserConfig

ROOT = Path(__file__).parents[2]
CONFIG = """
exclude_patterns: [book/_*, minidyn]
execute: {timeout: 2}
sphinx: {config: {include_patterns: ["book/**"]}}
"""
FRONT_MATTER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# A page
"""
CELLS = {
    "sound": ["value = 6 * 7", "print(value)"],
    "raises": ["value = 0", "1 / value", "print('not reached')"],
    "stderr": ["import sys", "print('a warning', file=sys.stderr)"],
    "slow": ["import time", "time.sleep(600)"],
    "dies": ["import os", "os._exit(1)"],
}
SAID = {
    "raises": ["raises.md:10, code cell 2:", "1 / value", "ZeroDivisionError: division by zero"],
    "stderr": ["stderr.md:10, code cell 2: it wrote to stderr", "a warning"],
    "slow": ["slow.md:10, code cell 2:", "timed out", "time.sleep(600)"],
    "dies": ["dies.md:10, code cell 2:", "Kernel died"],
}


def write_page(folder, name):
    path = folder / "book" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FRONT_MATTER + "".join(f"```{{code-cell}}\n{cell}\n```\n" for cell in CELLS[name]))
    return path


@pytest.fixture
def project(tmp_path):
    (tmp_path / "_config.yml").write_text(CONFIG)
    return tmp_path


def page_run(name="page", **values):
    return run_pages.PageRun(**{"path": Path(name), "notebook": None, "seconds": 1.0, "core_seconds": 1.0} | values)


def test_the_pages_are_those_with_cells_that_the_book_includes(project):
    paths = [write_page(project, name) for name in ("raises", "sound")]
    write_page(project, "sound").rename(project / "book" / "_hidden.md")
    write_page(project, "sound")
    (project / "book" / "prose.md").write_text("# No cells")
    (project / "README.md").write_text(paths[0].read_text())
    assert run_pages.book_pages(project) == paths


def test_the_pages_of_the_book_are_all_that_have_a_kernel():
    assert run_pages.book_pages(ROOT) == sorted(
        path
        for path in (ROOT / "book").rglob("*.md")
        if "kernelspec:" in path.read_text()[:400] and "masters" not in path.parts
    )


def test_unknown_pages_run_first_and_then_the_slowest(project):
    short, long = write_page(project, "sound"), write_page(project, "raises")
    fast, slow = write_page(project, "stderr"), write_page(project, "dies")
    seconds = {str(fast): 1.0, str(slow): 2.0}
    assert run_pages.slowest_first([fast, short, slow, long], seconds) == [long, short, slow, fast]


@pytest.mark.parametrize("name", ["raises", "stderr"])
def test_a_page_that_fails_names_page_line_and_cell(project, name):
    run = run_pages.run_page(write_page(project, name), cell_timeout=60)
    assert all(text in run.failure for text in SAID[name])
    assert "\x1b" not in run.failure


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cell_timeout"), [("slow", 15), ("dies", 60)])
def test_a_page_that_never_ends_or_loses_its_kernel_fails(project, name, cell_timeout):
    run = run_pages.run_page(write_page(project, name), cell_timeout)
    assert [text for text in SAID[name] if text not in run.failure] == []


def test_a_kernel_that_dies_before_it_says_so_is_in_the_cell_that_it_was_sent(project):
    path = write_page(project, "dies")
    notebook = run_pages.myst_nb_reader_plugin(str(path))
    said = run_pages.describe_failure(path, notebook, [1, 2], RuntimeError("Kernel died"))
    assert "dies.md:10, code cell 2: Kernel died" in said
    assert "execution_count" not in notebook.cells[2] or notebook.cells[2].execution_count is None


def test_a_sound_page_has_no_failure_and_knows_its_times(project):
    run = run_pages.run_page(write_page(project, "sound"), cell_timeout=60)
    assert run.failure == ""
    assert run.notebook.cells[-1].outputs[0].text == "42\n"
    assert run.core_seconds > 0
    assert run.seconds > 0


def test_sphinx_takes_the_outputs_of_a_stored_page(project):
    """The client that Sphinx makes for a page meets the cache, and starts no kernel: this page would raise."""
    path = write_page(project, "raises")
    cache = get_cache(project / "_build" / ".jupyter_cache")
    run_pages.store(cache, run_pages.run_page(path, cell_timeout=60))
    config = NbParserConfig(execution_mode="cache", execution_cache_path=str(cache.path))
    reader = create_nb_reader(str(path), MdParserConfig(), config, path.read_text())
    logger = SimpleNamespace(info=lambda message: None)
    with create_client(reader.read(path.read_text()), str(path), config, logger, reader.read_fmt) as client:
        assert client.exec_metadata["succeeded"]
        assert client.notebook.cells[2].outputs[0].ename == "ZeroDivisionError"
    assert run_pages.is_cached(cache, path)
    path.write_text(path.read_text().replace("value = 0", "value = 1"))
    assert not run_pages.is_cached(cache, path)


@pytest.mark.slow
def test_a_failing_page_fails_the_build_and_the_others_are_kept(project, monkeypatch, capsys):
    for name in ("sound", "raises"):
        write_page(project, name)
    monkeypatch.setattr(run_pages, "ROOT", project)
    monkeypatch.setattr(run_pages.sys, "argv", ["run_pages.py", "--workers", "2"])
    monkeypatch.setattr(run_pages.os, "environ", dict(run_pages.os.environ))
    with pytest.raises(SystemExit, match="1"):
        run_pages.main()
    said = capsys.readouterr().out
    assert "2 pages to run, 2 at once" in said
    assert all(text in said for text in SAID["raises"])
    assert "book/raises.md:10, code cell 2:" in said.splitlines()[-1]
    with pytest.raises(SystemExit, match="1"):
        run_pages.main()
    assert "1 pages to run" in capsys.readouterr().out


@pytest.mark.slow
def test_past_times_survive_a_change_of_the_package(project):
    write_page(project, "sound")
    run_pages.fill_cache(project, workers=1)
    (project / "minidyn").mkdir()
    (project / "minidyn" / "new.py").touch()
    seconds = run_pages.last_seconds(get_cache(project / "_build" / ".jupyter_cache"))
    assert list(seconds) == [str(project / "book" / "sound.md")]
    assert [run.path.stem for run in run_pages.fill_cache(project, workers=1)] == ["sound"]
    assert run_pages.fill_cache(project, workers=1) == []


def test_the_report_lists_what_is_over_the_budget_slowest_first_and_what_failed():
    runs = [
        page_run("cheap", core_seconds=15.0),
        page_run("over", core_seconds=16.0),
        page_run("far over", core_seconds=40.0),
        page_run("broken", failure="broken:7, code cell 2: said\nTraceback"),
    ]
    heading, *pages, last = run_pages.report(runs, budget=15).splitlines()
    assert "15 s" in heading
    assert [line.split("core   ")[1] for line in pages] == ["far over", "over"]
    assert last == "FAILED broken:7, code cell 2: said"
    assert run_pages.report(runs[:1], budget=15) == ""


@pytest.mark.browser
@pytest.mark.usefixtures("site")
def test_sphinx_ran_no_page_of_the_built_book():
    """Only run_pages.py stores the time of the cores beside the outputs. The budget is reported, not asserted."""
    cache = get_cache(ROOT / "_build" / ".jupyter_cache")
    records = {record.uri: record.data for record in cache.list_cache_records()}
    pages = run_pages.book_pages(ROOT)
    assert [str(path) for path in pages if "core_seconds" not in records.get(str(path), {})] == []
    times = [records[str(path)] for path in pages]
    runs = [
        page_run(path, seconds=time["execution_seconds"], core_seconds=time["core_seconds"])
        for path, time in zip(pages, times, strict=True)
    ]
    if report := run_pages.report(runs):
        warnings.warn(report, stacklevel=1)


def test_the_kernels_know_that_they_work_for_the_book():
    assert execution.KERNEL_ENVIRONMENT["MINIDYN_BOOK"] == "1"
