"""The nouns: frozen records that walk between the rooms, a sentence under every field.

Rates lie in [0, 1], `old` comes before `new`, and `delta = new - old`. Undefined is `nan`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Kind = Literal["choice", "generation", "likelihood"]
Scale = Literal["binary", "bounded", "unbounded"]
Status = Literal["scored", "unparsable", "error"]
Finish = Literal["stop", "length"]
FlipKind = Literal["runaway", "truncated", "unreadable", "format", "coin toss", "answer"]
FLIP_KINDS: tuple[FlipKind, ...] = ("runaway", "truncated", "unreadable", "format", "coin toss", "answer")
"""Why an answer flipped, in the order in which the rules are tried (`regress.metrics.kinds`)."""
Quadrant = Literal["both right", "positive flip", "negative flip", "both wrong same", "both wrong different"]
Variation = Literal["rerun", "batch", "order", "hardware", "seed"]
VARIATIONS: tuple[Variation, ...] = ("rerun", "batch", "order", "hardware", "seed")
"""Changes that should not matter: none at all, another batch size, order, device or seed."""
FLOOR_KINDS: tuple[Variation, ...] = ("rerun", "batch", "order")
"""Those that make up a noise floor where nobody says otherwise."""
QUADRANTS: tuple[Quadrant, ...] = (
    "both right",
    "positive flip",
    "negative flip",
    "both wrong same",
    "both wrong different",
)


# ── what is asked ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One model as it was loaded: weights, tokenizer and the settings that change its answers."""

    name: str
    """What the user called it: alias, hub id or path."""
    source: str
    """Where the weights come from: hub id or local folder."""
    revision: str | None = None
    """Commit of the hub repository, resolved when it was fetched; null for local folders."""
    dtype: str | None = None
    """Weight type used for the forward pass, for example `float32`; null where an engine hides it."""
    quantization: str | None = None
    """Quantisation method declared by the checkpoint or asked for; null if none."""
    adapter: str | None = None
    """PEFT adapter put on the base: hub id or folder; null if none."""
    chat_template: str | None = None
    """Hash of the chat template applied, `name#hash` if it has a name; null if none was."""
    system: str | None = None
    """System instruction put before each prompt; null if none."""
    tokenizer: str | None = None
    """Hash of the tokenizer's files; null where an engine hides it."""
    fingerprint: str | None = None
    """Hash of all weights (and of the adapter's); null where an engine hides them."""
    context_length: int | None = None
    """Longest sequence the model takes, in tokens; null if unknown."""
    parameters: int | None = None
    """Number of parameters; null if unknown."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One task as it was asked: items, prompts and how answers are judged."""

    name: str
    """Task name, for example `piqa`."""
    version: str
    """Version the task definition gives itself; empty if unknown, as are the hashes below."""
    kind: Kind
    """How it is asked: by comparing choices, by generating text, or by likelihood alone."""
    scale: Scale
    """How it is judged: right or wrong, a score in [0, 1], or a score without bounds."""
    metric: str
    """Headline metric, as a key of `Prediction.scores`, for example `exact_match/strict-match`."""
    higher_is_better: bool = True
    """False where the metric was negated so that higher is better in `Prediction.score`."""
    num_fewshot: int | None = 0
    """Worked examples before the question; null if unknown."""
    fewshot: str = "fixed"
    """`fixed`: the same first examples for every item; `lm-eval`: its sampler; empty if unknown."""
    scorer: Mapping[str, Any] = field(default_factory=dict)
    """How outputs are read and judged, as data (`regress.scoring`)."""
    generation: Mapping[str, Any] = field(default_factory=dict)
    """Generation settings that the task asks for; empty unless `kind` is generation."""
    data: str = "hub"
    """Where the items come from: `demo`, `hub:REPO@REVISION`, or `dir` (which folder is not keyed)."""
    definition: str = ""
    """Hash of the resolved task definition (YAML and the functions that it names)."""
    items: str = ""
    """Hash of the source items, in order, few-shot source included."""
    targets: str = ""
    """Hash of all reference answers, in order."""
    prompts: str = ""
    """Hash of all rendered prompts and choices, in order, before any chat template."""
    n: int = 0
    """Number of items in the full data set."""
    description: str = ""
    """One sentence for people; not part of the fingerprint."""
    fingerprint: str = ""
    """Hash of all of the above except the description."""


@dataclass(frozen=True, kw_only=True)
class EngineSpec:
    """What ran the model, with every setting that can change an answer."""

    name: str
    """Engine name, for example `hf` or `scripted`."""
    version: str
    """Versions of the engine and of the numerical libraries under it."""
    batch_size: int | None
    """Requests that go through the model together; null if unknown."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Everything else that can change an answer: softmax type, reduced `max_gen_toks`, arguments."""


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Which items of the data set a run answers; all of them if both are null."""

    limit: int | None = None
    """Only the first this many, as lm-eval does."""
    sample: int | None = None
    """This many, drawn by `seed`."""
    seed: int | None = None
    """Seed of the draw; null unless `sample` is given."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One item of a task, ready to be asked."""

    id: str
    """The data set's own id if unique, else a hash of the normalised item."""
    index: int
    """Position in the full data set."""
    prompt: str | None
    """The prompt as the task renders it, few-shot included, before any chat template; null if unknown."""
    target: str | None
    """The reference answer as text (the text of the right choice, for choices); null if unknown."""
    choices: tuple[str, ...] | None = None
    """The choices, for choice tasks."""
    golds: tuple[int, ...] = ()
    """Indices of the right choices; empty where there are none."""
    cluster: str | None = None
    """Items with the same cluster were sampled together."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Fixed strata, for slices."""
    source: str | None = None
    """The source item as JSON."""


@dataclass(frozen=True, kw_only=True)
class Loglikelihood:
    """How likely is `continuation` after `context`? An empty context means the model's own start token."""

    context: str
    """What comes before; never scored."""
    continuation: str
    """What is scored."""


@dataclass(frozen=True, kw_only=True)
class RollingLoglikelihood:
    """How likely is the whole text, window by window?"""

    text: str
    """What is scored."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What does the model write after `prompt`?"""

    prompt: str
    """What the model sees, chat template included."""
    until: tuple[str, ...] = ()
    """Strings that end the answer; they are not part of it."""
    max_tokens: int = 256
    """Longest answer, in tokens."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further generation settings, as transformers names them, for example `do_sample`."""


Request = Loglikelihood | RollingLoglikelihood | Generation


@dataclass(frozen=True, kw_only=True)
class Logprob:
    """Answer to a `Loglikelihood` or `RollingLoglikelihood`."""

    value: float
    """Natural log of the probability, summed over the continuation's tokens."""
    greedy: bool = False
    """Whether greedy decoding would have written exactly this."""
    prompt_tokens: int | None = None
    """Tokens of context shown; null where the engine does not tell."""
    output_tokens: int | None = None
    """Tokens scored; null where the engine does not tell."""
    left_truncated: int = 0
    """Prompt tokens cut off on the left."""
    shown: str | None = None
    """Hash of the token ids shown; null where the engine does not tell."""
    error: str | None = None
    """Why there is no usable answer; null if there is one."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """Answer to a `Generation`."""

    text: str
    """What the model wrote, without the stop string."""
    finish: Finish | None = None
    """Why it ended; null where the engine does not tell."""
    prompt_tokens: int | None = None
    """Tokens of prompt shown; null where the engine does not tell."""
    output_tokens: int | None = None
    """Tokens written up to the stop; null where the engine does not tell."""
    left_truncated: int = 0
    """Prompt tokens cut off on the left."""
    shown: str | None = None
    """Hash of the token ids shown; null where the engine does not tell."""
    error: str | None = None
    """Why there is no usable answer; null if there is one."""


Response = Logprob | Text


# ── what is stored ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One scored answer: one row of a run. `regress.schema` fixes its Parquet form."""

    instance_id: str
    """Same item, same id, whether run here or imported."""
    index: int
    """Position in the full data set."""
    repeat: int = 0
    """0 unless the item was answered several times."""
    prompt_hash: str
    """Hash of the prompt before any chat template: what refusal is decided by; empty if unknown."""
    shown_hash: str | None = None
    """Hash of the token ids really shown; null if unknown."""
    output: str | None
    """The raw text, or the chosen choice; null where only hashes are stored."""
    answer: str | None
    """What the extractor read, after the task's normalisation (for choices the index); null if unreadable."""
    status: Status
    """`scored`, `unparsable` (no answer could be read) or `error` (there is no answer)."""
    correct: bool | None
    """False for an unreadable answer; null only for bounded and unbounded scales and for `error`."""
    score: float | None
    """Headline metric, higher is better (a lower-is-better metric is negated)."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Every metric, as `metric` or `metric/filter`."""
    choice_logprobs: tuple[float, ...] | None = None
    """One a choice, natural log, summed over the continuation."""
    choice_lengths: tuple[int, ...] | None = None
    """Characters of each choice: what `acc_norm` divides by."""
    gold_margin: float | None = None
    """Gold minus best other, in the units the answer was chosen by: right iff > 0."""
    prompt_tokens: int | None = None
    """Tokens of prompt shown."""
    output_tokens: int | None = None
    """Tokens written, or scored for the chosen choice."""
    left_truncated: int = 0
    """Prompt tokens cut off on the left."""
    finish: Finish | None = None
    """Why a generation ended; null if unknown or not a generation."""
    error: str | None = None
    """Why there is no answer; null unless `status` is `error`."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where answers come from that were not asked for here, or that were judged again."""

    format: str
    """`table`, `lm-eval`, `every_eval_ever`, `inspect_ai`, or `rescored`."""
    digest: str
    """Hash of the bytes read; of a rescored run the fingerprint of the run that was judged before."""
    name: str = ""
    """What the source is called: a file's name without its folder, or a run; not keyed."""
    producer: str = ""
    """What wrote the source, with its version; empty if unknown."""
    read: Mapping[str, Any] = field(default_factory=dict)
    """How it was read: which column meant what, which filter decided."""
    unknown: tuple[str, ...] = ()
    """What the source does not hold, as dotted names, for example `model.dtype` or `finish`."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """Everything that is keyed: another value anywhere in here is another run."""

    model: ModelSpec
    """The model; its name and source are recorded, its fingerprints and settings keyed."""
    task: TaskSpec
    """The task."""
    engine: EngineSpec
    """The engine."""
    subset: Subset = field(default_factory=Subset)
    """Which items."""
    replica: int = 0
    """0, or the number of a rerun: of a noise kind, or of an engine that hides its weights."""
    variation: Variation | None = None
    """What a rerun for the noise floor changed; null for an ordinary run."""
    chunk_size: int = 256
    """Instances a part holds: the unit of work and of resuming."""
    n: int = 0
    """Rows the finished run has."""
    ids: str = ""
    """Hash of the instance ids answered, in order."""
    text: bool = True
    """False where only hashes of outputs are stored."""
    origin: Origin | None = None
    """Where imported or rescored answers come from; null for answers that were asked for here."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Written last: a run with a manifest is complete."""

    fingerprint: str
    """Hash of the run's spec."""
    rows: int
    """Rows stored."""
    sha256: str
    """Hash of the predictions file's bytes."""
    finished: str
    """When it was finished: ISO 8601, UTC."""
    recorded: Mapping[str, Any] = field(default_factory=dict)
    """What is remembered but not keyed: device, versions, seconds, the request as typed."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One model x one task x one configuration, read back from disk."""

    spec: RunSpec
    """What was asked."""
    manifest: Manifest
    """When it was finished, and with what."""
    predictions: pa.Table
    """One row an instance and repeat, in that order (`regress.schema.PREDICTION`)."""
    path: str
    """Where it lies."""


# ── what is compared ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A warning as a value; `regress.views` turns it into a sentence."""

    code: str
    """Which warning, for example `tokenizer-differs` or `few-items`."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the sentence needs, for example `{"old": 512, "new": 128}`."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One setting in which two runs differ."""

    field: str
    """Dotted name, for example `engine.batch_size`."""
    old: Any
    """The old run's value."""
    new: Any
    """The new run's value."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Two runs aligned by instance and repeat: row i of one answers the same item as row i of the other."""

    old_spec: RunSpec
    """What the old run was asked."""
    new_spec: RunSpec
    """What the new run was asked."""
    old: pa.Table
    """The old run's predictions."""
    new: pa.Table
    """The new run's predictions, in the same order."""
    old_correct: np.ndarray | None
    """[n] bool, unreadable counts as not right; null unless the scale is binary."""
    new_correct: np.ndarray | None
    """[n] bool, the same for the new run."""
    same_answer: np.ndarray
    """[n] bool: both gave the same answer; two unreadable answers count as the same, one as different."""
    old_score: np.ndarray
    """[n] float64 headline score, higher is better."""
    new_score: np.ndarray
    """[n] float64, the same for the new run."""
    old_readable: np.ndarray
    """[n] bool: an answer could be read on the old side."""
    new_readable: np.ndarray
    """[n] bool, the same for the new run."""
    differences: tuple[Difference, ...] = ()
    """Settings in which the runs differ but may be compared."""
    overridden: tuple[Difference, ...] = ()
    """Refusals that the user overrode: a comparison of settings, not of models."""

    @property
    def n(self) -> int:
        """Number of pairs."""
        return int(self.old.num_rows)

    @property
    def repeats(self) -> int:
        """How often an instance was answered, at most."""
        return 1 + int(self.old["repeat"].to_numpy().max(initial=0))


@dataclass(frozen=True, kw_only=True)
class Reruns:
    """One run and its reruns under one change that should not matter, aligned with some pairs.

    The first row is the run itself, the others its reruns; R is at least 2.
    """

    kind: Variation
    """What the reruns changed."""
    correct: np.ndarray | None
    """[R, n] bool, unreadable counts as not right; null unless the scale is binary."""
    score: np.ndarray
    """[R, n] float64 headline score, higher is better."""
    margin: np.ndarray | None
    """[R, n] float64 gold margin; null where the task has none."""


@dataclass(frozen=True, kw_only=True)
class PaddingCheck:
    """Whether the batch size moved log-likelihoods in float32 by more than rounding can."""

    n: int
    """Continuations scored."""
    batch_size: int
    """Requests that went through the model together, against one alone."""
    largest: float
    """Largest difference of two log-likelihoods of the same continuation, in nats."""
    threshold: float
    """Above this the engine, not the model, is at fault."""

    @property
    def sound(self) -> bool:
        """Whether the engine passed."""
        return self.largest <= self.threshold


@dataclass(frozen=True, kw_only=True)
class NoiseFloor:
    """How one model's answers to one task vary under changes that should not matter."""

    reruns: Mapping[Variation, Reruns]
    """By what was changed; only kinds of which a finished rerun is stored."""
    padding: PaddingCheck | None = None
    """The float32 padding check; null where it was not made."""
    unusable: str | None = None
    """Why what is stored cannot be used; null if it can."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its uncertainty; `low` and `high` are nan where no interval was made."""

    value: float
    """The point estimate; nan where it is undefined."""
    n: int
    """Number of items it rests on."""
    low: float = math.nan
    """Lower end of the interval."""
    high: float = math.nan
    """Upper end of the interval."""
    confidence: float | None = None
    """Confidence level of the interval; null where there is none."""
    method: str | None = None
    """How the interval was made; null where there is none."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on it."""


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One instance on which the two runs differ, or may."""

    instance_id: str
    """Which item."""
    index: int
    """Position in the full data set."""
    quadrant: Quadrant
    """Where it lies; on score scales, worse counts as a negative and better as a positive flip."""
    delta: float
    """New score minus old score; for choices new gold margin minus old gold margin."""
    old_answer: str | None = None
    """What was read from the old output; null if unreadable."""
    new_answer: str | None = None
    """What was read from the new output; null if unreadable."""
    old_output: str | None = None
    """The old raw output, or chosen choice."""
    new_output: str | None = None
    """The new raw output, or chosen choice."""
    target: str | None = None
    """The reference answer, where known."""
    prompt: str | None = None
    """The prompt, where known."""
    kind: FlipKind | None = None
    """Why it flipped; null where it did not."""
    parted: int | None = None
    """Of generations, the first word in which the outputs part, counted from 0; null where they are equal."""


@dataclass(frozen=True, kw_only=True)
class QuadrantCounts:
    """How many instances lie in each quadrant; they sum to n."""

    both_right: int
    """n11: right before and after."""
    negative_flips: int
    """b: right before, wrong after."""
    positive_flips: int
    """c: wrong before, right after."""
    both_wrong_same: int
    """Wrong before and after, with the same answer."""
    both_wrong_different: int
    """Wrong before and after, with another answer."""

    @property
    def n(self) -> int:
        """All of them."""
        return (
            self.both_right
            + self.negative_flips
            + self.positive_flips
            + self.both_wrong_same
            + self.both_wrong_different
        )


@dataclass(frozen=True, kw_only=True)
class SideCounts:
    """What went wrong on one side, in instances; null where the engine does not tell."""

    unreadable: int
    """No answer could be read."""
    truncated: int | None
    """The answer was cut off at the longest length; null if unknown (or not a generation)."""
    left_truncated: int
    """The prompt was cut off on the left."""


@dataclass(frozen=True, kw_only=True)
class KindCounts:
    """Why answers flipped, counted; each mapping sums to the flips of its quadrant."""

    negative: Mapping[FlipKind, int]
    """Negative flips (or lower scores) by kind; kinds without any are left out."""
    positive: Mapping[FlipKind, int]
    """Positive flips (or higher scores) by kind."""
    recoverable: int
    """Negative flips of kind `unreadable` that another extractor of the task reads, and finds right."""
    not_the_models: int
    """Negative flips that say nothing about the model's answer (`regress.metrics.kinds.model_flips`)."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one of a task's extractors makes of the same outputs."""

    metric: str
    """Key of `Prediction.scores`, for example `exact_match/flexible-extract`."""
    estimates: Mapping[str, Estimate]
    """old, new, delta, nfr, pfr by this extractor."""
    delta_gap: Estimate | None = None
    """Its delta less the headline's, with its interval; null for the headline itself."""

    @property
    def disagrees(self) -> bool:
        """Whether its delta differs from the headline's by more than chance."""
        return self.delta_gap is not None and (self.delta_gap.low > 0 or self.delta_gap.high < 0)


@dataclass(frozen=True, kw_only=True)
class Shift:
    """How answers changed as a whole, whatever was right: one property, old against new."""

    measure: str
    """`commonest`, `entropy`, `output`, `length`, `empty`, `refusal`, `repetition` or `runaway`
    (`regress.metrics.shifts`)."""
    old: float
    """The old side's value: a share in [0, 1], bits, or words."""
    new: float
    """The new side's value."""
    p_differs: float
    """Two-sided p-value of the paired test."""
    p_holm: float
    """The same, adjusted over the task's measures (Holm)."""
    degenerate: bool
    """Whether the new answers are worse in this respect by more than chance, and by enough to matter."""
    answer: str | None = None
    """For `commonest` the answer meant, of choices its index; for `output` the text."""


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Where old and new generations part."""

    equal: float
    """Share of instances with the same output, white space aside."""
    median_word: float
    """Median over the other instances of the first word in which they part, counted from 0; nan if none."""
    n: int
    """Instances with text on both sides."""


# ── what it costs ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What a model takes up, whatever it is asked."""

    parameters: int | None = None
    """Elements of all weights, those that share storage counted once; null if unknown."""
    materialised: int | None = None
    """The same for a checkpoint in which nothing is shared, each use has a copy; null if unknown."""
    disk_bytes: int | None = None
    """Size of the weight files, the adapter's too."""
    memory_bytes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of the weights once loaded, by weight type, shared storage counted once; empty if unknown."""
    cache_bytes: int | None = None
    """Bytes that one more token adds to keys and values kept; null where the architecture does not tell."""
    windowed_layers: int = 0
    """Layers that keep only the last `window` tokens: a longer text costs nothing more there."""
    window: int | None = None
    """Tokens that such a layer keeps; null where there is none."""
    loaded: bool = False
    """Whether weights were counted on the loaded model; else from file headers and configuration."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What answering took: of one chunk, of a session's share of a run, or of several runs together."""

    session: str
    """Which process answered: a random name; several, in order, joined by a blank."""
    machine: Mapping[str, Any] = field(default_factory=dict)
    """What it ran on: `cpu`, `cores`, `threads`, `device`, `gpu`; never a name of the machine."""
    rows: int
    """Predictions answered."""
    seconds: float
    """Wall time in which they were answered; loading, scoring and writing left out."""
    cpu_seconds: float
    """CPU time of all threads of the process meanwhile."""
    prompt_tokens: int | None = None
    """Tokens of prompt shown, each prompt once; null if unknown of any row."""
    output_tokens: int | None = None
    """Tokens written, or scored for the chosen choice; null if unknown of any row."""
    load_seconds: float = 0.0
    """Wall time in which the model was loaded and tried out."""
    peak_bytes: int | None = None
    """Most memory held since loading began: on a GPU by torch, else by the whole process; null if unknown."""

    @property
    def tokens(self) -> int | None:
        """Tokens of prompts and answers, however many of them were computed, or computed twice."""
        if self.prompt_tokens is None or self.output_tokens is None:
            return None
        return self.prompt_tokens + self.output_tokens

    @property
    def tokens_per_second(self) -> float:
        """`tokens` by `seconds`; nan if either is unknown or 0."""
        return self.tokens / self.seconds if self.tokens and self.seconds > 0 else math.nan


@dataclass(frozen=True, kw_only=True)
class Price:
    """What each side of a comparison takes up, and what answering took where both were measured together."""

    old: Footprint | None = None
    """What the old model takes up; null where its runs do not tell."""
    new: Footprint | None = None
    """What the new model takes up."""
    old_effort: Effort | None = None
    """What answering the tasks in `together` took the old model, summed; null if there are none."""
    new_effort: Effort | None = None
    """What it took the new model."""
    together: tuple[str, ...] = ()
    """Tasks that both sides answered in one process on one machine and device, from first to last row."""
    apart: Mapping[str, str] = field(default_factory=dict)
    """Of the other tasks why not: `unrecorded`, `interrupted`, `sessions` or `machines`."""


# ── classes ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """One side's answers class by class; each class has the same place in every tuple."""

    precision: tuple[float, ...]
    """Of the rows answered with the class, the share that is right; nan where it was never answered."""
    recall: tuple[float, ...]
    """Of the rows whose right answer is the class, the share answered with it."""
    f1: tuple[float, ...]
    """Harmonic mean of the two, 2 tp / (2 tp + fp + fn); 0 where the class was never answered."""
    macro_precision: float
    """Mean of `precision` over the classes that were answered; nan if none was."""
    macro_recall: float
    """Mean of `recall`."""
    macro_f1: float
    """Mean of `f1`."""

    @property
    def never_answered(self) -> int:
        """Classes that `macro_precision` leaves out."""
        return sum(map(math.isnan, self.precision))


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Both sides' answers to a choice task by class: of what is right, and of what was chosen."""

    names: tuple[str, ...]
    """The classes: the choices' texts where all instances have the same ones, else positions from 0."""
    labels: bool
    """Whether `names` are texts of choices; false for positions."""
    support: tuple[int, ...]
    """Rows whose right answer is the class; at least 1."""
    left_out: int
    """Rows with several right answers, or none that is known: they belong to no class."""
    old: ClassScores
    """The old side."""
    new: ClassScores
    """The new side."""

    @property
    def n(self) -> int:
        """Rows that belong to a class."""
        return sum(self.support)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Whether a difference is more than chance; reported, never what the gate decides by."""

    test: str
    """Which test: `mcnemar`, `mcnemar-clustered`, `sign-flip`, `sign-flip-clustered`."""
    p_worse: float
    """One-sided p-value against "the new model is not worse"; nan where there is no such test."""
    p_differs: float
    """Two-sided p-value against "the two are equally good"."""
    p_differs_holm: float
    """The same, adjusted over all tasks of the comparison (Holm)."""
    p_exact: float = math.nan
    """Two-sided exact McNemar, as older publications give it; nan on score scales and with clusters."""
    detected: bool
    """Whether the interval of delta leaves out 0; where none was made, whether `p_differs` is below 5 %."""
    mde: float
    """Smallest true change of delta that would have been detected with `power`, in the unit of delta."""
    power: float
    """With which probability."""


@dataclass(frozen=True, kw_only=True)
class SuiteEvidence:
    """Three answers to "is the new model worse on all tasks together?"; one-sided p-values."""

    tasks: tuple[str, ...]
    """The tasks taken together: those judged right or wrong."""
    pooled: float
    """Exact McNemar on the sums of flips."""
    max_z: float
    """The largest of the tasks' z, against its null distribution."""
    fisher: float
    """Fisher's combination of the tasks' exact p-values."""


@dataclass(frozen=True, kw_only=True)
class TaskComparison:
    """One row of the table."""

    task: TaskSpec
    """The task; for a pooled row a spec that bears the group's name."""
    n: int
    """Pairs compared."""
    estimates: Mapping[str, Estimate]
    """By name: old, new, delta, nfr, pfr, and what else the scale defines (see `comparison.estimates`)."""
    counts: QuadrantCounts | None
    """Quadrants; null unless the scale is binary."""
    old_side: SideCounts
    """What went wrong on the old side."""
    new_side: SideCounts
    """What went wrong on the new side."""
    readable: Mapping[str, Estimate]
    """The same estimates on the items readable on both sides."""
    worst: tuple[Flip, ...] = ()
    """The worst negative flips, worst first."""
    members: tuple[str, ...] = ()
    """Task names that a pooled row pools; empty for an ordinary row."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on it."""
    evidence: Evidence | None = None
    """Whether delta is more than chance; null where nothing can be said."""
    clusters: int | None = None
    """Groups of items that were sampled together; null where each item was sampled alone."""
    padding: PaddingCheck | None = None
    """The float32 padding check of the old side's engine; null where it was not made."""
    kinds: KindCounts | None = None
    """Why answers flipped; null for a pooled row and where nothing is known of single answers."""
    readings: tuple[Reading, ...] = ()
    """What each of a task's extractors makes of the outputs, the headline first; empty unless several do."""
    shifts: tuple[Shift, ...] = ()
    """How answers changed as a whole."""
    divergence: Divergence | None = None
    """Where old and new generations part; null unless texts were generated and stored."""
    classes: Classes | None = None
    """Answers by class; null for a pooled row, and unless right choices are known of a choice task."""
    old_path: str | None = None
    """Where the old run lies; null for a pooled row."""
    new_path: str | None = None
    """Where the new run lies; null for a pooled row."""
    old_fingerprint: str | None = None
    """Hash of the old run's spec."""
    new_fingerprint: str | None = None
    """Hash of the new run's spec."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What an update did: one row a task, and what to know before relying on it."""

    old: ModelSpec
    """The old model."""
    new: ModelSpec
    """The new model."""
    tasks: tuple[TaskComparison, ...]
    """One row a task, pooled rows after their members."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on any of it."""
    settings_compared: tuple[Difference, ...] = ()
    """Overridden refusals: if any, this is a comparison of settings, not of models."""
    suite: SuiteEvidence | None = None
    """All tasks together; null with fewer than two that are judged right or wrong."""
    price: Price | None = None
    """What either side takes up and took; null where no run tells anything of it."""
