"""Checkpoints as transformers models, refused unless every weight was found and used."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from regress.checkpoints import Checkpoint, resolve
from regress.composed.averaging import Averaged
from regress.composed.ensemble import Ensemble
from regress.composed.loading import move_apart, put_together
from regress.errors import RegressError, UpdateError, first_line

Model = Path | Checkpoint | Ensemble
"""What can be loaded: a folder with a checkpoint, what `regress.checkpoints.resolve` found, or several."""


def load(model: Model, dtype: str) -> Any:
    """A model in eval mode, with weights of `dtype`, its layers mapped and its adapter put on.

    Of an ensemble, the model whose next-token probabilities are the mean of its members'.

    Args:
        model: What to load.
        dtype: Type of the weights, by torch's name.

    Raises:
        UpdateError: If transformers cannot load it, or reports keys that are missing, left over, or of
            another shape.
        ModelError: If its adapter does not fit.
    """
    from transformers import AutoModelForCausalLM

    if isinstance(model, Ensemble):
        members = [load(resolve(each.model, {}), dtype) for each in model.members]
        return Averaged(members, model.weights, geometric=model.by == "product").eval()
    folder = model.folder if isinstance(model, Checkpoint) else model
    loaded = _loaded(AutoModelForCausalLM, str(folder), dtype, str(folder))
    if isinstance(model, Checkpoint):
        loaded = put_together(loaded, model.layers, model.adapter_folder)
        # PEFT keeps an adapter in float32; buffers such as rotary frequencies stay as they are
        for weight in loaded.parameters() if dtype == "float64" else ():
            weight.data = weight.data.double()
    return loaded


def in_memory(config: Mapping[str, Any], state: Mapping[str, torch.Tensor], dtype: str) -> Any:
    """The model of a configuration and of tensors by their names on disk.

    Raises:
        UpdateError: As `load`.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

    settings = {key: value for key, value in config.items() if key != "model_type"}
    with _as_update_error("the new configuration"):
        made = AutoConfig.for_model(config["model_type"], **settings)
        kind = MODEL_FOR_CAUSAL_LM_MAPPING[type(made)]
    return _loaded(kind, "the new model", dtype, None, config=made, state_dict=dict(state))


def _loaded(kind: Any, name: str, dtype: str, source: str | None, **given: Any) -> Any:
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    # grouped products of experts are not written for float64
    experts = {"experts_implementation": "eager"} if dtype == "float64" else {}
    with _as_update_error(name):
        model, report = kind.from_pretrained(
            source,
            dtype=getattr(torch, dtype),
            output_loading_info=True,
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # reported, and refused below by name
            **experts,
            **given,
        )
    _require_all(name, report)
    move_apart(model)
    return model.eval()


def _require_all(name: Any, report: Mapping[str, Any]) -> None:
    for kind, what in (
        ("missing_keys", "lacks weights that transformers looks for"),
        ("unexpected_keys", "has weights that transformers has no use for"),
        ("mismatched_keys", "has weights of another shape than transformers looks for"),
    ):
        if keys := sorted(key if isinstance(key, str) else key[0] for key in report.get(kind) or ()):
            raise UpdateError(
                f"{name} {what}: {len(keys)}, the first of them {keys[0]}",
                do="Its config.json and its weights do not belong together.",
            )


@contextlib.contextmanager
def _as_update_error(name: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (RegressError, MemoryError):
        raise
    except Exception as error:  # transformers raises what it likes
        raise UpdateError(f"{name} cannot be loaded by transformers ({first_line(error)})") from error
