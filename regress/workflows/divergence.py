"""`regress divergence`: how far apart two models' next-token distributions lie, over a text or prompts."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from regress.comparison.compared import Compared
from regress.comparison.divergence import row
from regress.config import Config, Settings, load_config
from regress.engines.open import Opened, open_model
from regress.engines.spans import Span, begun_alike, spans
from regress.errors import DataError, NotComparable, UsageError
from regress.findings import DivergenceRow, ModelDivergence
from regress.metrics.divergence import joined, positions
from regress.types import ModelSpec, Notice
from regress.workflows import evaluate as evaluation
from regress.workflows.models import default_data, known_models
from regress.workflows.progress import Advanced, Progress, Started, Working, silent
from regress.workflows.readings import Reading, of_comparison, of_file, of_tasks

if TYPE_CHECKING:
    from regress.engines.logits import LogitPair

WINDOW = 512
"""Tokens of a window, where nobody says otherwise and both models take as many."""


def divergence(
    old: str,
    new: str,
    *,
    text: str | Path | None = None,
    tasks: Sequence[str] | str | None = None,
    window: int | None = None,
    stride: int | None = None,
    store: str | Path | None = None,
    old_settings: Mapping[str, Any] | None = None,
    new_settings: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> ModelDivergence:
    """How far two models of one vocabulary lie apart, token by token: how much changed, not which way.

    Both models are in memory together. A text is read in windows that overlap, so that every token is
    measured once and with at least `window - stride` tokens before it (those at the beginning with what
    there is); llama.cpp's `--kl-divergence` measures the second half of windows that do not overlap, which
    leaves out half of the text. Of prompts that begin alike, what they share is measured once. Where the
    tokenizer puts a start token before a text, every window begins with it, as in llama.cpp.

    Args:
        old: Alias, hub id, `id@revision`, folder, or `base+adapter`.
        new: The same for the new model.
        text: A file of text in UTF-8. Without one, prompts are read.
        tasks: Whose prompts are read, as the tasks render them, before any chat template.
        window: Most tokens shown at a time; by default 512, or the context length of the shorter model.
        stride: Tokens from one window to the next; by default half a window.
        store: Folder of runs, for the configuration.
        old_settings: Settings of the old side only, over `settings`.
        new_settings: Settings of the new side only.
        progress: Called with what happens.
        **settings: Fields of `regress.config.Settings`, for both sides.

    Raises:
        NotComparable: If the models' vocabularies differ.
        RegressError: If something cannot be read or loaded.
    """
    if text is not None and tasks is not None:
        raise UsageError("both a text and tasks were given", allowed="one of them")
    config = load_config(store=store)
    sides = [
        (name, _settings(config, [old, new], {**settings, "tasks": tasks, **(own or {})}))
        for name, own in ((old, old_settings), (new, new_settings))
    ]
    readings = [of_file(text)] if text is not None else None
    opened = _opened(sides, config)
    if readings is None:
        readings = of_tasks(evaluation.load(sides[0][1], progress), sides[0][1])
    return _measured(opened, readings, window, stride, progress)


def divergence_beside(
    compared: Compared,
    *,
    text: str | Path | None = None,
    window: int | None = None,
    stride: int | None = None,
    store: str | Path | None = None,
    old_settings: Mapping[str, Any] | None = None,
    new_settings: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> ModelDivergence:
    """The same for two models that were compared: over a text, or over the prompts that they were asked.

    The models are found by the names that their runs bear, and loaded in the number format of these.

    Args:
        compared: The comparison.
        text: A file of text in UTF-8; null for the prompts.
        window: As `divergence` has it.
        stride: As `divergence` has it.
        store: Folder of runs, for the configuration.
        old_settings: Settings of the old side only, over `settings`.
        new_settings: Settings of the new side only.
        progress: Called with what happens.
        **settings: Fields of `regress.config.Settings`, for both sides.

    Raises:
        NotComparable: If the models' vocabularies differ, or a model is no longer the one compared.
        RegressError: If something cannot be read or loaded.
    """
    config = load_config(store=store)
    models = (compared.old, compared.new)
    readings = [of_file(text)] if text is not None else of_comparison(compared)
    sides = []
    for model, own in zip(models, (old_settings, new_settings), strict=True):
        given = {**settings, **(own or {})}
        given["dtype"] = given.get("dtype") or model.dtype
        sides.append((model.name, _settings(config, [each.name for each in models], given)))
    opened = _opened(sides, config)
    for model, found in zip(models, opened, strict=True):
        _require_compared(model, found.model)
    measured = _measured(opened, readings, window, stride, progress)
    templated = any(model.chat_template or model.system for model in models)
    if text is not None or not templated:
        return measured
    rows = (replace(row, warnings=(*row.warnings, Notice(code="no-chat-template"))) for row in measured.rows)
    return replace(measured, rows=tuple(rows))


def _settings(config: Config, models: list[str], given: Mapping[str, Any]) -> Settings:
    """Settings without a chat template, which the user's defaults may well have."""
    if given.get("chat_template") not in (None, "none") or given.get("system") is not None:
        raise UsageError(
            "divergence is measured over texts as they are",
            do="Leave chat_template and system out.",
        )
    settings = replace(config.settings(**{**given, "chat_template": "none"}), system=None)
    return settings if settings.data else replace(settings, data=default_data(models))


def _opened(sides: Sequence[tuple[str, Settings]], config: Config) -> list[Opened]:
    aliases = known_models(config)
    return [open_model(name, settings, aliases) for name, settings in sides]


def _require_compared(compared: ModelSpec, found: ModelSpec) -> None:
    if compared.fingerprint is not None and compared.fingerprint != found.fingerprint:
        raise NotComparable(
            f"the weights of {found.name} are no longer those that the stored runs are of",
            field="model.fingerprint",
            do="Evaluate it again, or restore the weights.",
        )


# ── measuring ────────────────────────────────────────────────────────────────────────────────────


def _measured(
    opened: Sequence[Opened],
    readings: Sequence[Reading],
    window: int | None,
    stride: int | None,
    progress: Progress,
) -> ModelDivergence:
    from regress.engines.logits import LogitPair  # torch, which `open_model` has found to be there

    old, new = opened
    size, step = _window([old.model, new.model], window, stride)
    progress(Working(text=f"loading {old.model.name} and {new.model.name}"))
    with contextlib.closing(LogitPair(old, new)) as pair:
        rows = tuple(_row(pair, reading, size, step, progress) for reading in readings)
        shared = pair.vocabulary
    return ModelDivergence(
        old=old.model, new=new.model, rows=rows, window=size, stride=step, vocabulary=shared
    )


def _window(models: Sequence[ModelSpec], window: int | None, stride: int | None) -> tuple[int, int]:
    """Tokens shown at a time, and from one window to the next."""
    shortest = min(models, key=lambda model: model.context_length or WINDOW)
    longest = shortest.context_length or WINDOW
    size = window if window is not None else min(WINDOW, longest)
    if not 2 <= size <= longest:
        raise UsageError(
            f"window is {size}",
            allowed=f"2 to {longest} tokens, the context of {shortest.name}",
        )
    step = stride if stride is not None else size // 2
    if not 1 <= step <= size - 1:
        raise UsageError(f"stride is {step}", allowed=f"1 to {size - 1} tokens")
    return size, step


def _row(pair: LogitPair, reading: Reading, size: int, stride: int, progress: Progress) -> DivergenceRow:
    texts = [pair.encode(text) for text in reading.texts]
    plan, repeated = _plan(texts, size - len(pair.lead), stride, begun=bool(pair.lead))
    if sum(map(len, texts)) < 2 or not plan:
        raise DataError(f"{reading.name} has no token to predict from others", allowed="at least 2 tokens")
    about = {"model": " → ".join(model.name for model in pair.specs), "task": reading.name}
    progress(Started(**about, done=0, total=len(plan), counted="windows"))
    parts, units, outside = [], [], np.zeros(2)
    for done, (place, span) in enumerate(plan):
        for block in pair.blocks(texts[place], span):
            parts.append(positions(block.old, block.new, block.right))
            units.append(np.full(len(block.right), done if reading.units is None else reading.units[place]))
            outside += [block.old_outside.sum(), block.new_outside.sum()]
        progress(Advanced(**about, done=done + 1, total=len(plan)))
    found = row(reading.name, joined(parts), np.concatenate(units), kind=reading.kind)
    old, new = map(float, outside / found.tokens)
    return replace(found, old_outside=old, new_outside=new, repeated=repeated)


def _plan(
    texts: Sequence[Sequence[int]], size: int, stride: int, *, begun: bool
) -> tuple[list[tuple[int, Span]], int]:
    """Every window with the place of its text, and how many tokens are not measured again."""
    known = begun_alike(texts)
    plan = [
        (place, span)
        for place, ids in enumerate(texts)
        for span in spans(len(ids), size, stride, begun=begun, known=known[place])
    ]
    unseen = 0 if begun else 1
    return plan, sum(max(0, each - unseen) for each in known)
