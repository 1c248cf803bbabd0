"""The README's claims that a machine can check."""

from __future__ import annotations

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


def test_the_files_it_names_exist():
    named = re.findall(r"`([\w./-]+/|[\w.-]+\.(?:yml|txt|toml|cff)|LICENSE[\w-]*|\.ci/run)`", README)
    assert len(named) > 10
    made_later = {"book/_data/"}
    assert [name for name in named if not (ROOT / name).exists() and name not in made_later] == []


def test_the_make_targets_exist():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"make (book|lab|test-all|test|clean)\b", README)) <= targets
