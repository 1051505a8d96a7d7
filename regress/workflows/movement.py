"""What reruns moved, in a few numbers: advice for people, not what the gate decides by."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison.reruns import ENOUGH_RUNS
from regress.identity import plain, strict
from regress.metrics.continuous import TAU, change
from regress.statistics.noise import margin_noise, self_falls, self_flips
from regress.store.runs import read_run
from regress.types import NoiseFloor, Notice, PaddingCheck, Pairs, Reruns, TaskSpec, Variation
from regress.workflows.floors import StoredRerun, device_of, floor_of, paired, stored_reruns


@dataclass(frozen=True, kw_only=True)
class Movement:
    """What one kind of change moved, on average over all pairs of a run and its reruns.

    What the task's scale does not define is nan.
    """

    runs: int
    """The run and its reruns."""
    paths: tuple[str, ...]
    """Folders of the reruns."""
    flips: float
    """Share of answers that are right in one of two runs only."""
    nfr: float
    """The floor of NFR: half the flips; on score scales the share whose score is lower in the second run."""
    identical: float
    """Share of outputs that are the same to the last character."""
    moved: float
    """On score scales, share of scores that differ at all."""
    moved_tau: float
    """The same by more than `regress.metrics.continuous.TAU`."""
    moved_95: float
    """95 % of the scores differ by at most this."""
    epsilon: float
    """Nearly all gold margins differ by at most this (`regress.statistics.noise.margin_noise`)."""
    capped: bool
    """Whether epsilon is the largest difference seen, there being too few for its quantile."""


@dataclass(frozen=True, kw_only=True)
class TaskNoise:
    """How one model's answers to one task vary under changes that should not matter."""

    task: str
    """Its name."""
    path: str
    """Where the run lies."""
    n: int
    """Its rows."""
    floor: NoiseFloor
    """The judged columns of the run and its reruns, and the padding check."""
    kinds: Mapping[Variation, Movement]
    """By what was changed: what that moved."""
    notices: tuple[Notice, ...] = ()
    """What was left out and why, and what to know before relying on it."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How one model's answers vary under changes that should not matter."""

    model: str
    """What the model was called."""
    tasks: tuple[TaskNoise, ...]
    """One a task, in the order asked for."""

    def document(self) -> dict[str, Any]:
        """All of it but the columns, as JSON has it: undefined is null."""
        tasks = [
            {
                "task": one.task,
                "path": one.path,
                "n": one.n,
                "kinds": one.kinds,
                "padding": one.floor.padding
                and {**plain(one.floor.padding), "sound": one.floor.padding.sound},
                "notices": one.notices,
            }
            for one in self.tasks
        ]
        return dict(strict({"model": self.model, "tasks": tasks}))


def task_noise(
    task: TaskSpec, path: Path, check: PaddingCheck | Notice, left_out: Sequence[Notice]
) -> TaskNoise:
    """What is stored of one task's reruns, put together.

    Args:
        task: The task.
        path: Where its run lies.
        check: The padding check, or why there is none.
        left_out: Which reruns were not made, and why.

    Raises:
        NotComparable: If a rerun does not fit its run.
    """
    base, reruns = read_run(path), stored_reruns(path)
    beside = paired(base, reruns)
    # as the run's own path is given, relative or not
    shown = {rerun.path: str(path.parents[1] / Path(*rerun.path.parts[-2:])) for rerun in reruns}
    folders = {kind: [shown[rerun.path] for rerun in reruns if rerun.kind == kind] for kind in beside}
    floor = floor_of(base, beside, check if isinstance(check, PaddingCheck) else None)
    notices = [*left_out, *([check] if isinstance(check, Notice) else [])]
    notices += _elsewhere(path, reruns)
    if (runs := 1 + len(reruns)) < ENOUGH_RUNS:
        notices.append(Notice(code="few-reruns", data={"runs": runs, "minimum": ENOUGH_RUNS}))
    return TaskNoise(
        task=task.name,
        path=str(path),
        n=base.predictions.num_rows,
        floor=floor,
        kinds={kind: movement(floor.reruns[kind], beside[kind], folders[kind]) for kind in beside},
        notices=tuple(notices),
    )


def _elsewhere(path: Path, reruns: Sequence[StoredRerun]) -> Iterator[Notice]:
    """Kinds whose reruns also changed the device, which is not keyed."""
    here = device_of(path)
    for rerun in {rerun.kind: rerun for rerun in reruns if device_of(rerun.path) != here}.values():
        if rerun.kind != "hardware":
            data = {"kind": rerun.kind, "run": here, "rerun": device_of(rerun.path)}
            yield Notice(code="rerun-elsewhere", data=data)


def movement(reruns: Reruns, beside: Sequence[Pairs], paths: Sequence[str]) -> Movement:
    """The numbers of one kind.

    Args:
        reruns: The judged columns of the run and its reruns.
        beside: The run beside each of them.
        paths: Their folders.
    """
    flips = moved = moved_tau = moved_95 = math.nan
    if reruns.correct is not None:
        nfr = float(np.mean(self_flips(reruns.correct)))
        flips = 2 * nfr
    else:
        nfr = float(np.mean(self_falls(reruns.score, 0.0)))
        moved, moved_tau = 2 * nfr, 2 * float(np.mean(self_falls(reruns.score, TAU)))
        moved_95 = _quantile(reruns, 0.95)
    epsilon, capped = (math.nan, False) if reruns.margin is None else margin_noise(reruns.margin)
    return Movement(
        runs=len(reruns.score),
        paths=tuple(paths),
        flips=flips,
        nfr=nfr,
        identical=_identical([beside[0].old, *(pairs.new for pairs in beside)]),
        moved=moved,
        moved_tau=moved_tau,
        moved_95=moved_95,
        epsilon=float(epsilon),
        capped=bool(capped),
    )


def _quantile(reruns: Reruns, level: float) -> float:
    changes = [np.abs(change(a, b)) for a, b in itertools.combinations(reruns.score, 2)]
    return float(np.quantile(np.concatenate(changes), level, method="higher"))


def _identical(tables: Sequence[pa.Table]) -> float:
    outputs = [pc.fill_null(table["output"], "") for table in tables]
    same = [pc.mean(pc.equal(a, b)).as_py() for a, b in itertools.combinations(outputs, 2)]
    return float(np.mean(same))
