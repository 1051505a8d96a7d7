"""The task that a table's answers were given to, and its scorer with the marker that the texts have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from regress.definitions.known import Known, named
from regress.errors import DataError, UnknownName, UsageError
from regress.interop.records import Reading

MARKER = "#### "
"""What GSM8K's definition has before the answer."""

EXACT: Mapping[str, Any] = {
    "kind": "text",
    "filters": [{"name": "none", "filter": [{"function": "take_first"}]}],
    "metrics": [
        {
            "metric": "exact_match",
            "function": "exact_match",
            # white space at the ends goes, and each run of it shrinks to its first character
            "regexes_to_ignore": [r"^\s+|\s+$|(?<=\s)\s+"],
        }
    ],
}
"""Is the text the reference, white space aside?"""


def task_of(reading: Reading) -> Known | None:
    """The task that the user names: one that comes with regress, or the one in a YAML file.

    Returns:
        Null if none is named, or if it is known to nobody here.

    Raises:
        TaskError: If a file is no task definition.
        UnknownName: If the task has no such metric.
        UsageError: If a marker is given and the task has none.
    """
    found = None if reading.task is None else named(reading.task, metric=reading.metric)
    if reading.marker is None:
        return found
    if found is None:
        raise UsageError(
            f"the marker {reading.marker!r} is given, and no task that has one",
            do="Name the task whose answers have it, for example --task gsm8k.",
        )
    return replace(found, scorer=marked(found, reading.marker))


def marked(task: Known, marker: str) -> Mapping[str, Any]:
    """The task's scorer with `marker` in place of its own `#### `.

    Raises:
        UsageError: If it has none, or the marker is blank.
    """
    if not marker.strip():
        raise UsageError(f"the marker is {marker!r}", allowed="what stands before the answer, such as 'A: '")
    scorer = _replaced(task.scorer, re.escape(marker))
    if task.scorer.get("kind") != "text" or scorer == task.scorer:
        raise UsageError(
            f"the task {task.name!r} reads answers without a marker",
            allowed=f"tasks whose answers stand behind {MARKER!r}",
            do="Leave the marker out.",
        )
    assert isinstance(scorer, dict)
    return scorer


def choice_metrics(
    task: Known | None, wanted: str | None, name: str, *, texts: bool, lengths: bool
) -> tuple[list[str], str]:
    """What can be judged from log-probabilities and what is known of the choices, and what decides.

    Args:
        task: The task; null if none is known.
        wanted: The metric that the user wants to decide.
        name: The table's file, for messages.
        texts: Whether it holds the choices' texts.
        lengths: Whether it holds their lengths.

    Raises:
        UsageError: If the task does not compare choices.
        DataError: If the metric that decides needs the choices' texts.
        UnknownName: If there is no such metric.
    """
    if task is not None and task.kind != "choice":
        raise UsageError(
            f"{name} has log-probabilities of choices, and {task.name!r} has no choices",
            do="Name the task that was asked, or none.",
        )
    usable = {"acc", "brier_score", *["acc_norm"] * (texts or lengths), *["acc_bytes"] * texts}
    declared = task.scorer["metrics"] if task else ["acc", "acc_norm"]
    metrics = [metric for metric in declared if metric in usable]
    metric = wanted or (task.metric if task else "acc")
    if metric not in metrics and metric in declared:
        raise DataError(
            f"{metric!r} cannot be told from {name}, which lacks what it needs beside log-probabilities",
            allowed=", ".join(metrics) or None,
            do="Say where the texts of the choices are: --map choices=COLUMN+COLUMN.",
        )
    if metric not in metrics:
        raise UnknownName("metric", metric, metrics, where=name)
    return metrics, metric


def _replaced(value: Any, pattern: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(one, pattern) for key, one in value.items()}
    if isinstance(value, list):
        # of what is taken off answers and references alike, references may still have the task's own
        own = [one for one in value if isinstance(one, str) and MARKER in one]
        return [*own, *(_replaced(one, pattern) for one in value)]
    return value.replace(MARKER, pattern) if isinstance(value, str) else value
