"""The cells of the pages run with MINIDYN_BOOK set, and no output is taken from a cache that other code filled."""

from __future__ import annotations

from types import SimpleNamespace

import execution
import pytest


@pytest.fixture
def project(tmp_path):
    for name, text in {"minidyn/a.py": "a = 1", "minidyn/lab/b.js": "b", "requirements.txt": "numpy"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("changed", ["minidyn/a.py", "minidyn/lab/b.js", "requirements.txt", "book/_data/new.nc"])
def test_the_fingerprint_changes_with_what_the_outputs_depend_on(project, changed):
    before = execution.fingerprint(project)
    (project / changed).parent.mkdir(parents=True, exist_ok=True)
    (project / changed).write_text("c = 2")
    assert execution.fingerprint(project) != before


def test_the_fingerprint_changes_with_a_file_name(project):
    before = execution.fingerprint(project)
    (project / "minidyn/a.py").rename(project / "minidyn/c.py")
    assert execution.fingerprint(project) != before


@pytest.mark.parametrize("other", ["minidyn/__pycache__/a.pyc", "minidyn/lab/node_modules/x.js", "book/index.md"])
def test_the_fingerprint_does_not_depend_on_other_files(project, other):
    before = execution.fingerprint(project)
    (project / other).parent.mkdir(parents=True)
    (project / other).write_text("x")
    assert execution.fingerprint(project) == before


def test_the_cache_is_dropped_and_all_pages_are_read_again_when_the_package_changes(project, monkeypatch):
    monkeypatch.setattr(execution.os, "environ", {})
    app = SimpleNamespace(srcdir=project, outdir=project / "_build" / "html")
    env = SimpleNamespace(found_docs={"book/index"})
    cached = project / "_build" / ".jupyter_cache" / "output"

    def build():
        execution.prepare(app, None)
        return execution.outdated(app, env, set(), set(), set())

    assert build() == {"book/index"}
    assert execution.os.environ == {"MINIDYN_BOOK": "1", "OPENBLAS_NUM_THREADS": "1"}
    cached.write_text("old")
    assert not build()
    assert cached.exists()
    (project / "minidyn/a.py").write_text("a = 2")
    assert build() == {"book/index"}
    assert not cached.exists()
