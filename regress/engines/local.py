"""The default engine of local models: the same answers as lm-eval's `hf`, every shared token once.

It loads the model as the `hf` engine does, and answers a few requests both ways before it relies on
itself. What it cannot do natively, for the whole model or for one kind of request, lm-eval's engine
answers with the same loaded weights, and the run records that and why.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text

from regress.engines.attention import Unsupported
from regress.engines.choosing import Answer, Chooser, chooser
from regress.engines.decoding import write
from regress.engines.encoding import Encoder
from regress.engines.facts import TellingHFLM, hash_ids
from regress.engines.harness import NAN, NO_TOKEN, HarnessEngine, logprob, out_of_memory
from regress.engines.likelihood import score
from regress.engines.limits import Limits
from regress.engines.machine import keep_freed_memory, return_freed_memory
from regress.engines.native import NativeModel
from regress.engines.probing import difference
from regress.engines.schedule import Window
from regress.engines.stopping import Stopper
from regress.errors import first_line
from regress.identity import fingerprint, plain
from regress.types import (
    EngineSpec,
    Generation,
    Loglikelihood,
    Logprob,
    Response,
    RollingLoglikelihood,
    TaskSpec,
    Text,
)

EVERYTHING = "everything"
NAME, VERSION = "local", 1
"""`VERSION` rises with every change that moves a digit."""
Result = TypeVar("Result")


class LocalEngine(HarnessEngine):
    """Runs a causal transformers model natively.

    Args:
        model: What it runs.
        load: Builds lm-eval's model around it; called at the first answer.
        limits: How much goes through the model together.
        settings: Everything else that can change an answer.
        further: What `HarnessEngine` takes besides.
    """

    def __init__(
        self,
        model: Any,
        load: Callable[[], TellingHFLM],
        *,
        limits: Limits,
        settings: Mapping[str, Any],
        **further: Any,
    ) -> None:
        super().__init__(NAME, model, load, batch_size=limits.slots, settings=settings, **further)
        self._asked, self._limits = limits, limits
        self._native: NativeModel | None = None
        self._encoder: Encoder | None = None
        self._fallbacks: dict[str, str] = {}

    def spec(self, task: TaskSpec) -> EngineSpec:
        """What is keyed: beside lm-eval's own, the version of this engine and the token budget."""
        spec = super().spec(task)
        settings = {**spec.settings, "token_budget": self._asked.token_budget}
        return replace(spec, version=f"{VERSION}, {spec.version}", settings=settings)

    def recorded(self) -> Mapping[str, Any]:
        """Also how the linear layers were computed, and what lm-eval's engine answered instead, and why."""
        native = {"linear": self._native.linear} if self._native else {}
        return {**super().recorded(), **native, "fallback": dict(self._fallbacks), **self._reduced()}

    def state(self) -> Mapping[str, Any]:
        """Limits that were halved for lack of memory: what is answered next depends on them."""
        return self._reduced()

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on with the limits of the chunk that told `state`; what is left to lm-eval is noted anew."""
        self._limits = Limits(**state) if state else self._asked
        self._fallbacks = {what: why for what, why in self._fallbacks.items() if what == EVERYTHING}

    def _reduced(self) -> Mapping[str, Any]:
        return {} if self._limits == self._asked else plain(self._limits)

    def close(self) -> None:
        """See `HarnessEngine`."""
        self._native = self._encoder = None
        super().close()
        return_freed_memory()

    # ── likelihoods ──────────────────────────────────────────────────────────────────────────────

    def _loglikelihood(self, batch: Sequence[Loglikelihood]) -> Sequence[Response]:
        return self._natively(
            "log-likelihoods",
            lambda model, encoder: self._pairs(model, encoder, batch),
            super()._loglikelihood,
            batch,
        )

    def _pairs(self, model: NativeModel, encoder: Encoder, batch: Sequence[Loglikelihood]) -> list[Response]:
        asked = [(request.context, request.continuation) for request in batch if request.continuation]
        pairs = encoder.pairs(asked)
        scored = iter(self._scored(model, [encoder.windows(pair) for pair in pairs]))
        facts = iter(vars(self._loaded().shown_of(*pair)) for pair in pairs)
        return [
            logprob(*next(scored), next(facts))
            if request.continuation
            else Logprob(value=np.nan, error=NO_TOKEN)
            for request in batch
        ]

    def _rolling(self, batch: Sequence[RollingLoglikelihood]) -> Sequence[Response]:
        def rolled(model: NativeModel, encoder: Encoder) -> list[Response]:
            windows = encoder.rolled([request.text for request in batch])
            return [logprob(value, False, {}) for value, _ in self._scored(model, windows, nothing=0.0)]

        return self._natively("rolling log-likelihoods", rolled, super()._rolling, batch)

    def _scored(
        self, model: NativeModel, windows: Sequence[Sequence[Window]], nothing: float = np.nan
    ) -> list[tuple[float, bool]]:
        """Value and greediness of each group of windows; `nothing` where there is none."""
        flat = [window for group in windows for window in group]
        told = self._within_memory(lambda limits: score(model, flat, limits.token_budget)) if flat else None
        results, start = [], 0
        for group in windows:
            mine = slice(start, start + len(group))
            start += len(group)
            if told is None or not group:
                results.append((nothing, False))
            else:
                results.append((float(told.values[mine].sum()), bool(told.greedy[mine].all())))
        return results

    # ── generation ───────────────────────────────────────────────────────────────────────────────

    def _generate(self, batch: Sequence[Generation], repeats: Sequence[int]) -> Sequence[Response]:
        def written(model: NativeModel, encoder: Encoder) -> list[Response]:
            return self._written(model, encoder, batch, repeats)

        return self._natively("generation", written, super()._generate, batch, repeats)

    def _written(
        self, model: NativeModel, encoder: Encoder, batch: Sequence[Generation], repeats: Sequence[int]
    ) -> list[Response]:
        lm, asked = self._loaded(), batch[0]
        longest = self.fitting(asked.max_tokens)
        until, choose = generation_settings(lm, asked, longest)
        prompts = encoder.prompts([request.prompt for request in batch])
        if not all(prompts):
            raise Unsupported("a prompt has no token")
        room = lm.max_length - longest
        keys = [
            (tuple(ids[-room:]), number if choose.sampled else 0)
            for ids, number in zip(prompts, repeats, strict=True)
        ]
        stopper = Stopper(lm.tok_decode, until, lm.end_tokens(), longest)

        def attempt(limits: Limits) -> dict[Any, Answer]:
            answers = {key: self._blank(key, choose) for key in dict.fromkeys(keys)}
            write(
                model, list(answers.values()), choose, stopper.ended,
                longest=longest, slots=limits.slots, budget=limits.token_budget,
            )  # fmt: skip
            return answers

        answers = self._within_memory(attempt)
        texts = {key: told(lm, answer, until) for key, answer in answers.items()}
        return [
            replace(texts[key], left_truncated=len(ids) - len(key[0]))
            for key, ids in zip(keys, prompts, strict=True)
        ]

    def _blank(self, key: tuple[tuple[int, ...], int], choose: Chooser) -> Answer:
        draw = None
        if choose.sampled:
            draw = torch.Generator().manual_seed(int(fingerprint([self._seed, *key])[:15], 16))
        return Answer(np.array(key[0], np.int64), draw)

    # ── natively, or else ────────────────────────────────────────────────────────────────────────

    def _natively(
        self,
        what: str,
        answer: Callable[[NativeModel, Encoder], Sequence[Response]],
        otherwise: Callable[..., Sequence[Response]],
        *batch: Any,
    ) -> Sequence[Response]:
        self._prepare()
        if self._native is not None and self._encoder is not None:
            try:
                return answer(self._native, self._encoder)
            except Unsupported as reason:
                self._fallbacks.setdefault(what, str(reason))
        return otherwise(*batch)

    def _prepare(self) -> None:
        """Load the model, and find out whether it can be run natively."""
        if self._native is not None or EVERYTHING in self._fallbacks:
            return
        lm = self._loaded()
        try:
            self._native = _checked(lm)
            self._encoder = Encoder(lm)
            if self._native.device.type == "cpu":
                keep_freed_memory()
        except Unsupported as reason:
            self._fallbacks[EVERYTHING] = str(reason)
            self._lm = None  # some of its modules may have been exchanged

    def _within_memory(self, attempt: Callable[[Limits], Result]) -> Result:
        """Try with smaller and smaller limits; those that were enough stay.

        Raises:
            Exception: What the attempt raised, if no limits are enough or memory is not the reason.
        """
        while True:
            try:
                return attempt(self._limits)
            except Exception as error:  # torch has several for lack of memory
                smaller = self._limits.halved() if out_of_memory(error) else None
                if smaller is None:
                    raise
            self._limits = smaller  # out of the handler, whose traceback holds the tensors
            if self._native:
                self._native.forget()
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def _checked(lm: TellingHFLM) -> NativeModel:
    """The model to be run natively, after it has answered a few requests both ways.

    Raises:
        Unsupported: If it cannot be, or answers differently.
    """
    for setting in ("truncation", "mixed_precision_dtype", "think_end_token"):
        if getattr(lm, setting, None):
            raise Unsupported(f"{setting} is set")
    model = NativeModel(lm.model)
    try:
        different = difference(lm, model)
    except Unsupported:
        raise
    except Exception as error:  # a model that breaks under a foreign attention raises what it likes
        if out_of_memory(error):
            raise
        raise Unsupported(f"it failed at a trial ({type(error).__name__}: {first_line(error)})") from error
    if different is not None:
        raise Unsupported(different)
    return model


def generation_settings(lm: TellingHFLM, asked: Generation, longest: int) -> tuple[list[str], Chooser]:
    """Stop strings and choice of tokens as lm-eval would set them."""
    given = {**asked.options, "until": list(asked.until), "max_gen_toks": longest}
    settings = dict(normalize_gen_kwargs(given, lm.max_gen_toks))
    eos = lm.tok_decode(lm.eot_token_id, skip_special_tokens=False)
    until = handle_stop_sequences(settings.pop("until"), eos=eos)
    settings.pop("max_gen_toks")
    if settings.get("max_length") is not None:
        raise Unsupported("max_length is asked for")
    if not settings.get("do_sample"):
        settings.pop("temperature", None)
    return until, chooser(settings, lm.model.generation_config.to_dict())


def told(lm: TellingHFLM, answer: Answer, until: Sequence[str]) -> Text:
    """A written answer as lm-eval would return it, with the facts about it."""
    written, finish = lm.where_it_ends(answer.written, list(until))
    return Text(
        text=postprocess_generated_text(lm.tok_decode(answer.written), list(until), None),
        finish=finish,
        prompt_tokens=len(answer.prompt),
        output_tokens=written,
        shown=hash_ids(answer.prompt.tolist()),
        error=NAN if answer.broken else None,
    )
