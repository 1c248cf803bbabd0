"""The wheel and the sdist: complete, and importable where nothing but the dependencies is."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

import minidyn as md

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

BUILD = """
import sys
from setuptools import build_meta

folder = sys.argv[1]  # which setuptools overwrites
build_meta.build_wheel(folder)
build_meta.build_sdist(folder)
"""
USE = """
import minidyn as md
from minidyn.experiments import all_experiments, load
from minidyn.lab import Lab

assert "site" in md.__file__, md.__file__
assert load("published-run").attrs["experiment"] == "published-run"
assert "export" in Lab._esm
assert md.train(md.MLP(2, 5, 3), md.MLP(2, 5, 3).init(0), md.spiral(), md.CrossEntropy(), learning_rate=1, steps=3)
"""


def test_every_package_is_named():
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "minidyn").rglob("__init__.py")}
    assert {*PROJECT["tool"]["setuptools"]["packages"]} == there | {"minidyn._data"}


def test_the_versions_agree():
    version = PROJECT["project"]["version"]
    assert md.__version__ == version
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_contributing_gives_a_reason_for_each_bound():
    """The table of dependencies has the bounds of pyproject.toml, word for word."""
    project = PROJECT["project"]
    listed = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    bounds = [re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", requirement) for requirement in listed]
    reasons = re.sub(r"\[\w+\]", "", (ROOT / "CONTRIBUTING.md").read_text())
    missing = [
        f"{bound[1]} ≥ {bound[2]}"
        for bound in bounds
        if bound and f"{bound[1]} ≥ {bound[2]} " not in reasons.replace(",", " ")
    ]
    assert missing == []


def test_every_dependency_has_a_lower_bound():
    project = PROJECT["project"]
    listed = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    assert [name for name in listed if ">=" not in name and not name.startswith("minidyn[")] == []


@pytest.mark.slow
def test_wheel_and_sdist_are_complete(tmp_path):
    source, site = tmp_path / "source", tmp_path / "site"
    for folder in ("minidyn", "book/_data"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    subprocess.run([sys.executable, "-c", BUILD, str(tmp_path)], cwd=source, check=True, stdout=subprocess.DEVNULL)
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True)
    environment = os.environ | {"PYTHONPATH": str(site)}
    subprocess.run([sys.executable, "-P", "-c", USE], cwd=tmp_path, env=environment, check=True)
    with tarfile.open(sdist) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {"pyproject.toml", "LICENSE", "minidyn/lab/lab.js", "book/_data/published-run.nc"} <= names
