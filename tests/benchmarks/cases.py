"""What is measured: help, comparing, our layer over lm-eval, requests, memory, bootstrap, imports, a page."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from .bookkeeping import requests
from .engine.case import engine
from .figure import Figure
from .imports import imports
from .measure import HERE, Spent, python, regress
from .page import page
from .resampling import resampling
from .synthetic import hellaswag_runs, made_up_scenes, piqa_items


class Case(Protocol):
    """Measures something."""

    def __call__(self, *, tiny: bool) -> list[Figure]: ...


def help_text(*, tiny: bool) -> list[Figure]:
    """CPU seconds of `regress --help`."""
    spent = [regress("--help") for _ in range(2 if tiny else 15)]
    cpu = [one.cpu for one in spent]
    return [
        Figure(name="regress --help, CPU", value=statistics.median(cpu), unit="s", target=0.25, samples=cpu)
    ]


def compare(*, tiny: bool) -> list[Figure]:
    """Comparing two stored runs of HellaSwag's size, end to end."""
    rows = 200 if tiny else 10_042
    with tempfile.TemporaryDirectory() as folder:
        paths = hellaswag_runs(Path(folder), made_up_scenes(rows))
        asked = ("compare", *map(str, paths), "--out", folder)
        spent = [regress(*asked) for _ in range(2 if tiny else 7)]
    walls = [one.wall for one in spent]
    return [
        Figure(
            name=f"regress compare PATH PATH, {rows} rows, wall",
            value=statistics.median(walls),
            unit="s",
            target=2.0,
            samples=walls,
            details={"cpu": [one.cpu for one in spent], "rows": rows},
        )
    ]


def overhead(*, tiny: bool) -> list[Figure]:
    """`evaluate` against lm-eval's `simple_evaluate` of the same requests, alternating, one thread each."""
    asked = {"piqa,hellaswag": 4 if tiny else 400, "gsm8k": 2 if tiny else 64}
    ours: list[Spent] = []
    theirs: list[Spent] = []
    with tempfile.TemporaryDirectory() as folder:
        _side("theirs", {"piqa,hellaswag": 1, "gsm8k": 1}, Path(folder))  # their cache of items, once
        for pair in range(1 if tiny else 5):
            sides = [("ours", ours), ("theirs", theirs)]
            for name, spent in sides if pair % 2 == 0 else reversed(sides):
                spent.append(_side(name, asked, Path(folder)))
    return [
        _ratio("wall", [one.wall for one in ours], [one.wall for one in theirs]),
        _ratio("CPU", [one.cpu for one in ours], [one.cpu for one in theirs]),
        *(
            _ratio(f"CPU, {part}", [one.told[part] for one in ours], [one.told[part] for one in theirs])
            for part in ("after imports", *asked)
        ),
    ]


def _side(name: str, asked: Mapping[str, int], folder: Path) -> Spent:
    """One run of one side, in a process of its own and with a store of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        return python(str(HERE / f"{name}.py"), json.dumps(asked), str(folder / "cache"), cwd=own)


def _ratio(part: str, ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    return Figure(
        name=f"overhead over lm-eval, {part}",
        value=100 * (statistics.median(ours) / statistics.median(theirs) - 1),
        unit="%",
        target=5.0,
        samples=list(zip(ours, theirs, strict=True)),
        details={"ours": statistics.median(ours), "theirs": statistics.median(theirs)},
    )


def memory(*, tiny: bool) -> list[Figure]:
    """What `evaluate` needs at its peak beyond the data set, as the instances grow in number."""
    scripted, hf = ((50, 100), (8, 16)) if tiny else ((2_000, 8_000, 32_000), (256, 1024, 4096))
    return [_growth("scripted", scripted), _growth("hf", hf), _growth("local", hf)]


def _growth(engine: str, numbers: Sequence[int]) -> Figure:
    beyond, details = [], []
    for n in numbers:
        with tempfile.TemporaryDirectory() as folder:
            piqa_items(Path(folder), n)
            (Path(folder) / "same.jsonl").write_text('{"match": "", "logprob": -1.0}\n', encoding="utf-8")
            model = "same.jsonl" if engine == "scripted" else "demo-v1"
            script = str(HERE / "peak.py")
            loaded, whole = (python(script, what, engine, model, cwd=folder) for what in ("load", "evaluate"))
        beyond.append(whole.told["peak"] - loaded.told["peak"])
        details.append({"n": n, "load": loaded.told["peak"], "evaluate": whole.told["peak"]})
    slope = (beyond[-1] - beyond[0]) / (numbers[-1] - numbers[0])
    return Figure(
        name=f"growth of peak memory beyond the data set, {engine}",
        value=slope,
        unit="kB an instance",
        target=0.1,
        samples=beyond,
        details={"runs": details},
    )


CASES: dict[str, Callable[..., list[Figure]]] = {
    "help": help_text,
    "compare": compare,
    "overhead": overhead,
    "requests": requests,
    "memory": memory,
    "resampling": resampling,
    "imports": imports,
    "engine": engine,
    "page": page,
}
