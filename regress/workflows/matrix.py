"""`regress matrix`: several versions of a model in, every one against every other out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from regress.comparable import require_allowable
from regress.comparison.matrix import Crossed, cross, pooled, task_matrix
from regress.config import load_config
from regress.errors import NotComparable, UsageError
from regress.findings import Version, VersionMatrix
from regress.store.manifest import read_spec
from regress.store.runs import read_instances, read_run
from regress.types import Notice, Run
from regress.workflows import stored
from regress.workflows.answers import Side, answers
from regress.workflows.compare import known_instances
from regress.workflows.progress import Progress, silent


@dataclass(frozen=True, kw_only=True)
class ComparedVersions(VersionMatrix):
    """Several versions of a model, each against each, for notebooks."""

    def to_frame(self) -> pd.DataFrame:
        """One row a task and ordered pair: n, the estimates with their intervals, and why there are none.

        Columns task, old, new, n, then `<name>`, `<name>.low` and `<name>.high` of old, new, delta, nfr and
        pfr (old and new as `accuracy_old` and `accuracy_new`, rates in [0, 1]), nan where undefined or
        refused; `refused` says why two versions cannot be compared, and is null where they can.
        """
        rows = []
        for task in self.tasks:
            for pair in task.pairs:
                row: dict[str, Any] = {
                    "task": task.task.name,
                    "old": self.versions[pair.old].name,
                    "new": self.versions[pair.new].name,
                    "n": pair.n,
                }
                for name, one in pair.estimates.items():
                    column = f"accuracy_{name}" if name in row else name
                    row |= {column: one.value, f"{column}.low": one.low, f"{column}.high": one.high}
                rows.append(row | {"refused": pair.refused})
        return pd.DataFrame(rows)


def matrix(
    *models: str,
    tasks: Sequence[str] | str | None = None,
    allow: Collection[str] = (),
    store: str | Path | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> ComparedVersions:
    """Compare every version of a model with every other, in both directions.

    Each version is evaluated once at most: runs that are stored are used as they are, as by `compare`. Two
    versions that must not be compared leave their pair empty, with the reason; the others go on.

    Args:
        *models: Two or more, in order, each as `compare` takes it.
        tasks: Task names, groups or YAML paths.
        allow: Refusals to override: `prompts`, `task`, `scorer`.
        store: Folder of runs.
        progress: Called with what happens.
        **settings: Fields of `regress.config.Settings`, for all versions.

    Raises:
        UsageError: If fewer than two versions are given, or one twice.
        NotComparable: If no two of them can be compared on any task.
        RegressError: If a run cannot be made or read.
    """
    require_several(models)
    require_allowable(allow)
    config = load_config(store=store)
    sides = [Side(name=model, given={**settings, "tasks": tasks}, config=config) for model in models]
    runs, groups = answers(sides, progress)
    return matrix_of(models, runs, groups=groups, allow=allow)


def require_several(models: Sequence[str]) -> None:
    """Refuse to compare one version, or one with itself.

    Raises:
        UsageError: If there are fewer than two, or one is named twice.
    """
    if len(models) < 2:
        raise UsageError(
            f"{len(models)} version{'' if len(models) == 1 else 's'} cannot be compared",
            allowed="two or more",
        )
    twice = next((model for place, model in enumerate(models) if model in models[:place]), None)
    if twice is not None:
        raise UsageError(f"{twice!r} is given twice", do="Name each version once.")


def matrix_of(
    models: Sequence[str],
    runs: Sequence[stored.Runs],
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    allow: Collection[str] = (),
) -> ComparedVersions:
    """Compare stored runs of several versions; needs no weights.

    Args:
        models: What the versions were called.
        runs: Each one's finished runs by task.
        groups: Task names by group name, to pool.
        allow: Refusals to override.

    Raises:
        UsageError: If two versions are the same runs.
        NotComparable: If no two versions can be compared on any task.
    """
    _require_different(models, runs)
    versions = _versions(models, runs)
    crossed = {
        task: _crossed([version.name for version in versions], task, paths, allow)
        for task, paths in _by_task(runs).items()
    }
    _require_any(versions, list(crossed.values()))
    table, skipped = list(crossed.values()), []
    for group, members in (groups or {}).items():
        together = pooled(group, members, crossed)
        if isinstance(together, Notice):
            skipped.append(together)
        else:
            last = max(place for place, one in enumerate(table) if one.task.name in together.members)
            table.insert(last + 1, together)
    return ComparedVersions(versions=versions, tasks=tuple(map(task_matrix, table)), warnings=tuple(skipped))


def _versions(models: Sequence[str], runs: Sequence[stored.Runs]) -> tuple[Version, ...]:
    """The models by their names; by what the user called them where two have the same name."""
    specs = [read_spec(next(iter(each.values()))).model for each in runs]
    named = [spec.name for spec in specs]
    names = named if len(set(named)) == len(named) else models
    return tuple(Version(name=name, model=spec) for name, spec in zip(names, specs, strict=True))


def _by_task(runs: Sequence[stored.Runs]) -> dict[str, list[Path | None]]:
    """By task, each version's run, or null where it has none."""
    if all(len(each) == 1 for each in runs):  # what is named run by run is to be compared, whatever its task
        return {next(iter(runs[0])): [next(iter(each.values())) for each in runs]}
    return {
        task: [each.get(task) for each in runs]
        for task in dict.fromkeys(task for each in runs for task in each)
    }


def _crossed(
    names: Sequence[str], task: str, paths: Sequence[Path | None], allow: Collection[str]
) -> Crossed:
    runs = {name: None if path is None else read_run(path) for name, path in zip(names, paths, strict=True)}
    instances: dict[str, pa.Table | None] = {}

    def read_once(run: Run) -> pa.Table | None:
        if run.path not in instances:
            instances[run.path] = read_instances(run)
        return instances[run.path]

    def instances_of(old: Run, new: Run) -> pa.Table | None:
        return known_instances(task, old, new, read=read_once)

    return cross(runs, instances_of, allow=allow)


def _require_different(models: Sequence[str], runs: Sequence[stored.Runs]) -> None:
    """Two names of the same runs are one version."""
    for (old, its), (new, others) in combinations(zip(models, runs, strict=True), 2):
        if {path.resolve() for path in its.values()} == {path.resolve() for path in others.values()}:
            raise UsageError(f"{old!r} and {new!r} are the same runs", do="Name each version once.")


def _require_any(versions: Sequence[Version], tasks: Sequence[Crossed]) -> None:
    """Refuse where not one pair can be compared, for the first reason."""
    if any(old != new for one in tasks for old, new in one.columns):
        return
    places, error = next((p, error) for one in tasks for p, error in one.refused.items() if p[0] != p[1])
    old, new = (versions[place].name for place in places)
    raise NotComparable(
        f"no two of these versions can be compared; {old} with {new}: {error.what}",
        field=error.field,
        allowed=error.allowed,
        do=error.do,
    )
