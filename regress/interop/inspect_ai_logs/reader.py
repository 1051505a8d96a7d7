"""inspect_ai logs: the JSON form, and `.eval`, both read without inspect_ai.

A log holds one model's answers to one task: a sample for each item and epoch, with a score from each
scorer. Letter grades are numbers as inspect_ai makes them: C is 1, P is 0.5, I and N are 0; N, no
answer, is unreadable besides. Epochs are repeats. Where the data set gave no ids, inspect_ai numbers the
samples from 1; then the item's own hash is the id, as everywhere else. After version 2 of the log
format, as inspect_ai 0.3.285 writes it, and older logs of the same version.

JSON logs are held in memory whole; of a `.eval` file one sample at a time.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.errors import DataError, UnknownName
from regress.interop import lines
from regress.interop.fields import Fields
from regress.interop.inspect_ai_logs.archive import Archive
from regress.interop.inspect_ai_logs.samples import Numbering, record, scores
from regress.interop.records import Heading, Reading, Record, Source
from regress.types import EngineSpec, ModelSpec

_SNIFFED = 1 << 16
_LOOKED_AT = 64
_EVAL = re.compile(rb'"eval"\s*:\s*\{')
_MARKS = (b'"version"', b'"status"', b'"task"')
_HEADERS = ("header.json", "_journal/start.json")
"""The second is all there is while an evaluation runs, and after it was killed."""

_SETTINGS = (
    *("temperature", "top_p", "top_k", "max_tokens", "stop_seqs", "seed", "system_message", "best_of"),
    *("num_choices", "frequency_penalty", "presence_penalty", "reasoning_effort", "reasoning_tokens"),
)
"""Generation settings that change answers; the others are about connections and caches."""

_UNKNOWN = (
    *("model.fingerprint", "model.dtype", "model.tokenizer", "model.chat_template"),
    *("engine.version", "engine.batch_size", "task.num_fewshot", "choice_logprobs"),
)


def recognises(path: Path) -> bool:
    """Whether `path` is a log, or a folder with one among its first files; never an error."""
    try:
        return bool(_logs(path))
    except (OSError, ValueError):
        return False


def sources(path: Path, reading: Reading) -> list[Source]:
    """The run in a log, or the runs in a folder of logs.

    Raises:
        DataError: If a log cannot be read, is cut off, or holds no samples.
        UnknownName: If it has no such scorer.
        UsageError: If it is asked to be read as a table.
    """
    reading.refuse_columns(path.name)
    return [_run(log, reading) for log in _logs(path)]


def _logs(path: Path) -> list[Path]:
    if path.is_dir():
        found = itertools.chain(path.glob("*.eval"), path.glob("*.json"))
        return sorted(one for one in itertools.islice(found, _LOOKED_AT) if _is_log(one))
    return [path] if _is_log(path) else []


def _is_log(path: Path) -> bool:
    if path.suffix not in (".eval", ".json") or not path.is_file():
        return False
    with open(path, "rb") as file:
        start = file.read(_SNIFFED)
    if path.suffix == ".eval":
        return start.startswith(b"PK\x03\x04")
    begun = start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    return begun and all(mark in start for mark in _MARKS) and _EVAL.search(start) is not None


@dataclass(frozen=True, kw_only=True)
class _Run:
    path: Path
    heading: Heading
    numbering: Numbering

    def records(self) -> Iterator[Record]:
        metric = str(self.heading.metric)
        samples = _samples(self.path, _header(self.path))
        return (record(sample, metric, self.numbering) for sample in samples)


def _run(path: Path, reading: Reading) -> _Run:
    told = _header(path)
    found = next(_samples(path, told), None)
    if found is None:
        raise DataError(
            f"{path.name} holds no samples", do="Log them: it was written with log_samples=False or is empty."
        )
    # what failed has no scores
    scored = next(filter(None, map(scores, _samples(path, told))), {})
    metric, others = _metric(told, scored, reading.metric, path)
    numbering = Numbering.of(told)
    return _Run(
        path=path, numbering=numbering, heading=_heading(told, path, reading, metric, others, numbering)
    )


def _header(path: Path) -> Fields:
    """What a log tells of its evaluation as a whole."""
    if path.suffix == ".eval":
        archive = Archive.of(path)
        name = next((name for name in _HEADERS if name in archive.members), None)
        if name is None:
            raise DataError(f"{path.name} is no log of inspect_ai", allowed="an archive with header.json")
        where = f"{path.name}:{name}"
        return Fields(where, _object(where, lines.parse(where, archive.read(name))))
    return Fields(path.name, _object(path.name, lines.json_file(path)))


def _samples(path: Path, told: Fields) -> Iterator[Fields]:
    """Each sample; of the JSON form they are part of what was told."""
    if path.suffix == ".eval":
        archive = Archive.of(path)
        for name in archive.members:
            if name.startswith("samples/") and name.endswith(".json"):
                where = f"{path.name}:{name}"
                yield Fields(where, _object(where, lines.parse(where, archive.read(name))))
    else:
        for number, sample in enumerate(told.listed("samples"), 1):
            where = f"{path.name}, sample {number}"
            yield Fields(where, _object(where, sample))


def _object(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where} is no JSON object", do="It was not written by inspect_ai.")
    return value


def _metric(
    told: Fields, scored: Mapping[str, float], asked: str | None, path: Path
) -> tuple[str, tuple[str, ...]]:
    """The score that decides, and the others: the one that the log calls its headline, else the first."""
    listed = [one for one in told.listed("results.scores") if isinstance(one, dict)]
    named = [str(one.get("name")).rpartition("/")[2] for one in listed]
    known = [*dict.fromkeys([*(name for name in named if name in scored or not scored), *scored])]
    if not known:
        raise DataError(
            f"{path.name} holds no scores", do="Score it first: inspect score writes a log that has them."
        )
    if asked is not None and asked not in known:
        raise UnknownName("metric", asked, known, where=path.name)
    headline = (told.text("results.headline.score") or "").rpartition("/")[2]
    chosen = asked or (headline if headline in known else known[0])
    return chosen, tuple(name for name in known if name != chosen)


def _heading(
    told: Fields, path: Path, reading: Reading, metric: str, others: Sequence[str], numbering: Numbering
) -> Heading:
    version = told.mapping("eval.packages").get("inspect_ai")
    name = told.text("eval.model") or "unknown"
    remarks = [f"The scorer {metric!r} decides; recorded are also {', '.join(map(repr, others))}."]
    status = told.text("status") or "started"
    return Heading(
        format="inspect_ai",
        files=(path,),
        task=reading.task or (told.text("eval.task") or "unknown").rpartition("/")[2],
        model=ModelSpec(name=name, source=name),
        engine=EngineSpec(
            name=name.partition("/")[0] if "/" in name else "unknown",
            version="",
            batch_size=None,
            settings=_settings(told),
        ),
        producer=f"inspect_ai {version}" if isinstance(version, str) else "inspect_ai",
        version=str(told.value("eval.task_version") or ""),
        kind="generation",
        metric=metric,
        n=told.count("eval.dataset.samples") or None,
        expected=len(numbering.ids) or None,
        unknown=_UNKNOWN,
        remarks=(
            *(remarks if others else ()),
            *([] if status == "success" else [f"The log says that its evaluation ended as {status!r}."]),
        ),
    )


def _settings(told: Fields) -> dict[str, Any]:
    given = {**told.mapping("eval.model_generate_config"), **told.mapping("plan.config")}
    return {name: given[name] for name in _SETTINGS if given.get(name) is not None}
