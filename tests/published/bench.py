"""Making a row's model and measuring it: updated, read against the old one, and asked through the harness."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import regress
from regress.comparison.divergence import row as divergence_row
from regress.config import Settings
from regress.engines.logits import LogitPair
from regress.engines.open import open_model
from regress.engines.spans import Span
from regress.findings import DivergenceRow
from regress.metrics.divergence import joined, positions
from regress.types import Estimate, QuadrantCounts, TaskComparison
from regress.workflows.update import apply

from .items import write_task
from .rows import Row
from .sample import SEED, Sample, draw

DTYPE = "float32"
"""Every model is run in it, whatever its weights are stored as: the published figures are of weights."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One row as it is here."""

    row: Row
    """The row."""
    figures: Mapping[str, Estimate]
    """By column, and `ratio`: perplexity over the old model's."""
    old: Path
    """The model that it starts from."""
    new: Path
    """The model that was made."""
    claim: str
    """What the recipe promised, and the verifier found to hold."""
    changed: int
    """Items whose answer is another one, right or wrong."""
    certified: int | None
    """Items whose answer cannot be another one, as the comparison tells; null where it cannot."""


class Bench:
    """The old model, a sample of its stories, and a folder to work in.

    Args:
        model: Folder of the old model.
        work: An empty folder.
        seed: Which stories; Wanda is calibrated on those of the next seed.
    """

    def __init__(self, model: Path, work: Path, seed: int = SEED) -> None:
        self.model, self.work = model, work
        self.sample: Sample = draw(model, seed)
        self.calibration = draw(model, seed + 1).texts
        self.task = write_task(work / "task", self.sample)
        self._made: dict[tuple[str, ...], Path] = {}
        self._measured: dict[str, Measured] = {}

    def measure(self, row: Row) -> Measured:
        """Make the row's model, and measure it beside the one that it starts from; once for each row.

        Raises:
            ClaimViolated: If it is not what its recipe promises.
        """
        if row.name not in self._measured:
            self._measured[row.name] = self._measure(row)
        return self._measured[row.name]

    def _measure(self, row: Row) -> Measured:
        old, new = self._old(row), self.work / "new" / row.name.replace(":", "-")
        made = apply(str(old), row.steps, new, dtype=row.dtype, texts=self.calibration)
        with row.around():
            read, asked = self.read(old, new), self.ask(old, new)
        figures = {
            "ppl": read.new_perplexity,
            "ratio": read.ratio,
            "kld": read.kld,
            "same_top": read.same_top,
            "acc": asked.estimates["new"],
            "nfr": asked.estimates["nfr"],
            "pfr": asked.estimates["pfr"],
        }
        claims = [notice.data for notice in asked.warnings if notice.code == "update-claimed"]
        return Measured(
            row=row,
            figures=figures,
            old=old,
            new=new,
            claim=made.claim,
            changed=_changed(asked.counts),
            certified=next((data["certified"] for data in claims), None),
        )

    def _old(self, row: Row) -> Path:
        if not row.old:
            return self.model
        if row.old not in self._made:
            folder = self.work / "old" / str(len(self._made))
            apply(str(self.model), row.old, folder)
            self._made[row.old] = folder
        return self._made[row.old]

    def read(self, old: Path, new: Path) -> DivergenceRow:
        """How far two models lie apart over the stories; tokens of one story count as sampled together."""
        settings = Settings(dtype=DTYPE)
        found, stories = [], []
        opened = (open_model(str(folder), settings, {}) for folder in (old, new))
        with contextlib.closing(LogitPair(*opened)) as pair:
            for number, ids in enumerate(self.sample.ids):
                for block in pair.blocks(ids.tolist(), Span(0, 0, len(ids))):
                    found.append(positions(block.old, block.new, block.right))
                    stories.append(np.full(len(block.right), number))
        return divergence_row("stories", joined(found), np.concatenate(stories), kind="cluster")

    def ask(self, old: Path, new: Path) -> TaskComparison:
        """What the harness finds between two models on the four-choice items."""
        compared = regress.compare(
            str(old), str(new),
            tasks=[str(self.task)], data=str(self.task.parent), store=self.work / "runs",
            engine="local", dtype=DTYPE,
        )  # fmt: skip
        return compared.tasks[0]


def _changed(counts: QuadrantCounts | None) -> int:
    """Of a task that is right or wrong: what lies in a quadrant where the answers differ."""
    if counts is None:
        raise TypeError("choices are right or wrong")
    return counts.negative_flips + counts.positive_flips + counts.both_wrong_different
