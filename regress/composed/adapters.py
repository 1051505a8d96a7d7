"""Adapters that have learned nothing yet, made by PEFT.

References: Hu et al. (2021), "LoRA", arXiv:2106.09685; Liu et al. (2022), "Few-Shot
Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning" (IA3), arXiv:2205.05638.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from regress.errors import Unsupported, first_line

Kind = Literal["lora", "ia3"]
_SECOND = ("down_proj", "fc2", "dense_4h_to_h", "fc_out", "w2", "mlp.c_proj")
"""Second modules of MLPs: IA3 scales what goes into them, and of all others what comes out."""


@dataclass(frozen=True, kw_only=True)
class AdapterSettings:
    """What an adapter is to be."""

    kind: Kind
    rank: int = 8
    """Width of LoRA's bottleneck."""
    alpha: float = 16.0
    """LoRA's product is multiplied by alpha / rank."""
    dropout: float = 0.0
    """Share of its inputs that LoRA drops while it is trained."""
    targets: tuple[str, ...] = ()
    """Names of the modules that get one; PEFT's choice for the model type if there are none."""


def write_untrained(model: Any, settings: AdapterSettings, folder: Path, *, base: str, seed: int) -> int:
    """Put an untrained adapter on `model` and write it to `folder` as PEFT does.

    Args:
        model: A causal language model of transformers; the adapter stays on it.
        settings: What adapter.
        folder: Where to.
        base: What the adapter says it belongs to.
        seed: Decides LoRA's random half.

    Returns:
        Number of its parameters.

    Raises:
        Unsupported: If PEFT knows no modules for this model, or the model has none of those named.
    """
    from peft import get_peft_model

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a model without a name, a hub that is not asked
        torch.manual_seed(seed)
        try:
            around = get_peft_model(model, _config(settings))
        except ValueError as error:
            raise Unsupported(
                f"PEFT cannot put {settings.kind} on this {model.config.model_type} ({first_line(error)})",
                do="Name modules with targets=[…].",
            ) from None
        around.peft_config["default"].base_model_name_or_path = base
        around.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's is an empty form
    return sum(each.numel() for each in around.parameters() if each.requires_grad)


def _config(settings: AdapterSettings) -> Any:
    from peft import IA3Config, LoraConfig, TaskType

    common: dict[str, Any] = {
        "task_type": TaskType.CAUSAL_LM,
        "target_modules": list(settings.targets) or None,
    }
    if settings.kind == "lora":
        return LoraConfig(r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, **common)
    if settings.targets:
        common["feedforward_modules"] = [name for name in settings.targets if name in _SECOND]
    return IA3Config(**common)
