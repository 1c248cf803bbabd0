"""A submission made whole: deleted, copied, renamed and edited cells, and cells that lost their names.

Nothing of the student's is lost and nothing is guessed: an answer counts where it stands under its own name. Every
difference is said in one sentence, for the report.
"""

from __future__ import annotations

from typing import Any

import nbformat
from nbgrader.utils import compute_checksum, is_grade, is_solution

from minidyn.coursework.teacher.build import name_of


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
        Sentences for the report; empty if all is well.
    """
    model = {name_of(cell): cell for cell in released.cells if name_of(cell)}
    remarks: list[str] = []
    cells = [nbformat.from_dict(cell) for cell in submitted.cells]
    _recognise(cells, model, remarks)
    for cell in cells:
        _untie(cell, model, remarks)
    _count_last(cells, remarks)
    for cell in cells:
        if name_of(cell):
            _restore(cell, model[name_of(cell)], remarks)
    _put_back(cells, model, remarks)
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # copies share their ids
    return nbformat.v4.new_notebook(cells=cells, metadata=released.metadata), remarks


def _recognise(cells: list[Any], model: Any, remarks: list[str]) -> None:
    """Name the cells again whose metadata an editor has stripped: their ids are still there."""
    present = {name_of(cell) for cell in cells}
    ids = {cell.get("id"): name for name, cell in model.items() if name not in present}
    lost = [cell for cell in cells if not name_of(cell) and cell.get("id") in ids]
    for cell in lost:
        cell.metadata["nbgrader"] = nbformat.from_dict({"grade_id": ids[cell.id]})
    if lost:
        remarks.append(f"{len(lost)} cells had lost their names, and were recognised by their ids.")


def _untie(cell: Any, model: Any, remarks: list[str]) -> None:
    """Make a cell under a name that the release does not have an ordinary cell."""
    if "nbgrader" in cell.metadata and name_of(cell) not in model:
        remarks.append(f"Cell '{name_of(cell)[:40]}' is not in the assignment: it was run, and does not count.")
        del cell.metadata["nbgrader"]


def _count_last(cells: list[Any], remarks: list[str]) -> None:
    """Of several cells with one name, the last keeps it."""
    seen = set()
    for cell in reversed(cells):
        name = name_of(cell)
        if name in seen:
            del cell.metadata["nbgrader"]
            remarks.append(f"Cell '{name}' is there more than once: the last one counts.")
        elif name:
            seen.add(name)


def _restore(cell: Any, original: Any, remarks: list[str]) -> None:
    """Give a graded cell the release's metadata and kind, and a test the release's source."""
    name = name_of(cell)
    if cell.cell_type != original.cell_type:
        remarks.append(f"Cell '{name}' was turned into {cell.cell_type}, and back.")
        cell.pop("attachments", None)
        cell.cell_type = original.cell_type
    if not is_solution(original) and cell.source.strip() != original.source.strip():
        remarks.append(_other_test(cell, name))
        cell.source = original.source
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    else:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)
    cell.metadata = nbformat.from_dict(original.metadata)


def _other_test(cell: Any, name: str) -> str:
    """Whose change a test shows: nbgrader's checksum in it is that of the test as it was handed out."""
    try:
        unchanged = compute_checksum(cell) == cell.metadata["nbgrader"]["checksum"]
    except (KeyError, TypeError, ValueError):
        unchanged = False
    if unchanged:
        return f"Test '{name}' is that of an earlier version of the assignment: the present one was run."
    return f"Test '{name}' was edited: the original was run."


def _put_back(cells: list[Any], model: Any, remarks: list[str]) -> None:
    """Insert what is missing, each cell right before the one that follows it in the release.

    So an empty answer stands behind whatever the student ran under another name, and does not pick that up.
    """
    following = len(cells)
    for name, original in reversed(model.items()):
        place = next((i for i, cell in enumerate(cells) if name_of(cell) == name), None)
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
