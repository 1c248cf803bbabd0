"""What a fresh kernel would compute anew for each student: numba's compiled functions and Matplotlib's list of fonts.

They are made once, by this package's own code, and every student's process gets a copy.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from minidyn.coursework.teacher.sandbox import PACKAGE

WARM_UP = """
import matplotlib.pyplot as plt
import minidyn as md
from minidyn.coursework import ps1, ps2, ps3, ps4, ps5
plt.plot([0, 1])
plt.title("$x$")
plt.savefig("/dev/null", format="png")
net, task = md.MLP(2, 100, 3), md.spiral()
for loss in (md.CrossEntropy(), md.CrossEntropy(md.Oscillation(40, 10)), md.SquaredError()):
    measure = {"hessian_max": 5, "ntk_max": 5}
    md.train(net, net.init(0), task, loss, learning_rate=1.0, steps=10, measure=measure, progress=False)
"""


def warm(folder: Path) -> Path:
    """Fill a folder with the caches, or bring them up to date: half a minute at first, seconds later."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    own = {
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "NUMBA_CACHE_DIR": str(folder / "numba"),
        "PYTHONPATH": str(PACKAGE.parent),
    }
    subprocess.run([sys.executable, "-c", WARM_UP], env=os.environ | own, check=False, capture_output=True, timeout=600)
    return folder
