"""A trained adapter merged into the weights it stands on, tensor by tensor, by their names on disk.

LoRA   W + s·B·A with s = alpha / rank, or alpha / √rank (rsLoRA)
IA3    l·W (rows of W, and the bias) or W·l (columns, of the second module of an MLP)
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from regress.errors import Unsupported
from regress.updates.draft import Draft
from regress.updates.expressions import Shape, Tensor, matmul, product, reshape, turn, weighted
from regress.updates.planning import draft as drafted
from regress.updates.planning import written

_NAME = re.compile(r"base_model\.model\.(.+)\.(lora_A|lora_B|ia3_l)(?:\.weight)?")
_PLAIN: Mapping[str, tuple[Any, ...]] = {
    "use_dora": (False, None),
    "use_qalora": (False, None),
    "lora_bias": (False, None),
    "bias": ("none", None),
    "modules_to_save": (None, []),
    "layer_replication": (None,),
    "trainable_token_indices": (None,),
    "target_parameters": (None, []),
    "alora_invocation_tokens": (None,),
    "arrow_config": (None,),
    "use_bdlora": (None, False),
    "kasa_config": (None,),
    "monteclora_config": (None,),
    "velora_config": (None,),
}
"""Settings of PEFT that make an adapter another function, and what they are where they do not."""


def merged(draft: Draft, adapter: Draft) -> Draft:
    """The model with an adapter of PEFT merged into its weights.

    Args:
        draft: The model.
        adapter: Its configuration is `adapter_config.json`, its tensors bear PEFT's names.

    Raises:
        Unsupported: If it is no plain LoRA, rsLoRA or IA3, or does not fit the model.
    """
    config = adapter.config
    kind = config.get("peft_type")
    if kind not in ("LORA", "IA3"):
        raise Unsupported(f"an adapter of type {kind} is not merged here", allowed="LORA, IA3")
    for setting, plain in _PLAIN.items():
        if config.get(setting) not in plain:
            raise Unsupported(
                f"this adapter is no plain {kind} ({setting} = {config[setting]!r})",
                allowed="plain LoRA, rsLoRA, IA3",
                do="Merge it with PEFT's own `merge_and_unload`.",
            )
    settings, tensors = written(draft)
    for module, parts in _modules(adapter.tensors).items():
        name = f"{module}.weight"
        if name not in tensors:
            raise Unsupported(f"the adapter stands on {module}, and the model has no such weight")
        if kind == "LORA":
            tensors[name] = _lora(module, tensors[name], parts, config)
        else:
            tensors |= _ia3(module, tensors, parts["ia3_l"], turned=bool(config.get("fan_in_fan_out")))
    return drafted(settings, tensors, draft.dtype)


def _modules(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The parts of the adapter by the module that they stand on."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        known = _NAME.fullmatch(name)
        if known is None:
            raise Unsupported(f"the adapter has a tensor {name}, which is no part of plain LoRA or IA3")
        found.setdefault(known[1], {})[known[2]] = tensor
    return found


def _lora(module: str, weight: Tensor, parts: Mapping[str, Tensor], config: Mapping[str, Any]) -> Tensor:
    if set(parts) != {"lora_A", "lora_B"}:
        raise Unsupported(f"the adapter has half of a LoRA on {module}")
    rank = parts["lora_A"].shape[0]
    alpha = _chosen(config.get("alpha_pattern") or {}, module, config.get("lora_alpha", rank))
    divisor = math.sqrt(rank) if config.get("use_rslora") else rank
    change = matmul(parts["lora_B"], parts["lora_A"])
    change = turn(change) if config.get("fan_in_fan_out") else change
    _require_shape(module, weight.shape, change.shape)
    return weighted([weight, change], [1.0, alpha / divisor])


def _chosen(pattern: Mapping[str, float], module: str, default: float) -> float:
    """The value of the first name in `pattern` that a module's ends with, as PEFT reads it."""
    return next(
        (value for name, value in pattern.items() if re.fullmatch(rf"(.*\.)?({name})", module)), default
    )


def _ia3(module: str, tensors: Mapping[str, Tensor], factors: Tensor, *, turned: bool) -> dict[str, Tensor]:
    """The weight, and the bias of what is scaled after it was added."""
    weight = tensors[f"{module}.weight"]
    rows, columns = reversed(weight.shape) if turned else weight.shape
    if factors.shape not in ((rows, 1), (1, columns)):
        _require_shape(module, (rows, 1), factors.shape)
    found = {f"{module}.weight": product(weight, turn(factors) if turned else factors)}
    bias = tensors.get(f"{module}.bias")
    if bias is not None and factors.shape == (rows, 1):
        found[f"{module}.bias"] = product(bias, reshape(factors, rows))
    return found


def _require_shape(module: str, weight: Shape, change: Shape) -> None:
    if weight != change:
        raise Unsupported(
            f"the adapter is made for another model: on {module} its shape is {list(change)}, "
            f"not {list(weight)}"
        )
