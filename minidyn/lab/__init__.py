"""The lab: a training run that moves, in a notebook as in the book's pages. Import on demand; needs anywidget.

The network is trained in the browser, by the engine in src/, which computes what the library computes from the same
seeds. So pages need no Python behind them, and the kernel of a notebook stays free.
"""

from minidyn.lab.runfile import read_run, write_run
from minidyn.lab.widget import Lab

__all__ = ["Lab", "read_run", "write_run"]
