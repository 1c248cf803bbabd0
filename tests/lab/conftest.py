"""Run the lab's JavaScript in Node, where there is one."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

LAB = Path(__file__).parents[2] / "minidyn" / "lab"


@pytest.fixture
def node():
    """node(code) runs an ES module that may import from the lab's sources; returns what it passes to `say`."""
    program = shutil.which("node")
    if not program:
        pytest.skip("there is no Node.js to run the lab's JavaScript in")

    def run(code: str, data: object = None) -> object:
        script = "const say = (value) => console.log(JSON.stringify(value));\n"
        script += f"const data = {json.dumps(data)};\n{code}"
        done = subprocess.run(
            [program, "--input-type=module", "--no-warnings"],
            input=script,
            cwd=LAB / "src",
            text=True,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
