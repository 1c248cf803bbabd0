"""The training loop: `train` is its one door, and a `Run` what comes out.

In the order of their imports: `settings` (what a run was asked to do), `state` (where it is), `record` (what it writes
down), `measures` (what else it measures), `engines` with `numpy_engine` and `compiled_engine` (how updates are
computed), `callbacks` (what may stop it), `loop` (updates and measurements in turn), `saved` (runs in files), `run`
(the door). Beside them stands `capped` with `compiled_cap`: descent whose step is limited where the loss is sharp.
"""

from minidyn.training.callbacks import EarlyStopping
from minidyn.training.run import Run, load_run, train
from minidyn.training.settings import Measure, Settings

__all__ = ["EarlyStopping", "Measure", "Run", "Settings", "load_run", "train"]
