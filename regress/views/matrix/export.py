"""Several versions for programs: `matrix.json`, schema `regress.matrix/1`.

Strict JSON in ASCII, keys sorted; what is undefined is null, rates lie in [0, 1], and fields may be added
without a new version. Versions are meant by their names, which differ.

    schema            "regress.matrix/1"
    title, demo       what is compared; whether any task asked demo items instead of its benchmark
    versions          in order: {name, model}, the model with every field of `regress.types.ModelSpec`
    notices           warnings about all of it: {code, data, sentence}
    tasks             one object a task, pooled groups after their members:
      task            every field of `regress.types.TaskSpec`
      pooled, members whether the row pools others, and their names
      versions        in order: {version, accuracy, sides, refused, run}: accuracy is the share of right
                      answers, or the mean score, with its interval; where it is null `refused` says why
      pairs           every ordered pair: {old, new, n, estimates, refused, settings_compared, notices};
                      estimates are old, new, delta, nfr, pfr as in `comparison.json`, none where `refused`
                      says why the two cannot be compared
      settings        those that differ: {field, values}, the values by version
      notices         warnings about the task
"""

from __future__ import annotations

import json
from typing import Any

from regress.findings import Standing, TaskMatrix, VersionMatrix, VersionPair
from regress.identity import plain
from regress.views.export import estimate_object, notice, representable
from regress.views.matrix.sentences import demo, title

SCHEMA = "regress.matrix/1"


def document(matrix: VersionMatrix) -> dict[str, Any]:
    """`matrix` as the object that `matrix.json` holds, ready for `json.dumps(allow_nan=False)`."""
    names = [version.name for version in matrix.versions]
    whole: dict[str, Any] = representable(
        {
            "schema": SCHEMA,
            "title": title(matrix),
            "demo": demo(matrix),
            "versions": [{"name": one.name, "model": plain(one.model)} for one in matrix.versions],
            "tasks": [_task(task, names) for task in matrix.tasks],
            "notices": [*map(notice, matrix.warnings)],
        }
    )
    return whole


def to_json(matrix: VersionMatrix) -> str:
    """`document` as text: keys sorted, two spaces, ASCII, a line end at the end."""
    return json.dumps(document(matrix), sort_keys=True, indent=2, allow_nan=False) + "\n"


def _task(task: TaskMatrix, names: list[str]) -> dict[str, Any]:
    return {
        "task": plain(task.task),
        "pooled": bool(task.members),
        "members": list(task.members),
        "versions": [_standing(name, one) for name, one in zip(names, task.standings, strict=True)],
        "pairs": [_pair(pair, names) for pair in task.pairs],
        "settings": [
            {"field": field, "values": {names[place]: plain(value) for place, value in values.items()}}
            for field, values in task.settings.items()
        ],
        "notices": [*map(notice, task.warnings)],
    }


def _standing(name: str, one: Standing) -> dict[str, Any]:
    return {
        "version": name,
        "accuracy": None if one.accuracy is None else estimate_object(one.accuracy),
        "sides": plain(one.side),
        "refused": one.refused,
        "run": {"path": one.path, "fingerprint": one.fingerprint},
    }


def _pair(pair: VersionPair, names: list[str]) -> dict[str, Any]:
    return {
        "old": names[pair.old],
        "new": names[pair.new],
        "n": pair.n,
        "estimates": {name: estimate_object(one) for name, one in pair.estimates.items()},
        "refused": pair.refused,
        "settings_compared": plain(pair.overridden),
        "notices": [*map(notice, pair.warnings)],
    }
