"""Quantised formats of other libraries, through transformers' own way of making and storing them.

Their checkpoints hold codes, not weights: smaller files, which need the same library to be loaded, and which
no other step can change.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from regress.errors import MissingExtra, Unsupported, UpdateError, UsageError, first_line
from regress.updates.build import copy_files
from regress.updates.steps.quantize import Quantize


def require_backend(step: Quantize) -> None:
    """Refuse what the library of `step.backend` cannot do, before any weight is read.

    Raises:
        MissingExtra: If it is not installed.
        UsageError: If it has no such levels.
    """
    if importlib.util.find_spec(step.backend) is None:
        raise MissingExtra(f"quantize with backend={step.backend}", extra="bnb", module=step.backend)
    if step.bits not in (4, 8):
        raise UsageError(f"bitsandbytes has no format of {step.bits} bits", allowed="bits=8, bits=4")
    plain = Quantize(bits=step.bits, backend=step.backend)
    if step != plain:
        raise UsageError(
            "bitsandbytes has its own groups and levels",
            allowed="bits and backend alone, of what quantize takes",
        )


def write_quantized(step: Quantize, old: Path, folder: Path) -> None:
    """Store the model in `old` in the format of `step.backend`: LLM.int8() of 8 bits, NF4 of 4.

    Args:
        step: What to do.
        old: The old model; it is only read.
        folder: Where the new checkpoint goes; the caller's to remove if this fails.

    Raises:
        MissingExtra: If the library is not installed.
        UsageError: If it has no such levels.
        Unsupported: If no layer of the model can be stored so.
        UpdateError: If the library fails.
    """
    require_backend(step)
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(old), quantization_config=_settings(step), local_files_only=True, use_safetensors=True
        )
        model.save_pretrained(str(folder))
        _require_running(model)
    except Exception as error:  # libraries raise what they like
        raise UpdateError(f"bitsandbytes cannot store and run {old} ({first_line(error)})") from error
    if not any("bitsandbytes" in type(module).__module__ for module in model.modules()):
        raise Unsupported(f"{old} has no linear layer that bitsandbytes can store")
    copy_files(old, folder)


def _require_running(model: Any) -> None:
    """Some kernels take only widths that are multiples of 32, and say so when they first run."""
    import torch

    with torch.no_grad():
        model.eval()(torch.zeros((1, 2), dtype=torch.long, device=model.device))


def _settings(step: Quantize) -> Any:
    """Computing in float32: a machine without bfloat16 units measures the same."""
    import torch
    from transformers import BitsAndBytesConfig

    if step.bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    )
