"""A submission as it came in, made whole: deleted, copied, renamed and edited cells, and files under other names.

Nothing of the student's is lost and nothing is guessed: an answer counts where it stands under its own name. What was
found is said in one sentence each, for the report.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbgrader.utils import is_grade, is_solution


def repair(submitted: Any, released: Any) -> tuple[Any, list[str]]:
    """A whole notebook, and what was wrong with the submitted one.

    Parameters
    ----------
    submitted : notebook
    released : notebook
        As the students got it.

    Returns
    -------
    notebook
        With each graded cell of the release exactly once, tests as released, and the student's other cells in place.
    list of str
        Sentences for the report; empty where all is well.
    """
    model = {_name(cell): cell for cell in released.cells if _name(cell)}
    remarks: list[str] = []
    cells = [_untied(nbformat.from_dict(cell), model, remarks) for cell in submitted.cells]
    _count_last(cells, remarks)
    for cell in cells:
        if _name(cell):
            _as_released(cell, model[_name(cell)], remarks)
    _put_back(cells, model, remarks)
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # copies share their ids
    return nbformat.v4.new_notebook(cells=cells, metadata=released.metadata), remarks


def read(folder: Path, name: str) -> tuple[Any, list[str]]:
    """The notebook that a student handed in, or None, and what was wrong with the file.

    Parameters
    ----------
    folder : Path
        One student's.
    name : str
        Of the assignment: `name`.ipynb is looked for, else the only notebook there is.
    """
    files = sorted(p for p in Path(folder).glob("*.ipynb") if not p.name.startswith("."))
    wanted = [p for p in files if p.stem == name] or files
    if len(wanted) != 1:
        count = "no notebook" if not files else f"{len(files)} notebooks and none of them is {name}.ipynb"
        return None, [f"Nothing graded: the folder holds {count}."]
    remarks = [] if wanted[0].stem == name else [f"The file is called {wanted[0].name}, not {name}.ipynb."]
    try:
        return nbformat.read(wanted[0], as_version=4), remarks
    except Exception as error:
        return None, [*remarks, f"Nothing graded: {wanted[0].name} is not a notebook ({type(error).__name__})."]


def _name(cell: Any) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _untied(cell: Any, model: Any, remarks: list[str]) -> Any:
    """The cell; one under a name that the release does not have becomes an ordinary cell."""
    about = cell.metadata.get("nbgrader")
    if about is not None and about.get("grade_id") not in model:
        remarks.append(f"Cell '{about.get('grade_id')}' is not in the assignment: it was run, and does not count.")
        del cell.metadata["nbgrader"]
    return cell


def _count_last(cells: list[Any], remarks: list[str]) -> None:
    """Of several cells with one name, the last keeps it."""
    seen = set()
    for cell in reversed(cells):
        name = _name(cell)
        if name in seen:
            del cell.metadata["nbgrader"]
            remarks.append(f"Cell '{name}' is there more than once: the last one counts.")
        elif name:
            seen.add(name)


def _as_released(cell: Any, original: Any, remarks: list[str]) -> None:
    """Give a graded cell the release's metadata and kind, and a test the release's source."""
    name = _name(cell)
    if cell.cell_type != original.cell_type:
        remarks.append(f"Cell '{name}' was turned into {cell.cell_type}, and back.")
        cell.pop("attachments", None)
        cell.cell_type = original.cell_type
    if not is_solution(original) and cell.source.strip() != original.source.strip():
        remarks.append(f"Test '{name}' was edited: the original was run.")
        cell.source = original.source
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    else:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)
    cell.metadata = nbformat.from_dict(original.metadata)


def _put_back(cells: list[Any], model: Any, remarks: list[str]) -> None:
    """Insert what is missing, each cell right before the one that follows it in the release.

    So an empty answer stands behind whatever the student ran under another name, and does not pick that up.
    """
    following = len(cells)
    for name, original in reversed(model.items()):
        place = next((i for i, cell in enumerate(cells) if _name(cell) == name), None)
        if place is None:
            cells.insert(following, nbformat.from_dict(original))
            remarks.append(_missing(name, original))
        elif place > following:
            remarks.append(f"Cell '{name}' was moved down.")
        else:
            following = place


def _missing(name: str, original: Any) -> str:
    if is_solution(original):
        return f"Answer '{name}' is missing: deleted or renamed. It counts as empty."
    return f"{'Test' if is_grade(original) else 'Cell'} '{name}' was missing and is back."
