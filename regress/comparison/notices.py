"""What to know before relying on a row: which warnings hold; `regress.views` puts them in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.compute as pc

from regress.comparison.judged import has_answers
from regress.comparison.sides import count
from regress.identity import plain
from regress.types import Notice, Pairs, Shift, SideCounts, TaskSpec

MINIMUM_ITEMS = 300
"""Below this many instances, intervals cover less than they promise."""

CONSTANT, ENOUGH_FOR_CONSTANT = 0.95, 20
"""Share of equal answers, of so many at least, from which a model answers the same whatever is asked."""

_REDUCED = "max_gen_toks_reduced"
_BEFORE_THE_PROMPT = {"model.tokenizer", "model.chat_template", "model.system"}


def from_counts(n: int, items: int, old: SideCounts, new: SideCounts) -> Iterator[Notice]:
    """Notices that follow from counts alone, for ordinary and pooled rows alike.

    Args:
        n: Pairs compared.
        items: Instances among them.
        old: What went wrong on the old side.
        new: What went wrong on the new side.
    """
    if items < MINIMUM_ITEMS:
        yield Notice(code="few-items", data={"n": items, "minimum": MINIMUM_ITEMS})
    for code, before, after in (
        ("unreadable", old.unreadable, new.unreadable),
        ("truncated", old.truncated, new.truncated),
        ("left-truncated", old.left_truncated, new.left_truncated),
    ):
        if before or after:
            yield Notice(code=code, data={"old": before, "new": after, "n": n})


def from_pairs(
    pairs: Pairs, old: SideCounts, new: SideCounts, shifts: Sequence[Shift] = ()
) -> Iterator[Notice]:
    """Notices that follow from what the runs were asked and shown, how they answered, and where they differ.

    Args:
        pairs: The aligned runs.
        old: What went wrong on the old side.
        new: What went wrong on the new side.
        shifts: How answers changed as a whole.
    """
    yield from _about_length(pairs, old, new)
    yield from _about_task(pairs.old_spec.task)
    yield from _about_origin(pairs)
    yield from _about_items(pairs)
    degenerate = [shift for shift in shifts if shift.degenerate]
    yield from _constant_answers(pairs, degenerate)
    yield from _shifted_answers(degenerate, pairs.old_spec.task, not (old.unreadable or new.unreadable))
    if _same_run(pairs):
        yield Notice(code="same-run")
    if n_different := _shown_differently(pairs):
        yield Notice(code="shown-differs", data={"n_different": n_different, "n": pairs.n})
    for difference in pairs.differences:
        if f".{_REDUCED}" not in difference.field:  # said by max-tokens-reduced
            yield Notice(code="setting-differs", data=plain(difference))


def _about_length(pairs: Pairs, old: SideCounts, new: SideCounts) -> Iterator[Notice]:
    for side, counts, spec in (("old", old, pairs.old_spec), ("new", new, pairs.new_spec)):
        said = spec.origin is not None and "finish" in spec.origin.unknown
        if pairs.old_spec.task.kind == "generation" and counts.truncated is None and not said:
            yield Notice(code="truncation-unknown", data={"side": side})
    for side, spec in (("old", pairs.old_spec), ("new", pairs.new_spec)):
        if reduced := spec.engine.settings.get(_REDUCED):
            yield Notice(code="max-tokens-reduced", data={"side": side, **plain(reduced)})


def _about_task(task: TaskSpec) -> Iterator[Notice]:
    if not task.higher_is_better:
        yield Notice(code="metric-negated", data={"metric": task.metric})
    if task.kind == "likelihood":
        yield Notice(code="per-document", data={"metric": task.metric})
    elif not has_answers(task):
        yield Notice(code="answers-unknown")


def _about_origin(pairs: Pairs) -> Iterator[Notice]:
    """Where answers come from that were not asked for here, once where both sides say the same."""
    told: dict[str, tuple[dict[str, Any], bool]] = {}
    for side, spec in (("old", pairs.old_spec), ("new", pairs.new_spec)):
        if (origin := spec.origin) is not None:
            data = {"from": origin.producer or origin.name, "unknown": list(origin.unknown)}
            told[side] = data, origin.format == "rescored"
    if len(told) == 2 and _but_for_source(told["old"]) == _but_for_source(told["new"]):
        sources = dict.fromkeys(str(data["from"]) for data, _ in told.values())
        data, rescored = told["old"]
        told = {"old and new": ({**data, "from": " and ".join(sources)}, rescored)}
    for side, (data, rescored) in told.items():
        yield Notice(code="rescored" if rescored else "imported", data={"side": side, **data})


def _but_for_source(told: tuple[dict[str, Any], bool]) -> tuple[Any, bool]:
    return told[0]["unknown"], told[1]


def _about_items(pairs: Pairs) -> Iterator[Notice]:
    old, new = pairs.old_spec, pairs.new_spec
    if (limit := old.subset.limit or new.subset.limit) and limit < old.task.n:
        yield Notice(code="limit-not-sample", data={"limit": limit, "n": old.task.n})
    if "demo" in (old.task.data, new.task.data):
        yield Notice(code="demo-items")
    if pairs.repeats > 1:
        yield Notice(code="repeats", data={"repeats": pairs.repeats})


def _constant_answers(pairs: Pairs, degenerate: Sequence[Shift]) -> Iterator[Notice]:
    """Sides that answer nearly everything alike: right or wrong is then a matter of the items alone."""
    said = "commonest" in (shift.measure for shift in degenerate)  # and by how much more often than before
    for side, table in (("old", pairs.old), *(() if said else (("new", pairs.new),))):
        counts = pc.value_counts(table["answer"].drop_null()).field("counts").to_numpy(zero_copy_only=False)
        if counts.sum() >= ENOUGH_FOR_CONSTANT and counts.max() >= CONSTANT * counts.sum():
            yield Notice(
                code="constant-answers", data={"side": side, "share": float(counts.max() / counts.sum())}
            )


def _shifted_answers(degenerate: Sequence[Shift], task: TaskSpec, all_read: bool) -> Iterator[Notice]:
    """Degenerate shifts; what goes without saying where one answer is given too often is left out."""
    measures = [shift.measure for shift in degenerate]
    for shift in degenerate:
        if shift.measure in ("entropy", "output") and "commonest" in measures:
            continue
        data: dict[str, Any] = {"measure": shift.measure, "old": shift.old, "new": shift.new}
        if shift.measure == "output":
            data |= {"answer": shift.answer}
        if shift.measure == "commonest":
            data |= {"answer": shift.answer, "kind": task.kind, "all_read": all_read}
        yield Notice(code="degenerate", data=data)


def _same_run(pairs: Pairs) -> bool:
    weights = pairs.old_spec.model.fingerprint
    keyed = [d for d in (*pairs.differences, *pairs.overridden) if not d.field.startswith("recorded.")]
    return weights is not None and weights == pairs.new_spec.model.fingerprint and not keyed


def _shown_differently(pairs: Pairs) -> int:
    """Rows on which one whole prompt became other tokens, though no setting says why."""
    if _BEFORE_THE_PROMPT & {difference.field for difference in pairs.differences}:
        return 0
    old, new = pairs.old, pairs.new
    same_prompt = pc.equal(old["prompt_hash"], new["prompt_hash"])
    # null where an engine hides what it showed
    other_tokens = pc.not_equal(old["shown_hash"], new["shown_hash"])
    whole = pc.equal(pc.add(old["left_truncated"], new["left_truncated"]), 0)
    return count(pc.and_(pc.and_(same_prompt, other_tokens), whole))
