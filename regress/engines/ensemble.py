"""Several engines that answer as one: by the mean of probabilities, by their product, or by vote.

    mean      p(text | prompt) is the weighted mean of what the members say; written is, token by token,
              what the mean of their next-token probabilities ranks first
    product   the same with the geometric mean: a weighted mean of log-probabilities
    vote      of the choices of an instance, what most members choose; of texts, what most write

Where all members agree on a choice by its probability, mean and product choose it too, and so do they
all by vote: of an ensemble of an old and a new model, the answers that differ from the old one's are
among those of the new one that do. Of choices that are compared by probability per character this holds
for the product alone.

All members are in memory together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from regress.composed.ensemble import Ensemble
from regress.engines.base import Chat, Engine
from regress.errors import ModelError
from regress.identity import plain, sequence_hash
from regress.types import (
    EngineSpec,
    Generation,
    Logprob,
    ModelSpec,
    Request,
    Response,
    TaskSpec,
    Text,
)

NAME, VERSION = "ensemble", 1
"""`VERSION` rises with every change that moves a digit."""
Write = Callable[[Sequence[Engine], Sequence[Generation], Ensemble], list[Text]]


class EnsembleEngine:
    """Runs several models.

    Args:
        name: What the user called the ensemble.
        made: What it is.
        engines: One for each member.
        write: Writes texts token by token with all of them.

    Raises:
        ModelError: If a member is no longer what it was, or prompts would be rendered in several ways.
    """

    def __init__(self, name: str, made: Ensemble, engines: Sequence[Engine], write: Write) -> None:
        self._made, self._engines, self._write = made, list(engines), write
        specs = [engine.model for engine in engines]
        _require_unchanged(name, made, specs)
        if len({spec.chat_template for spec in specs}) > 1:
            raise ModelError(
                f"the members of {name} have different chat templates",
                allowed="one for all",
                do="Say --chat-template none, or the name of a template that all have.",
            )
        self.model = _model(name, made, specs)

    @property
    def chat(self) -> Chat | None:
        """Renders messages for all members."""
        return self._engines[0].chat

    def spec(self, task: TaskSpec) -> EngineSpec:
        """What is keyed: how answers become one, and the engine of every member."""
        members = [engine.spec(task) for engine in self._engines]
        return EngineSpec(
            name=NAME,
            version=f"{VERSION}, {members[0].version}",
            batch_size=members[0].batch_size,
            settings={
                "by": self._made.by,
                "weights": list(self._made.weights),
                "members": [plain(each) for each in members],
            },
        )

    def recorded(self) -> Mapping[str, Any]:
        """What the first member records, and the fallbacks and footprints of all."""
        told = [engine.recorded() for engine in self._engines]
        fallback = {
            f"{engine.model.name}: {what}": why
            for engine, one in zip(self._engines, told, strict=True)
            for what, why in one.get("fallback", {}).items()
        }
        footprints = [one.get("footprint") for one in told]
        return {**told[0], "fallback": fallback, "footprint": _together(footprints)}

    def state(self) -> Mapping[str, Any]:
        """What the members had to change about themselves."""
        states = [dict(engine.state()) for engine in self._engines]
        return {"members": states} if any(states) else {}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Every member goes on from its own."""
        for engine, own in zip(self._engines, state.get("members") or [{}] * len(self._engines), strict=True):
            engine.resume(own)

    def load(self) -> None:
        """Load all members."""
        for engine in self._engines:
            engine.load()

    def close(self) -> None:
        """Drop all members."""
        for engine in self._engines:
            engine.close()

    def answer(self, requests: Sequence[Sequence[Request]]) -> list[list[Response]]:
        """Ask every member everything, and make one answer of theirs.

        Raises:
            EngineError: If texts are to be written token by token by models that cannot do that together.
        """
        written = self._written(requests)
        asked = [[each for each in group if id(each) not in written] for group in requests]
        told = [engine.answer(asked) for engine in self._engines]
        return [
            self._group(group, [iter(member[place]) for member in told], written)
            for place, group in enumerate(requests)
        ]

    def _written(self, requests: Sequence[Sequence[Request]]) -> dict[int, Text]:
        """Texts that all members write together, by the request's identity; none where they vote."""
        if self._made.by == "vote":
            return {}
        asked = [each for group in requests for each in group if isinstance(each, Generation)]
        if not asked:
            return {}
        texts = self._write(self._engines, asked, self._made)
        return {id(request): text for request, text in zip(asked, texts, strict=True)}

    def _group(
        self, group: Sequence[Request], members: Sequence[Any], written: dict[int, Text]
    ) -> list[Response]:
        """One instance's answers from those of every member."""
        columns = [None if id(each) in written else [next(member) for member in members] for each in group]
        weights: Sequence[float] = self._made.weights
        if self._made.by == "vote":
            weights = _supporters([column for column in columns if column], weights)
        return [
            written[id(request)] if column is None else self._one(column, weights)
            for request, column in zip(group, columns, strict=True)
        ]

    def _one(self, column: Sequence[Response], weights: Sequence[float]) -> Response:
        if failed := next((each for each in column if each.error), None):
            return failed
        if isinstance(column[0], Text):
            return _most_written([each for each in column if isinstance(each, Text)], self._made.weights)
        told = [each for each in column if isinstance(each, Logprob)]
        return _combined(told, weights, geometric=self._made.by == "product")


def mean_of(values: Sequence[float], weights: Sequence[float], *, geometric: bool) -> float:
    """log Σ w·e^v, or Σ w·v if `geometric`, over members of weight above 0; of equal values just that value.

    >>> mean_of([-2.0, -2.0], [0.5, 0.5], geometric=False)
    -2.0
    >>> round(mean_of([0.0, -math.inf], [0.5, 0.5], geometric=False), 4)
    -0.6931
    """
    counted = [(value, weight) for value, weight in zip(values, weights, strict=True) if weight]
    largest, whole = max(value for value, _ in counted), sum(weight for _, weight in counted)
    if math.isinf(largest) or any(math.isnan(value) for value, _ in counted):
        return math.nan if any(math.isnan(value) for value, _ in counted) else largest
    if geometric:  # from the largest, so that equal values stay as they are
        return largest + sum(weight * (value - largest) for value, weight in counted) / whole
    return largest + math.log(sum(weight * math.exp(value - largest) for value, weight in counted) / whole)


def _combined(told: Sequence[Logprob], weights: Sequence[float], *, geometric: bool) -> Logprob:
    value = mean_of([each.value for each in told], weights, geometric=geometric)
    return Logprob(
        value=value,
        greedy=all(each.greedy for each in told),
        prompt_tokens=_shared(each.prompt_tokens for each in told),
        output_tokens=_shared(each.output_tokens for each in told),
        left_truncated=max(each.left_truncated for each in told),
        shown=_shared(each.shown for each in told),
    )


def _supporters(columns: Sequence[Sequence[Response]], weights: Sequence[float]) -> Sequence[float]:
    """The weights of the members that choose what most choose, 0 for others; all where the vote is tied.

    What the supporters choose, the mean of them chooses too.
    """
    values = [
        [each.value if isinstance(each, Logprob) else math.nan for each in column] for column in columns
    ]
    if len(values) < 2 or any(math.isnan(value) for column in values for value in column):
        return weights
    chosen = [max(range(len(values)), key=[column[member] for column in values].__getitem__)
              for member in range(len(weights))]  # fmt: skip
    votes = [
        math.fsum(w for w, c in zip(weights, chosen, strict=True) if c == place)
        for place in range(len(values))
    ]
    first = max(votes)
    if sum(math.isclose(each, first) for each in votes) > 1:
        return weights
    return [w if votes[c] == first else 0.0 for w, c in zip(weights, chosen, strict=True)]


def _most_written(texts: Sequence[Text], weights: Sequence[float]) -> Text:
    """The text that most members wrote; of several, that of the first member."""
    votes: dict[str, float] = {}
    for text, weight in zip(texts, weights, strict=True):
        votes[text.text] = votes.get(text.text, 0.0) + weight
    most = max(votes.values())
    return next(text for text in texts if math.isclose(votes[text.text], most))


def _shared(values: Any) -> Any:
    """What all members tell alike; null where they differ."""
    first, *others = values
    return first if all(each == first for each in others) else None


# ── what it is ───────────────────────────────────────────────────────────────────────────────────


def _require_unchanged(name: str, made: Ensemble, specs: Sequence[ModelSpec]) -> None:
    for member, spec in zip(made.members, specs, strict=True):
        if member.fingerprint not in (None, spec.fingerprint):
            raise ModelError(
                f"{member.model}, a member of {name}, is no longer what it was when that was made",
                do="Restore its weights, or make the ensemble again.",
            )


def _model(name: str, made: Ensemble, specs: Sequence[ModelSpec]) -> ModelSpec:
    prints = [spec.fingerprint for spec in specs]
    contexts = [spec.context_length for spec in specs if spec.context_length is not None]
    sizes = [spec.parameters for spec in specs]
    known = [f"{each}*{weight!r}" for each, weight in zip(prints, made.weights, strict=True)]
    return replace(
        specs[0],
        name=name,
        source=name,
        revision=None,
        dtype=_joined(spec.dtype for spec in specs),
        quantization=_joined(spec.quantization for spec in specs),
        adapter=None,
        tokenizer=_joined(spec.tokenizer for spec in specs),
        fingerprint=None if None in prints else sequence_hash([NAME, made.by, *known]),
        context_length=min(contexts, default=None),
        parameters=None if None in sizes else sum(size for size in sizes if size is not None),
    )


def _joined(values: Any) -> str | None:
    """What all members have, or what each has."""
    named = dict.fromkeys("none" if value is None else str(value) for value in values)
    return None if list(named) == ["none"] else " + ".join(named)


def _together(footprints: Sequence[Any]) -> dict[str, Any] | None:
    """What all members take up; null where one of them does not tell."""
    if not all(isinstance(each, Mapping) for each in footprints):
        return None
    whole = dict(footprints[0])
    for each in footprints[1:]:
        for field in ("parameters", "materialised", "disk_bytes", "cache_bytes"):
            known = whole.get(field) is not None and each.get(field) is not None
            whole[field] = whole[field] + each[field] if known else None
        sizes = dict(whole.get("memory_bytes") or {})
        for kind, size in (each.get("memory_bytes") or {}).items():
            sizes[kind] = sizes.get(kind, 0) + size
        whole["memory_bytes"] = sizes
        whole["windowed_layers"] = whole.get("windowed_layers", 0) + each.get("windowed_layers", 0)
        whole["loaded"] = whole.get("loaded", False) and each.get("loaded", False)
    return whole
