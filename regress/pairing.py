"""Two runs -> Pairs; refuses what must not be compared and names the field that differs.

What `NotComparable.field` can be, in the order in which it is looked for:

    rows, status, score        missing evidence on one side; never waived
    task.name, task.version    waived by `task`
    items                      other instances, or the same ids for other questions; never waived
    targets, task.scale        never waived
    prompts                    waived by `prompts`
    task.definition, task.kind waived by `task`
    task.metric, task.higher_is_better, task.scorer
                               waived by `scorer`

What differs without changing the question (tokenizer, engine, dtype …) is no refusal: it is listed
in `Pairs.differences`, to be said beside the result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from regress.errors import NotComparable, UnknownName
from regress.identity import plain
from regress.types import Difference, Pairs, Run, TaskSpec

ALLOWABLE = ("prompts", "task", "scorer")
"""Refusals that can be overridden by name; the result then compares settings, not models."""

_MODEL_SETTINGS = ("tokenizer", "chat_template", "system", "dtype", "quantization", "adapter")
_ENGINE_SETTINGS = ("name", "version", "batch_size")
_RECORDED = ("device", "versions")
_SHOWN = 3

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def pair(old: Run, new: Run, *, allow: Collection[str] = ()) -> Pairs:
    """Align two runs by instance and repeat, in the order of the old run's index.

    Args:
        old: The run of the old model.
        new: The run of the new model.
        allow: Names out of `ALLOWABLE`: refusals to override and record in `Pairs.overridden`.

    Raises:
        NotComparable: If the runs do not answer the same question, or one lacks answers.
        UnknownName: If `allow` holds something that is not in `ALLOWABLE`.
    """
    for name in allow:
        if name not in ALLOWABLE:
            raise UnknownName("refusal to allow", name, ALLOWABLE)
    for side, run in (("old", old), ("new", new)):
        _require_evidence(side, run)
    overridden = _settle(list(_identity_refusals(old.spec.task, new.spec.task)), allow)
    old_table, new_table = _align(old, new)
    _require_targets_and_scale(old.spec.task, new.spec.task)
    prompts = _prompts_refusal(old.spec.task, new.spec.task, old_table, new_table)
    overridden += _settle([*prompts, *_judgement_refusals(old.spec.task, new.spec.task)], allow)
    return _pairs(old, new, old_table, new_table, overridden)


def _pairs(
    old: Run, new: Run, old_table: pa.Table, new_table: pa.Table, overridden: tuple[Difference, ...]
) -> Pairs:
    old_readable, new_readable = _readable(old_table), _readable(new_table)
    same = _same_answer(old_table, new_table, old_readable, new_readable)
    old_correct = new_correct = None
    if old.spec.task.scale == "binary":
        old_correct, new_correct = _correct(old_table, old_readable), _correct(new_table, new_readable)
        # answers judged differently are different answers, however coarsely `answer` was normalised
        same &= old_correct == new_correct
    said = {difference.field for difference in overridden}
    return Pairs(
        old_spec=old.spec,
        new_spec=new.spec,
        old=old_table,
        new=new_table,
        old_correct=old_correct,
        new_correct=new_correct,
        same_answer=same,
        old_score=_score(old_table, old_correct),
        new_score=_score(new_table, new_correct),
        old_readable=old_readable,
        new_readable=new_readable,
        differences=tuple(d for d in _differences(old, new) if d.field not in said),
        overridden=overridden,
    )


# ── judged columns ───────────────────────────────────────────────────────────────────────────────


def _readable(table: pa.Table) -> Bools:
    return _bools(pc.equal(table["status"], "scored"))


def _correct(table: pa.Table, readable: Bools) -> Bools:
    return _bools(pc.fill_null(table["correct"], False)) & readable


def _score(table: pa.Table, correct: Bools | None) -> Floats:
    score = np.array(table["score"].to_numpy(), dtype=np.float64)
    unscored = np.isnan(score)
    # only binary rows and unreadable bounded answers come this far without a score: they earn 0
    score[unscored] = 0.0 if correct is None else correct[unscored]
    return score


def _same_answer(old: pa.Table, new: pa.Table, old_readable: Bools, new_readable: Bools) -> Bools:
    equal = _bools(pc.fill_null(pc.equal(old["answer"], new["answer"]), False))
    neither = _bools(pc.is_null(old["answer"])) & _bools(pc.is_null(new["answer"]))
    return np.where(old_readable & new_readable, equal | neither, old_readable == new_readable)


def _bools(column: pa.ChunkedArray) -> Bools:
    return np.asarray(column.to_numpy(), dtype=np.bool_)


# ── alignment ────────────────────────────────────────────────────────────────────────────────────


def _align(old: Run, new: Run) -> tuple[pa.Table, pa.Table]:
    """Both tables in the order of the old run's (index, repeat), row i answering one instance."""
    old_table, new_table = _in_order(old.predictions), new.predictions
    equal = _ids(old_table).equals(_ids(new_table)) and old_table["repeat"].equals(new_table["repeat"])
    if equal and len(_ids(old_table).unique()) == old_table.num_rows:
        return old_table, new_table
    old_key, new_key = _keys(old_table, new_table)
    for side, table, key in (("old", old_table, old_key), ("new", new_table, new_key)):
        _refuse_duplicates(side, old.spec.task.name, table, key)
    if equal:
        return old_table, new_table
    _refuse_other_items(old, new, old_table, new_table, old_key, new_key)
    order = np.argsort(new_key, kind="stable")
    rows = order[np.searchsorted(new_key[order], old_key)]
    return old_table, new_table.take(pa.array(rows))


def _in_order(table: pa.Table) -> pa.Table:
    index, repeat = table["index"].to_numpy(), table["repeat"].to_numpy()
    step, turn = np.diff(index), np.diff(repeat)
    if bool(((step > 0) | ((step == 0) & (turn > 0))).all()):
        return table
    return table.take(pa.array(np.lexsort((repeat, index))))


def _ids(table: pa.Table) -> pa.ChunkedArray:
    return table["instance_id"].cast(pa.string())


def _keys(old: pa.Table, new: pa.Table) -> tuple[Ints, Ints]:
    """One integer a row, equal on both sides exactly where instance and repeat are."""
    book = pa.chunked_array(_ids(old).chunks + _ids(new).chunks, type=pa.string()).unique()
    width = 1 + max(pc.max(old["repeat"]).as_py(), pc.max(new["repeat"]).as_py())

    def key(table: pa.Table) -> Ints:
        code = pc.index_in(_ids(table), value_set=book).to_numpy().astype(np.int64)
        return np.asarray(code * width + table["repeat"].to_numpy(), dtype=np.int64)

    return key(old), key(new)


def _refuse_duplicates(side: str, task: str, table: pa.Table, key: Ints) -> None:
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    if first.size == key.size:
        return
    repeated = np.sort(first[count > 1])
    raise NotComparable(
        f"the {side} run of {task} answers {repeated.size} of its {first.size} instances more than once "
        f"(first: {_names(table, repeated)}).",
        field="items",
        do="Each instance id may occur once a repeat: mend the ids, or number the repeats.",
    )


def _refuse_other_items(
    old: Run, new: Run, old_table: pa.Table, new_table: pa.Table, old_key: Ints, new_key: Ints
) -> None:
    missing = np.flatnonzero(~np.isin(old_key, new_key))
    extra = np.flatnonzero(~np.isin(new_key, old_key))
    if not missing.size and not extra.size:
        return
    parts = [
        f"{rows.size} of the {len(table)} rows of {side} have no partner (first: {_names(table, rows)})"
        for side, table, rows in (("old", old_table, missing), ("new", new_table, extra))
        if rows.size
    ]
    subset = _against(plain(old.spec.subset), plain(new.spec.subset))
    raise NotComparable(
        f"old and new answer different items of {old.spec.task.name}: {'; '.join(parts)}"
        + (f"; the runs were asked for {subset}." if subset else "."),
        field="items",
        do="Evaluate both on the same items; rows without a partner cannot be waived.",
    )


def _names(table: pa.Table, rows: npt.NDArray[np.intp]) -> str:
    shown = table.select(["instance_id", "repeat"]).take(pa.array(rows[:_SHOWN])).to_pylist()
    names = [r["instance_id"] + (f" repeat {r['repeat']}" if r["repeat"] else "") for r in shown]
    return ", ".join(names) + (", …" if rows.size > _SHOWN else "")


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────


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
        flags = " ".join(f"--allow {name}" for name in dict.fromkeys(r.allow for r in standing))
        raise NotComparable(
            standing[0].what + ".",
            field=standing[0].field,
            do=f"Re-run one of them, or compare settings instead of models with {flags}.",
        )
    return tuple(difference for refusal in refusals for difference in refusal.differences)


def _require_evidence(side: str, run: Run) -> None:
    table, task = run.predictions, run.spec.task
    if table.num_rows == 0 or (run.spec.n and table.num_rows != run.spec.n):
        expected = f"{run.spec.n} of them" if run.spec.n else "at least one"
        raise NotComparable(
            f"the {side} run of {task.name} holds {table.num_rows} predictions",
            field="rows",
            allowed=expected,
            do=_AGAIN,
        )
    failed = np.flatnonzero(_bools(pc.equal(table["status"], "error")))
    if failed.size:
        reason = table["error"][int(failed[0])].as_py()
        raise NotComparable(
            f"the {side} run of {task.name} has no answer to {failed.size} of its {table.num_rows} instances "
            f"(first: {_names(table, failed[:1])}{f': {reason[:120]}' if reason else ''}).",
            field="status",
            do=_AGAIN,
        )
    if task.scale != "binary":
        _require_scores(side, run)


def _require_scores(side: str, run: Run) -> None:
    table, task = run.predictions, run.spec.task
    score = table["score"].to_numpy()
    missing = ~np.isfinite(score)
    if task.scale == "bounded":
        missing &= _readable(table) | ~np.isnan(score)
    if missing.any():
        rows = np.flatnonzero(missing)
        raise NotComparable(
            f"the {side} run of {task.name} has no finite {task.metric} for {rows.size} of its "
            f"{table.num_rows} instances (first: {_names(table, rows[:1])}).",
            field="score",
            do=_AGAIN,
        )


_AGAIN = "Evaluate that model again; missing answers cannot be waived."


def _identity_refusals(old: TaskSpec, new: TaskSpec) -> Iterator[_Refusal]:
    if old.name != new.name:
        yield _spec_refusal("name", old, new, "old and new are runs of different tasks", "task")
    if old.version != new.version:
        yield _spec_refusal("version", old, new, f"old and new ran different versions of {old.name}", "task")


def _require_targets_and_scale(old: TaskSpec, new: TaskSpec) -> None:
    if old.targets != new.targets:
        raise NotComparable(
            f"old and new were judged against different targets of {old.name} "
            f"({_short(old.targets)} against {_short(new.targets)}).",
            field="targets",
            do="Score both against the same reference answers; other targets cannot be waived.",
        )
    if old.scale != new.scale:
        raise NotComparable(
            f"old and new are judged on different scales of {old.name} ({old.scale} against {new.scale}).",
            field="task.scale",
            do="Score both with one metric; other scales cannot be waived.",
        )


def _prompts_refusal(
    old: TaskSpec, new: TaskSpec, old_table: pa.Table, new_table: pa.Table
) -> Iterator[_Refusal]:
    if old_table["prompt_hash"].equals(new_table["prompt_hash"]):
        return
    rows = np.flatnonzero(_bools(pc.not_equal(old_table["prompt_hash"], new_table["prompt_hash"])))
    where = (
        f"old and new disagree on {rows.size} of {old_table.num_rows} instances of {old.name} "
        f"(first: {_names(old_table, rows[:1])})"
    )
    shots = _against(
        {"num_fewshot": old.num_fewshot, "fewshot": old.fewshot},
        {"num_fewshot": new.num_fewshot, "fewshot": new.fewshot},
    )
    if old.items != new.items and not shots:
        # with the data set's own ids, equal ids may stand for other questions
        raise NotComparable(
            f"{where}: the source items differ, not only the prompts",
            field="items",
            do="Evaluate both on the same data; other items cannot be waived.",
        )
    fields = ("num_fewshot", "fewshot") if shots else ("prompts",)
    yield _Refusal(
        field="prompts",
        what=f"{where}: prompts differ" + (f" ({shots})" if shots else ""),
        allow="prompts",
        differences=tuple(
            Difference(field=f"task.{name}", old=getattr(old, name), new=getattr(new, name))
            for name in fields
            if getattr(old, name) != getattr(new, name) or not shots
        ),
    )


def _judgement_refusals(old: TaskSpec, new: TaskSpec) -> Iterator[_Refusal]:
    what = f"old and new judge {old.name} differently"
    if old.definition != new.definition:
        yield _spec_refusal(
            "definition", old, new, f"old and new ran different definitions of {old.name}", "task"
        )
    if old.kind != new.kind:
        yield _spec_refusal("kind", old, new, f"old and new were asked {old.name} in different ways", "task")
    if old.metric != new.metric:
        yield _spec_refusal("metric", old, new, what, "scorer")
    if old.higher_is_better != new.higher_is_better:
        yield _spec_refusal("higher_is_better", old, new, what, "scorer")
    if plain(old.scorer) != plain(new.scorer):
        yield _spec_refusal("scorer", old, new, what, "scorer")


def _spec_refusal(name: str, old: TaskSpec, new: TaskSpec, what: str, allow: str) -> _Refusal:
    before, after = plain(getattr(old, name)), plain(getattr(new, name))
    return _Refusal(
        field=f"task.{name}",
        what=f"{what} ({_against(_flat(name, before), _flat(name, after))})",
        allow=allow,
        differences=(Difference(field=f"task.{name}", old=before, new=after),),
    )


def _against(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """`num_fewshot 0 against 5, …`: the first few keys in which two mappings differ."""
    keys = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    shown = [f"{key} {_short(old.get(key))} against {_short(new.get(key))}" for key in keys[:_SHOWN]]
    return ", ".join(shown) + (", …" if len(keys) > _SHOWN else "")


def _short(value: Any) -> str:
    text = "none" if value in (None, "") else str(value)
    return text if len(text) <= 40 else text[:12] + "…"


# ── settings in which comparable runs may differ ─────────────────────────────────────────────────


def _differences(old: Run, new: Run) -> Iterator[Difference]:
    before, after = _settings(old), _settings(new)
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield Difference(field=name, old=before.get(name), new=after.get(name))


def _settings(run: Run) -> dict[str, Any]:
    spec, task = run.spec, run.spec.task
    settings = {f"model.{name}": getattr(spec.model, name) for name in _MODEL_SETTINGS}
    settings |= {f"engine.{name}": getattr(spec.engine, name) for name in _ENGINE_SETTINGS}
    settings |= _flat("engine.settings", plain(spec.engine.settings))
    settings |= _flat("task.generation", plain(task.generation))
    settings |= {f"task.{name}": getattr(task, name) for name in ("data", "items", "num_fewshot", "fewshot")}
    settings |= {"replica": spec.replica, "chunk_size": spec.chunk_size}
    for name in _RECORDED:
        settings |= _flat(f"recorded.{name}", plain(run.manifest.recorded.get(name)))
    return settings


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {prefix: value}
    return {
        name: leaf for key, item in value.items() for name, leaf in _flat(f"{prefix}.{key}", item).items()
    }
