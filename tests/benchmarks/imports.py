"""Importing tables: how long HellaSwag takes, and whether memory grows with the file."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import numpy as np

from .figure import Figure
from .measure import HERE, python, regress
from .synthetic import ENDINGS

HELLASWAG = 10_042
CONTEXT = "A man is standing in a kitchen with a bowl and a whisk in his hands. "


def imports(*, tiny: bool) -> list[Figure]:
    """Importing two CSV files of HellaSwag's size and comparing them; memory as such a file grows."""
    return [_import_and_compare(200 if tiny else HELLASWAG, 1 if tiny else 5), _growth(tiny=tiny)]


def _import_and_compare(rows: int, times: int) -> Figure:
    walls, parts = [], []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for seed, side in enumerate(("old", "new")):
                table(folder / f"{side}.csv", rows, seed=seed)
            store = ("--store", str(folder / "runs"))
            spent = [
                *(regress("import", f"{one}.csv", "--as", one, *store, cwd=folder) for one in ("old", "new")),
                regress("compare", "old", "new", *store, "--tasks", "table", "--out", name, cwd=folder),
            ]
        walls.append(sum(one.wall for one in spent))
        parts.append([one.wall for one in spent])
    return Figure(
        name=f"import two CSV files of {rows} rows and compare, wall",
        value=statistics.median(walls),
        unit="s",
        target=5.0,
        samples=parts,
    )


def _growth(*, tiny: bool) -> Figure:
    numbers = (200, 400) if tiny else (50_000, 100_000, 400_000)
    peaks, sizes = [], []
    for rows in numbers:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "answers.csv"
            table(path, rows, context=CONTEXT * 10)
            sizes.append(path.stat().st_size)
            peaks.append(python(str(HERE / "peak_import.py"), str(path), cwd=name).told["peak"])
    return Figure(
        name="growth of peak memory with an imported CSV",
        value=1000 * (peaks[-1] - peaks[0]) / (sizes[-1] - sizes[0]),
        unit="bytes a byte",
        target=0.2,
        samples=peaks,
        details={"rows": numbers, "bytes": sizes, "peak kB": peaks},
    )


def table(path: Path, rows: int, *, seed: int = 0, context: str = CONTEXT) -> None:
    """A CSV file of four log-probabilities a row, as people export them."""
    rng = np.random.default_rng(seed)
    golds = np.random.default_rng(7).integers(ENDINGS, size=rows)
    logprobs = rng.normal(-40, 4, size=(rows, ENDINGS))
    logprobs[np.arange(rows), golds] += 3
    with path.open("w", encoding="utf-8") as file:
        file.write("ind,ctx,label," + ",".join(f"choice_{i}" for i in range(ENDINGS)) + "\n")
        for i in range(rows):
            told = ",".join(f"{-abs(value):.6f}" for value in logprobs[i])
            file.write(f'{i},"Scene {i}: {context}",{golds[i]},{told}\n')
