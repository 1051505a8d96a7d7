"""What the flip browser reads: every pair column by column, as compressed JSON that cannot break out.

    {"texts": [text or [beginning, left out, end], …],
     "quadrants": […], "marks": […], "kinds": […],
     "tasks": [{"name": …, "kind": …, "scale": …, "metric": …, "chosen_by": …, "before": text number,
                "n": pairs, "tags": {tag: {"values": […], "codes": […]}}, "rank": […],
                "id": […], "index": […], "repeat": […], "quadrant": [code], "flip_kind": [code],
                "delta": […], "prompt": […], "target": […], "choices": [[…]], "golds": [[…]],
                "old": side, "new": side}, …]}

A *side* has answer, output, right, status, finish, score, margin, scores, logprobs and values. Texts are
numbers into `texts`; measured numbers are words already (`regress.views.numbers`); null is unknown.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison.compared import Compared, tags_of
from regress.comparison.judged import of_instances
from regress.scoring.choice import units
from regress.types import FLIP_KINDS, QUADRANTS, Pairs, Quadrant, TaskSpec
from regress.views.html.kept import Rows, kept
from regress.views.html.texts import Texts, shared_beginning
from regress.views.numbers import about, number, score

MARKS: Mapping[Quadrant, str] = {
    "both right": "✓",
    "positive flip": "▲",
    "negative flip": "▼",
    "both wrong same": "=",
    "both wrong different": "≠",
}
"""What tells quadrants apart without their colours."""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """The flip browser's data, packed, and what it does not hold."""

    packed: str
    """The JSON: gzip, then base64, so that nothing in it can be read as HTML."""
    instances: int
    """Pairs that it holds."""
    left_out: int
    """Pairs that it does not hold because there are too many."""
    cut: int
    """Texts that are too long and lack their middle."""


def embedded(comparison: Compared, *, with_text: bool = True) -> Embedded:
    """The data of a comparison's flip browser.

    Args:
        comparison: What was compared.
        with_text: Whether it holds prompts, targets, choices, answers and outputs; answers of choice
            tasks, which are positions, it holds anyway.
    """
    tables = {name: comparison.table(name) for name in comparison.pairs}
    rows = kept(tables) if tables else {}
    texts = Texts()
    tasks = [
        _Task(
            table=tables[name].take(picked),
            pairs=comparison.pairs[name],
            rows=picked,
            instances=comparison.instances.get(name),
            texts=texts,
            with_text=with_text,
        ).columns()
        for name, picked in rows.items()
    ]
    data = {
        "quadrants": QUADRANTS,
        "marks": [MARKS[name] for name in QUADRANTS],
        "kinds": FLIP_KINDS,
        "tasks": tasks,
        "texts": texts.kept(),
    }
    held = sum(picked.size for picked in rows.values())
    total = sum(pairs.n for pairs in comparison.pairs.values())
    return Embedded(packed=pack(data), instances=held, left_out=total - held, cut=texts.cut)


def pack(data: Any) -> str:
    """JSON, compressed, in base64: the same bytes for the same data."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # what a backslash escape of a lone surrogate looks like is also its escape in JSON
    raw = text.encode("utf-8", "backslashreplace")
    return base64.b64encode(gzip.compress(raw, compresslevel=9, mtime=0)).decode("ascii")


@dataclass(frozen=True, kw_only=True)
class _Task:
    """The kept pairs of one task."""

    table: pa.Table
    """`Compared.table`, the kept rows."""
    pairs: Pairs
    """All pairs."""
    rows: Rows
    """Which of them are kept."""
    instances: pa.Table | None
    """The task's instances, where they are known."""
    texts: Texts
    """The texts of the page."""
    with_text: bool
    """Whether texts may be taken along."""

    @property
    def spec(self) -> TaskSpec:
        """What was asked."""
        return self.pairs.old_spec.task

    def columns(self) -> dict[str, Any]:
        """The task as the flip browser reads it."""
        return {
            "name": self.spec.name,
            "kind": self.spec.kind,
            "scale": self.spec.scale,
            "metric": self.spec.metric,
            "n": self.pairs.n,
            "id": self.table["instance_id"].to_pylist(),
            "index": self.table["index"].to_pylist(),
            "repeat": self.table["repeat"].to_pylist() if self.pairs.repeats > 1 else None,
            "quadrant": _codes(self.table["quadrant"], QUADRANTS),
            "flip_kind": _codes(self.table["kind"], FLIP_KINDS),
            "rank": _ranks(self.table["delta"].to_numpy()),
            "delta": self._deltas(),
            "tags": self._tags(),
            **self._asked(),
            "old": self._side("old"),
            "new": self._side("new"),
        }

    def _asked(self) -> dict[str, Any]:
        """Prompts, targets and choices, and what the prompts have in common."""
        ids = self.table["instance_id"]
        known = of_instances(ids, self.instances, ["choices", "golds"])
        golds = known["golds"].to_pylist()
        prompts: list[str | None] = self.table["prompt"].to_pylist()
        before = shared_beginning([one for one in prompts if one is not None]) if self.with_text else ""
        own = [None if one is None else one[len(before) :] for one in prompts]
        choices = [
            None if one is None else [self._text(choice) for choice in one]
            for one in known["choices"].to_pylist()
        ]
        return {
            "before": self._text(before or None),
            "prompt": [self._text(one) for one in own],
            "choices": choices if self.with_text else [None] * len(ids),
            "target": [self._text(one) for one in self.table["target"].to_pylist()],
            "golds": golds,
        }

    def _text(self, text: str | None) -> int | None:
        return self.texts.number(text) if self.with_text else None

    def _deltas(self) -> list[str | None]:
        """How far each pair moved: of choices the margin, else the score; null for right and wrong alone."""
        if self.spec.kind == "choice" and self.spec.scale == "binary":
            return _worded(self.table["delta"], lambda delta: score(delta, signed=True))
        if self.spec.scale == "binary":
            return [None] * len(self.table)
        return _worded(self.table["delta"], lambda delta: number(delta, "difference", self.spec.scale))

    def _tags(self) -> dict[str, Any]:
        """By tag: its values, and which of them each row has; -1 for none."""
        found = {}
        for tag, column in tags_of(self.table).items():
            coded = self.table[column].combine_chunks().dictionary_encode()
            codes = pc.fill_null(coded.indices, -1).to_pylist()
            found[tag] = {"values": coded.dictionary.to_pylist(), "codes": codes}
        return found

    def _side(self, name: str) -> dict[str, Any]:
        """What one model answered."""
        side: pa.Table = (self.pairs.old if name == "old" else self.pairs.new).take(self.rows)
        answers = side["answer"].to_pylist()
        listed = self.spec.kind == "choice"
        return {
            "answer": answers if listed else [self._text(one) for one in answers],
            "output": [self._text(one) for one in side["output"].to_pylist()],
            "right": self.table[f"{name}_correct"].to_pylist(),
            "status": side["status"].cast(pa.string()).to_pylist(),
            "finish": side["finish"].cast(pa.string()).to_pylist(),
            "score": self._headline(side),
            "margin": _worded(side["gold_margin"], lambda margin: score(margin, signed=True)),
            "scores": _all_scores(side["scores"]),
            "logprobs": _lists(side["choice_logprobs"].to_pylist()),
            "values": self._chosen_by(side),
            "tokens": side["output_tokens"].to_pylist(),
        }

    def _headline(self, side: pa.Table) -> list[str | None]:
        """The headline score where it is more than right or wrong."""
        if self.spec.scale == "binary":
            return [None] * len(side)
        return _worded(side["score"], lambda value: number(value, "level", self.spec.scale))

    def _chosen_by(self, side: pa.Table) -> list[list[str] | None] | None:
        """What the choices were compared by, where that is not the sums of log-probabilities."""
        if self.spec.kind != "choice" or self.spec.metric == "acc":
            return None
        choices = of_instances(self.table["instance_id"], self.instances, ["choices"])["choices"].to_pylist()
        compared = (
            _units(self.spec.metric, sums, texts)
            for sums, texts in zip(side["choice_logprobs"].to_pylist(), choices, strict=True)
        )
        return _lists(compared)


def _units(metric: str, sums: Sequence[float] | None, choices: Sequence[str] | None) -> list[float] | None:
    """What a metric compares choices by; null where that is not known."""
    if sums is None or choices is None or len(sums) != len(choices):
        return None
    try:
        return [float(value) for value in units(metric, sums, choices)]
    except ValueError:  # a metric that takes more than the log-likelihoods
        return None


def _lists(rows: Iterable[Sequence[float] | None]) -> list[list[str] | None]:
    return [None if one is None else [score(value) for value in one] for one in rows]


def _worded(values: pa.ChunkedArray, word: Callable[[float], str]) -> list[str | None]:
    """Numbers as words; null where they are undefined."""
    return [
        None if value is None or not math.isfinite(value) else word(value) for value in values.to_pylist()
    ]


def _all_scores(column: pa.ChunkedArray) -> dict[str, list[str | None]]:
    """Every metric's scores, by its name."""
    rows = [dict(row or ()) for row in column.to_pylist()]
    names = sorted({name for row in rows for name in row})
    return {name: [about(row[name]) if name in row else None for row in rows] for name in names}


def _codes(words: pa.ChunkedArray, known: Sequence[str]) -> list[int]:
    """Positions in `known`; -1 where there is none."""
    found = pc.index_in(words.cast(pa.string()), value_set=pa.array(known))
    codes: list[int] = pc.fill_null(found, -1).to_pylist()
    return codes


def _ranks(delta: np.ndarray) -> list[int]:
    """[n] each row's place among all, the largest change first; what is undefined comes last."""
    size = np.where(np.isnan(delta), -1.0, np.abs(delta))
    order = np.argsort(-size, kind="stable")
    places = np.empty(order.size, dtype=np.int64)
    places[order] = np.arange(order.size)
    ranks: list[int] = places.tolist()
    return ranks
