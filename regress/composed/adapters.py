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
"""What the second module of an MLP is called where PEFT does not know."""


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

    def on(self, model_type: str) -> Targets:
        """The modules of such a model that get one.

        Raises:
            Unsupported: If none are named, and PEFT knows none for this model type.
        """
        from peft.utils import constants

        known = {
            "lora": constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING,
            "ia3": constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING,
        }[self.kind].get(model_type)
        if not self.targets and not isinstance(known, list):
            raise Unsupported(
                f"PEFT does not know which modules of a {model_type} to put {self.kind} on",
                do="Name them with targets=[…].",
            )
        names = self.targets or tuple(known)
        second = constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING.get(model_type, _SECOND)
        return Targets(names=names, second=tuple(name for name in names if name in second))


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Modules that get an adapter, by the ends of their names."""

    names: tuple[str, ...]
    second: tuple[str, ...]
    """Those of them that are the second of an MLP, of which IA3 scales what goes in."""

    def named(self, module: str) -> str | None:
        """The name that a module is meant by; null if it is not."""
        return next((name for name in self.names if module == name or module.endswith(f".{name}")), None)


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
            around = get_peft_model(model, _config(settings, model.config.model_type))
        except ValueError as error:
            raise Unsupported(
                f"PEFT cannot put {settings.kind} on this {model.config.model_type} ({first_line(error)})",
                do="Name modules with targets=[…].",
            ) from None
        around.peft_config["default"].base_model_name_or_path = base
        around.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's is an empty form
    return sum(each.numel() for each in around.parameters() if each.requires_grad)


def _config(settings: AdapterSettings, model_type: str) -> Any:
    from peft import IA3Config, LoraConfig, TaskType

    targets = settings.on(model_type)
    common: dict[str, Any] = {"task_type": TaskType.CAUSAL_LM, "target_modules": list(targets.names)}
    if settings.kind == "ia3":
        return IA3Config(feedforward_modules=list(targets.second), **common)
    return LoraConfig(r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, **common)
