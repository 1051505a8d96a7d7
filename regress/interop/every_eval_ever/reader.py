"""Every Eval Ever 0.3: a `*.json` of one model's results, with a `*_samples.jsonl` of its answers.

After the EvalEval coalition's `eval.schema.json` and `instance_level_eval.schema.json`, version 0.3.0 (MIT;
PyPI `every-eval-ever` 0.3.0), and what its converters for lm-eval, HELM and inspect_ai write. Give the JSON
file, its samples, or the folder of both. The samples alone are enough; the JSON tells of model and engine.

The format has a row per instance and metric: rows of one instance are one answer with several scores.
An evaluation is a task; lm-eval's `gsm8k/strict-match` is the task `gsm8k` and a filter. Where several
metrics are recorded, the first that is a plain right or wrong decides, else the first.
Log-probabilities, margins and (but for inspect_ai's) finish reasons have no field in the format. What
regress wrote itself (`regress.interop.every_eval_ever.writer`) bears all of it beside the format's own
fields, in `metadata.regress`, and comes back whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from regress.errors import DataError, UnknownName
from regress.interop import lines
from regress.interop.every_eval_ever.heading import FORMAT, heading_of_results, spec_of_results
from regress.interop.every_eval_ever.rows import is_ours, our_records, record, task_and_metric
from regress.interop.exports.reader import heading_of
from regress.interop.exports.writer import ROWS
from regress.interop.fields import Fields
from regress.interop.records import Heading, Reading, Record, Source

SAMPLES = "_samples.jsonl"
"""How the file of answers ends."""

_SNIFFED = 1 << 16
_MARKS_OF_SAMPLES = (b'"schema_version"', b'"evaluation_id"', b'"sample_id"')
_MARKS_OF_RESULTS = (b'"schema_version"', b'"evaluation_id"')
_RIGHT_OR_WRONG = frozenset({"acc", "accuracy", "exact_match", "em", "quasi_exact_match"})


def recognises(path: Path) -> bool:
    """Whether `path` is a results file, a samples file, or a folder with a pair of them; never an error."""
    try:
        if path.is_dir():
            return any(_is_samples(one) for one in path.glob(f"*{SAMPLES}"))
        return _is_samples(path) or _is_results(path)
    except OSError:
        return False


def _is_samples(path: Path) -> bool:
    """A row's keys stand in its first line, before or after its texts: a long one is looked at in part."""
    return path.suffix == ".jsonl" and path.is_file() and _starts(path, _MARKS_OF_SAMPLES, first_line=True)


def _is_results(path: Path) -> bool:
    return path.suffix == ".json" and path.is_file() and _starts(path, _MARKS_OF_RESULTS, first_line=False)


def _starts(path: Path, marks: Sequence[bytes], *, first_line: bool) -> bool:
    with open(path, "rb") as file:
        start = file.readline(_SNIFFED) if first_line else file.read(_SNIFFED)
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and all(mark in start for mark in marks)


def sources(path: Path, reading: Reading) -> list[Source]:
    """The runs in a results file with its samples, in samples alone, or in a folder; one a task.

    Raises:
        DataError: If a file cannot be read, is cut off, or holds no answers.
        UnknownName: If it has no such task or metric.
        UsageError: If it is asked to be read as a table.
    """
    reading.refuse_columns(path.name)
    pairs = [_pair(one) for one in (sorted(path.glob(f"*{SAMPLES}")) if path.is_dir() else [path])]
    found = [source for results, samples in pairs for source in _runs(results, samples, reading)]
    wanted = [source for source in found if source.heading.task == reading.task]
    if wanted or reading.task is None:
        return [*(wanted or found)]
    if len(found) == 1:
        return [replace(found[0], heading=replace(found[0].heading, task=reading.task))]
    raise UnknownName("task", reading.task, [source.heading.task for source in found], where=path.name)


@dataclass(frozen=True, kw_only=True)
class _Run:
    samples: Path
    heading: Heading
    name: str
    """The task, as the rows call it."""

    def records(self) -> Iterator[Record]:
        placed = ((row, *task_and_metric(row)) for row in _rows(self.samples))
        rows = ((row, metric) for row, task, metric in placed if task == self.name)
        while some := list(itertools.islice(rows, ROWS)):
            if is_ours(some[0][0]):
                yield from our_records([row for row, _ in some])
            else:
                yield from (record(row, metric, str(self.heading.metric)) for row, metric in some)


def _rows(samples: Path) -> Iterator[Fields]:
    return (Fields(where, row) for where, row in lines.json_lines(samples))


# ── the two files ────────────────────────────────────────────────────────────────────────────────


def _pair(path: Path) -> tuple[Path | None, Path]:
    """The results file, where there is one, and the samples."""
    if path.name.endswith(SAMPLES) or path.suffix == ".jsonl":
        results = path.with_name(path.name.removesuffix(SAMPLES) + ".json")
        return (results if _is_file_of_results(results) else None), path
    told = _told(path).text("detailed_evaluation_results.file_path")
    beside = [path.with_name(path.stem + SAMPLES)]
    if told is not None:
        named = PurePosixPath(told)
        if named.is_absolute() or ".." in named.parts or "\\" in told or "\0" in told:
            raise DataError(
                f"{path.name} says that its samples lie in {told!r}, which leaves its folder",
                do="Put the samples beside it and correct detailed_evaluation_results.file_path.",
            )
        beside.insert(0, path.with_name(named.name) if named.name else path)
    for samples in beside:
        if samples.is_file() and samples != path:
            return path, samples
    raise DataError(
        f"{path.name} holds results over all instances, and no answers to single ones",
        do=f"Put its samples beside it, as {beside[0].name}.",
    )


def _is_file_of_results(path: Path) -> bool:
    try:
        return _is_results(path)
    except OSError:
        return False


def _told(results: Path | None) -> Fields:
    if results is None:
        return Fields("", {})
    document = lines.json_file(results)
    if not isinstance(document, dict):
        raise DataError(f"{results.name} is no JSON object")
    return Fields(results.name, document)


def _runs(results: Path | None, samples: Path, reading: Reading) -> list[_Run]:
    told = _told(results)
    found = _scanned(samples, told, partial=reading.partial)
    files, spec = [one for one in (results, samples) if one], spec_of_results(told)
    runs = []
    for task, keys in found.metrics.items():
        headline = _headline(keys, reading.metric, samples)
        if spec is None:
            heading = heading_of_results(told, found.model, task, headline, files=files)
        else:
            heading = heading_of(spec, files, format=FORMAT, expected=found.instances)
        if others := [key for key in keys if key != headline]:
            remark = f"{task} is judged by {headline!r}; recorded are also {', '.join(map(repr, others))}."
            heading = replace(heading, remarks=(*heading.remarks, remark))
        runs.append(_Run(samples=samples, heading=heading, name=task))
    return runs


@dataclass(kw_only=True)
class _Scanned:
    """What is known of a samples file after it was read once."""

    metrics: dict[str, dict[str, None]] = field(default_factory=dict)
    """The metrics of each task, in the order in which the rows name them."""
    model: str = ""
    """The model of all rows."""
    instances: int = 0
    """Changes of the sample's id from row to row: instances, where rows of one are neighbours."""


def _scanned(samples: Path, told: Fields, *, partial: bool) -> _Scanned:
    found, count, previous = _Scanned(), 0, None
    for row in _rows(samples):
        task, metric = task_and_metric(row)
        found.metrics.setdefault(task, {})[metric] = None
        model, id_ = row.text("model_id") or "", row.text("sample_id")
        if count and model != found.model:
            raise DataError(
                f"{row.where} is by the model {model!r}, the rows before by {found.model!r}",
                allowed="one model a file",
            )
        found.model = model
        found.instances += not count or id_ != previous
        count, previous = count + 1, id_
    expected = told.count("detailed_evaluation_results.total_rows")
    if expected is not None and count != expected and not partial:
        raise DataError(
            f"{samples.name} has {count} rows, {told.where} says {expected}: it seems to be cut off",
            do="Copy it again; --partial takes what is there.",
        )
    return found


def _headline(keys: Mapping[str, None], asked: str | None, samples: Path) -> str:
    if asked is not None and asked not in keys:
        raise UnknownName("metric", asked, keys, where=samples.name)
    judged = [key for key in keys if key.partition("/")[0].rpartition(":")[2] in _RIGHT_OR_WRONG]
    return asked or (judged or [*keys])[0]
