"""Which stored reruns belong to a run, and how its answers vary over them. Needs no weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from regress.errors import NotComparable, StoreError
from regress.identity import run_fingerprint
from regress.pairing import pair
from regress.store.manifest import read_manifest, read_spec
from regress.store.runs import Store, read_run
from regress.types import (
    VARIATIONS,
    EngineSpec,
    Manifest,
    NoiseFloor,
    PaddingCheck,
    Pairs,
    Reruns,
    Run,
    RunSpec,
    Variation,
)

PADDING = "padding"
"""Under which key a rerun's manifest remembers the float32 padding check."""


@dataclass(frozen=True, kw_only=True)
class StoredRerun:
    """A finished rerun of a run."""

    path: Path
    """Its folder."""
    kind: Variation
    """What it changed."""
    spec: RunSpec
    """What was asked."""


def noise_floors(
    runs: Mapping[str, str | Path], like: Mapping[str, pa.Table] | None = None
) -> dict[str, NoiseFloor]:
    """How the answers of stored runs vary over their stored reruns, by task.

    Tasks without a finished rerun are left out. Of those only the specs in the store are read.

    Args:
        runs: Folders of finished runs by task.
        like: By task, the run's own predictions in the order that the floor's columns shall have,
            for example `Pairs.old`; by default in the run's (index, repeat) order.

    Raises:
        NotComparable: If a rerun lacks answers or does not answer what its run does.
        StoreError: If a run cannot be read.
    """
    floors = {}
    for task, path in runs.items():
        if reruns := stored_reruns(path):
            base = _run(Path(path), (like or {}).get(task))
            floors[task] = floor_of(base, paired(base, reruns), recorded_padding(reruns))
    return floors


def stored_reruns(path: str | Path) -> list[StoredRerun]:
    """The finished reruns of the run in the folder `path` that lie in the same store, in order.

    They answer the same questions with the same model and settings: all that may differ is what was
    to be changed. Where an engine hides its weights, the model is what it is called.
    """
    base = read_spec(Path(path))
    if base.variation is not None:  # a rerun has none of its own
        return []
    store = Store(Path(path).resolve().parent.parent)
    found = [
        StoredRerun(path=folder, kind=spec.variation, spec=spec)
        for folder, spec in store.finished(base.task.name)
        if spec.variation is not None and _is_rerun(spec, base)
    ]
    return sorted(found, key=lambda rerun: (VARIATIONS.index(rerun.kind), rerun.spec.replica))


def _is_rerun(spec: RunSpec, base: RunSpec) -> bool:
    """Whether `spec` is `base` but for what its variation changes, and really changes that."""
    engine = spec.engine
    if spec.variation == "batch":
        # what goes through the model together is also counted in tokens
        engine = replace(engine, batch_size=base.engine.batch_size)
        engine = _with_settings(engine, base.engine, "token_budget")
    elif spec.variation == "seed":
        engine = _with_settings(engine, base.engine, "seed")
    if spec.variation in ("batch", "seed") and spec.engine == base.engine:
        return False
    undone = replace(spec, engine=engine, variation=None, replica=base.replica)
    return run_fingerprint(undone) == run_fingerprint(base)


def _with_settings(engine: EngineSpec, other: EngineSpec, name: str) -> EngineSpec:
    """`engine` with the setting `name` of another, or without where that has none."""
    settings = {key: value for key, value in engine.settings.items() if key != name}
    kept = {key: value for key, value in other.settings.items() if key == name}
    return replace(engine, settings={**settings, **kept})


def recorded_padding(reruns: Sequence[StoredRerun]) -> PaddingCheck | None:
    """The padding check that the reruns' manifests remember; of several the worst, null if none does."""
    manifests = [read_manifest(rerun.path) for rerun in reruns]
    recorded = [manifest.recorded.get(PADDING) for manifest in manifests if manifest]
    checks = [_padding(check) for check in recorded if check]
    return max(checks, key=lambda check: check.largest, default=None)


def _padding(recorded: Mapping[str, Any]) -> PaddingCheck:
    largest = recorded["largest"]
    return PaddingCheck(
        n=int(recorded["n"]),
        batch_size=int(recorded["batch_size"]),
        largest=math.inf if largest is None else float(largest),  # JSON has no word for it
        threshold=float(recorded["threshold"]),
    )


def device_of(path: Path) -> str | None:
    """Where a finished run was made; null if that is unknown."""
    manifest = read_manifest(path)
    return where(manifest.recorded) if manifest else None


def where(recorded: Mapping[str, Any]) -> str | None:
    """A device, by the name of its GPU where that is known.

    >>> where({"device": "cuda", "gpu": "NVIDIA H200"}), where({"device": "cpu", "gpu": None})
    ('NVIDIA H200', 'cpu')
    """
    return recorded.get("gpu") or recorded.get("device")


# ── the answers ──────────────────────────────────────────────────────────────────────────────────


def paired(base: Run, reruns: Sequence[StoredRerun]) -> dict[Variation, list[Pairs]]:
    """The run beside each of its reruns, by what was changed.

    Raises:
        NotComparable: If a rerun lacks answers or does not answer what its run does.
    """
    beside: dict[Variation, list[Pairs]] = {}
    for rerun in reruns:
        try:
            pairs = pair(base, read_run(rerun.path))
        except (NotComparable, StoreError) as error:
            raise NotComparable(
                f"the rerun {rerun.path} cannot be used beside its run: {error.what}",
                field=getattr(error, "field", "rows"),
                do="Delete it with `regress runs rm`, and make it again with `regress noise`.",
            ) from None
        beside.setdefault(rerun.kind, []).append(pairs)
    return beside


def floor_of(
    base: Run, beside: Mapping[Variation, Sequence[Pairs]], padding: PaddingCheck | None = None
) -> NoiseFloor:
    """The judged columns of a run and its reruns, in the order of the rows of `base`."""
    places = _places(base.predictions)
    return NoiseFloor(
        reruns={kind: _reruns(kind, pairs, places) for kind, pairs in beside.items()}, padding=padding
    )


def _reruns(kind: Variation, beside: Sequence[Pairs], places: npt.NDArray[np.intp]) -> Reruns:
    first = beside[0]
    rights = [first.old_correct, *(pairs.new_correct for pairs in beside)]
    judged = [right for right in rights if right is not None]
    scores = [first.old_score, *(pairs.new_score for pairs in beside)]
    margins = [_margins(table) for table in (first.old, *(pairs.new for pairs in beside))]
    return Reruns(
        kind=kind,
        correct=np.stack(judged)[:, places] if judged else None,
        score=np.stack(scores)[:, places],
        margin=None if all(np.isnan(row).all() for row in margins) else np.stack(margins)[:, places],
    )


def _margins(table: pa.Table) -> npt.NDArray[np.float64]:
    return np.asarray(table["gold_margin"].to_numpy(), dtype=np.float64)


def _places(table: pa.Table) -> npt.NDArray[np.intp]:
    """For each row of `table`, its place in (index, repeat) order, which is the order of pairs."""
    return np.argsort(np.lexsort((table["repeat"].to_numpy(), table["index"].to_numpy())))


def _run(path: Path, predictions: pa.Table | None) -> Run:
    """The run in `path`; its predictions are not read again where they are at hand."""
    if predictions is None:
        return read_run(path)
    manifest = read_manifest(path)
    if not isinstance(manifest, Manifest):
        return read_run(path)  # which says how far it came
    return Run(spec=read_spec(path), manifest=manifest, predictions=predictions, path=str(path))
