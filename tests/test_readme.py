"""The README's claims that a machine can check."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_ten_lines_run():
    code = README.split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) == 10
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["run"].history.sizes["step"] == 3001
    assert names["kernel"].shape == (300, 3, 300, 3)
    assert names["top"].converged


def test_the_names_in_its_table_are_explained_with_an_example():
    table = README.split("| for | there is |")[1].split("\n\n")[0]
    names = set(re.findall(r"\b((?:md|minidyn)(?:\.\w+)+)", table)) - {"md.train", "md.load_run"}
    assert {"md.gradient", "md.Spectrum", "minidyn.model.Model", "minidyn.losses.ClassWeights"} < names
    for name in names:
        module, _, member = name.replace("md.", "minidyn.", name.startswith("md.")).rpartition(".")
        explained = getattr(importlib.import_module(module), member).__doc__
        assert ">>>" in explained, name


def test_the_reference_explains_them_too():
    """Sphinx takes the members of a module that its page names, or else all that are public."""
    page = (ROOT / "book/reference/api.md").read_text()
    for name in ("minidyn.model.Model", "minidyn.losses.ClassWeights", "minidyn.derivatives.gradient"):
        assert re.search(rf"auto(class|function):: {re.escape(name)}\n", page), name
    for module in ("minidyn.eigenvalues", "minidyn.tangent_kernel", "minidyn.curvature", "minidyn.optimizers"):
        assert f"automodule:: {module}\n   :members:" in page, module


def test_the_files_it_names_exist():
    named = re.findall(r"`([\w./-]+/|[\w.-]+\.(?:yml|txt|toml|cff)|LICENSE[\w-]*|\.ci/run)`", README)
    assert len(named) > 10
    made_later = {"book/_data/", "notebooks/"}
    assert [name for name in named if not (ROOT / name).exists() and name not in made_later] == []


def test_the_make_targets_exist():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"make (book|lab|test-all|test|clean)\b", README)) <= targets
