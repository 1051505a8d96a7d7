"""A comparison for programs: `comparison.json` and `comparison.csv`.

`comparison.json`, schema `regress.comparison/1`. Strict JSON in ASCII, keys sorted; what is undefined
is null, rates lie in [0, 1], and fields may be added without a new version.

    schema              "regress.comparison/1"
    old, new            the models: every field of `regress.types.ModelSpec`
    demo                whether any task asked demo items instead of its benchmark
    title               the two models in words
    settings_compared   overridden refusals, {field, old, new}; if any, settings are compared, not models
    suite               {tasks, pooled, max_z, fisher}: one-sided p-values of "worse on all tasks together";
                        null where fewer than two tasks are judged right or wrong
    notices             warnings about all of it: {code, data, sentence}
    price               what the update costs: {old, new, old_effort, new_effort, together, apart}; null where
                        no run tells. old and new: {parameters, materialised, disk_bytes, memory_bytes (by
                        weight type), cache_bytes (a token), windowed_layers, window, loaded}: parameters and
                        memory count shared storage once, materialised does not; loaded, whether they were
                        counted on the loaded model. The efforts sum over the tasks in together, which both
                        sides answered in one process on one machine and device: {session, machine, rows,
                        seconds, cpu_seconds, prompt_tokens, output_tokens, load_seconds, peak_bytes,
                        tokens_per_second}; tokens are those of prompts, each once, and answers; seconds are
                        of answering, without loading. apart: of the other tasks why not (unrecorded,
                        interrupted, sessions, machines)
    token_divergence    how far the two lie apart token by token (`regress.views.divergence`); only where
                        that was measured
    tasks               one object a row, pooled rows after their members:
      task              every field of `regress.types.TaskSpec`
      pooled, members   whether the row pools others, and their names
      n                 pairs compared
      estimates         by name: {value, n, low, high, confidence, method, notices}; low and high are the
                        interval, null where none was made. Binary scale: old, new, delta, nfr, pfr, nfr_mc,
                        btc, bec, nfi, relative_nfr, churn. Score scales: old, new, delta (mean scores), nfr,
                        pfr, m_g, m_r, churn, and if bounded nfr_tau, pfr_tau. Where a noise floor is
                        stored: floor_nfr, floor_<kind> (rerun, batch, order, hardware, seed), excess_nfr
                        (may be negative), robust_nfr, robust_pfr, coin_tosses; and with repeats cross_nfr
                        (over all pairs of an old and a new answer), self_nfr, half_loss, half_distance.
                        Where not pooled, model_nfr, model_pfr: flips that are the model's own answer
      evidence          {test, p_worse, p_differs, p_differs_holm, p_exact, detected, mde, power}: whether
                        delta is more than chance; p_worse is one-sided, p_exact exact McNemar (binary and
                        unclustered), mde in the unit of delta; null where nothing was tested
      clusters          groups of items sampled together; null where each was sampled alone
      padding           the float32 padding check: {n, batch_size, largest, threshold, sound}; where not
                        sound, the engine, not the model, is at fault; null where it was not made
      readable          the same estimates on the instances readable on both sides
      counts            both_right, negative_flips, positive_flips, both_wrong_same, both_wrong_different,
                        which sum to n; null unless the scale is binary
      sides             {old, new}, each {unreadable, truncated, left_truncated}; null where unknown
      kinds             why answers flipped: {negative, positive, recoverable, not_the_models}, the first two
                        counts by kind (runaway, truncated, unreadable, format, coin toss, answer), the
                        others of negative flips: unreadable ones that another extractor finds right, and
                        those that are not the model's own; null for a pooled row and for likelihoods
      readings          one object an extractor, the headline's first: {metric, estimates, delta_gap,
                        disagrees}; delta_gap is its delta less the headline's, an estimate, null for the
                        headline's own; disagrees, whether that is more than chance. Empty unless
                        answers are right or wrong and several extractors read them
      shifts            how answers changed as a whole, one object a measure: {measure, old, new, p_differs,
                        p_holm, degenerate, answer}; measure is commonest (share of the commonest new
                        answer), entropy (of the distribution of answers, bits), output (share of the
                        commonest new output), length (words), empty, refusal, repetition or runaway
                        (shares of outputs); p_holm is adjusted for the task's other measures, answer
                        that of commonest, of choices its index from 0; null for the others and where
                        only hashes are stored
      divergence        where generations part: {equal, median_word, n}: share of instances with the same
                        words on both sides, median of the first differing word of the others, from 0;
                        null unless texts were generated and are stored
      classes           answers by class, of choice tasks whose right choices are known, else null: {names,
                        labels, support, left_out, n, old, new, delta}; names are positions from 0 or, where
                        all instances have the same choices, those (labels), null where texts are left out;
                        old and new hold precision, recall and f1 by class and as macro_precision,
                        macro_recall, macro_f1, delta the differences of the averages; precision is null
                        where a class was never answered, and its average is over the others; left_out
                        counts instances with several right choices
      worst             the worst negative flips, worst first: {instance_id, index, quadrant, kind, delta,
                        parted, old_answer, new_answer}, and with texts old_output, new_output, target,
                        prompt; parted is the first word, from 0, in which generations part
      runs              {old, new}, each {path, fingerprint}; null for a pooled row
      notices           warnings about this row

`comparison.csv` has one row a task, rates in [0, 1] in full precision, empty cells for what is
undefined or unknown, and new columns only at the end.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from regress.identity import plain
from regress.schema import storable
from regress.types import (
    FLIP_KINDS,
    Classes,
    Comparison,
    Estimate,
    Flip,
    Notice,
    Price,
    QuadrantCounts,
    Reading,
    SideCounts,
    TaskComparison,
)
from regress.views.classes import AVERAGES
from regress.views.sentences import notices, on_demo_items, sentence, title
from regress.views.untrusted import visible

SCHEMA = "regress.comparison/1"

ESTIMATES = (
    *("old", "new", "delta", "nfr", "pfr", "nfr_mc", "btc", "bec", "nfi", "relative_nfr", "churn"),
    *("nfr_tau", "pfr_tau", "m_g", "m_r"),
)
_COUNTS = tuple(count.name for count in fields(QuadrantCounts))
_SIDE = tuple(count.name for count in fields(SideCounts))
_READABLE = ("delta", "nfr", "pfr", "nfr_mc")
_INTERVALS = ("delta", "nfr", "pfr")
_ENDS = ("low", "high")
_EVIDENCE = ("p_differs", "p_differs_holm", "p_worse", "mde", "detected")
_MODEL = ("model_nfr", "model_pfr")
_LOST = {f"lost_{kind.replace(' ', '_')}": kind for kind in FLIP_KINDS}
_CLASSES = tuple(f"{side}_{average}" for side in ("old", "new") for average in AVERAGES.values())
_TEXTS = ("old_output", "new_output", "target", "prompt")
_FORMULA = ("=", "+", "-", "@", "|", "%")


def document(comparison: Comparison, *, with_text: bool = False) -> dict[str, Any]:
    """`comparison` as the object that `comparison.json` holds, ready for `json.dumps(allow_nan=False)`.

    Args:
        comparison: What to write down.
        with_text: Whether the worst flips bear outputs, targets and prompts beside the answers.
    """
    whole: dict[str, Any] = representable(
        {
            "schema": SCHEMA,
            **compared(comparison),
            "suite": plain(comparison.suite),
            "notices": [*map(notice, comparison.warnings)],
            "price": _price(comparison.price),
            "tasks": [_task(task, with_text) for task in comparison.tasks],
        }
    )
    return whole


def compared(comparison: Comparison) -> dict[str, Any]:
    """Who was compared with whom, as every document begins."""
    return {
        "title": title(comparison),
        "old": plain(comparison.old),
        "new": plain(comparison.new),
        "demo": on_demo_items(comparison),
        "settings_compared": plain(comparison.settings_compared),
    }


def to_json(
    comparison: Comparison, with_text: bool = False, *, beside: Mapping[str, Any] | None = None
) -> str:
    """`document` as text: keys sorted, two spaces, ASCII, a line end at the end.

    Args:
        comparison: What to write down.
        with_text: As `document` has it.
        beside: What else was measured, as further fields.
    """
    whole = {**document(comparison, with_text=with_text), **(beside or {})}
    return json.dumps(whole, sort_keys=True, indent=2, allow_nan=False) + "\n"


def to_csv(comparison: Comparison) -> str:
    """`comparison` as CSV, one row a task; text that a spreadsheet would run bears an apostrophe."""
    rows = [_flat(comparison, task) for task in comparison.tasks]
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


CSV_COLUMNS = (
    *("task", "version", "metric", "scale", "data", "pooled", "members", "n"),
    *ESTIMATES,
    *_COUNTS,
    *(f"{side}_{name}" for side in ("old", "new") for name in _SIDE),
    "readable_n",
    *(f"readable_{name}" for name in _READABLE),
    *(f"{side}_{name}" for side in ("old", "new") for name in ("model", "revision", "dtype", "run")),
    *("settings_compared", "notices"),
    *(f"{name}_{end}" for name in _INTERVALS for end in _ENDS),
    *_EVIDENCE,
    *("excess_nfr", "excess_nfr_low", "excess_nfr_high", "floor_nfr"),
    *_MODEL,
    *_LOST,
    *_CLASSES,
)
"""The header of `comparison.csv`."""


def _task(task: TaskComparison, with_text: bool) -> dict[str, Any]:
    return {
        "task": plain(task.task),
        "pooled": bool(task.members),
        "members": list(task.members),
        "n": task.n,
        "estimates": {name: estimate_object(one) for name, one in task.estimates.items()},
        "readable": {name: estimate_object(one) for name, one in task.readable.items()},
        "evidence": plain(task.evidence),
        "clusters": task.clusters,
        "padding": {**plain(task.padding), "sound": task.padding.sound} if task.padding else None,
        "counts": plain(task.counts),
        "sides": {"old": plain(task.old_side), "new": plain(task.new_side)},
        "kinds": plain(task.kinds),
        "readings": [*map(_reading, task.readings)],
        "shifts": plain(task.shifts),
        "divergence": plain(task.divergence),
        "classes": _classes(task.classes, with_text),
        "worst": [_flip(flip, with_text) for flip in task.worst],
        "runs": {
            "old": {"path": task.old_path, "fingerprint": task.old_fingerprint},
            "new": {"path": task.new_path, "fingerprint": task.new_fingerprint},
        },
        "notices": [*map(notice, task.warnings)],
    }


def estimate_object(estimate: Estimate) -> dict[str, Any]:
    """An estimate with its notices."""
    whole: dict[str, Any] = plain(estimate)
    del whole["warnings"]
    return {**whole, "notices": [*map(notice, estimate.warnings)]}


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "metric": reading.metric,
        "estimates": {name: estimate_object(one) for name, one in reading.estimates.items()},
        "delta_gap": None if reading.delta_gap is None else estimate_object(reading.delta_gap),
        "disagrees": reading.disagrees,
    }


def _price(price: Price | None) -> dict[str, Any] | None:
    if price is None:
        return None
    whole: dict[str, Any] = plain(price)
    for side in ("old_effort", "new_effort"):
        if (effort := getattr(price, side)) is not None:
            whole[side]["tokens_per_second"] = effort.tokens_per_second
    return whole


def _classes(classes: Classes | None, with_text: bool) -> dict[str, Any] | None:
    if classes is None:
        return None
    whole: dict[str, Any] = {**plain(classes), "n": classes.n}
    if classes.labels and not with_text:
        whole["names"] = None
    averages = AVERAGES.values()
    return {**whole, "delta": {one: whole["new"][one] - whole["old"][one] for one in averages}}


def _flip(flip: Flip, with_text: bool) -> dict[str, Any]:
    whole: dict[str, Any] = plain(flip)
    return whole if with_text else {name: value for name, value in whole.items() if name not in _TEXTS}


def notice(warning: Notice) -> dict[str, Any]:
    """A notice with its sentence."""
    return {"code": warning.code, "data": plain(warning.data), "sentence": sentence(warning)}


def representable(value: Any) -> Any:
    """What JSON and UTF-8 have a word for: no nan, no lone surrogate, no number of numpy's."""
    if isinstance(value, Mapping):
        return {storable(str(key)): representable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [representable(item) for item in value]
    if hasattr(value, "tolist"):
        return representable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float)) else storable(str(value))


def _flat(comparison: Comparison, task: TaskComparison) -> dict[str, Any]:
    sides = (
        ("old", comparison.old, task.old_side, task.old_fingerprint),
        ("new", comparison.new, task.new_side, task.new_fingerprint),
    )
    row = {
        **{name: getattr(task.task, name) for name in ("version", "metric", "scale", "data")},
        "task": task.task.name,
        "pooled": bool(task.members),
        "members": " ".join(task.members),
        "n": task.n,
        **{name: task.estimates[name].value for name in ESTIMATES if name in task.estimates},
        **{name: getattr(task.counts, name, None) for name in _COUNTS},
        "readable_n": task.readable["nfr"].n if "nfr" in task.readable else None,
        **{f"readable_{name}": task.readable[name].value for name in _READABLE if name in task.readable},
        "settings_compared": " ".join(setting.field for setting in comparison.settings_compared),
        "notices": " ".join(dict.fromkeys(n.code for n in (*comparison.warnings, *notices(task)))),
    }
    for side, model, counts, run in sides:
        row |= {f"{side}_{name}": getattr(counts, name) for name in _SIDE}
        row |= {f"{side}_model": model.name, f"{side}_revision": model.revision}
        row |= {f"{side}_dtype": model.dtype, f"{side}_run": run}
    return row | _sureness(task) | _why(task) | _by_class(task)


def _by_class(task: TaskComparison) -> dict[str, Any]:
    """The columns of macro averages over classes; empty cells where there are no classes."""
    if task.classes is None:
        return {}
    sides = {"old": task.classes.old, "new": task.classes.new}
    return {
        f"{side}_{average}": getattr(scores, average)
        for side, scores in sides.items()
        for average in AVERAGES.values()
    }


def _why(task: TaskComparison) -> dict[str, Any]:
    """The columns that say why answers were lost; empty cells where nobody knows."""
    rates = {name: task.estimates[name].value for name in _MODEL if name in task.estimates}
    lost = {} if task.kinds is None else {name: task.kinds.negative.get(k, 0) for name, k in _LOST.items()}
    return rates | lost


def _sureness(task: TaskComparison) -> dict[str, Any]:
    """The columns that say how sure the numbers are."""
    ends = {
        f"{name}_{end}": getattr(task.estimates[name], end)
        for name in (*_INTERVALS, "excess_nfr")
        if name in task.estimates
        for end in _ENDS
    }
    values = {
        name: task.estimates[name].value for name in ("excess_nfr", "floor_nfr") if name in task.estimates
    }
    return ends | values | {name: getattr(task.evidence, name, None) for name in _EVIDENCE}


def _cell(value: Any) -> Any:
    value = representable(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = visible(value)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return value
