"""The named experiments behind the book's figures: one file per chapter; `minidyn list` names them.

from minidyn.experiments import find, load

load("published-run")          # the stored result that the book shows, with its provenance
find("published-run").run()    # the same at quick size, now
"""

from minidyn.experiments.registry import Experiment, all_experiments, experiment, find
from minidyn.experiments.results import load, note, save

__all__ = ["Experiment", "all_experiments", "experiment", "find", "load", "note", "save"]
