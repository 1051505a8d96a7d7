"""Two runs -> Pairs: the same instances side by side, and how each answer was judged.

Runs that do not answer the same question are refused: `regress.comparable` says which are. What
differs without changing the question (tokenizer, engine, dtype …) is no refusal: it is listed in
`Pairs.differences`, to be said beside the result.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparable import (
    listed,
    readable,
    require_allowable,
    require_evidence,
    require_same_question,
    require_same_task,
)
from regress.differences import against, differences
from regress.errors import NotComparable
from regress.identity import normalise, plain
from regress.types import Difference, Pairs, Run

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def pair(old: Run, new: Run, *, allow: Collection[str] = ()) -> Pairs:
    """Align two runs by instance and repeat, in the order of the old run's index.

    Args:
        old: The run of the old model.
        new: The run of the new model.
        allow: Names out of `regress.comparable.ALLOWABLE`: refusals to override and record in
            `Pairs.overridden`.

    Raises:
        NotComparable: If the runs do not answer the same question, or one lacks answers.
        UnknownName: If `allow` holds something that cannot be allowed.
    """
    require_allowable(allow)
    require_evidence("old", old)
    require_evidence("new", new)
    overridden = require_same_task(old.spec.task, new.spec.task, allow)
    old_table, new_table = _align(old, new)
    overridden += require_same_question(old.spec.task, new.spec.task, old_table, new_table, allow)
    return _pairs(old, new, old_table, new_table, overridden)


def _pairs(
    old: Run, new: Run, old_table: pa.Table, new_table: pa.Table, overridden: tuple[Difference, ...]
) -> Pairs:
    old_readable, new_readable = readable(old_table), readable(new_table)
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
        differences=tuple(d for d in differences(old, new) if d.field not in said),
        overridden=overridden,
    )


# ── judged columns ───────────────────────────────────────────────────────────────────────────────


def _correct(table: pa.Table, read: Bools) -> Bools:
    return _bools(pc.fill_null(table["correct"], False)) & read


def _score(table: pa.Table, correct: Bools | None) -> Floats:
    score = np.array(table["score"].to_numpy(), dtype=np.float64)
    unscored = np.isnan(score)
    # only binary rows and unreadable bounded answers come this far without a score: they earn 0
    score[unscored] = 0.0 if correct is None else correct[unscored]
    return score


def _same_answer(old: pa.Table, new: pa.Table, old_read: Bools, new_read: Bools) -> Bools:
    equal = _bools(pc.fill_null(pc.equal(old["answer"], new["answer"]), False))
    neither = _bools(pc.is_null(old["answer"])) & _bools(pc.is_null(new["answer"]))
    return np.where(old_read & new_read, equal | neither, old_read == new_read)


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
        f"(first: {listed(table, repeated)}).",
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
        f"{rows.size} of the {len(table)} rows of {side} have no partner (first: {listed(table, rows)})"
        for side, table, rows in (("old", old_table, missing), ("new", new_table, extra))
        if rows.size
    ]
    subset = against(plain(old.spec.subset), plain(new.spec.subset))
    alike = _alike(old_table.take(pa.array(missing)), new_table.take(pa.array(extra)))
    raise NotComparable(
        f"old and new answer different items of {old.spec.task.name}: {'; '.join(parts)}"
        + (f"; the runs were asked for {subset}" if subset else "")
        + (f"; {alike} of these ids differ only in white space" if alike else "")
        + ".",
        field="items",
        do="Evaluate both on the same items; rows without a partner cannot be waived.",
    )


def _alike(old: pa.Table, new: pa.Table) -> int:
    """How many ids of one side would be one of the other's, if white space did not count."""
    before, after = ({normalise(id_) for id_ in _ids(table).to_pylist()} for table in (old, new))
    return len(before & after)
