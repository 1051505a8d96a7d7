"""Every notice in words: a sentence for each code, from its data.

The row that a notice belongs to shows its counts already, so a sentence says what they mean: that
way tasks with different counts share one footnote.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from regress.types import Difference
from regress.views.numbers import about, amount, chosen, count, percent, plural
from regress.views.settings import NAMES, difference, name, value
from regress.views.shifts import degenerate
from regress.views.untrusted import head

ENGINE_AT_FAULT = "engine-padding"
"""The notice that makes a task's numbers meaningless; it stands above the table."""

_REASON = 200
_LISTED = 10


def listed(items: Any) -> str:
    """Names and ids one after the other, whole, the first ten of them.

    >>> listed(["a", "3fa9c1d2e4b5a697"]), listed("a"), listed(range(12))
    ('a, 3fa9c1d2e4b5a697', 'a', '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more')
    """
    if not isinstance(items, Sequence) or isinstance(items, str):
        return value(items)
    more = f" and {count(len(items) - _LISTED)} more" if len(items) > _LISTED else ""
    return ", ".join(name(str(item)) for item in items[:_LISTED]) + more


def _undetected(data: Mapping[str, Any]) -> str:
    if not math.isfinite(data["mde"]):
        return "~ no difference was detected; how large a change would have been cannot be said."
    return (
        f"~ no difference was detected; a true change of {amount(data['mde'], data.get('scale', 'binary'))} "
        f"would have been, with probability {chosen(data['power'])} %."
    )


def _significant(data: Mapping[str, Any]) -> str:
    low = data.get("low", math.nan)
    least = f": at least {amount(low, data.get('scale', 'binary'))}" if math.isfinite(low) else ""
    return f"The drop is smaller than the limit, but more than chance{least}."


def _constant(data: Mapping[str, Any]) -> str:
    answer = f", “{value(data['answer'])}”," if data.get("answer") is not None else ""
    return (
        f"The {data['side']} model gave one and the same answer{answer} to {percent(data['share'])} % of the "
        "instances: it may not have understood the task."
    )


def _imported(data: Mapping[str, Any]) -> str:
    unknown = [NAMES.get(one, one) for one in data["unknown"]]
    rest = f" Unknown of them: {listed(unknown)}." if unknown else ""
    return f"The {data['side']} answers were imported, from {name(data['from'])}.{rest}"


_CLAIMED = {
    "identical": "every logit of the old one, bit for bit",
    "same": "the old one's function",
    "near": "the old one's function but for the number format",
    "argmax": "the old one's greedy choices",
}


def _update_claimed(data: Mapping[str, Any]) -> str:
    found = f"{count(data['changed'])} of {plural(data['n'], 'answer')} changed"
    sure = data["certified"]
    certified = "" if sure is None else f"; {count(sure)} cannot have, by how far their choice leads"
    claim = _CLAIMED.get(data["claim"], data["claim"])
    terms = f", for {listed(data['terms'])}" if data["terms"] else ""
    by = f" by {listed(data['steps'])}" if data["steps"] else ""
    if data["claim"] == "other":
        return f"The new model was made from the old one{by}; nothing was claimed: {found}."
    return f"The new model was made from the old one{by}, and claims {claim}{terms}: {found}{certified}."


WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "setting-differs": lambda data: f"The runs differ: {difference(Difference(**data))}.",
    "few-items": lambda data: (
        f"Fewer than {count(data['minimum'])} instances: a few flips more or less change the picture."
    ),
    "truncation-unknown": lambda data: (
        f"Whether answers on the {data['side']} side were cut off at the longest length is unknown: "
        "the engine does not tell."
    ),
    "unreadable": lambda data: "Answers that cannot be read count as not right and stay in every rate.",
    "truncated": lambda data: (
        "Some answers were cut off at the longest length and judged as they stood; a higher limit may "
        "change them."
    ),
    "left-truncated": lambda data: (
        "Some prompts did not fit into the model's context and lost their beginning."
    ),
    "max-tokens-reduced": lambda data: (
        f"On the {data['side']} side answers were limited to {count(data['used'])} tokens instead of "
        f"{count(data['asked'])}, because the model's context is short."
    ),
    "limit-not-sample": lambda data: (
        f"Only the first {count(data['limit'])} of {count(data['n'])} instances were asked; they need "
        "not be like the rest, as a random sample would be."
    ),
    "metric-negated": lambda data: (
        f"{name(data['metric'])} is better when lower; it is shown negated, so that higher is "
        "better in every row."
    ),
    "update-claimed": _update_claimed,
    "demo-items": lambda data: (
        "The instances are demo items, made up for trying this out; they are not the benchmarks whose "
        "names they bear."
    ),
    "per-document": lambda data: (
        f"{name(data['metric'])} is taken per instance and averaged, which is not the figure "
        "published for a whole corpus."
    ),
    "answers-unknown": lambda data: (
        "What was read from an output is known only to the task's own code, so nothing is said of how "
        "wrong answers changed: NFR_mc and churn are undefined."
    ),
    "same-run": lambda data: "Old and new are the same stored run, so nothing can differ.",
    "shown-differs": lambda data: (
        f"On {count(data['n_different'])} of {plural(data['n'], 'instance')} the two models were shown "
        "different tokens for the same prompt, and no recorded difference in tokenizer, chat template or "
        "system instruction explains it."
    ),
    "repeats": lambda data: (
        f"Each instance was answered {plural(data['repeats'], 'time')}; n counts answers."
    ),
    "pool-skipped": lambda data: f"No pooled row for {name(data['group'])}: {head(data['reason'], _REASON)}.",
    "pool-partial": lambda data: (
        f"{name(data['group'])} pools only some of its tasks; missing: {listed(data['missing'])}."
    ),
    "undetected": _undetected,
    "few-discordant": lambda data: (
        f"Fewer than {count(data['minimum'])} instances changed between right and wrong: too few for a "
        "test to find much."
    ),
    "ties": lambda data: (
        f"{percent(data['share'])} % of the scores did not change at all; an interval of the mean change "
        "rests on the others."
    ),
    "constant-answers": _constant,
    "degenerate": degenerate,
    "clustered": lambda data: (
        "Items of one cluster were sampled together; intervals and tests take the cluster, not the item, "
        "as the unit."
    ),
    "few-clusters": lambda data: (
        f"Only {plural(data['clusters'], 'cluster')}: with fewer than {count(data['minimum'])} the intervals "
        "are rough."
    ),
    "epsilon": lambda data: (
        f"A flip is a coin toss where either gold margin is at most {about(data['epsilon'])}, which reruns "
        "of the old model hardly ever exceed"
        + (" (their maximum: there are too few for the 99.9 % quantile)." if data.get("capped") else ".")
    ),
    "floor-conditional": lambda data: (
        f"The noise floor rests on {plural(data['runs'], 'run')} of the old model: the interval of excess "
        "NFR holds for these runs and leaves out how much other runs would differ."
    ),
    ENGINE_AT_FAULT: lambda data: (
        "The engine, not the model, is at fault. Scored alone and in batches of "
        f"{count(data['batch_size'])}, one float32 log-likelihood moves by up to {about(data['largest'])} "
        f"nats; rounding stays below {about(data['threshold'])}. Mend that before reading its flips."
    ),
    "interval-rough": lambda data: (
        "The interval of a rate that rests on fewer than five instances is rough: Wilson's covers less "
        "than it says."
    ),
    "few-differences": lambda data: (
        f"Fewer than {count(data['minimum'])} {data.get('unit', 'instances')} differ in some measures, which "
        "therefore have no interval."
    ),
    "no-floor-kinds": lambda data: (
        f"The noise floor was not measured for {listed(data['missing'])}; it rests on the other reruns."
    ),
    "floor-unusable": lambda data: (
        f"The stored reruns of the old model could not be used: {head(data['reason'], _REASON).rstrip('.')}."
    ),
    "significant-drop": _significant,
    "imported": _imported,
    "rescored": lambda data: (
        f"The {data['side']} outputs were judged again after the run (`regress rescore`), not asked again."
    ),
    "listed-not-right": lambda data: (
        f"The old model was never right on {listed(data['ids'])}, so nothing is held there."
    ),
}
"""A sentence for each code."""
