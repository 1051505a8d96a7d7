"""Every Eval Ever 0.3: a `*.json` of one model's results, with a `*_samples.jsonl` of its answers.

After the EvalEval coalition's `eval.schema.json` and `instance_level_eval.schema.json`, version 0.3.0 (MIT;
PyPI `every-eval-ever` 0.3.0), and what its converters for lm-eval, HELM and inspect_ai write. Give the JSON
file, its samples, or the folder of both. The samples alone are enough; the JSON tells of model and engine.

The format has a row per instance and metric: rows of one instance are one answer with several scores.
An evaluation is a task; lm-eval's `gsm8k/strict-match` is the task `gsm8k` and a filter. Where several
metrics are recorded, the first that is a plain right or wrong decides, else the first.
Log-probabilities, margins and (but for inspect_ai's) finish reasons have no field in the format. What
regress wrote itself (`every_eval_ever_export`) bears all of it beside the format's own fields, in
`metadata.regress`, and comes back whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from regress.errors import DataError, UnknownName, UsageError
from regress.identity import rebuilt
from regress.interop import lines
from regress.interop.every_eval_ever_rows import OURS, record, task_and_metric
from regress.interop.fields import Fields
from regress.interop.records import Heading, Reading, Record, Source
from regress.types import EngineSpec, ModelSpec, RunSpec, Scale

SAMPLES = "_samples.jsonl"
"""How the file of answers ends."""

_SNIFFED = 1 << 16
_MARKS_OF_SAMPLES = (b'"schema_version"', b'"evaluation_id"', b'"sample_id"')
_MARKS_OF_RESULTS = (b'"schema_version"', b'"evaluation_id"')
_RIGHT_OR_WRONG = frozenset({"acc", "accuracy", "exact_match", "em", "quasi_exact_match"})
_TOLD_OF_MODEL = ("revision", "dtype", "quantization")
_SHOTS = re.compile("[0-9]{1,4}")


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
    if reading.columns or reading.marker is not None:
        raise UsageError(
            f"{path.name} is in a format that says itself what its fields mean",
            do="Leave the column mapping and the marker out.",
        )
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
        for row in _rows(self.samples):
            task, metric = task_and_metric(row)
            if task == self.name:
                yield record(row, metric, str(self.heading.metric))


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
    metrics, model = _scanned(samples, told, partial=reading.partial)
    runs = []
    for task, keys in metrics.items():
        headline = _headline(keys, reading.metric, samples)
        heading = _heading(told, model, task, headline, files=[one for one in (results, samples) if one])
        if others := [key for key in keys if key != headline]:
            remark = f"{task} is judged by {headline!r}; recorded are also {', '.join(map(repr, others))}."
            heading = replace(heading, remarks=(*heading.remarks, remark))
        runs.append(_Run(samples=samples, heading=heading, name=task))
    return runs


def _scanned(samples: Path, told: Fields, *, partial: bool) -> tuple[dict[str, dict[str, None]], str]:
    """The metrics of each task, in the order in which the rows name them, and the model."""
    metrics: dict[str, dict[str, None]] = {}
    models: dict[str, None] = {}
    count = 0
    for row in _rows(samples):
        task, metric = task_and_metric(row)
        metrics.setdefault(task, {})[metric] = None
        models[row.text("model_id") or ""] = None
        count += 1
        if len(models) > 1:
            raise DataError(
                f"{samples.name} holds answers of several models: {' and '.join(map(repr, models))}",
                allowed="one model a file",
            )
    expected = told.count("detailed_evaluation_results.total_rows")
    if expected is not None and count != expected and not partial:
        raise DataError(
            f"{samples.name} has {count} rows, {told.where} says {expected}: it seems to be cut off",
            do="Copy it again, or ask for the part that is there.",
        )
    return metrics, next(iter(models), "")


def _headline(keys: Mapping[str, None], asked: str | None, samples: Path) -> str:
    if asked is not None and asked not in keys:
        raise UnknownName("metric", asked, keys, where=samples.name)
    judged = [key for key in keys if key.partition("/")[0].rpartition(":")[2] in _RIGHT_OR_WRONG]
    return asked or (judged or [*keys])[0]


# ── the heading ──────────────────────────────────────────────────────────────────────────────────


def _heading(told: Fields, model_id: str, task: str, headline: str, *, files: Sequence[Path]) -> Heading:
    result = _result(told, task, headline)
    producer = " ".join(filter(None, (told.text("eval_library.name"), told.text("eval_library.version"))))
    spec = _spec(told)
    model, engine = _model(told, model_id), _engine(told, result)
    shots = result.value("generation_config.additional_details.num_fewshot")
    return Heading(
        format="every_eval_ever",
        files=tuple(files),
        task=task,
        model=spec.model if spec else model,
        engine=spec.engine if spec else engine,
        producer=producer,
        kind=spec.task.kind if spec else None,
        scale=spec.task.scale if spec else _scale(result),
        metric=headline,
        higher_is_better=not result.truth("metric_config.lower_is_better"),
        num_fewshot=int(shots) if isinstance(shots, str) and _SHOTS.fullmatch(shots) else None,
        unknown=() if spec else _unknown(model, engine),
        spec=spec,
    )


def _result(told: Fields, task: str, headline: str) -> Fields:
    """The aggregate result that the headline's rows belong to; an empty one where there is none."""
    results = [Fields(told.where, one) for one in told.listed("evaluation_results") if isinstance(one, dict)]
    for result in results:
        if result.text("evaluation_name") and task_and_metric(result) == (task, headline):
            return result
    # older converters named results and rows differently
    return results[0] if len(results) == 1 else Fields(told.where, {})


def _scale(result: Fields) -> Scale | None:
    """Right or wrong where the format says so; a continuous aggregate may well be a mean of those."""
    return "binary" if result.text("metric_config.score_type") == "binary" else None


def _model(told: Fields, model_id: str) -> ModelSpec:
    identity = told.text("model_info.id") or model_id or "unknown"
    details = told.mapping("model_info.additional_details")
    given = {name: str(details[name]) if details.get(name) else None for name in _TOLD_OF_MODEL}
    return ModelSpec(
        name=told.text("model_info.name") or identity,
        source=identity,
        revision=given["revision"],
        dtype=given["dtype"],
        quantization=given["quantization"],
    )


def _engine(told: Fields, result: Fields) -> EngineSpec:
    known = told.text("model_info.inference_engine.name") or told.text("model_info.inference_platform")
    settings = result.mapping("generation_config.generation_args")
    return EngineSpec(
        name=known or "unknown",
        version=told.text("model_info.inference_engine.version") or "",
        batch_size=None,
        settings={name: value for name, value in settings.items() if value is not None},
    )


def _unknown(model: ModelSpec, engine: EngineSpec) -> tuple[str, ...]:
    unknown = ["model.fingerprint", "model.tokenizer", "model.chat_template", "engine.batch_size"]
    unknown += [] if model.dtype else ["model.dtype"]
    unknown += ["engine.name"] if engine.name == "unknown" else []
    return (*unknown, "task.version", "task.num_fewshot", "choice_logprobs", "finish")


def _spec(told: Fields) -> RunSpec | None:
    """The spec that regress put into what it wrote itself."""
    text = told.mapping("source_metadata.additional_details").get(OURS)
    if not isinstance(text, str):
        return None
    where = f"{told.where}, source_metadata.additional_details.{OURS}"
    try:
        return rebuilt(RunSpec, lines.parse(where, text.encode("utf-8", "surrogatepass")))
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} is damaged ({error})", do="Export the run again.") from None
