"""Run the lab's JavaScript in Node, where there is one."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

LAB = Path(__file__).parents[2] / "minidyn" / "lab"
COLUMNS = ["step", "F", "correct", "validationCorrect", "sharpness", "loss0", "loss1", "loss2"]


def receive(lab, *measured, view="a", opening=1):
    """Let the lab hear from a page what each of its runs has measured from some step on; nothing: one run opens."""
    opened, runs = [lab.state] * max(1, len(measured)), list(range(len(measured)))
    starts = [int(np.frombuffer(rows)[0]) if len(rows) else 0 for rows in measured]
    content = {"view": view, "opening": opening, "opened": opened, "columns": COLUMNS, "runs": runs, "starts": starts}
    lab._receive(None, content, list(measured))


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
