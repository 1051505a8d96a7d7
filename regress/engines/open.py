"""From settings to an engine: which one, with which model, checked before anything large is loaded."""

from __future__ import annotations

import inspect
import logging
import os
import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from regress.checkpoints import Checkpoint, check, resolve
from regress.composed.ensemble import Ensemble
from regress.config import Alias, Settings
from regress.engines.base import Chat, Engine
from regress.engines.chat import chosen_template, renderer
from regress.engines.ensemble import EnsembleEngine
from regress.engines.footprint import footprint
from regress.engines.harness import HarnessEngine, hidden_settings, out_of_memory
from regress.engines.limits import NAMES, OTHER_BATCH_SIZE, batch_size, limits
from regress.engines.machine import check_memory, known_device, known_dtype, use_cores
from regress.engines.scripted import open_table
from regress.errors import (
    EngineError,
    MissingExtra,
    ModelError,
    RegressError,
    UnknownName,
    UsageError,
    first_line,
)
from regress.named import ensemble_named
from regress.types import ModelSpec, Text

HF = {"hf", "hf-auto", "huggingface"}
LOADS_CHECKPOINTS = {"local", *HF, "vllm", "sglang"}
_OURS = {"batch_size", "device", "dtype", "lora_local_path", "model", "peft", "pretrained", "revision"}
_OURS |= {"layers", "softmax_dtype", "trust_remote_code", "use_safetensors", "weights_only"}


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A checkpoint of which everything is known, before its weights are loaded."""

    model: ModelSpec
    """What it is."""
    tokenizer: Any
    """Its tokenizer."""
    chat: Chat | None
    """Renders messages as a prompt; null for none."""
    device: str
    """Where it will run."""
    load: Callable[[], Any]
    """Loads it, as lm-eval's `hf` where the engine is that or `local`."""


def check_engine(name: str, settings: Settings, aliases: Mapping[str, Alias]) -> None:
    """Raise what `open_engine` would raise, as far as that can be said without fetching anything.

    Asked of both models before either runs, so that a slip in the second name does not cost hours.
    """
    if together := ensemble_named(name, aliases):
        for member in together.members:
            check_engine(member.model, settings, aliases)
        return
    if settings.engine == "scripted":
        open_table(name)
        return
    _require_engine(settings.engine)
    known_device(settings.device)
    if settings.dtype is not None:
        known_dtype(settings.dtype)
    _refuse_ambiguous(settings)
    if settings.engine in LOADS_CHECKPOINTS:
        check(name, aliases, allow_bin=settings.allow_bin)


def open_engine(name: str, settings: Settings, aliases: Mapping[str, Alias]) -> Engine:
    """Build the engine that runs the model called `name`; its weights are loaded at the first answer.

    Raises:
        UnknownName: If the model, engine or chat template is not known.
        ModelError: If the checkpoint cannot be used.
        MissingExtra: If the weights wing is not installed.
    """
    if together := ensemble_named(name, aliases):
        return _open_ensemble(name, together, settings, aliases)
    if settings.engine == "scripted":
        return open_table(name)
    _require_engine(settings.engine)
    _refuse_ambiguous(settings)
    _hush()
    if settings.engine in LOADS_CHECKPOINTS:
        return _open_checkpoint(resolve(name, aliases, allow_bin=settings.allow_bin), settings)
    return _open_remote(name, settings)


def open_model(name: str, settings: Settings, aliases: Mapping[str, Alias]) -> Opened:
    """The model itself, without an engine around it: what `open_engine` would run.

    Raises:
        UsageError: If the engine asked for keeps its logits to itself.
        RegressError: What `open_engine` raises.
    """
    if settings.engine not in {"local", *HF}:
        raise UsageError(f"engine {settings.engine} does not hand out a model's logits", allowed="local, hf")
    check_engine(name, settings, aliases)
    _hush()
    return _opened(resolve(name, aliases, allow_bin=settings.allow_bin), settings)


def _open_ensemble(
    name: str, together: Ensemble, settings: Settings, aliases: Mapping[str, Alias]
) -> EnsembleEngine:
    engines = [open_engine(member.model, settings, aliases) for member in together.members]

    def write(*asked: Any) -> list[Text]:
        from regress.engines.together import write_together  # torch

        return write_together(*asked)

    return EnsembleEngine(name, together, engines, write)


def _require_engine(name: str) -> None:
    try:
        from lm_eval.models import MODEL_MAPPING
    except ImportError:
        raise MissingExtra("running a model", "models", "lm-eval") from None
    if name != "local" and name not in MODEL_MAPPING:
        raise UnknownName("engine", name, [*MODEL_MAPPING, "local", "scripted"])


def _refuse_ambiguous(settings: Settings) -> None:
    """Refuse what would make the record say one thing and the engine do another."""
    for name in settings.engine_args:
        if name in _OURS:
            raise UsageError(
                f"the engine argument {name!r} is set by regress itself",
                do="Name the model, or use --dtype, --device, --batch-size and the like.",
            )
    if settings.engine in LOADS_CHECKPOINTS:
        if loading := {"load_in_4bit", "load_in_8bit"} & set(settings.engine_args):
            raise UsageError(
                f"the engine argument {min(loading)!r} is not known to this transformers any more",
                do="Save a quantised copy with `save_pretrained`, and name its folder.",
            )
        return
    unheard = {
        "--dtype": settings.dtype is not None,
        "--device": settings.device is not None,
        "--chat-template": settings.chat_template != "none",
        "--trust-remote-code": settings.trust_remote_code,
    }
    for option, given in unheard.items():
        if given:
            raise UsageError(
                f"{option} was given with engine {settings.engine}, which decides that by itself",
                do="Leave it out, or pass what the engine takes with --engine-args.",
            )


def _open_checkpoint(checkpoint: Checkpoint, settings: Settings) -> HarnessEngine:
    opened = _opened(checkpoint, settings)
    common: dict[str, Any] = {
        "seed": settings.seed,
        "chat": opened.chat,
        "device": opened.device,
        "footprint": footprint(checkpoint, str(opened.model.dtype)),
    }
    if settings.engine == "local":
        from regress.engines.local import LocalEngine

        return LocalEngine(
            opened.model,
            opened.load,
            limits=limits(settings),
            settings=hidden_settings(_harness_arguments(settings)),
            **common,
        )
    return HarnessEngine(
        "hf" if settings.engine in HF else settings.engine,
        opened.model,
        opened.load,
        batch_size=batch_size(settings),
        settings={"softmax_dtype": "float32", **hidden_settings(settings.engine_args)},
        **common,
    )


def _opened(checkpoint: Checkpoint, settings: Settings) -> Opened:
    _require_loadable(checkpoint, settings.engine)
    device = known_device(settings.device)
    dtype = known_dtype(settings.dtype or checkpoint.dtype)
    tokenizer = _tokenizer(checkpoint, settings)
    template, template_name = chosen_template(tokenizer, settings.chat_template)
    model = ModelSpec(
        name=checkpoint.name,
        source=checkpoint.source,
        revision=checkpoint.revision,
        dtype=dtype,
        quantization=checkpoint.quantization or _quantization(settings.engine_args),
        adapter=checkpoint.adapter,
        chat_template=template_name,
        system=settings.system,
        tokenizer=checkpoint.tokenizer,
        fingerprint=checkpoint.fingerprint,
        context_length=_context_length(checkpoint, tokenizer, settings),
        parameters=checkpoint.parameters,
    )
    arguments = _checkpoint_arguments(checkpoint, settings, dtype, device)

    def load() -> Any:
        check_memory(checkpoint, dtype, device)
        use_cores()
        return _build(settings.engine, arguments, checkpoint.name)

    chat = renderer(tokenizer, template)
    return Opened(model=model, tokenizer=tokenizer, chat=chat, device=device, load=load)


def _require_loadable(checkpoint: Checkpoint, engine: str) -> None:
    if checkpoint.layers is not None and engine not in {"local", *HF}:
        raise EngineError(
            f"engine {engine} cannot load {checkpoint.name}, whose layers are a map of another model's",
            allowed="local, hf",
            do="Make a checkpoint of it, in which layers are copied: `regress update`.",
        )


def _harness_arguments(settings: Settings) -> dict[str, Any]:
    """Engine arguments that are for lm-eval."""
    return {name: value for name, value in settings.engine_args.items() if name not in NAMES}


def _checkpoint_arguments(
    checkpoint: Checkpoint, settings: Settings, dtype: str, device: str
) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "pretrained": str(checkpoint.folder),
        "dtype": dtype,
        "batch_size": OTHER_BATCH_SIZE if settings.engine == "local" else batch_size(settings),
        "trust_remote_code": settings.trust_remote_code,
    }
    if settings.engine in {"local", *HF}:
        arguments |= {
            "device": device,
            "softmax_dtype": "float32",
            "use_safetensors": not checkpoint.pickled,
            "weights_only": True,
        }
        if checkpoint.layers is not None:
            arguments["layers"] = checkpoint.layers
        if checkpoint.adapter_folder:
            arguments["peft"] = str(checkpoint.adapter_folder)
    elif checkpoint.adapter_folder:
        arguments["lora_local_path"] = str(checkpoint.adapter_folder)
    if settings.engine == "vllm":
        arguments["seed"] = settings.seed
    return arguments | _harness_arguments(settings)


def _open_remote(name: str, settings: Settings) -> HarnessEngine:
    """An engine that names a model somebody else holds: its weights cannot be fingerprinted."""
    arguments = {"batch_size": batch_size(settings), **settings.engine_args}

    def load() -> Any:
        accepted = _parameters(settings.engine)
        key = "model" if "model" in accepted else "pretrained"
        given = {key: name, "seed": settings.seed}
        known = {option: value for option, value in given.items() if option in accepted}
        return _build(settings.engine, {**known, **arguments}, name)

    return HarnessEngine(
        settings.engine,
        ModelSpec(name=name, source=name, system=settings.system),
        load,
        batch_size=batch_size(settings),
        settings=hidden_settings(settings.engine_args),
        seed=settings.seed,
    )


def _build(engine: str, arguments: Mapping[str, Any], name: str) -> Any:
    from lm_eval.api.registry import get_model

    try:
        with warnings.catch_warnings():
            # PEFT would go on with adapter weights that it made up
            warnings.filterwarnings("error", message="Found missing adapter keys")
            if engine in {"local", *HF}:
                from regress.engines.facts import TellingHFLM

                return TellingHFLM(**arguments)
            return get_model(engine)(**arguments)
    except ImportError as error:
        raise EngineError(
            f"engine {engine} cannot be used here ({error})", do="Install what it needs."
        ) from None
    except RegressError:
        raise
    except Exception as error:  # transformers, safetensors and the rest raise what they like
        if out_of_memory(error):
            raise
        raise _unloadable(f"{name} cannot be loaded by engine {engine}", error) from error


def _unloadable(what: str, error: BaseException) -> ModelError:
    if "trust_remote_code" in str(error):
        return ModelError(
            f"{what}: it comes with Python code of its own",
            do="Read that code, and if you trust it, add --trust-remote-code.",
        )
    if isinstance(error, pickle.UnpicklingError):
        return ModelError(
            f"{what}: its pickled weights hold something else than tensors, or are damaged",
            do="Only a checkpoint in safetensors can be used here.",
        )
    return ModelError(
        f"{what} ({first_line(error)})", do="Check the checkpoint, --dtype, --device and --engine-args."
    )


def _parameters(engine: str) -> set[str]:
    from lm_eval.api.registry import get_model

    try:
        classes = get_model(engine).__mro__
    except (ImportError, ModuleNotFoundError) as error:
        raise EngineError(
            f"engine {engine} cannot be used here ({error})", do="Install what it needs."
        ) from None
    return {name for cls in classes for name in inspect.signature(cls.__init__).parameters}


def _tokenizer(checkpoint: Checkpoint, settings: Settings) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            str(checkpoint.folder), trust_remote_code=settings.trust_remote_code
        )
    except Exception as error:  # the tokenizers library raises bare ones
        raise _unloadable(f"the tokenizer of {checkpoint.name} cannot be loaded", error) from error


def _context_length(checkpoint: Checkpoint, tokenizer: Any, settings: Settings) -> int:
    from lm_eval.models.utils import resolve_max_length
    from transformers import AutoConfig

    if given := settings.engine_args.get("max_length"):
        return int(given)
    try:
        config = AutoConfig.from_pretrained(
            str(checkpoint.folder), trust_remote_code=settings.trust_remote_code
        )
    except Exception as error:  # as in `_build`
        raise _unloadable(f"{checkpoint.name} cannot be loaded", error) from error
    return int(resolve_max_length(config, tokenizer))


def _quantization(arguments: Mapping[str, Any]) -> str | None:
    for name in ("autogptq", "gptqmodel", "quantization"):
        if arguments.get(name):
            return name if arguments[name] is True else str(arguments[name])
    return None


def _hush() -> None:
    """Keep other libraries' chatter out of our output; errors still come through."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(lm_eval|transformers|peft|torchao)\b.*")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
