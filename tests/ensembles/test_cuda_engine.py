"""The fused CUDA engine, in numba's simulator; and what is said if it cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")
pytest.importorskip("torch", "2.6")

ROOT = Path(__file__).parents[2]


def run(*line, simulator=False):
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": str(int(simulator)), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *line], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=1200
    )


@pytest.mark.slow
def test_in_the_simulator():
    """All of `cuda_suite.py`, in a process of its own."""
    suite = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/ensembles/cuda_suite.py", simulator=True)
    assert suite.returncode == 0, suite.stdout[-8000:] + suite.stderr[-2000:]
    assert "passed" in suite.stdout


NEEDS = "ImportError: minidyn.ensembles.cuda needs numba-cuda 0.30 or later"
CALL = 'import minidyn as md; md.sweep({"width": [3]}, steps=2, workers=1, engine="cuda")'


@pytest.mark.parametrize(
    ("before", "error"),
    [
        ('import sys; sys.modules["numba"] = None', NEEDS),
        (
            "from importlib import metadata\n"
            "def version(name): raise metadata.PackageNotFoundError(name)\n"
            "metadata.version = version",
            f"{NEEDS}: pip install 'minidyn[gpu]'",
        ),
        (
            'from importlib import metadata; metadata.version = lambda name: "0.29.2"',
            f"{NEEDS}: pip install 'minidyn[gpu]'; here is 0.29.2, which fails with NumPy 2.5",
        ),
        (
            'from importlib import metadata; metadata.version = lambda name: "0.30.4"\n'
            "from numba import cuda; cuda.is_available = lambda: False",
            "ValueError: device must be a GPU that CUDA finds here, and there are 0, got None for engine 'cuda'; "
            "engines 'compiled' and 'torch' need none",
        ),
    ],
)
def test_what_is_missing_is_named(before, error):
    call = run("-c", f"import joblib, xarray\n{before}\n{CALL}")  # which ask for versions themselves
    assert call.stderr.splitlines()[-1].startswith(error)
