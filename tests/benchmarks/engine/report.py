"""The table as it is printed, and `engine.json` as it is written."""

from __future__ import annotations

import datetime
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .bench import Bench
from .works import CPU, GPU_ONLY

NOT_MEASURED = "not measured"
HEAD = ("work", "must", "aim", "ratio", "CPU", "limit", "hf s", "ours s", "GB hf/ours", "apart")


def shown(document: Mapping[str, Any]) -> str:
    """The measured tables, their machine above, and how cost grows below."""
    parts = [_section(document[where]) for where in ("cpu", "gpu") if document[where] != NOT_MEASURED]
    if document["gpu"] == NOT_MEASURED:
        parts.append("GPU: not measured")
    return "\n\n".join(parts)


def _section(measured: Mapping[str, Any]) -> str:
    about, lines = measured["about"], [HEAD, *map(_line, measured["rows"])]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    ]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    peaks = [
        f"{dtype}: {peak['flops'] / 1e9:.0f} GFLOP/s ({peak['product']}), {peak['bandwidth'] / 1e9:.0f} GB/s"
        for dtype, peak in measured["peaks"].items()
    ]
    named = f"{about['gpu'] or about['processor']}, {about['threads']} threads"
    grown = [_growth(axis) for axis in measured["scaling"]]
    notes = [_fallen_back(row) for row in measured["rows"] if row["ours"]["facts"].get("fallback")]
    return "\n".join([named, versions, *peaks, "", *table, *notes, *([""] if grown else []), *grown])


def _fallen_back(row: Mapping[str, Any]) -> str:
    """A fast engine that was not used must not look slow, nor the other way round."""
    return f"{row['work']}: answered by lm-eval's engine ({row['ours']['facts']['fallback']})"


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    hf, ours = row["hf"], row["ours"]
    mark = "" if row["reached"] is None else " ok" if row["reached"] else " !!"
    return (
        row["work"],
        _number(row["must"], "g"),
        _number(row["aim"], "g"),
        _number(row["ratio"], ".1f") + mark,
        _number(row["cpu_ratio"], ".1f"),
        _number(row["share_of_limit"], ".0%"),
        f"{hf['wall']:.1f} @{hf['batch_size']}" if hf else "–",
        f"{ours['wall']:.2f}",
        f"{hf['peak_bytes'] / 1e9 if hf else math.nan:.2f}/{ours['peak_bytes'] / 1e9:.2f}",
        _apart(row["answers"]),
    )


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _apart(answers: Mapping[str, Any] | None) -> str:
    """Largest difference of two log-likelihoods, or how many texts differ."""
    if answers is None:
        return "–"
    failed = f" {answers['errors']} errors" if answers["errors"] else ""
    if "different_texts" in answers:
        return f"{answers['different_texts']} texts{failed}"
    return f"{answers['largest_difference']:.0e}{failed}"


def _growth(axis: Mapping[str, Any]) -> str:
    hf = axis["hf"] or [None] * len(axis["at"])
    points = (
        f"{at}: {_number(theirs, '.2f')}/{ours:.2f}"
        for at, theirs, ours in zip(axis["at"], hf, axis["ours"], strict=True)
    )
    return f"{axis['axis'].ljust(8)} hf/ours s  {'  '.join(points)}"


def measured(bench: Bench, rows: Sequence[Mapping[str, Any]], growth: Sequence[Any]) -> dict[str, Any]:
    """One device's part of the document."""
    return {
        "measured": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load": os.getloadavg(),
        "about": bench.about,
        "peaks": {
            dtype: asdict(bench.machine(dtype)) for dtype in dict.fromkeys(row["dtype"] for row in rows)
        },
        "rows": list(rows),
        "scaling": list(growth),
    }


def write(folder: Path, part: dict[str, Any], device: str, *, tiny: bool) -> tuple[Path, dict[str, Any]]:
    """Write what was measured; what only an earlier run on the same machine measured stays."""
    path = folder / ("engine-tiny.json" if tiny else "engine.json")
    document = {"tiny": tiny, "cpu": NOT_MEASURED, "gpu": NOT_MEASURED}
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        document |= {where: before.get(where, NOT_MEASURED) for where in ("cpu", "gpu")}
    where = "gpu" if device.startswith("cuda") else "cpu"
    document[where] = _merged(document[where], part)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path, document


def _merged(before: Any, part: dict[str, Any]) -> dict[str, Any]:
    if before == NOT_MEASURED or before["about"] != part["about"]:
        return part
    rows = {row["name"]: row for row in [*before["rows"], *part["rows"]]}
    order = [work.name for work in (*CPU, *GPU_ONLY)]
    return {
        **part,
        "peaks": {**before["peaks"], **part["peaks"]},
        "rows": [rows[name] for name in order if name in rows],
        "scaling": part["scaling"] or before["scaling"],
    }
