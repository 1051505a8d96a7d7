"""Filters that read an answer out of raw outputs, as data: the steps of lm-eval's `filter_list`.

A pipeline is a list of steps, each a mapping with `function` and its arguments, and ends with
`take_first`. Results equal those of lm-eval's filters of the same names; beside the text it is kept
whether an answer was found at all, which lm-eval forgets.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STEPS: Mapping[str, frozenset[str]] = {
    "regex": frozenset({"regex_pattern", "group_select", "fallback"}),
    "remove_whitespace": frozenset(),
    "lowercase": frozenset(),
    "uppercase": frozenset(),
    "majority_vote": frozenset(),
    "take_first": frozenset(),
}
"""The steps that are known, and the arguments each takes."""

_DEFAULT_PATTERN = r"#### (\-?[0-9\.\,]+)"


@dataclass(frozen=True)
class Extract:
    """What a pipeline read."""

    text: str
    """The text, or the pipeline's fallback where nothing was found."""
    found: bool = True
    """False where a pattern was not found."""


def known(steps: Sequence[Mapping[str, Any]]) -> bool:
    """Whether `extract` gives what lm-eval gives for these steps.

    >>> known([{"function": "regex", "group_select": -1}, {"function": "take_first"}])
    True
    >>> known([{"function": "custom"}, {"function": "take_first"}])
    False
    """
    names = [step.get("function") for step in steps]
    if not names or names[-1] != "take_first" or "take_first" in names[:-1]:
        return False
    return all(
        isinstance(name, str) and name in STEPS and set(step) - {"function"} <= STEPS[name]
        for name, step in zip(names, steps, strict=True)
    )


def extract(outputs: Sequence[str], steps: Sequence[Mapping[str, Any]]) -> Extract:
    """The answer that a pipeline reads out of the outputs for one item (one, unless it was repeated).

    Raises:
        ValueError: If a step is not `known`, or there is no output.

    >>> steps = [{"function": "regex", "regex_pattern": "#### ([0-9,]+)"}, {"function": "take_first"}]
    >>> extract(["6 x 7 is #### 42"], steps)
    Extract(text='42', found=True)
    >>> extract(["I do not know"], steps)
    Extract(text='[invalid]', found=False)
    """
    if not outputs:
        raise ValueError("there is no output to read an answer from")
    if not known(steps):
        raise ValueError(f"cannot run these filters as data: {list(steps)!r}")
    read = [Extract(text) for text in outputs]
    for step in steps:
        read = _run(step, read)
    return read[0]


def _run(step: Mapping[str, Any], read: list[Extract]) -> list[Extract]:
    match step["function"]:
        case "regex":
            pattern = re.compile(step.get("regex_pattern", _DEFAULT_PATTERN))
            select = step.get("group_select", 0)
            fallback = step.get("fallback", "[invalid]")
            return [_match(item, pattern, select, fallback) for item in read]
        case "remove_whitespace":
            return _each(str.strip, read)
        case "lowercase":
            return _each(str.lower, read)
        case "uppercase":
            return _each(str.upper, read)
        case "majority_vote":
            winner = Counter(item.text for item in read).most_common(1)[0][0]
            return [next(item for item in read if item.text == winner)]
        case _:
            return read[:1]


def _each(change: Callable[[str], str], read: list[Extract]) -> list[Extract]:
    return [Extract(change(item.text), item.found) for item in read]


def _match(item: Extract, pattern: re.Pattern[str], select: int, fallback: str) -> Extract:
    matches = pattern.findall(item.text)
    if not -len(matches) <= select < len(matches):  # none, or fewer than asked for
        return Extract(fallback, found=False)
    chosen = matches[select]
    if isinstance(chosen, tuple):  # several groups: the first that took part in the match
        chosen = next((group for group in chosen if group), None)
        if chosen is None:
            return Extract(fallback.strip(), found=False)
    return Extract(chosen.strip(), found=item.found)
