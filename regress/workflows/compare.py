"""`regress compare`: two models in, what the update did out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from regress.comparable import asked_here, require_same_targets
from regress.comparison.rows import SEED
from regress.comparison.table import Floors, assemble
from regress.config import load_config
from regress.errors import NotComparable, StoreError
from regress.frames import ComparedRuns
from regress.pairing import pair
from regress.scoring.score import compared
from regress.store.runs import read_instances, read_run
from regress.types import NoiseFloor, Pairs, Run
from regress.workflows import stored
from regress.workflows.answers import Side, answers
from regress.workflows.floors import noise_floors
from regress.workflows.progress import Progress, Working, silent


def compare(
    old: str,
    new: str,
    *,
    tasks: Sequence[str] | str | None = None,
    allow: Collection[str] = (),
    store: str | Path | None = None,
    old_settings: Mapping[str, Any] | None = None,
    new_settings: Mapping[str, Any] | None = None,
    worst: int = 3,
    resampling_seed: int = SEED,
    progress: Progress = silent,
    **settings: Any,
) -> ComparedRuns:
    """Pair what two models answered, and say what changed.

    Runs that are not stored yet are evaluated first, `old` before `new`, one model in memory at a
    time. Where both are stored, nothing heavy is imported.

    Args:
        old: A model's name (see `evaluate`), the path of a stored run or of a model's runs, or answers
            that others recorded (see `import_runs`).
        new: The same for the new model.
        tasks: Task names, groups or YAML paths.
        allow: Refusals to override: `prompts`, `task`, `scorer`.
        store: Folder of runs.
        old_settings: Settings of the old side only, over `settings`.
        new_settings: Settings of the new side only.
        worst: How many of the worst flips to keep for each task.
        resampling_seed: Seed of bootstrap and permutation: same seed, same digits.
        progress: Called with what happens.
        **settings: Fields of `regress.config.Settings`, for both sides.

    Raises:
        NotComparable: If the runs answer different questions.
        RegressError: If a run cannot be made or read.
    """
    config = load_config(store=store)
    sides = [
        Side(name=name, given={**settings, "tasks": tasks, **(own or {})}, config=config)
        for name, own in ((old, old_settings), (new, new_settings))
    ]
    runs, groups = answers(sides, progress)
    progress(Working(text=f"comparing {old} with {new}"))
    return compare_runs(
        runs[0], runs[1], groups=groups, allow=allow, worst=worst, resampling_seed=resampling_seed
    )


def compare_runs(
    old: stored.Runs,
    new: stored.Runs,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    allow: Collection[str] = (),
    worst: int = 3,
    resampling_seed: int = SEED,
) -> ComparedRuns:
    """Pair stored runs by task, and say what changed; needs no weights.

    Raises:
        NotComparable: If a task is stored on one side only, or two runs answer different questions.
    """
    if len(old) == len(new) == 1:  # two runs named by path are what is to be compared, whatever their task
        new = {next(iter(old)): next(iter(new.values()))}
    if alone := sorted(set(old) ^ set(new)):
        side, other = ("old", "new") if alone[0] in old else ("new", "old")
        raise NotComparable(
            f"{alone[0]} is stored for the {side} model and not for the {other}",
            field="task.name",
            do="Evaluate it there too, or say which tasks to compare with --tasks.",
        )
    paths = {task: (str(old[task]), str(new[task])) for task in old}
    pairs = {}
    instances = {}
    recorded = {}
    for task, (old_path, new_path) in paths.items():
        old_run, new_run = read_run(old_path), read_run(new_path)
        pairs[task] = pair(old_run, new_run, allow=allow)
        recorded[task] = (old_run.manifest.recorded, new_run.manifest.recorded)
        table = known_instances(task, old_run, new_run)
        if table is not None:
            instances[task] = table
    floors = _floors(old, new, pairs)
    comparison = assemble(
        list(pairs.values()),
        instances=instances,
        groups=groups,
        worst=worst,
        paths=paths,
        floors=floors,
        recorded=recorded,
        seed=resampling_seed,
    )
    return ComparedRuns.of(comparison, pairs, instances, floors)


def known_instances(
    task: str, old: Run, new: Run, read: Callable[[Run], pa.Table | None] = read_instances
) -> pa.Table | None:
    """What is known of a task's instances: the side that was asked here knows more than an imported one.

    Args:
        task: The task's name.
        old: The old run.
        new: The new run.
        read: What reads the instances of a run.

    Raises:
        NotComparable: If the two sides know of different targets.
    """
    asked = [run.spec.task for run in (old, new)]
    known = (table for run in (old, new) if (table := read(run)) is not None)
    if asked_here(*asked):
        return next(known, None)
    tables = list(known)
    if len(tables) == 2:
        judged = next((one for one in asked if one.scorer.get("kind") == "text"), asked[0])
        require_same_targets(task, *tables, reference=partial(compared, judged.scorer, judged.metric))
        if asked_here(asked[1]):
            tables.reverse()
    return tables[0] if tables else None


def _floors(old: stored.Runs, new: stored.Runs, pairs: Mapping[str, Pairs]) -> dict[str, Floors]:
    """The stored reruns of either side, row for row with the pairs."""
    return {
        task: (_floor(task, old[task], one.old), _floor(task, new[task], one.new))
        for task, one in pairs.items()
    }


def _floor(task: str, path: Path, predictions: pa.Table) -> NoiseFloor | None:
    """One run's stored reruns; that they cannot be read spoils only what rests on them."""
    try:
        return noise_floors({task: path}, {task: predictions}).get(task)
    except (NotComparable, StoreError) as error:
        return NoiseFloor(reruns={}, unusable=str(error))
