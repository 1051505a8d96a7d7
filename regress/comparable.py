"""What may be compared: evidence that must be there, refusals, and which of them can be overridden.

What `NotComparable.field` can be, in the order in which it is looked for:

    rows, status, score        missing evidence on one side; never waived
    task.name, task.version    waived by `task`
    items                      other instances, or the same ids for other questions; never waived
    targets, task.scale        never waived
    prompts                    waived by `prompts`
    task.definition, task.kind waived by `task`
    task.metric, task.higher_is_better, task.scorer
                               waived by `scorer`

Which items are there is for `regress.pairing` to see, as it aligns them; all else is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from regress.differences import against, flat, short
from regress.errors import NotComparable, UnknownName
from regress.identity import normalise, plain
from regress.schema import targets_of
from regress.types import Difference, Run, TaskSpec

ALLOWABLE = ("prompts", "task", "scorer")
"""Refusals that can be overridden by name; the result then compares settings, not models."""

_SAME_TASK = (
    ("name", "task", "old and new are runs of different tasks"),
    ("version", "task", "old and new ran different versions of {task}"),
)
_SAME_JUDGEMENT = (
    ("definition", "task", "old and new ran different definitions of {task}"),
    ("kind", "task", "old and new were asked {task} in different ways"),
    ("metric", "scorer", "old and new judge {task} differently"),
    ("higher_is_better", "scorer", "old and new judge {task} differently"),
    ("scorer", "scorer", "old and new judge {task} differently"),
)
"""Fields of a task that must agree, by what a refusal is waived, and how it is put."""

_AGAIN = "Evaluate that model again; missing answers cannot be waived."
_LISTED = 3
_ROUNDING = 1e-9


# ── evidence ─────────────────────────────────────────────────────────────────────────────────────


def readable(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Of which predictions an answer could be read: [n] booleans."""
    return np.asarray(pc.equal(table["status"], "scored").to_numpy(), dtype=np.bool_)


def require_evidence(side: str, run: Run) -> None:
    """Refuse a run that is empty, incomplete or without an answer or a score somewhere.

    Args:
        side: `old` or `new`, for the message.
        run: The run of that side.

    Raises:
        NotComparable: If anything is missing; there is no waiving it.
    """
    table, name, expected = run.predictions, run.spec.task.name, run.spec.n
    if table.num_rows == 0 or (expected and table.num_rows != expected):
        raise NotComparable(
            f"the {side} run of {name} holds {table.num_rows} predictions",
            field="rows",
            allowed=f"{expected} of them" if expected else "at least one",
            do=_AGAIN,
        )
    failed = np.flatnonzero(pc.equal(table["status"], "error").to_numpy())
    if failed.size:
        reason = table["error"][int(failed[0])].as_py()
        raise NotComparable(
            f"the {side} run of {name} has no answer to {failed.size} of its {table.num_rows} instances "
            f"(first: {listed(table, failed[:1])}{f': {reason[:120]}' if reason else ''}).",
            field="status",
            do=_AGAIN,
        )
    if run.spec.task.scale != "binary":
        _require_scores(side, run)


def _require_scores(side: str, run: Run) -> None:
    table, task = run.predictions, run.spec.task
    score = table["score"].to_numpy()
    missing = ~np.isfinite(score)
    if task.scale == "bounded":
        # an unreadable answer need not have a score: it earns 0
        missing &= readable(table) | ~np.isnan(score)
        _require_bounds(side, task, table, score)
    rows = np.flatnonzero(missing)
    if rows.size:
        raise NotComparable(
            f"the {side} run of {task.name} has no finite {task.metric} for {rows.size} of its "
            f"{table.num_rows} instances (first: {listed(table, rows[:1])}).",
            field="score",
            do=_AGAIN,
        )


def _require_bounds(side: str, task: TaskSpec, table: pa.Table, score: npt.NDArray[np.float64]) -> None:
    """Intervals of bounded scores rest on their bounds."""
    outside = np.flatnonzero((score < -_ROUNDING) | (score > 1 + _ROUNDING))
    if outside.size:
        raise NotComparable(
            f"the {side} run of {task.name} has scores outside [0, 1] for {outside.size} of its "
            f"{table.num_rows} instances (first: {score[outside[0]]:g} for {listed(table, outside[:1])})",
            field="score",
            allowed="scores from 0 to 1 on a bounded scale",
            do="Divide them, or call the task's scale unbounded.",
        )


# ── refusals that can be overridden ──────────────────────────────────────────────────────────────


def require_allowable(allow: Collection[str]) -> None:
    """Refuse to override what cannot be overridden.

    Raises:
        UnknownName: If `allow` holds something that is not in `ALLOWABLE`.
    """
    for name in allow:
        if name not in ALLOWABLE:
            raise UnknownName("refusal to allow", name, ALLOWABLE)


def require_same_task(old: TaskSpec, new: TaskSpec, allow: Collection[str]) -> tuple[Difference, ...]:
    """What was overridden so that these count as one task.

    Raises:
        NotComparable: If name or version differ and `allow` does not say that they may.
    """
    return _settle(list(_task_refusals(old, new, _SAME_TASK)), allow)


def require_same_question(
    old: TaskSpec, new: TaskSpec, old_table: pa.Table, new_table: pa.Table, allow: Collection[str]
) -> tuple[Difference, ...]:
    """What was overridden so that these count as one question, judged in one way.

    Args:
        old: The task as the old model was asked it.
        new: The same for the new model.
        old_table: The old run's predictions.
        new_table: The new run's predictions, aligned with them.
        allow: Names out of `ALLOWABLE`.

    Raises:
        NotComparable: If targets, scale, prompts or judgement differ and `allow` does not say that
            they may.
    """
    _require_targets_and_scale(old, new)
    prompts = _prompt_refusals(old, new, old_table, new_table)
    return _settle([*prompts, *_task_refusals(old, new, _SAME_JUDGEMENT)], allow)


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    """A reason not to compare that can be overridden by name."""

    field: str
    what: str
    allow: str
    differences: tuple[Difference, ...]


def _settle(refusals: list[_Refusal], allow: Collection[str]) -> tuple[Difference, ...]:
    """What was overridden; raises for the first refusal that was not."""
    standing = [refusal for refusal in refusals if refusal.allow not in allow]
    if standing:
        names = list(dict.fromkeys(refusal.allow for refusal in standing))
        flags = " ".join(f"--allow {name}" for name in names)
        listed_names = ", ".join(f'"{name}"' for name in names)
        raise NotComparable(
            standing[0].what + ".",
            field=standing[0].field,
            do=f"{_instead(standing)}, or compare settings instead of models with {flags} "
            f"(a gate: with allow = [{listed_names}] in its policy).",
        )
    return tuple(difference for refusal in refusals for difference in refusal.differences)


def _instead(standing: list[_Refusal]) -> str:
    """What makes two runs comparable that `standing` keeps apart."""
    judged = {"task.definition", "task.version", "task.metric", "task.scorer", "task.higher_is_better"}
    if {refusal.field for refusal in standing} <= judged:
        return "Judge the stored outputs of both again, without the models (`regress rescore OLD NEW`)"
    return "Re-run one of them"


def _task_refusals(
    old: TaskSpec, new: TaskSpec, fields: Collection[tuple[str, str, str]]
) -> Iterator[_Refusal]:
    for name, allow, what in fields:
        before, after = plain(getattr(old, name)), plain(getattr(new, name))
        unknown = "" in (before, after) or (name == "definition" and not asked_here(old, new))
        if before != after and not unknown:
            contrast = against(flat(name, before), flat(name, after))
            yield _Refusal(
                field=f"task.{name}",
                what=f"{what.format(task=old.name)} ({contrast})",
                allow=allow,
                differences=(Difference(field=f"task.{name}", old=before, new=after),),
            )


def asked_here(*tasks: TaskSpec) -> bool:
    """Whether regress asked all of these, so that their hashes are over the same things."""
    return all(task.data for task in tasks)


def _on_one_footing(old: TaskSpec, new: TaskSpec) -> bool:
    """Whether hashes of the two can be compared: over full data sets, or over what was imported."""
    return bool(old.data) == bool(new.data)


def _require_targets_and_scale(old: TaskSpec, new: TaskSpec) -> None:
    known = old.targets and new.targets and _on_one_footing(old, new)
    if known and old.targets != new.targets:
        raise NotComparable(
            f"old and new were judged against different targets of {old.name} "
            f"({short(old.targets)} against {short(new.targets)}).",
            field="targets",
            do="Score both against the same reference answers; other targets cannot be waived.",
        )
    if old.scale != new.scale:
        raise NotComparable(
            f"old and new are judged on different scales of {old.name} ({old.scale} against {new.scale}).",
            field="task.scale",
            do="Score both with one metric; other scales cannot be waived.",
        )


def _prompt_refusals(
    old: TaskSpec, new: TaskSpec, old_table: pa.Table, new_table: pa.Table
) -> Iterator[_Refusal]:
    known = pc.and_(pc.not_equal(old_table["prompt_hash"], ""), pc.not_equal(new_table["prompt_hash"], ""))
    differ = pc.not_equal(old_table["prompt_hash"], new_table["prompt_hash"])
    rows = np.flatnonzero(pc.and_(known, differ).to_numpy())
    known_items = bool(old.items and new.items) and _on_one_footing(old, new)
    other_items = known_items and old.items != new.items
    if other_items and not asked_here(old, new) and not pc.any(known).as_py():
        raise NotComparable(
            f"old and new answer different items of {old.name} under the same ids",
            field="items",
            do="Compare answers to the same items; other items cannot be waived.",
        )
    if not rows.size:
        return
    where = (
        f"old and new disagree on {rows.size} of {old_table.num_rows} instances of {old.name} "
        f"(first: {listed(old_table, rows[:1])})"
    )
    shots = [name for name in ("num_fewshot", "fewshot") if getattr(old, name) != getattr(new, name)]
    if other_items and not shots:
        # with the data set's own ids, equal ids may stand for other questions
        raise NotComparable(
            f"{where}: the source items differ, not only the prompts",
            field="items",
            do="Evaluate both on the same data; other items cannot be waived.",
        )
    contrast = against(*({name: getattr(task, name) for name in shots} for task in (old, new)))
    yield _Refusal(
        field="prompts",
        what=f"{where}: prompts differ" + (f" ({contrast})" if contrast else ""),
        allow="prompts",
        differences=tuple(
            Difference(field=f"task.{name}", old=getattr(old, name), new=getattr(new, name))
            for name in shots or ["prompts"]
        ),
    )


def require_same_targets(
    task: str, old: pa.Table, new: pa.Table, *, reference: Callable[[str], str] = str.strip
) -> None:
    """Refuse instances that bear the same id and another reference answer, where both tell it.

    For runs whose hashes are not over the same things: one asked here, the other imported.

    Args:
        task: Its name, for the message.
        old: The old run's instances (`regress.schema.INSTANCE`).
        new: The new run's.
        reference: A reference answer as the scorer compares it: `#### 72` and `72` may be the same.

    Raises:
        NotComparable: If any target differs by more than white space.
    """
    place = pc.index_in(old["instance_id"], value_set=new["instance_id"])
    columns = ["instance_id", "golds", "target"]
    before = old.select(columns).filter(pc.is_valid(place)).to_pylist()
    after = new.select(columns).take(place.drop_null()).to_pylist()
    other = [
        one["instance_id"]
        for one, two in zip(before, after, strict=True)
        if _another_target(one, two, reference)
    ]
    if other:
        more = ", …" if len(other) > _LISTED else ""
        raise NotComparable(
            f"old and new were judged against different targets on {len(other)} of {len(before)} instances "
            f"of {task} (first: {', '.join(other[:_LISTED])}{more}).",
            field="targets",
            do="Score both against the same reference answers; other targets cannot be waived.",
        )


def _another_target(old: Mapping[str, Any], new: Mapping[str, Any], reference: Callable[[str], str]) -> bool:
    if old["golds"] and new["golds"]:
        return set(old["golds"]) != set(new["golds"])
    if old["target"] is None or new["target"] is None:
        return False
    before, after = ({normalise(reference(text)) for text in targets_of(one["target"])} for one in (old, new))
    return before != after


def listed(table: pa.Table, rows: npt.NDArray[np.intp]) -> str:
    """The first few instances that `rows` picks, by id and repeat, for error messages."""
    shown = table.select(["instance_id", "repeat"]).take(pa.array(rows[:_LISTED])).to_pylist()
    names = [row["instance_id"] + (f" repeat {row['repeat']}" if row["repeat"] else "") for row in shown]
    return ", ".join(names) + (", …" if rows.size > _LISTED else "")
