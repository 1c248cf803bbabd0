"""The lab: a training run that moves, in a notebook as in the book's pages. Import on demand; needs anywidget.

The network is trained in the browser, by the engine in src/, which follows the library from the same seeds:
pages need no Python behind them, and a notebook's kernel stays free.
"""

from minidyn.lab.widget import Lab

__all__ = ["Lab"]
