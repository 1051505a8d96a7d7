"""What the configurations of Llama and its kin say, and what they cannot say."""

from __future__ import annotations

from typing import Any

from regress.errors import Unsupported
from regress.updates.draft import Architecture, Draft
from regress.updates.families.kin import Kin
from regress.updates.families.limits import require, require_kernel, require_shared, require_traits
from regress.updates.families.tables import written


def settings(kin: Kin, draft: Draft) -> dict[str, Any]:
    """The part of `config.json` that the architecture decides.

    Raises:
        Unsupported: If the family cannot express the draft.
    """
    shape = draft.shape
    _expressible(kin, shape)
    if kin.says("experts"):
        require_kernel(shape.ffn, draft.dtype)
    return {
        **written(kin.settings, shape),
        "rope_parameters": dict(shape.rope or {}),
        **_own(kin, draft),
    }


def _own(kin: Kin, draft: Draft) -> dict[str, Any]:
    """What only some of the kin have, and no field says."""
    shape, found = draft.shape, dict[str, Any]()
    if kin.attention_bias:
        found["attention_bias"] = "layers.0.q.bias" in draft.tensors
    if kin.mlp_bias:
        found["mlp_bias"] = "layers.0.up.bias" in draft.tensors
    if kin.kinds:
        found |= {
            "layer_types": [kind or kin.kinds[0] for kind in shape.kinds],
            "sliding_window": shape.window,
            "use_sliding_window": shape.window is not None,
            "max_window_layers": shape.layers,
        }
    if kin.says("score_scale") and shape.scaled_scores:
        found["attention_multiplier"] = shape.head_dim**-0.5
    return found


def _expressible(kin: Kin, shape: Architecture) -> None:
    require_traits(
        shape,
        kin.title,
        norm="rms",
        gated=kin.gated,
        parallel=False,
        norm_first=True,
        positions="rotary",
        qk_norm=kin.qk_norm,
        experts=kin.says("experts"),
    )
    require(
        kin.share is not None or shape.rotary == shape.head_dim,
        f"{kin.title} rotates all {shape.head_dim} dimensions of a head, and here {shape.rotary} are rotated",
    )
    kind = (shape.rope or {}).get("rope_type", "default")
    require(
        not kin.rope_types or kind in kin.rope_types,
        f"{kin.title} models have no rotary positions of type {kind}",
        allowed=", ".join(kin.rope_types),
    )
    require(
        shape.window is None or kin.says("window") or kin.kinds is not None,
        f"{kin.title} models have no sliding window, and here it is {shape.window} tokens",
    )
    require_shared(shape)
    if kin.divides and shape.hidden % shape.heads:
        raise _no_multiple(kin, shape)


def _no_multiple(kin: Kin, shape: Architecture) -> Unsupported:
    larger = shape.heads * -(-shape.hidden // shape.heads)
    fitting = next((n for n in range(shape.heads, shape.hidden + 1) if shape.hidden % n == 0), None)
    return Unsupported(
        f"{kin.title} models of hidden width {shape.hidden} cannot have {shape.heads} heads",
        allowed=f"a hidden width that is a multiple of the heads, as {larger}"
        + (f"; or {fitting} heads" if fitting else ""),
        do=f"Grow both (heads={shape.heads},hidden={larger}), or put `port:to=mistral` before it.",
    )
