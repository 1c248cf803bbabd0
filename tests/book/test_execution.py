"""How the pages' cells run: with MINIDYN_BOOK set, and never from a cache that other code filled."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

SOURCE = Path(__file__).parents[2] / "book" / "_ext" / "execution.py"


@pytest.fixture
def execution():
    spec = importlib.util.spec_from_file_location("execution", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path):
    for name, text in {"minidyn/a.py": "a = 1", "minidyn/lab/b.js": "b", "requirements.txt": "numpy"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("changed", ["minidyn/a.py", "minidyn/lab/b.js", "requirements.txt", "book/_data/new.nc"])
def test_fingerprint_sees_what_the_outputs_depend_on(execution, project, changed):
    before = execution.fingerprint(project)
    (project / changed).parent.mkdir(parents=True, exist_ok=True)
    (project / changed).write_text("c = 2")
    assert execution.fingerprint(project) != before


def test_fingerprint_sees_a_new_name(execution, project):
    before = execution.fingerprint(project)
    (project / "minidyn/a.py").rename(project / "minidyn/c.py")
    assert execution.fingerprint(project) != before


@pytest.mark.parametrize("other", ["minidyn/__pycache__/a.pyc", "minidyn/lab/node_modules/x.js", "book/index.md"])
def test_fingerprint_ignores_the_rest(execution, project, other):
    before = execution.fingerprint(project)
    (project / other).parent.mkdir(parents=True)
    (project / other).write_text("x")
    assert execution.fingerprint(project) == before


def test_cache_is_dropped_when_the_package_changes(execution, project, monkeypatch):
    monkeypatch.delenv("MINIDYN_BOOK", raising=False)
    app = SimpleNamespace(srcdir=project, outdir=project / "_build" / "html")
    env = SimpleNamespace(found_docs={"book/index"})
    cached = project / "_build" / ".jupyter_cache" / "output"

    def build():
        execution.prepare(app, None)
        return execution.outdated(app, env, set(), set(), set())

    assert build() == {"book/index"}
    assert execution.os.environ["MINIDYN_BOOK"] == "1"
    cached.write_text("old")
    assert not build()
    assert cached.exists()
    (project / "minidyn/a.py").write_text("a = 2")
    assert build() == {"book/index"}
    assert not cached.exists()
