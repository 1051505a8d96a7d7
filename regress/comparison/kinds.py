"""Why each pair of answers flipped, by the rules of `regress.metrics.kinds`, from what is stored.

Estimates, in the row of a single task, over all n instances; descriptive only, no gate rule uses them:

    model_nfr, model_pfr   flips that are the model's own; never above nfr, pfr
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison.intervals import rate
from regress.comparison.judged import Judged, of_instances
from regress.comparison.noise import tosses
from regress.comparison.readings import other_extractors, values
from regress.metrics import kinds as rules
from regress.metrics.continuous import TIE
from regress.schema import targets_of
from regress.scoring.score import score
from regress.types import FLIP_KINDS, Estimate, KindCounts, Pairs, RunSpec, TaskSpec

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]

_LABEL = re.compile(r"[#*]*[ \t]*[^\W\d_]+(?: [^\W\d_]+){0,2}:(?=\s|$)")
"""What a block of a prompt begins with: `Question:`, `### Dialogue:`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Causes:
    """Why each pair flipped, row by row."""

    codes: Codes
    """[n] positions in `regress.types.FLIP_KINDS`, -1 where nothing flipped."""
    lost: Bools
    """[n] which flips are negative."""
    recoverable: Bools
    """[n] whether the wrong side was shown to be right (on score scales: better), read in another way: by
    another extractor of the task, or of a runaway only up to the new prompt."""

    @property
    def own(self) -> Bools:
        """[n] which flips are the model's own."""
        return rules.model_flips(self.codes, self.recoverable)

    @property
    def counts(self) -> KindCounts:
        """How many flips there are of each kind."""
        return rules.counts(self.codes, self.lost, self.recoverable)


def causes(pairs: Pairs, columns: Judged, instances: pa.Table | None = None) -> Causes | None:
    """Why each pair flipped; null where there are no single answers but likelihoods alone.

    Args:
        pairs: The aligned runs.
        columns: Their judged columns, with the old model's reruns where some are stored.
        instances: The task's instances (`regress.schema.INSTANCE`), for prompts and targets.
    """
    if pairs.old_spec.task.kind == "likelihood":
        return None
    lost, gained = columns.lost(), columns.gained()
    binary = columns.scale == "binary"
    nothing = np.zeros(columns.n)
    old = _Side(pairs.old_spec, pairs.old, gained, nothing if binary else columns.old_score)
    new = _Side(pairs.new_spec, pairs.new, lost, nothing if binary else columns.new_score)

    def wrong(before: Bools, after: Bools) -> Bools:
        return rules.wrong_side(lost, gained, before, after)

    elsewhere = wrong(_better_elsewhere(old), _better_elsewhere(new))
    before, after = _runaway(old, instances), _runaway(new, instances)
    tossed = tosses(columns)
    codes = rules.kinds(
        lost | gained,
        runaway=wrong(before.shown, after.shown),
        truncated=wrong(_truncated(old), _truncated(new)),
        unreadable=wrong(~pairs.old_readable, ~pairs.new_readable),
        format=elsewhere,
        toss=np.zeros_like(lost) if tossed is None else tossed.rows,
        unstopped=wrong(before.unknown, after.unknown),
    )
    stopped = wrong(before.shown, after.shown)
    recoverable = np.where(codes == FLIP_KINDS.index("runaway"), stopped, elsewhere)
    return Causes(codes=codes, lost=lost, recoverable=recoverable)


def model_rates(columns: Judged, own: Bools) -> dict[str, Estimate]:
    """NFR and PFR of flips that are the model's own, over all instances.

    Args:
        columns: The judged columns.
        own: [n] which flips are the model's own.
    """
    lost, gained = columns.lost(), columns.gained()
    return {
        "model_nfr": rate(columns, rules.model_flip_rate(lost, own), lost & own),
        "model_pfr": rate(columns, rules.model_flip_rate(gained, own), gained & own),
    }


# ── the rules ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class _Side:
    """One side, and on which rows it is the wrong one of a flip."""

    spec: RunSpec
    answers: pa.Table
    wrong: Bools
    """[n] where it is."""
    earned: Floats
    """[n] the score of an answer where it is: 0 where answers are right or wrong."""


def _truncated(side: _Side) -> Bools:
    cut = pc.fill_null(pc.equal(side.answers["finish"], "length"), False)
    return np.asarray(cut.to_numpy(), dtype=np.bool_)


def _better_elsewhere(side: _Side) -> Bools:
    """Where another extractor gives the answer more than the headline's does."""
    task, better = side.spec.task, np.zeros(side.answers.num_rows, dtype=np.bool_)
    sign = 1.0 if task.higher_is_better else -1.0
    for key in other_extractors(task, side.answers):
        better |= sign * values(side.answers, key) > side.earned + TIE
    return better


@dataclass(frozen=True, eq=False)
class _Runaways:
    """Which wrong answers go on into a new prompt."""

    shown: Bools
    """[n] those that are shown to be better without what follows."""
    unknown: Bools
    """[n] those that cannot be judged without it."""


def _runaway(side: _Side, instances: pa.Table | None) -> _Runaways:
    shown = np.zeros(side.answers.num_rows, dtype=np.bool_)
    unknown = shown.copy()
    task = side.spec.task
    if task.kind != "generation" or not side.spec.text:  # a hash goes on into nothing
        return _Runaways(shown, unknown)
    rows = np.flatnonzero(side.wrong)
    answers = side.answers.select(["instance_id", "output"]).take(pa.array(rows))
    asked = of_instances(answers["instance_id"], instances, ["prompt", "target"]).to_pylist()
    stops = stops_of(task)
    for row, output, item in zip(rows, answers["output"].to_pylist(), asked, strict=True):
        before = before_new_prompt(output or "", stops, item["prompt"] or "")
        if before is not None:
            gains = _would_gain(task, output, before, item["target"], float(side.earned[row]))
            shown[row], unknown[row] = gains is True, gains is None
    return _Runaways(shown, unknown)


def before_new_prompt(output: str, stops: Sequence[str], prompt: str = "") -> str | None:
    """The part of an output before it goes on into a new prompt; null where it does not.

    It does at the first stop string, or at the first line that begins with the label of the prompt's
    last block. An output that begins so has no answer before it, so it goes on into nothing.

    Args:
        output: What the model wrote.
        stops: Strings at which it should have ended.
        prompt: What it was asked.

    >>> before_new_prompt(" 4\\n\\nQuestion: How many?", stops=[], prompt="Question: 2 + 2?\\nAnswer:")
    ' 4\\n\\n'
    >>> before_new_prompt(" A question: 4", ["Question:"]) is None
    True
    """
    places = [output.find(stop) for stop in stops if stop]
    if label := label_of(prompt):
        begun = re.search(rf"^[ \t]*{re.escape(label)}", output, re.MULTILINE)
        places.append(begun.start() if begun else -1)
    before = output[: min((place for place in places if place >= 0), default=0)]
    return before if before.strip() else None


def label_of(prompt: str) -> str:
    """What the last block of a prompt begins with, for example `Question:`; empty if it has no label.

    >>> label_of("Question: 1 + 1?\\nAnswer: 2\\n\\nQuestion: 2 + 2?\\nAnswer:")
    'Question:'
    """
    found = _LABEL.match(prompt.rstrip().rpartition("\n\n")[2])
    return found[0] if found else ""


def stops_of(task: TaskSpec) -> list[str]:
    """The strings at which the task's generations end.

    >>> stops_of(TaskSpec(name="t", version="", kind="generation", scale="binary", metric="m",
    ...                   generation={"until": "STOP"}))
    ['STOP']
    """
    until = task.generation.get("until") or ()
    return [until] if isinstance(until, str) else [str(stop) for stop in until]


def _would_gain(task: TaskSpec, output: str, before: str, target: str | None, earned: float) -> bool | None:
    """Whether the answer earns more without what follows it; null where it cannot be judged again."""
    whole, part = (_judged_again(task, text, target) for text in (output, before))
    # what does not come out as it did before cannot be compared with it
    if whole is None or part is None or abs(whole - earned) > TIE:
        return None
    return part > earned + TIE


def _judged_again(task: TaskSpec, output: str, target: str | None) -> float | None:
    targets = targets_of(target)
    if task.scorer.get("kind") != "text" or not targets:
        return None
    try:
        return score(task.scorer, task.metric, outputs=[output], targets=targets).score
    except (ValueError, TypeError, KeyError, re.error):  # a scorer that somebody else wrote
        return None
