"""Pairs as wholes: how answers and texts changed whatever was right, with tests, and where texts part.

Answers are looked at where both sides could be read, because what they are is not how often they can be;
texts where both are stored. Shares are tested by McNemar's test and means by Student's, both by cluster
where items have clusters, and all measures of a task are adjusted for each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison.evidence import flips_differ
from regress.comparison.judged import Bools, Codes, Floats, Judged
from regress.comparison.kinds import label_of, stops_of
from regress.metrics import shifts as measures
from regress.metrics import words
from regress.statistics import clustered, multiplicity
from regress.types import Divergence, Pairs, Shift

LEVEL = 0.001
"""Below this adjusted p-value a shift is more than chance: over many tasks and updates, alarms stay rare."""

_BATCH = 4096
"""Texts that are taken apart at a time, so that memory does not grow with their number."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What the m texts of one side are like, of the pairs whose texts are known on both."""

    length: Floats
    """[m] number of words."""
    empty: Bools
    """[m] whether there is no word at all."""
    refusal: Bools
    """[m] whether it begins like a refusal."""
    repetition: Bools
    """[m] whether it ends in a loop."""
    runaway: Bools
    """[m] whether it goes on into a new prompt."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """The generations of both sides, taken apart."""

    known: Bools
    """[n] which pairs have texts on both sides, m of them."""
    old: Side
    """The old texts."""
    new: Side
    """The new texts."""
    parted: Codes
    """[m] the first word in which old and new part, -1 where they do not."""

    @property
    def first_words(self) -> pa.Array:
        """[n] int64, the first word in which old and new part; null where they do not, or are not known."""
        first = np.full(self.known.size, -1, dtype=np.int64)
        first[self.known] = self.parted
        return pa.array(first, mask=first < 0)


def written(pairs: Pairs, instances: pa.Table | None = None) -> Written | None:
    """What the generations of `pairs` are like; null where texts were not generated, or not stored.

    Args:
        pairs: The aligned runs.
        instances: The task's instances, for how their prompts begin.
    """
    known = texts_known(pairs)
    if not known.any():
        return None
    prompts = None if instances is None else instances["prompt"].drop_null()
    label = label_of(prompts[0].as_py()) if prompts is not None and len(prompts) else ""
    stops = [stops_of(spec.task) for spec in (pairs.old_spec, pairs.new_spec)]
    parts = [_taken_apart(*texts, stops, label) for texts in _batches(pairs, known)]
    old, new, parted = zip(*parts, strict=True)
    return Written(known=known, old=_joined(old), new=_joined(new), parted=np.concatenate(parted))


def _taken_apart(
    old: pa.Array, new: pa.Array, stops: Sequence[Sequence[str]], label: str
) -> tuple[Side, Side, Codes]:
    before, after = words.split(old), words.split(new)
    sides = _side(old, before, stops[0], label), _side(new, after, stops[1], label)
    return *sides, words.first_divergences(before, after)


def _side(texts: pa.Array, split: pa.Array, stops: Sequence[str], label: str) -> Side:
    count = words.counts(split)
    return Side(
        length=count.astype(np.float64),
        empty=count == 0,
        refusal=measures.refuses(texts),
        repetition=measures.loops(texts),
        runaway=measures.goes_on(texts, stops, label),
    )


def _joined(parts: Sequence[Side]) -> Side:
    return Side(
        **{one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Side)}
    )


def texts_known(pairs: Pairs) -> Bools:
    """Which pairs have generated texts on both sides: [n] booleans; none where only hashes are stored."""
    old, new = pairs.old_spec, pairs.new_spec
    if old.task.kind != "generation" or not (old.text and new.text):
        return np.zeros(pairs.n, dtype=np.bool_)
    both = pc.and_(pc.is_valid(pairs.old["output"]), pc.is_valid(pairs.new["output"]))
    return np.asarray(both.to_numpy(), dtype=np.bool_)


def _batches(pairs: Pairs, known: Bools) -> Iterator[tuple[pa.Array, pa.Array]]:
    columns = [side["output"].filter(pa.array(known)) for side in (pairs.old, pairs.new)]
    for start in range(0, len(columns[0]), _BATCH):
        old, new = (column.slice(start, _BATCH).combine_chunks().cast(pa.string()) for column in columns)
        yield old, new


# ── shifts ───────────────────────────────────────────────────────────────────────────────────────


def shifts(pairs: Pairs, columns: Judged, texts: Written | None = None) -> tuple[Shift, ...]:
    """How answers changed as a whole: one `Shift` a measure that can be taken here, in a fixed order.

    Args:
        pairs: The aligned runs.
        columns: Their judged columns.
        texts: Their generations, from `written`; null where there are none.
    """
    found = [*_of_answers(pairs, columns), *(_of_texts(pairs, texts, columns) if texts else ())]
    adjusted = multiplicity.holm([shift.p_differs for shift in found])
    return tuple(
        replace(
            shift,
            p_holm=float(p),
            degenerate=bool(p < LEVEL) and measures.matters(shift.measure, shift.old, shift.new),
        )
        for shift, p in zip(found, adjusted, strict=True)
    )


def divergence(texts: Written | None) -> Divergence | None:
    """Where old and new generations part; null where there are none."""
    if texts is None:
        return None
    others = texts.parted[texts.parted >= 0]
    return Divergence(
        equal=float(np.mean(texts.parted < 0)),
        median_word=float(np.median(others)) if others.size else np.nan,
        n=texts.parted.size,
    )


def _of_answers(pairs: Pairs, columns: Judged) -> Iterator[Shift]:
    read = [side["answer"] for side in (pairs.old, pairs.new)]
    known = columns.readable & np.asarray(pc.and_(*map(pc.is_valid, read)).to_numpy(), dtype=np.bool_)
    # a hash never equals a text
    if not columns.answers or not known.any() or pairs.old_spec.text != pairs.new_spec.text:
        return
    old, new, book = _codes(*(answers.filter(pa.array(known)) for answers in read))
    units = None if columns.units is None else columns.units[known]
    yield _commonest("commonest", old, new, book if pairs.new_spec.text else None, units)
    if measures.repeat(old, new):
        yield _mean("entropy", measures.surprisal(old), measures.surprisal(new), units)


def _commonest(measure: str, old: Codes, new: Codes, book: pa.Array | None, units: Codes | None) -> Shift:
    """How often both sides give what the new one gives most often."""
    top = measures.commonest(new)
    shift = _share(measure, old == top, new == top, units)
    # it was picked among all that the new side gives
    p = min(shift.p_differs * np.unique(new).size, 1.0)
    return replace(shift, p_differs=p, answer=None if book is None else book[top].as_py())


def _codes(old: pa.ChunkedArray, new: pa.ChunkedArray) -> tuple[Codes, Codes, pa.Array]:
    """Both sides' answers as codes that mean the same, and the answer of each code."""
    book = pa.chunked_array(old.chunks + new.chunks, type=old.type).unique()
    first, second = (pc.index_in(side, value_set=book).to_numpy().astype(np.int64) for side in (old, new))
    return first, second, book


def _of_texts(pairs: Pairs, texts: Written, columns: Judged) -> Iterator[Shift]:
    units = None if columns.units is None else columns.units[texts.known]
    outputs = [side["output"].filter(pa.array(texts.known)) for side in (pairs.old, pairs.new)]
    before, after, book = _codes(*(pc.utf8_trim_whitespace(one.cast(pa.string())) for one in outputs))
    output = _commonest("output", before, after, book, units)
    # how many are empty is a measure of its own; what a few say is no measure of all, and may be private
    if output.answer and output.new >= measures.COMMONEST_ROSE:
        yield output
    old, new = texts.old, texts.new
    yield _mean("length", old.length, new.length, units)
    yield _share("empty", old.empty, new.empty, units)
    yield _share("refusal", old.refusal, new.refusal, units)
    yield _share("repetition", old.repetition, new.repetition, units)
    yield _share("runaway", old.runaway, new.runaway, units)


def _share(measure: str, old: Bools, new: Bools, units: Codes | None) -> Shift:
    return _shift(measure, old, new, flips_differ(old & ~new, new & ~old, units))


def _mean(measure: str, old: Floats, new: Floats, units: Codes | None) -> Shift:
    return _shift(measure, old, new, clustered.mean_differs(new - old, units))


def _shift(measure: str, old: npt.NDArray[Any], new: npt.NDArray[Any], p: float) -> Shift:
    """One measure before it is adjusted for the others."""
    return Shift(
        measure=measure, old=float(old.mean()), new=float(new.mean()), p_differs=p, p_holm=p, degenerate=False
    )
