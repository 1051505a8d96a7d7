"""Logs of lm-eval: one `samples_*.jsonl`, one `results_*.json`, or the folder that it was told to write to.

A source is one file of samples. What it cannot tell (the model, the number of worked examples, the task's
definition), the results of the same run do, if they lie beside it. Read as written by 0.4.0 to 0.4.13.

The judgement that is recorded stands; nothing is judged again. Which metric decides: the one asked for,
else the definition's first, after its first filter; where the definition is unknown the only one, else
`acc` or `exact_match/strict-match`, else the first, and then that is said. Weights, tokenizer, token
counts and why a generation ended are in no such log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from regress.definitions.known import named
from regress.errors import DataError, UnknownName
from regress.interop.fields import Fields
from regress.interop.lm_eval_logs import files
from regress.interop.lm_eval_logs.files import Samples
from regress.interop.lm_eval_logs.heading import Log
from regress.interop.lm_eval_logs.records import Form, Records
from regress.interop.lm_eval_logs.results import Results
from regress.interop.lm_eval_logs.row import Row
from regress.interop.records import Heading, Reading, Record, Source


def recognises(path: Path) -> bool:
    """Whether it is a file that lm-eval wrote, or a folder that holds one."""
    try:
        return files.recognised(path)
    except (OSError, ValueError):
        return False


def sources(path: Path, reading: Reading) -> list[Source]:
    """One source for each file of samples.

    Raises:
        DataError: If there are no samples, or a folder holds two runs of one task.
        UnknownName: If a task or metric is asked for that is not there.
    """
    reading.refuse_columns(path.name)
    try:
        found = files.samples_in(path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    results = cache(Results)
    logs = [(samples, results(samples.results)) for samples in found]
    tasks = [_task(samples, told) for samples, told in logs]
    if reading.task is not None and len(logs) > 1:
        wanted = _name(reading.task)
        logs = [log for log, task in zip(logs, tasks, strict=True) if task == wanted]
        if not logs:
            raise UnknownName("task", wanted, filter(None, tasks), where=path.name)
        tasks = [wanted] * len(logs)
    _refuse_twice([samples for samples, _ in logs], tasks)
    return [_source(*log, task, reading) for log, task in zip(logs, tasks, strict=True)]


@dataclass(frozen=True)
class _Source:
    path: Path
    heading: Heading
    form: Form

    def records(self) -> Iterator[Record]:
        """What each row tells."""
        record = Records(form=self.form)
        for where, row in files.rows(self.path):
            yield record(where, row)


def _source(samples: Samples, results: Results, task: str, reading: Reading) -> Source:
    called = _name(reading.task) if reading.task is not None else task
    if not called:
        raise DataError(
            f"neither the name of {samples.path.name} nor any results beside it tell which task it is",
            do="Say it with --task.",
        )
    where, first = next(files.rows(samples.path), (samples.path.name, None))
    if first is None:
        raise DataError(f"{samples.path.name} holds no answers")
    log = Log(
        samples=samples.path,
        results=results,
        logged=task,
        task=called,
        first=Row(Fields(where, first)),
        reading=reading,
    )
    return _Source(samples.path, log.heading(), log.form)


def _task(samples: Samples, results: Results) -> str:
    """What lm-eval called the task; empty if nothing tells."""
    if samples.task:
        return samples.task
    configured = [
        name for name in results.fields.mapping("configs") if samples.path.stem.endswith(f"_{name}")
    ]
    return max(configured, key=len, default="")


def _name(asked: str) -> str:
    """The task that a user means by a name, or by the path of a YAML."""
    definition = named(asked) if asked.endswith((".yaml", ".yml")) else None
    return definition.name if definition else asked


def _refuse_twice(found: Sequence[Samples], tasks: Sequence[str]) -> None:
    seen: dict[tuple[Path, str], Path] = {}
    for samples, task in zip(found, tasks, strict=True):
        other = seen.setdefault((samples.path.parent, task), samples.path)
        if task and other != samples.path:
            raise DataError(
                f"{samples.path.parent.name} holds two runs of {task}: {other.name} and {samples.path.name}",
                do="Name one of these files, or the results_<date>.json of one run for all of its tasks.",
            )
