"""Pairs -> Comparison: the estimates of every task, its worst flips, and what to know before relying on them.

Estimates by scale (definitions: `regress.metrics.flips`, `regress.metrics.continuous`):

    binary    old new delta nfr pfr nfr_mc btc bec nfi relative_nfr churn
    bounded   old new delta nfr pfr nfr_tau pfr_tau m_g m_r churn
    unbounded old new delta nfr pfr m_g m_r churn

Each estimate's `n` is the number of instances it rests on: those in its denominator.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from regress.errors import UsageError
from regress.identity import plain, run_fingerprint
from regress.metrics import continuous
from regress.metrics import flips as discrete
from regress.types import (
    QUADRANTS,
    Comparison,
    Difference,
    Estimate,
    Flip,
    Notice,
    Pairs,
    Scale,
    SideCounts,
    TaskComparison,
    TaskSpec,
)

MINIMUM_ITEMS = 300
"""Below this many instances, intervals cover less than they promise."""

_REDUCED = "max_gen_toks_reduced"
_HOISTED = ("setting-differs", "demo-items")

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


def summarise(
    pairs: Pairs,
    *,
    instances: pa.Table | None = None,
    worst: int = 3,
    old_path: str | None = None,
    new_path: str | None = None,
) -> TaskComparison:
    """One row of the table: what the update did on one task.

    Args:
        pairs: The aligned runs.
        instances: The task's instances (`regress.schema.INSTANCE`), for prompts and targets of flips.
        worst: How many of the worst negative flips to keep.
        old_path: Where the old run lies.
        new_path: Where the new run lies.
    """
    judged = _judged(pairs)
    old_side = _side(pairs.old, pairs.old_readable, pairs.old_spec.task)
    new_side = _side(pairs.new, pairs.new_readable, pairs.new_spec.task)
    return TaskComparison(
        task=pairs.old_spec.task,
        n=pairs.n,
        estimates=_estimates(judged),
        counts=discrete.counts(quadrant_codes(pairs)) if judged.scale == "binary" else None,
        old_side=old_side,
        new_side=new_side,
        readable=_estimates(judged.where(judged.readable)),
        worst=tuple(flips(pairs, instances, rows=_worst(pairs)[:worst])),
        warnings=(*_counted(judged, old_side, new_side), *_notices(pairs, old_side, new_side)),
        old_path=old_path,
        new_path=new_path,
        old_fingerprint=run_fingerprint(pairs.old_spec),
        new_fingerprint=run_fingerprint(pairs.new_spec),
    )


def assemble(
    pairs: Sequence[Pairs],
    *,
    instances: Mapping[str, pa.Table] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    worst: int = 3,
    paths: Mapping[str, tuple[str, str]] | None = None,
) -> Comparison:
    """The whole table: one row a task in the order given, each group's pooled row after its members.

    A pooled row is computed over all its members' pairs, so large tasks weigh more. Members that do
    not share a scale (or, where scores have a unit, a metric) are not pooled, and a notice says so.

    Args:
        pairs: The aligned runs, one a task.
        instances: Instances by task name.
        groups: Task names by group name.
        worst: How many of the worst negative flips to keep for each task.
        paths: Where the old and the new run lie, by task name.

    Raises:
        UsageError: If there is nothing to compare.
    """
    if not pairs:
        raise UsageError("nothing to compare: no task was given", do="Name at least one task.")
    by_name = {one.old_spec.task.name: one for one in pairs}
    rows = {}
    for name, one in by_name.items():
        old_path, new_path = (paths or {}).get(name, (None, None))
        texts = (instances or {}).get(name)
        rows[name] = summarise(one, instances=texts, worst=worst, old_path=old_path, new_path=new_path)
    common = _common(list(rows.values()))
    table = [_without(row, common) for row in rows.values()]
    skipped = []
    for group, members in (groups or {}).items():
        pooled = _pool(group, members, by_name, rows)
        if isinstance(pooled, Notice):
            skipped.append(pooled)
        else:
            table.insert(_after_members(table, pooled), pooled)
    return Comparison(
        old=pairs[0].old_spec.model,
        new=pairs[0].new_spec.model,
        tasks=tuple(table),
        warnings=(*common, *skipped),
        settings_compared=_distinct([d for one in pairs for d in one.overridden]),
    )


def _after_members(table: Sequence[TaskComparison], pooled: TaskComparison) -> int:
    return 1 + max(position for position, row in enumerate(table) if row.task.name in pooled.members)


def _common(rows: Sequence[TaskComparison]) -> tuple[Notice, ...]:
    """Notices about settings that every row bears, to be said once."""
    return tuple(
        notice
        for notice in rows[0].warnings
        if notice.code in _HOISTED and all(notice in row.warnings for row in rows)
    )


def _without(row: TaskComparison, common: tuple[Notice, ...]) -> TaskComparison:
    return replace(row, warnings=tuple(notice for notice in row.warnings if notice not in common))


def _distinct(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    # values may be lists, which have no hash
    return tuple(d for i, d in enumerate(differences) if d not in differences[:i])


# ── estimates ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """The judged columns of one task, or of several pooled: all that estimates are made from."""

    scale: Scale
    answers: bool
    """False where the task has no answers, only likelihoods."""
    repeated: bool
    """Whether an instance may have several rows."""
    item: npt.NDArray[np.int64]
    """[n] number of the instance, the same for its repeats."""
    old_correct: Bools
    new_correct: Bools
    same_answer: Bools
    old_score: Floats
    new_score: Floats
    readable: Bools
    """[n] whether both sides could be read."""

    @property
    def vectors(self) -> dict[str, Any]:
        """Everything that has one value a row."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def where(self, mask: Bools) -> _Judged:
        """The rows that `mask` picks."""
        picked: dict[str, Any] = {name: vector[mask] for name, vector in self.vectors.items()}
        return replace(self, **picked)

    def items(self, mask: Bools | None = None) -> int:
        """Instances with at least one row that `mask` picks."""
        if not self.repeated:
            return int(self.item.size if mask is None else np.count_nonzero(mask))
        return int(np.unique(self.item if mask is None else self.item[mask]).size)


def _judged(pairs: Pairs) -> _Judged:
    unjudged = np.zeros(pairs.n, dtype=np.bool_)
    repeated = bool(pc.max(pairs.old["repeat"]).as_py())
    item = np.arange(pairs.n, dtype=np.int64)
    if repeated:
        ids = pairs.old["instance_id"]
        item = pc.index_in(ids, value_set=ids.unique()).to_numpy().astype(np.int64)
    return _Judged(
        scale=pairs.old_spec.task.scale,
        answers=pairs.old_spec.task.kind != "likelihood",
        repeated=repeated,
        item=item,
        old_correct=unjudged if pairs.old_correct is None else pairs.old_correct,
        new_correct=unjudged if pairs.new_correct is None else pairs.new_correct,
        same_answer=pairs.same_answer,
        old_score=pairs.old_score,
        new_score=pairs.new_score,
        readable=pairs.old_readable & pairs.new_readable,
    )


def _estimates(judged: _Judged) -> dict[str, Estimate]:
    rates = _binary(judged) if judged.scale == "binary" else _scored(judged)
    n = judged.items()
    churn = discrete.churn(judged.same_answer) if judged.answers else math.nan
    return {
        **{
            name: Estimate(value=value, n=n if mask is None else judged.items(mask))
            for name, (value, mask) in rates.items()
        },
        "churn": Estimate(value=churn, n=n),
    }


def _binary(judged: _Judged) -> dict[str, tuple[float, Bools | None]]:
    """Estimates of a right-or-wrong task, each with the rows it rests on (all of them if null)."""
    old, new, same = judged.old_correct, judged.new_correct, judged.same_answer
    return {
        "old": (discrete.accuracy(old), None),
        "new": (discrete.accuracy(new), None),
        "delta": (discrete.delta(old, new), None),
        "nfr": (discrete.nfr(old, new), None),
        "pfr": (discrete.pfr(old, new), None),
        "nfr_mc": (discrete.nfr_mc(new, same), None),
        "btc": (discrete.btc(old, new), old),
        "bec": (discrete.bec(old, new), ~new),
        "nfi": (discrete.nfi(old, new), ~new),
        "relative_nfr": (discrete.relative_nfr(old, new), None),
    }


def _scored(judged: _Judged) -> dict[str, tuple[float, Bools | None]]:
    """Estimates of a task with scores, each with the rows it rests on (all of them if null)."""
    old, new = judged.old_score, judged.new_score
    change = continuous.change(old, new)
    rates: dict[str, tuple[float, Bools | None]] = {
        "old": (continuous.mean_score(old), None),
        "new": (continuous.mean_score(new), None),
        "delta": (continuous.delta(old, new), None),
        "nfr": (continuous.nfr(old, new), None),
        "pfr": (continuous.pfr(old, new), None),
    }
    if judged.scale == "bounded":
        rates["nfr_tau"] = (continuous.nfr(old, new, tau=continuous.TAU), None)
        rates["pfr_tau"] = (continuous.pfr(old, new, tau=continuous.TAU), None)
    rates["m_g"] = (continuous.m_g(old, new), change > 0)
    rates["m_r"] = (continuous.m_r(old, new), change < 0)
    return rates


# ── flips ────────────────────────────────────────────────────────────────────────────────────────


def quadrant_codes(pairs: Pairs) -> npt.NDArray[np.int8]:
    """Where each pair lies: [n] positions in `regress.types.QUADRANTS`.

    On score scales better is a positive and worse a negative flip, and an unchanged score lies
    nowhere: -1.
    """
    if pairs.old_correct is not None and pairs.new_correct is not None:
        return discrete.quadrants(pairs.old_correct, pairs.new_correct, pairs.same_answer)
    change = continuous.change(pairs.old_score, pairs.new_score)
    codes = np.full(pairs.n, -1, dtype=np.int8)
    codes[change > 0] = QUADRANTS.index("positive flip")
    codes[change < 0] = QUADRANTS.index("negative flip")
    return codes


def deltas(pairs: Pairs) -> Floats:
    """How far each pair moved: [n] float64, new minus old.

    The gold margin where right and wrong is a matter of choices (nan where a margin is unknown),
    the score everywhere else.
    """
    task = pairs.old_spec.task
    if task.kind == "choice" and task.scale == "binary":
        old, new = (np.asarray(side["gold_margin"].to_numpy(), np.float64) for side in (pairs.old, pairs.new))
        # two margins of minus infinity differ by nan, which is what is known about them
        with np.errstate(invalid="ignore"):
            margin: Floats = new - old
        if not np.isnan(margin).all():
            return margin
    return continuous.change(pairs.old_score, pairs.new_score)


def flips(pairs: Pairs, instances: pa.Table | None = None, *, rows: Rows | None = None) -> Iterator[Flip]:
    """Pairs as `Flip`s, texts included, in the order of `rows`; by default all that lie in a quadrant.

    Args:
        pairs: The aligned runs.
        instances: The task's instances, for prompts and targets; without it they stay null.
        rows: Positions of the pairs wanted.
    """
    codes, delta = quadrant_codes(pairs), deltas(pairs)
    rows = np.flatnonzero(codes >= 0) if rows is None else rows
    columns = ["answer", "output"]
    old, new = (side.select(columns).take(pa.array(rows)).to_pylist() for side in (pairs.old, pairs.new))
    keys = pairs.old.select(["instance_id", "index"]).take(pa.array(rows))
    texts = _texts(keys["instance_id"], instances)
    for row, key, before, after, text in zip(rows, keys.to_pylist(), old, new, texts, strict=True):
        yield Flip(
            instance_id=key["instance_id"],
            index=key["index"],
            quadrant=QUADRANTS[codes[row]],
            delta=float(delta[row]),
            old_answer=before["answer"],
            new_answer=after["answer"],
            old_output=before["output"],
            new_output=after["output"],
            target=text.get("target"),
            prompt=text.get("prompt"),
        )


def _texts(ids: pa.ChunkedArray, instances: pa.Table | None) -> list[dict[str, Any]]:
    if instances is None:
        return [{} for _ in range(len(ids))]
    found = pc.index_in(ids, value_set=instances["instance_id"])
    texts: list[dict[str, Any]] = instances.select(["prompt", "target"]).take(found).to_pylist()
    return texts


def _worst(pairs: Pairs) -> Rows:
    """Negative flips, worst first: by how far they fell, and where nothing tells, by index."""
    rows = np.flatnonzero(quadrant_codes(pairs) == QUADRANTS.index("negative flip"))
    # stable, so rows keep their order by index among equals; nan goes last
    return rows[np.argsort(deltas(pairs)[rows], kind="stable")]


# ── notices ──────────────────────────────────────────────────────────────────────────────────────


def _side(table: pa.Table, readable: Bools, task: TaskSpec) -> SideCounts:
    truncated = None
    if task.kind == "generation" and not table["finish"].null_count:
        truncated = _count(pc.equal(table["finish"], "length"))
    return SideCounts(
        unreadable=int((~readable).sum()),
        truncated=truncated,
        left_truncated=_count(pc.greater(table["left_truncated"], 0)),
    )


def _count(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _counted(judged: _Judged, old: SideCounts, new: SideCounts) -> Iterator[Notice]:
    """Notices that follow from counts alone, for ordinary and pooled rows alike."""
    n = judged.same_answer.size
    items = judged.items()
    if items < MINIMUM_ITEMS:
        yield Notice(code="few-items", data={"n": items, "minimum": MINIMUM_ITEMS})
    for code, before, after in (
        ("unreadable", old.unreadable, new.unreadable),
        ("truncated", old.truncated, new.truncated),
        ("left-truncated", old.left_truncated, new.left_truncated),
    ):
        if before or after:
            yield Notice(code=code, data={"old": before, "new": after, "n": n})


def _notices(pairs: Pairs, old: SideCounts, new: SideCounts) -> Iterator[Notice]:
    """Notices that follow from the two specs."""
    task = pairs.old_spec.task
    sides = (("old", pairs.old_spec, old), ("new", pairs.new_spec, new))
    for side, _, counts in sides:
        if task.kind == "generation" and counts.truncated is None:
            yield Notice(code="truncation-unknown", data={"side": side})
    for side, spec, _ in sides:
        if reduced := spec.engine.settings.get(_REDUCED):
            yield Notice(code="max-tokens-reduced", data={"side": side, **plain(reduced)})
    yield from _task_notices(task)
    if (limit := pairs.old_spec.subset.limit or pairs.new_spec.subset.limit) and limit < task.n:
        yield Notice(code="limit-not-sample", data={"limit": limit, "n": task.n})
    if "demo" in (pairs.old_spec.task.data, pairs.new_spec.task.data):
        yield Notice(code="demo-items")
    if repeats := pc.max(pairs.old["repeat"]).as_py():
        yield Notice(code="repeats", data={"repeats": repeats + 1})
    if _same_run(pairs):
        yield Notice(code="same-run")
    for difference in pairs.differences:
        if f".{_REDUCED}" not in difference.field:  # said by max-tokens-reduced
            yield Notice(code="setting-differs", data=plain(difference))


def _task_notices(task: TaskSpec) -> Iterator[Notice]:
    if not task.higher_is_better:
        yield Notice(code="metric-negated", data={"metric": task.metric})
    if task.kind == "likelihood":
        yield Notice(code="per-document", data={"metric": task.metric})


def _same_run(pairs: Pairs) -> bool:
    weights = pairs.old_spec.model.fingerprint
    keyed = [d for d in (*pairs.differences, *pairs.overridden) if not d.field.startswith("recorded.")]
    return weights is not None and weights == pairs.new_spec.model.fingerprint and not keyed


# ── pooled rows ──────────────────────────────────────────────────────────────────────────────────


def _pool(
    group: str, members: Sequence[str], pairs: Mapping[str, Pairs], rows: Mapping[str, TaskComparison]
) -> TaskComparison | Notice:
    """The pooled row of a group, or the notice that says why there is none."""
    present = [name for name in dict.fromkeys(members) if name in rows]
    specs = [rows[name].task for name in present]
    if reason := _not_poolable(specs):
        return Notice(code="pool-skipped", data={"group": group, "reason": reason})
    judged = _concatenated([_judged(pairs[name]) for name in present])
    old_side = _sum_sides([rows[name].old_side for name in present])
    new_side = _sum_sides([rows[name].new_side for name in present])
    notices = [*_counted(judged, old_side, new_side)]
    if missing := [name for name in members if name not in rows]:
        notices.append(Notice(code="pool-partial", data={"group": group, "missing": missing}))
    codes = discrete.quadrants(judged.old_correct, judged.new_correct, judged.same_answer)
    return TaskComparison(
        task=_pooled_spec(group, specs),
        n=judged.same_answer.size,
        estimates=_estimates(judged),
        counts=discrete.counts(codes) if judged.scale == "binary" else None,
        old_side=old_side,
        new_side=new_side,
        readable=_estimates(judged.where(judged.readable)),
        members=tuple(present),
        warnings=tuple(notices),
    )


def _not_poolable(specs: Sequence[TaskSpec]) -> str | None:
    if not specs:
        return "no member was compared"
    if len({spec.scale for spec in specs}) > 1:
        return "scales differ"
    if specs[0].scale != "binary" and len({spec.metric for spec in specs}) > 1:
        return "metrics differ"
    return None


def _concatenated(parts: Sequence[_Judged]) -> _Judged:
    # instances of different members are different instances, whatever their ids
    starts = np.cumsum([0, *(part.item.max() + 1 for part in parts)])
    parts = [replace(part, item=part.item + start) for part, start in zip(parts, starts, strict=False)]
    joined: dict[str, Any] = {
        name: np.concatenate([part.vectors[name] for part in parts]) for name in parts[0].vectors
    }
    answers, repeated = all(part.answers for part in parts), any(part.repeated for part in parts)
    return replace(parts[0], answers=answers, repeated=repeated, **joined)


def _sum_sides(sides: Sequence[SideCounts]) -> SideCounts:
    truncated = [side.truncated for side in sides]
    return SideCounts(
        unreadable=sum(side.unreadable for side in sides),
        truncated=None if None in truncated else sum(count or 0 for count in truncated),
        left_truncated=sum(side.left_truncated for side in sides),
    )


def _pooled_spec(group: str, specs: Sequence[TaskSpec]) -> TaskSpec:
    def joined(name: str) -> str:
        return ", ".join(dict.fromkeys(getattr(spec, name) for spec in specs))

    return TaskSpec(
        name=group,
        version=joined("version"),
        kind=specs[0].kind,
        scale=specs[0].scale,
        metric=joined("metric"),
        higher_is_better=all(spec.higher_is_better for spec in specs),
        num_fewshot=specs[0].num_fewshot,
        data=joined("data"),
        n=sum(spec.n for spec in specs),
    )
