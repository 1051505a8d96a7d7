"""Several versions of a model on one task: every version against every other, each pair aligned once.

The pair (b, a) is the mirror image of (a, b): what one loses the other gains. A version against itself has
no flips; what is left of that pair is how the version does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import pyarrow as pa

from regress.comparable import require_evidence
from regress.comparison.estimates import basic
from regress.comparison.evidence import about
from regress.comparison.judged import Judged, judged
from regress.comparison.notices import from_counts, from_pairs
from regress.comparison.pooling import not_poolable, pooled_spec
from regress.comparison.sides import added, sides
from regress.errors import NotComparable
from regress.findings import Standing, TaskMatrix, VersionPair
from regress.identity import run_fingerprint
from regress.pairing import pair
from regress.types import Difference, Estimate, Notice, Pairs, Run, SideCounts, TaskSpec

Places = tuple[int, int]
"""Two versions, counted from 0, the earlier one first; of a version and itself, twice the same."""

_OF_THE_TASK = {
    *("few-items", "limit-not-sample", "metric-negated", "per-document", "repeats", "clustered"),
    *("few-clusters", "pool-partial"),
}
_OF_THE_PAIR = {"same-run", "shown-differs"}


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """Every two versions on one task, judged but not yet counted."""

    task: TaskSpec
    """The task, as the first version was asked it."""
    versions: int
    """How many there are."""
    columns: Mapping[Places, Judged]
    """How every two versions are judged, as far as they can be."""
    refused: Mapping[Places, NotComparable]
    """Why the others cannot be."""
    counts: Mapping[int, SideCounts]
    """What went wrong in each version that can be judged."""
    overridden: Mapping[Places, tuple[Difference, ...]] = field(default_factory=dict)
    """Overridden refusals."""
    warnings: Mapping[Places, tuple[Notice, ...]] = field(default_factory=dict)
    """All that is to be known of two versions; under a version and itself, of the task."""
    runs: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """Where each version's run lies, and the hash of its spec."""
    members: tuple[str, ...] = ()
    """Tasks that are pooled; empty for an ordinary task."""


def cross(
    runs: Mapping[str, Run | None],
    instances_of: Callable[[Run, Run], pa.Table | None],
    *,
    allow: Collection[str] = (),
) -> Crossed:
    """Align every run with itself and with every later one; what must not be compared is left out, and why.

    Args:
        runs: One a version, by its name, in order, all of one task; null where a version (not all) has none.
        instances_of: What is known of the instances that two runs answer; it may refuse them, too.
        allow: Refusals to override (`regress.pairing.pair`).
    """
    names, held = list(runs), list(runs.values())
    task = next(run.spec.task for run in held if run is not None)
    aligned: dict[Places, Pairs] = {}
    columns: dict[Places, Judged] = {}
    refused: dict[Places, NotComparable] = {}
    for places in _places(len(held)):
        try:
            for place in places:
                if (place, place) in refused:
                    raise refused[place, place]
            old, new = (_evidence(names[place], held[place], task) for place in places)
            aligned[places] = pair(old, new, allow=allow)
            columns[places] = judged(aligned[places], instances_of(old, new))
        except NotComparable as error:
            refused[places] = error
    return Crossed(
        task=task,
        versions=len(held),
        columns=columns,
        refused=refused,
        counts={old: sides(aligned[old, new])[0] for old, new in columns if old == new},
        overridden={places: one.overridden for places, one in aligned.items() if one.overridden},
        warnings={places: tuple(_warnings(aligned[places], columns[places])) for places in columns},
        runs={
            place: (run.path, run_fingerprint(run.spec)) for place, run in enumerate(held) if run is not None
        },
    )


def pooled(group: str, members: Sequence[str], crossed: Mapping[str, Crossed]) -> Crossed | Notice:
    """Every two versions on a group of tasks, over all its members' pairs, so that large tasks weigh more.

    Two versions that are refused on one member are refused on the group.

    Args:
        group: Its name.
        members: Names of the tasks it pools.
        crossed: The tasks, by name.

    Returns:
        The group; or a notice, where its members must not be pooled (`regress.comparison.pooling`).
    """
    present = [name for name in dict.fromkeys(members) if name in crossed]
    parts = [crossed[name] for name in present]
    specs = [part.task for part in parts]
    if reason := not_poolable(specs):
        return Notice(code="pool-skipped", data={"group": group, "reason": reason})
    refused = {places: error for part in reversed(parts) for places, error in part.refused.items()}
    judged_by_all = [places for places in _places(parts[0].versions) if places not in refused]
    missing = [name for name in members if name not in crossed]
    partial = Notice(code="pool-partial", data={"group": group, "missing": missing})
    alone = [old for old, new in judged_by_all if old == new]
    kinds = [spec.kind for spec in specs]
    return Crossed(
        task=pooled_spec(group, specs),
        versions=parts[0].versions,
        columns={places: Judged.pooled([part.columns[places] for part in parts]) for places in judged_by_all},
        refused=refused,
        counts={place: added([part.counts[place] for part in parts], kinds) for place in alone},
        overridden={
            places: tuple(d for part in parts for d in part.overridden.get(places, ()))
            for places in judged_by_all
        },
        warnings={(alone[0], alone[0]): (partial,)} if missing and alone else {},
        members=tuple(present),
    )


def task_matrix(crossed: Crossed) -> TaskMatrix:
    """What the judged columns of every two versions say."""
    made = {}
    for old, new in combinations(range(crossed.versions), 2):
        made[old, new] = _version_pair(crossed, old, new)
        made[new, old] = mirrored(made[old, new])
    own = [notice for _, notice in _said(crossed, _OF_THE_TASK, of_pairs=False)]
    return TaskMatrix(
        task=crossed.task,
        members=crossed.members,
        standings=tuple(_standing(crossed, place) for place in range(crossed.versions)),
        pairs=tuple(made[places] for places in sorted(made)),
        settings=_settings(crossed),
        warnings=tuple(one for place, one in enumerate(own) if one not in own[:place]),
    )


def mirrored(one: VersionPair) -> VersionPair:
    """The same two versions the other way round: what was lost is gained, and delta changes its sign."""
    turned = {"old": "new", "new": "old", "nfr": "pfr", "pfr": "nfr", "delta": "delta"}
    estimates = {name: one.estimates[other] for name, other in turned.items() if other in one.estimates}
    if "delta" in estimates:
        estimates["delta"] = _negated(estimates["delta"])
    return replace(
        one,
        old=one.new,
        new=one.old,
        estimates=estimates,
        overridden=tuple(replace(d, old=d.new, new=d.old) for d in one.overridden),
    )


def _negated(delta: Estimate) -> Estimate:
    # subtracted from 0, so that no change stays 0 and does not become minus 0
    return replace(delta, value=0 - delta.value, low=0 - delta.high, high=0 - delta.low)


def _places(versions: int) -> Iterator[Places]:
    """Each version with itself, then every two of them."""
    yield from ((place, place) for place in range(versions))
    yield from combinations(range(versions), 2)


def _evidence(name: str, run: Run | None, task: TaskSpec) -> Run:
    """The run, if there is one that can be judged."""
    if run is None:
        raise NotComparable(
            f"{name} has no run of {task.name}",
            field="task.name",
            do="Evaluate it there too, or say which tasks to compare with --tasks.",
        )
    require_evidence(name, run)
    return run


def _warnings(aligned: Pairs, columns: Judged) -> Iterator[Notice]:
    old, new = sides(aligned)
    yield from from_counts(columns.n, columns.items(), old, new)
    yield from from_pairs(aligned, old, new)
    yield from about(columns)


def _said(crossed: Crossed, codes: Collection[str], *, of_pairs: bool) -> Iterator[tuple[Places, Notice]]:
    """The notices with these codes, each with the two versions that it is about."""
    for places, notices in crossed.warnings.items():
        if (places[0] != places[1]) == of_pairs:
            yield from ((places, notice) for notice in notices if notice.code in codes)


def _settings(crossed: Crossed) -> dict[str, dict[int, Any]]:
    found: dict[str, dict[int, Any]] = {}
    for (old, new), notice in _said(crossed, {"setting-differs"}, of_pairs=True):
        found.setdefault(notice.data["field"], {}).update({old: notice.data["old"], new: notice.data["new"]})
    return {name: dict(sorted(values.items())) for name, values in found.items()}


def _standing(crossed: Crossed, place: int) -> Standing:
    path, fingerprint = crossed.runs.get(place, (None, None))
    if (place, place) in crossed.refused:
        why = str(crossed.refused[place, place])
        return Standing(refused=why, path=path, fingerprint=fingerprint)
    return Standing(
        accuracy=basic(crossed.columns[place, place])["old"],
        side=crossed.counts[place],
        path=path,
        fingerprint=fingerprint,
    )


def _version_pair(crossed: Crossed, old: int, new: int) -> VersionPair:
    if (old, new) in crossed.refused:
        return VersionPair(old=old, new=new, refused=str(crossed.refused[old, new]))
    columns = crossed.columns[old, new]
    return VersionPair(
        old=old,
        new=new,
        n=columns.n,
        estimates=basic(columns),
        overridden=crossed.overridden.get((old, new), ()),
        warnings=tuple(one for one in crossed.warnings.get((old, new), ()) if one.code in _OF_THE_PAIR),
    )
