"""By what a task can be cut: tags and clusters, lengths and steps, positions and margins, as `Cut`s.

    tag               each tag that the instances bear, one part a value
    cluster           declared clusters, one part each
    prompt length     quartiles, in tokens where the old side tells them, else in characters
    steps             `<<…>>` in the target (GSM8K), one part a number, the largest numbers together
    choice position   of the right choice, from 1, where one choice is right
    margin            deciles of the old side's gold margin

Worked examples that all prompts share make them longer and change no quartile. All but the margin are
known before anybody answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison.judged import Floats, Judged, of_instances
from regress.findings import SliceBy
from regress.metrics.slices import DECILES, QUARTILES, Cut, names, quantiles, steps, whole_numbers
from regress.types import Pairs

_COLUMNS = ("prompt", "target", "golds", "cluster", "tags")


@dataclass(frozen=True, kw_only=True)
class Cutting:
    """A cut of one task, and what it was made by."""

    by: SliceBy
    """What the task was cut by."""
    name: str = ""
    """Which tag, or what a length is counted in; empty for everything else."""
    cut: Cut
    """Which part each row is in."""


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known of each row, to cut by."""

    pairs: Pairs
    columns: Judged
    instances: pa.Table
    """[n] rows of `_COLUMNS`, null where unknown."""
    minimum: int
    """Rows that a part should have."""


def cuttings(
    pairs: Pairs, columns: Judged, instances: pa.Table | None, by: Sequence[SliceBy], minimum: int
) -> Iterator[Cutting]:
    """Every cut of these kinds that can be made; none of a kind that says nothing here.

    Args:
        pairs: The aligned runs.
        columns: Their judged columns.
        instances: The task's instances (`regress.schema.INSTANCE`); without it little is known.
        by: What to cut by, in order.
        minimum: Instances that a part should have: so many are put together where numbers get rare.
    """
    known = _Known(
        pairs=pairs,
        columns=columns,
        instances=of_instances(pairs.old["instance_id"], instances, _COLUMNS),
        minimum=minimum * pairs.repeats,
    )
    for one in by:
        yield from (cutting for cutting in _MAKERS[one](known) if cutting.cut.parts)


def _tags(known: _Known) -> Iterator[Cutting]:
    tags = known.instances["tags"].combine_chunks()
    for tag in sorted(pc.unique(tags.keys).to_pylist()) if len(tags) else []:
        yield Cutting(by="tag", name=tag, cut=names(pc.map_lookup(tags, tag, occurrence="first")))


def _clusters(known: _Known) -> Iterator[Cutting]:
    yield Cutting(by="cluster", cut=names(known.instances["cluster"]))


def _lengths(known: _Known) -> Iterator[Cutting]:
    tokens = known.pairs.old["prompt_tokens"]
    if tokens.null_count:
        characters = _floats(pc.utf8_length(known.instances["prompt"]))
        yield Cutting(by="prompt length", name="characters", cut=quantiles(characters, QUARTILES))
    else:
        yield Cutting(by="prompt length", name="tokens", cut=quantiles(_floats(tokens), QUARTILES))


def _steps(known: _Known) -> Iterator[Cutting]:
    counted = steps(known.instances["target"])
    if np.nansum(counted):
        yield Cutting(by="steps", cut=whole_numbers(counted, known.minimum))


def _positions(known: _Known) -> Iterator[Cutting]:
    if known.pairs.old_spec.task.kind != "choice":
        return
    golds = known.instances["golds"]
    single = pc.fill_null(pc.equal(pc.list_value_length(golds), 1), False)
    position = np.full(known.pairs.n, np.nan)
    position[single.to_numpy().astype(np.bool_)] = pc.list_flatten(golds.filter(single)).to_numpy() + 1
    yield Cutting(by="choice position", cut=whole_numbers(position))


def _margins(known: _Known) -> Iterator[Cutting]:
    margin = known.columns.old_margin
    if margin is not None:
        yield Cutting(by="margin", cut=quantiles(margin, DECILES))


_MAKERS: dict[SliceBy, Callable[[_Known], Iterator[Cutting]]] = {
    "tag": _tags,
    "cluster": _clusters,
    "prompt length": _lengths,
    "steps": _steps,
    "choice position": _positions,
    "margin": _margins,
}


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
