"""What an imported run is a run of: everything that is keyed, from its heading and from all of its rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regress.errors import DataError
from regress.identity import normalise, plain, sequence_hash, strict, task_fingerprint
from regress.interop.identify import Identified, Ints
from regress.interop.records import Heading
from regress.interop.rows import ITEM, Rows
from regress.interop.spool import Spool
from regress.schema import targets_of
from regress.scoring.score import compared
from regress.types import Origin, RunSpec, Scale, Subset, TaskSpec

CHUNK, BYTES = 4096, 32 << 20
"""Instances that a stored part of an imported run holds: fewer where they would have more bytes."""


def spec_of(
    heading: Heading,
    rows: Rows,
    spool: Spool,
    known: Identified,
    indices: np.ndarray,
    left_out: int,
    *,
    name: str | None,
    text: bool,
) -> RunSpec:
    """The spec of a run that was read to its end.

    Args:
        heading: What its source tells of it.
        rows: What its records told on top: how it is asked, and which metric decides.
        spool: Its rows.
        known: Which of them are about which instance.
        indices: Positions of its instances, ascending.
        left_out: Records without an answer that were left out.
        name: What the model is to be called; by default as the source calls it.
        text: False to store hashes instead of prompts and outputs.

    Raises:
        DataError: If a value is outside the scale that the source declares, or there is none.
    """
    n = indices.size
    # what is missing counts among the items, or the gate would take what is there for all of them
    told = max(int(indices[-1]) + 1, n + left_out, heading.expected or 0)
    whole = heading.n if heading.n is not None else told
    task = TaskSpec(
        name=heading.task,
        version=heading.version,
        kind=rows.kind or "generation",
        scale=_scale(heading, str(rows.metric), spool, known),
        metric=str(rows.metric),
        higher_is_better=heading.higher_is_better,
        num_fewshot=heading.num_fewshot,
        fewshot="",
        scorer=plain(heading.scorer),
        generation=plain(heading.generation),
        data="",
        n=whole,
        description=f"{heading.task}, imported",
        **_hashes(known, spool, partial(compared, heading.scorer, str(rows.metric))),
    )
    return RunSpec(
        model=replace(heading.model, name=name or heading.model.name),
        task=replace(task, fingerprint=task_fingerprint(task)),
        engine=heading.engine,
        subset=_subset(heading, n, first=n < whole and bool((indices == np.arange(n)).all())),
        chunk_size=_at_once(spool),
        n=known.headline.size,
        ids=sequence_hash(known.ids[int(row)].as_py() for row in _first_of_each(known)),
        text=text,
        origin=Origin(
            format=heading.format,
            digest=digest(heading.files),
            name=heading.files[0].name,
            producer=heading.producer,
            read=strict(heading.read),
            unknown=tuple(sorted({*heading.unknown, *_unknown(spool)})),
        ),
    )


def _subset(heading: Heading, n: int, *, first: bool) -> Subset:
    """Which items there are: as the source says, if there are so many."""
    told = heading.subset
    if told is not None and n in (told.limit, told.sample):
        return told
    return Subset(limit=n) if first else Subset()


def digest(files: Sequence[Path]) -> str:
    """Hash of the bytes of all files, in order."""
    found = []
    for path in files:
        with open(path, "rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return found[0] if len(found) == 1 else sequence_hash(found)


def _scale(heading: Heading, metric: str, spool: Spool, known: Identified) -> Scale:
    scores = spool.column("score").to_numpy()[known.headline]
    told = scores[~np.isnan(scores)]
    if not told.size and heading.scale is None:
        raise DataError(f"{heading.files[0].name} has no answer with a value of {metric!r}")
    either = (told == 0.0) | (told == 1.0)
    binary = bool(either.all())
    if heading.scale is None and not heading.higher_is_better:
        return "unbounded"  # negated: a run without a single error is not one of wrong answers
    bounded = binary or bool(((told >= 0.0) & (told <= 1.0)).all())
    seen: Scale = "binary" if binary else "bounded" if bounded else "unbounded"
    declared = heading.scale or seen
    if (declared == "binary" and not binary) or (declared == "bounded" and not bounded):
        odd = told[~either] if declared == "binary" else told[(told < 0) | (told > 1)]
        raise DataError(
            f"{heading.files[0].name} has the value {odd[0]:g} for {metric!r}",
            allowed="0 or 1" if declared == "binary" else "numbers from 0 to 1",
        )
    return declared


def _unknown(spool: Spool) -> Iterator[str]:
    """Columns that no row tells."""
    for name in ("finish", "prompt_tokens", "output_tokens", "output"):
        if name not in spool.told:
            yield name
    if not pc.any(pc.not_equal(spool.column("prompt_hash"), "")).as_py():
        yield "prompts"
    if ITEM["target"] not in spool.told:
        yield "targets"


def _hashes(known: Identified, spool: Spool, reference: Callable[[str], str]) -> dict[str, str]:
    """Hashes of items, targets, prompts and instances, each over all instances; empty where any is unknown.

    Sums of one hash an instance, so that files of the same items in another order have the same.
    """
    told = dict.fromkeys(("items", "targets", "prompts", "definition"), 0)
    unknown: set[str] = set()
    for numbers, table in once(known, spool):
        ids = known.ids.take(pa.array(numbers)).to_pylist()
        rows = table.select([*ITEM.values(), "prompt_hash", "hashed"]).to_pylist()
        for id_, row in zip(ids, rows, strict=True):
            for name, part in _parts(row, reference).items():
                if part:
                    told[name] += int(sequence_hash([id_, part]), 16)
                else:
                    unknown.add(name)
    return {name: "" if name in unknown else f"{total % 2**256:064x}" for name, total in told.items()}


def _parts(row: Mapping[str, Any], reference: Callable[[str], str]) -> dict[str, str]:
    """What one instance adds to each hash; empty if it is unknown."""
    target = row[ITEM["target"]]
    targets = {normalise(reference(one)) for one in targets_of(target)}
    return {
        # of whatever else a source tells of an item, another one of the same item may tell less
        "items": row["hashed"] or "",
        "targets": "" if target is None else sequence_hash(sorted(targets)),
        "prompts": row["prompt_hash"],
        # decides nothing, but keeps apart what is stored once for all runs of a task
        "definition": json.dumps([row[name] for name in ITEM.values()], sort_keys=True),
    }


def once(known: Identified, spool: Spool) -> Iterator[tuple[Ints, pa.Table]]:
    """One row an instance, by position, some thousand at a time, with their numbers."""
    rows, size = _first_of_each(known), _at_once(spool)
    for start in range(0, rows.size, size):
        yield rows[start : start + size], spool.take(rows[start : start + size])


def _at_once(spool: Spool) -> int:
    return min(CHUNK, spool.rows_in(BYTES))


def _first_of_each(rows: Identified) -> Ints:
    """Numbers of the rows that decide, one an instance, by position."""
    _, first = np.unique(rows.placed, return_index=True)
    return rows.headline[first]
