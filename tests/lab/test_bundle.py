"""The committed bundle and its WebAssembly are what the sources build, and small."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

LAB = Path(__file__).parents[2] / "minidyn" / "lab"


def test_the_bundle_is_what_the_sources_build(tmp_path):
    tools = ("esbuild", "assemblyscript")
    if not shutil.which("node") or not all((LAB / "node_modules" / tool).exists() for tool in tools):
        missing = f"{' or '.join(tools)} is not installed: run `npm ci` in minidyn/lab"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=LAB, check=True)
    for path in (LAB / "lab.js", LAB / "src" / "engine" / "activation-wasm.js"):
        assert (tmp_path / path.name).read_text() == path.read_text(), "run `npm run build` in minidyn/lab"


def test_the_bundle_is_small_and_calls_nobody():
    text = (LAB / "lab.js").read_text()
    assert len(text.encode()) < 120_000
    assert text.count("http") == text.count("http://www.w3.org/2000/svg")
    assert "define(" not in text


def test_the_lock_file_names_no_registry():
    assert "resolved" not in (LAB / "package-lock.json").read_text()
