"""Any model type of lm-eval as an engine: `hf` with all its facts, the others with what they tell.

Log-softmax is always taken in float32: on a bfloat16 model lm-eval's default sums in bfloat16, and
the ties that this makes flip answers that no model changed.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from regress.engines.base import Chat
from regress.errors import EngineError, RegressError, first_line
from regress.identity import canonical_json, fingerprint, plain
from regress.types import (
    EngineSpec,
    Footprint,
    Generation,
    Loglikelihood,
    Logprob,
    ModelSpec,
    Request,
    Response,
    RollingLoglikelihood,
    TaskSpec,
    Text,
)

NUMERICAL_LIBRARIES = ("lm_eval", "transformers", "torch")
RECORDED_LIBRARIES = ("accelerate", "datasets", "numpy", "peft", "tokenizers")
NAN = "the model's logits are nan"
NO_TOKEN = "the continuation has no token of its own"


class HarnessEngine:
    """Runs an lm-eval `LM`.

    Args:
        name: lm-eval's name for the model type.
        model: What it runs.
        load: Builds the `LM`; called at the first answer.
        batch_size: Requests that go through the model together.
        settings: Everything else that can change an answer.
        seed: Seed of sampled generation.
        chat: Renders messages as a prompt; null for none.
        device: Where it runs, for the record.
        footprint: What the checkpoint takes up, for the record; null where that is not known.
    """

    def __init__(
        self,
        name: str,
        model: ModelSpec,
        load: Callable[[], Any],
        *,
        batch_size: int,
        settings: Mapping[str, Any],
        seed: int,
        chat: Chat | None = None,
        device: str | None = None,
        footprint: Footprint | None = None,
    ) -> None:
        self.model, self.chat, self._footprint = model, chat, footprint
        self._name, self._load, self._lm = name, load, None
        self._batch_size, self._settings, self._seed, self._device = batch_size, settings, seed, device

    def spec(self, task: TaskSpec) -> EngineSpec:
        """What is keyed: versions of the numerical libraries, batch size, arguments, a reduced length."""
        settings = dict(self._settings)
        asked = task.generation.get("max_gen_toks")
        if asked is not None and (used := self.fitting(asked)) != asked:
            settings["max_gen_toks_reduced"] = {"asked": asked, "used": used}
        if sampled(task.generation):
            settings["seed"] = self._seed
        return EngineSpec(
            name=self._name,
            version=", ".join(f"{name} {_version(name)}" for name in NUMERICAL_LIBRARIES),
            batch_size=self._batch_size,
            settings=settings,
        )

    def recorded(self) -> Mapping[str, Any]:
        """Device, which GPU that is, threads, what the model takes up, versions of the other libraries."""
        import torch

        on_gpu = (self._device or "").startswith("cuda") and torch.cuda.is_available()
        return {
            "device": self._device,
            "gpu": torch.cuda.get_device_name(self._device) if on_gpu else None,
            "threads": torch.get_num_threads(),
            "footprint": plain(self._footprint),
            "versions": {name: _version(name) for name in RECORDED_LIBRARIES},
        }

    def state(self) -> Mapping[str, Any]:
        """Nothing changes."""
        return {}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Nothing to go on from."""

    def close(self) -> None:
        """Drop the model and give its memory back."""
        import gc

        self._lm = None
        gc.collect()
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def load(self) -> None:
        """Load the model, unless it is loaded."""
        with self._failing_as_ours():
            self._prepare()

    def harness(self) -> Any:
        """lm-eval's model, loaded."""
        with self._failing_as_ours():
            return self._loaded()

    def _prepare(self) -> None:
        self._loaded()

    def answer(self, requests: Sequence[Sequence[Request]]) -> list[list[Response]]:
        """Answer every request, all of one kind and setting in one call to lm-eval."""
        flat = [request for group in requests for request in group]
        repeats = [_repeats(group, place) for group in requests for place in range(len(group))]
        responses: list[Response | None] = [None] * len(flat)
        for places in _by_call(flat):
            asked = self._call([flat[place] for place in places], [repeats[place] for place in places])
            for place, response in zip(places, asked, strict=True):
                responses[place] = response
        answers = iter(responses)
        return [[_answered(next(answers)) for _ in group] for group in requests]

    def _call(self, batch: Sequence[Any], repeats: Sequence[int]) -> Sequence[Response]:
        with self._failing_as_ours():
            match batch[0]:
                case Loglikelihood():
                    return self._loglikelihood(batch)
                case RollingLoglikelihood():
                    return self._rolling(batch)
                case _:
                    return self._generate(batch, repeats)

    @contextlib.contextmanager
    def _failing_as_ours(self) -> Iterator[None]:
        """Around what is not ours: its errors come out as errors of this engine."""
        try:
            yield
        except RegressError:
            raise
        except Exception as error:  # lm-eval, torch or a server somewhere raise what they like
            if out_of_memory(error):
                raise self._out_of_memory(error) from error
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise EngineError(
                f"engine {self._name} failed on {self.model.name} ({reason})",
                do="What was answered so far is kept.",
            ) from error

    def _out_of_memory(self, error: BaseException) -> EngineError:
        return EngineError(
            f"{self.model.name} ran out of memory with batches of {self._batch_size} ({first_line(error)})",
            do="Say a smaller --batch-size, or a smaller --dtype; what was answered so far is kept.",
        )

    def _loaded(self) -> Any:
        if self._lm is None:
            self._lm = self._load()
            self._footprint = _weighed(self._lm, self._footprint)
        return self._lm

    def fitting(self, max_tokens: int) -> int:
        """The longest answer that leaves room for a prompt: half the context where lm-eval would refuse."""
        length = self.model.context_length
        return max_tokens if length is None or max_tokens < length else max(1, length // 2)

    def _loglikelihood(self, batch: Sequence[Loglikelihood]) -> Sequence[Response]:
        lm = self._loaded()
        asked = [request for request in batch if request.continuation]  # lm-eval trips over an empty one
        scored = iter(_scored(lm, asked)) if asked else iter(())
        nothing = Logprob(value=math.nan, error=NO_TOKEN)
        return [next(scored) if request.continuation else nothing for request in batch]

    def _rolling(self, batch: Sequence[RollingLoglikelihood]) -> Sequence[Response]:
        lm = self._loaded()
        texts = [(request.text,) for request in batch]
        values = _ask(lm.loglikelihood_rolling, texts, "loglikelihood_rolling")
        return [logprob(value, False, {}) for value in values]

    def _generate(self, batch: Sequence[Generation], repeats: Sequence[int]) -> Sequence[Response]:
        """Answers; `repeats` counts equal requests before each within its instance."""
        lm, asked = self._loaded(), batch[0]
        arguments = {
            **asked.options,
            "until": list(asked.until),
            "max_gen_toks": self.fitting(asked.max_tokens),
        }
        if sampled(asked.options):
            _seed_everything(self._seed, batch)
        facts = getattr(lm, "generation_facts", None)
        if facts is not None:
            facts.clear()
        texts = _ask(
            lm.generate_until, [(request.prompt, dict(arguments)) for request in batch], "generate_until"
        )
        if facts is None:
            return [Text(text=text) for text in texts]
        told = [facts[request.prompt].popleft() for request in batch]
        return [
            Text(
                text=text,
                finish=fact.finish,
                prompt_tokens=fact.prompt_tokens,
                output_tokens=fact.output_tokens,
                left_truncated=fact.left_truncated,
                shown=fact.shown,
                error=fact.error,
            )
            for text, fact in zip(texts, told, strict=True)
        ]


def _weighed(lm: Any, known: Footprint | None) -> Footprint | None:
    """What a loaded model takes up; what was known before where lm-eval does not hold it itself."""
    import torch

    model = getattr(lm, "model", None)
    if not isinstance(model, torch.nn.Module):
        return known
    from regress.engines.storage import weighed

    return weighed(model, known)


def _scored(lm: Any, batch: Sequence[Loglikelihood]) -> Sequence[Response]:
    facts = getattr(lm, "likelihood_facts", None)
    if facts is not None:
        facts.clear()
    pairs = [(request.context, request.continuation) for request in batch]
    answers = _ask(lm.loglikelihood, pairs, "loglikelihood")
    if facts is None:
        return [logprob(value, greedy, {}) for value, greedy in answers]
    return [
        logprob(value, greedy, plain(fact))
        for (value, greedy), fact in zip(answers, list(facts), strict=True)
    ]


def logprob(value: float, greedy: bool, facts: Mapping[str, Any]) -> Logprob:
    """A log-likelihood with the facts about it (`regress.engines.facts`); nan is an error."""
    error = facts.get("error") or (NAN if math.isnan(value) else None)
    return Logprob(value=float(value), greedy=bool(greedy), **{**facts, "error": error})


def _ask(verb: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], kind: Any) -> list[Any]:
    """Call one of lm-eval's three verbs, without its progress bar."""
    from lm_eval.api.instance import Instance

    instances = [
        Instance(request_type=kind, doc={}, arguments=each, idx=place) for place, each in enumerate(arguments)
    ]
    quiet = {"disable_tqdm": True} if "disable_tqdm" in inspect.signature(verb).parameters else {}
    return list(verb(instances, **quiet))


def _repeats(group: Sequence[Request], place: int) -> int:
    """How often an instance has already asked for the same text before; likelihoods are asked once."""
    return group[:place].count(group[place]) if isinstance(group[place], Generation) else 0


def _by_call(flat: Sequence[Request]) -> list[list[int]]:
    """Places of the requests that may share a call: one kind, one set of generation settings."""
    groups: dict[str, list[int]] = {}
    for place, request in enumerate(flat):
        key = type(request).__name__
        if isinstance(request, Generation):
            key += canonical_json([request.until, request.max_tokens, request.options])
        groups.setdefault(key, []).append(place)
    return list(groups.values())


def _answered(response: Response | None) -> Response:
    if response is None:
        raise EngineError("lm-eval left a request without an answer", do="Please report this.")
    return response


def sampled(options: Mapping[str, Any]) -> bool:
    """Whether lm-eval samples: said so, or a temperature above 0 where nothing is said."""
    said = options.get("do_sample")
    return bool(said) if said is not None else float(options.get("temperature") or 0.0) > 0.0


def _seed_everything(seed: int, batch: Sequence[Generation]) -> None:
    """Seed from what is asked, so that an answer does not depend on what was answered before."""
    import torch

    torch.manual_seed(int(fingerprint([seed, [request.prompt for request in batch]])[:15], 16))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory, of the machine or of a GPU, ran out."""
    what = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in what or "can't allocate memory" in what


def hidden_settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Engine arguments as they are keyed: what JSON cannot say is refused.

    Raises:
        EngineError: If an argument has no JSON form.
    """
    try:
        return dict(json.loads(canonical_json(arguments)))
    except (TypeError, ValueError) as error:
        raise EngineError(
            f"an engine argument cannot be recorded ({error})", allowed="text, numbers"
        ) from None
