"""Lay a student's answers into the exercise as it was handed out; nothing else of theirs counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from helpers.course.grading.tasks import Cell, Exercise, set_seed


@dataclass
class Restored:
    """A submission that can be run.

    Attributes
    ----------
    cells : `id`, `kind` ("run" or "check"), `source`, in our order; no check's text.
    answers : id of each answer cell -> what the student wrote; "" where it is gone.
    texts : id of each manual answer -> what the student wrote.
    extra : sources of cells that are the student's own addition.
    notes : what was put right, one sentence each.
    """

    cells: list[dict[str, str]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    extra: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def restore(exercise: Exercise, handed: list[dict[str, Any]]) -> Restored:
    """Return a submission with our cells in our order, and the student's answers in their places.

    A cell is recognised by nbgrader's name, else by its id, else by its text; an answer without
    any of these, by the cells around it. Of several copies of an answer the last one counts. Cells
    of the student's own run after the cell they followed.

    Parameters
    ----------
    exercise : with the SEED of this student.
    handed : the cells handed in.
    """
    at = _recognise(exercise, handed)
    restored = Restored()
    followers = _followers(handed, at, {cell.id: cell for cell in exercise.cells})
    _add_extra(restored, followers.get("", []))
    last = {cell_id: place for place, cell_id in at.items()}
    for cell in exercise.cells:
        place = last.get(cell.id)
        source = handed[place]["source"] if place is not None else ""
        _add(restored, cell, source)
        _add_extra(restored, followers.get(cell.id, []))
    _note(restored, exercise, handed, at)
    return restored


def _recognise(exercise, handed):
    """Return place in the submission -> id of our cell."""
    by_name = {cell.grade_id: cell.id for cell in exercise.cells if cell.grade_id}
    ids = {cell.id for cell in exercise.cells}
    at: dict[int, str] = {}
    for place, cell in enumerate(handed):
        if cell["grade_id"] in by_name:
            at[place] = by_name[cell["grade_id"]]
        elif cell["id"] in ids:
            at[place] = cell["id"]
    by_text = {cell.source.strip(): cell.id for cell in exercise.cells if cell.source.strip()}
    for place, cell in enumerate(handed):
        found = by_text.get(cell["source"].strip())
        if place not in at and found and found not in at.values():
            at[place] = found
    _by_neighbours(exercise, handed, at)
    return dict(sorted(at.items()))


def _by_neighbours(exercise, handed, at):
    """Recognise answers that lost all their marks: the first code cell before a known neighbour."""
    wanted = {"answer": "code", "manual": "markdown"}
    for index, cell in enumerate(exercise.cells):
        if cell.kind not in wanted or cell.id in at.values():
            continue
        before = [c.id for c in exercise.cells[:index]]
        after = [c.id for c in exercise.cells[index + 1 :]]
        start = max((p for p, i in at.items() if i in before), default=-1)
        end = min((p for p, i in at.items() if i in after and p > start), default=len(handed))
        free = [p for p in range(start + 1, end) if p not in at and handed[p]["source"].strip()]
        free = [p for p in free if handed[p]["type"] == wanted[cell.kind]]
        if free:
            at[free[-1]] = cell.id


def _followers(handed, at, ours):
    """Return id of our cell -> the student's own code cells after it; "" for those at the top."""
    copies = {place for place, cell_id in at.items() if place != _last(at, cell_id)}
    followers: dict[str, list[str]] = {}
    current = ""
    for place, cell in enumerate(handed):
        if place in at and place not in copies:
            current = at[place]
        elif cell["type"] == "code" and cell["source"].strip():
            if place in copies and ours[at[place]].kind != "answer":
                continue  # a copy of a cell of ours
            followers.setdefault(current, []).append(cell["source"])
    return followers


def _last(at, cell_id):
    """Return the last place of a cell."""
    return max(place for place, found in at.items() if found == cell_id)


def _add(restored, cell: Cell, source):
    """Add one of our cells, with the student's answer if it is an answer."""
    if cell.kind == "check":
        restored.cells.append({"id": cell.id, "kind": "check", "source": ""})
    elif cell.kind == "locked":
        restored.cells.append({"id": cell.id, "kind": "run", "source": cell.source})
    elif cell.kind == "answer":
        restored.answers[cell.id] = source
        restored.cells.append({"id": cell.id, "kind": "run", "source": source})
    elif cell.kind == "manual":
        restored.texts[cell.id] = source


def _add_extra(restored, sources):
    """Add the student's own cells."""
    for source in sources:
        restored.extra.append(source)
        restored.cells.append({"id": f"own-{len(restored.extra)}", "kind": "run", "source": source})


def _note(restored, exercise, handed, at):
    """Say what was put right."""
    places = list(at.items())
    ours = {cell.id: cell for cell in exercise.cells}
    found = [cell_id for _, cell_id in places]
    order = [cell.id for cell in exercise.cells if cell.id in found]
    firsts = list(dict.fromkeys(found))
    tell = restored.notes.append
    for cell in exercise.cells:
        if cell.kind == "check" and cell.id not in found:
            tell(f"The check {cell.grade_id} was gone; ours was put back.")
        elif cell.kind == "answer" and cell.id not in found:
            tell(f"The answer cell {cell.grade_id} is gone.")
        elif cell.kind == "locked" and cell.id not in found:
            tell(f"The cell {cell.grade_id or cell.id} was gone; ours was put back.")
        if found.count(cell.id) > 1:
            tell(
                f"{cell.grade_id or cell.id} is there {found.count(cell.id)} times; the last one "
                "counts."
            )
    for place, cell_id in places:
        cell = ours[cell_id]
        if (
            cell.kind in {"check", "locked"}
            and handed[place]["source"].strip() != cell.source.strip()
        ):
            tell(_edited(cell, handed[place]["source"]))
    if any(ours[i].kind in {"check", "answer"} and not handed[p]["grade_id"] for p, i in places):
        tell("nbgrader's marks were gone from some cells; they were put back.")
    if firsts != order:
        tell("The cells were in another order; ours was restored.")


def _edited(cell, source):
    """Say that a cell of ours was changed."""
    seed = "SEED" in cell.source and set_seed(source, 0).strip() == set_seed(cell.source, 0).strip()
    if seed:
        return "Another world: SEED is not this student's; the right one was used."
    kind = "check" if cell.kind == "check" else "cell"
    return f"The {kind} {cell.grade_id or cell.id} was changed; ours was used."
