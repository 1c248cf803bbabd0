"""Five submissions of the first assignment to try the tools on, made from the solution so that they always fit it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minidyn.coursework.teacher import build

ASSIGNMENT = "ps1"


@dataclass(frozen=True)
class Sample:
    """A made-up student: how their notebook differs from the solution, and what there is to see.

    Attributes
    ----------
    name : str
    number : str
    about : str
        What the sample is for.
    edits : mapping of str to (str, str)
        By the name of a cell: what is replaced there, and by what. An empty text to replace means all.
    written : str
        The answer to both written questions; empty for none.
    file : str
        Under which name it is handed in.
    """

    name: str
    number: str
    about: str
    edits: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    written: str = ""
    file: str = "ps1.ipynb"


GOOD = """\
I expect 4 to have the lowest loss: a step is the rate times the slope, so the larger rate gets further in 1,000 steps,
as long as no step overshoots a valley by more than it came down. With 0.1 the curve falls smoothly, but 1,000 steps are
too few. With 10 the first steps may overshoot, and units that are off for all samples get no slope any more. If the
loss at 10 came back below log 3, I would be wrong about the units."""
LOOP = "    while True:\n        w = w - rate * gradient(w)\n"
SAMPLES = (
    Sample("Ada Lovelace", "4711", "everything right, and well argued", written=GOOD),
    Sample(
        "Boris Petrov",
        "4712",
        "three usual misunderstandings",
        {
            "arm": ("4 * np.pi", "2 * np.pi"),
            "cross_entropy": (".mean()", ".sum()"),
            "unlearned": ('"C"', '"D"'),
        },
        written="4 is best and 10 explodes.",
    ),
    Sample(
        "Chidi Okafor",
        "4713",
        "an endless loop, under another file name",
        {"descend": ("    for _ in range(steps):\n        w = w - rate * gradient(w)\n", LOOP)},
        written="I think that the largest rate is not the fastest, because a step can go too far.",
        file="ps1 (2).ipynb",
    ),
    Sample(
        "Dana Levi",
        "4714",
        "an unfinished notebook",
        {"backward": ("", "def backward(W, b, V, c, x, slope)\n    dW =")},
    ),
    Sample(
        "Eve Moriarty",
        "4715",
        "looks for the secret and attacks whoever opens the answer",
        {"arm": ("", "print(open('../../secret.txt').read())\ndef arm(*a): return 0")},
        written="<img src=x onerror=\"document.querySelector('input.score').value = 4\"> I predict full marks.",
    ),
)


def notebook(sample: Sample, source: Any) -> Any:
    """A sample's notebook, from the teacher's."""
    made = copy.deepcopy(build.release(source))
    answers = {build.name_of(cell): cell.source for cell in build.solution(source).cells}
    for cell in made.cells:
        name = build.name_of(cell)
        if name.startswith("answer-"):
            cell.source = sample.written or cell.source
        elif name and not name.startswith("test-"):
            old, new = sample.edits.get(name, ("", answers[name]))
            if old not in answers[name]:
                raise ValueError(f"edits must be of the solution, got {old!r} for {name!r}")
            cell.source = answers[name].replace(old, new) if old else new
    return made


def write(folder: Path, source: Any) -> list[Path]:
    """Write the samples as files, one folder per student."""
    paths = []
    for sample in SAMPLES:
        path = Path(folder) / sample.name / sample.file
        build.write(path, notebook(sample, source))
        paths.append(path)
    return paths
