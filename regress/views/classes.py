"""Answers by class in words: a line where there is room."""

from __future__ import annotations

from regress.types import TaskComparison
from regress.views.numbers import count, percent, plural, points

AVERAGES = {"precision": "macro_precision", "recall": "macro_recall", "F1": "macro_f1"}
"""What is averaged over classes, by its name; the attributes of `regress.types.ClassScores`."""


def classes_line(task: TaskComparison) -> str:
    """Macro precision, recall and F1 of both sides and their differences; empty for other tasks."""
    found = task.classes
    if found is None:
        return ""
    parts = []
    for name, average in AVERAGES.items():
        old, new = getattr(found.old, average), getattr(found.new, average)
        parts.append(f"{name} {percent(old)} → {percent(new)} ({points(new - old)})")
    of = plural(len(found.names), "label" if found.labels else "position")
    notes = [
        f"the {side} side never answers with {count(missing)} of them, which its precision leaves out"
        for side, missing in (("old", found.old.never_answered), ("new", found.new.never_answered))
        if missing
    ]
    if found.left_out:
        notes.append(f"{plural(found.left_out, 'instance')} with several right choices left out")
    return "; ".join([f"macro average over {of}: {', '.join(parts)}", *notes])
