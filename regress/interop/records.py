"""What a reader hands over: one heading for all of a source, then one record for each of its rows.

A reader knows one format and nothing else. It opens files, says what they tell about the run as a
whole (`Heading`), and yields what each row tells (`Record`), in the source's own order and one at a
time, so that a source need not fit into memory. Ids, order, judging, checks across rows and storing
are the same for all formats and lie in `regress.interop.draft`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from regress.errors import UsageError
from regress.types import EngineSpec, Finish, Kind, ModelSpec, Prediction, Scale, Status, Subset

ROWS_DO_NOT_TELL = (
    *("model.fingerprint", "model.dtype", "model.tokenizer", "model.chat_template"),
    *("engine.name", "engine.batch_size", "task.version", "task.num_fewshot"),
)
"""What a file of rows alone leaves unknown of its run; names as in `Heading.unknown`."""

UNKNOWN_ENGINE = EngineSpec(name="unknown", version="", batch_size=None)
"""The engine of a run whose source names none."""


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What a source tells about a run as a whole; one model, one task."""

    format: str
    """`table`, `lm-eval`, `every_eval_ever`, `inspect_ai`, or `regress` of our own exports."""
    files: tuple[Path, ...]
    """The files that its rows come from: their bytes, and nothing else, make the run's key."""
    task: str
    """Name of the task."""
    model: ModelSpec
    """What is told of the model; `name` is what to call it where the user does not say."""
    engine: EngineSpec
    """What is told of the engine; name `unknown` and batch size null where it is not."""
    producer: str = ""
    """What wrote the source, with its version, for example `lm-eval 0.4.13`; empty if unknown."""
    version: str = ""
    """The task's version; empty if unknown."""
    kind: Kind | None = None
    """How the task is asked; null: as the records show (choices, else text)."""
    scale: Scale | None = None
    """How it is judged; null: as the records show (binary if all their headline values are 0 or 1)."""
    metric: str | None = None
    """Headline metric, as a key of `Record.scores`; null: the first one."""
    higher_is_better: bool = True
    """Direction of the headline metric."""
    num_fewshot: int | None = None
    """Worked examples; null if unknown."""
    scorer: Mapping[str, Any] = field(default_factory=lambda: {"kind": "recorded"})
    """How answers were judged, as data (`regress.scoring.score`); `{"kind": "recorded"}` if unknown."""
    judge: bool = False
    """Whether `scorer` has to judge the records; false where they bear their judgement."""
    generation: Mapping[str, Any] = field(default_factory=dict)
    """Generation settings, as `regress.definitions.known.effective_generation` has them; empty if unknown."""
    n: int | None = None
    """Items of the full data set; null if unknown."""
    expected: int | None = None
    """Instances that the source says it holds; null if it does not say. Fewer is a run cut off."""
    read: Mapping[str, Any] = field(default_factory=dict)
    """How it is read (columns, filter, marker): plain data, keyed."""
    unknown: tuple[str, ...] = ()
    """Dotted names of settings and columns that the source does not tell, for example `model.dtype`."""
    remarks: tuple[str, ...] = ()
    """What the user should see: what was guessed, what was left out. Whole sentences."""
    subset: Subset | None = None
    """Which items the run answers, where the source says so; null: all, or the first of `n`."""
    sparse: bool = False
    """Whether positions may have holes though nothing is missing: the run may be one of a sample."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What one row tells. Null is unknown, everywhere."""

    where: str
    """Where it stands, for messages: `answers.csv:17`."""
    position: int | None = None
    """Position in the full data set; null in all records: they stand in order."""
    repeat: int = 0
    """Which of several answers to one instance this is."""
    filter: str = "none"
    """Which of several readings of one answer this is; those of other filters add their scores."""
    id: str | None = None
    """The id that the user or the format declares to be the instance's; wins over the next two."""
    own: Mapping[str, str] = field(default_factory=dict)
    """The item's fields that may be its data set's own id (`regress.identity.ID_FIELDS`): the first that
    is there and unique in every record is taken."""
    question: str | None = None
    """What is asked, without worked examples: with the choices, hashed, the id where there is no other."""
    prompt: str | None = None
    """The whole prompt as rendered, before any chat template."""
    choices: tuple[str, ...] | None = None
    """The choices' texts."""
    golds: tuple[int, ...] = ()
    """Indices of the right choices."""
    targets: tuple[str, ...] = ()
    """Reference answers."""
    cluster: str | None = None
    """Items with the same cluster were sampled together."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Fixed strata."""
    source: str | None = None
    """The source item as JSON (`regress.identity.source_json`)."""
    output: str | None = None
    """The raw text, or the chosen choice."""
    logprobs: tuple[float, ...] | None = None
    """Log-likelihoods of the choices, natural log, higher is better."""
    lengths: tuple[int, ...] | None = None
    """Characters of each choice, where the texts are unknown."""
    answer: str | None = None
    """What was read from the output (of choices the index); where `Heading.judge`, null."""
    status: Status = "scored"
    """`scored`, `unparsable` (null answer) or `error`."""
    correct: bool | None = None
    """Right or wrong, where the record says so; where `Heading.judge`, what to check the scorer against."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Metrics as recorded, as `metric` or `metric/filter`."""
    prompt_tokens: int | None = None
    """Tokens of prompt."""
    output_tokens: int | None = None
    """Tokens written."""
    finish: Finish | None = None
    """Why the generation ended."""
    error: str | None = None
    """Why there is no answer."""
    verbatim: Prediction | None = None
    """The row as regress itself once stored it, which is then taken as it is; null for everything else."""


class Source(Protocol):
    """One model's answers to one task, as somebody else recorded them."""

    @property
    def heading(self) -> Heading:
        """What is told about the run as a whole."""
        ...

    def records(self) -> Iterator[Record]:
        """What each row tells, anew at every call.

        Raises:
            DataError: Naming the row, if it cannot be read; nothing after it is looked at.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the user wants a source to be read; a reader refuses what does not concern its format."""

    task: str | None = None
    """Name of the task, or path of a task YAML; null: as the source says."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Tables: role to column, for example `{"prediction": "model.output"}`; dots reach into objects."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Tables: by column, the text that a row must hold there to be read: `{"model": "llama1"}`."""
    marker: str | None = None
    """Tables: what stands before the answer instead of the task's own marker, for example `A: `."""
    metric: str | None = None
    """The metric that decides, a key of `Prediction.scores`, for example `exact_match/flexible-extract`."""
    partial: bool = False
    """Take a run that was cut off, as a run of the part that is there."""

    def refuse_columns(self, name: str) -> None:
        """Refuse what only a table has to be told, for a file called `name` that is none.

        Raises:
            UsageError: If there is any of it.
        """
        if self.columns or self.where or self.marker is not None:
            raise UsageError(
                f"{name} is in a format that says itself what its fields mean",
                do="Leave out --map, --mapping, --where and --marker.",
            )
