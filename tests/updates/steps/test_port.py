"""A port computes the same through another class of transformers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from regress.errors import UnknownName, Unsupported
from regress.updates.claims import Level
from regress.updates.draft import Draft
from regress.updates.planning import Plan, Step, plan
from regress.updates.steps.grow import Grow
from regress.updates.steps.insert import Insert
from regress.updates.steps.port import Port
from regress.updates.stored import open_model

pytestmark = pytest.mark.models

PORTS: Mapping[str, tuple[str, dict[str, Any], str]] = {
    **{f"llama to {to}": ("llama", {}, to) for to in ("mistral", "qwen2", "phi3", "granite", "mixtral")},
    "gpt2 to opt": ("gpt2", {}, "opt"),
    "gpt2, other eps, untied, to opt": (
        "gpt2", {"layer_norm_epsilon": 1e-2, "tie_word_embeddings": False}, "opt",
    ),
    "gpt2, tied, other eps, to opt": ("gpt2", {"layer_norm_epsilon": 1e-2}, "opt"),
    "gpt2, by layer, to opt": ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "opt"),
    "gpt2, undivided, to opt": ("gpt2", {"scale_attn_weights": False}, "opt"),
    "gpt_neo to opt": ("gpt_neo", {"window_size": 64}, "opt"),
    "gpt_neo to gpt2": ("gpt_neo", {"window_size": 64}, "gpt2"),
    "opt to gpt2": ("opt", {}, "gpt2"),
    "opt, bare, to gpt2": ("opt", {"enable_bias": False, "layer_norm_elementwise_affine": False}, "gpt2"),
    "opt, no q, k, v biases, to gpt_neo": ("opt", {"enable_bias": False}, "gpt_neo"),
    "granite to llama": ("granite", {}, "llama"),
    "granite, tied, to llama": ("granite", {"tie_word_embeddings": True}, "llama"),
    "qwen2 to llama": ("qwen2", {}, "llama"),
    "mistral, window, to phi3": ("mistral", {"sliding_window": 8}, "phi3"),
    "mistral, window, to qwen2": ("mistral", {"sliding_window": 8}, "qwen2"),
    "mixtral, one expert, to llama": (
        "mixtral", {"num_local_experts": 1, "num_experts_per_tok": 1}, "llama",
    ),
    "phi3 to llama": ("phi3", {}, "llama"),
}  # fmt: skip


@pytest.mark.parametrize("port", PORTS)
def test_logits_and_texts_stay(
    port: str,
    make_model: Callable[..., Path],
    update: Callable[..., Path],
    difference: Callable[..., float],
    written: Callable[..., Any],
    ids: Any,
) -> None:
    kind, config, to = PORTS[port]
    old = make_model(kind, **config)
    new = update(old, Port(to=to))
    assert difference(old, new) < 1e-4
    assert difference(old, new, dtype="float64") < 1e-5
    text = written(old, ids[:1, :9])
    assert written(new, ids[:1, :9]) == text
    assert written(new, ids[:1, :9], cache=False) == text


@pytest.fixture
def ported(make_model: Callable[..., Path]) -> Callable[..., Plan]:
    """The plan of a port of a model of the family `kind` with the configuration `config`."""

    def of(kind: str, to: str, dtype: str = "float32", **config: Any) -> Plan:
        return plan(open_model(make_model(kind, dtype=dtype, **config)).draft(), [Port(to=to)])

    return of


@pytest.mark.parametrize("port", PORTS)
def test_the_claim_is_same_for_texts_of_any_length(port: str, ported: Callable[..., Plan]) -> None:
    kind, config, to = PORTS[port]
    made = ported(kind, to, **config)
    assert (made.claim.level, made.claim.length) == (Level.SAME, None)
    assert made.notes == ()


@pytest.mark.parametrize(
    ("kind", "config", "to"), [("gpt_neo", {}, "opt"), ("mistral", {"sliding_window": 8}, "llama")]
)
def test_where_windows_end_the_claim_ends_with_them(
    kind: str,
    config: dict[str, Any],
    to: str,
    make_model: Callable[..., Path],
    update: Callable[..., Path],
    logits: Callable[..., Any],
    ported: Callable[..., Plan],
    ids: Any,
) -> None:
    made = ported(kind, to, **config)
    assert (made.claim.level, made.claim.length) == (Level.SAME, 8)
    assert "8 tokens" in made.notes[0]
    old = make_model(kind, **config)
    new = update(old, Port(to=to))
    apart = (logits(old, ids) - logits(new, ids)).abs().amax((0, 2)) / logits(old, ids).std()
    assert apart[:8].max() < 1e-4
    assert apart[8:].max() > 1e-2


REFUSED: Mapping[str, tuple[str, dict[str, Any], str, str]] = {
    "norms of queries and keys are added": ("llama", {}, "qwen3", "norms of queries and keys"),
    "norms of queries and keys are left out": ("qwen3", {}, "llama", "norms of queries and keys"),
    "another norm": ("llama", {}, "opt", "OPT models have LayerNorm, and this one has RMSNorm"),
    "NeoX is no Llama": ("gpt_neox", {}, "llama", "Llama models have RMSNorm, and this one has LayerNorm"),
    "NeoX has rotary positions": (
        "gpt_neox", {"use_parallel_residual": False}, "opt",
        "a table of learned positions, and this one has rotary positions",
    ),
    "NeoX is parallel": ("gpt_neox", {}, "opt", "attention and MLP side by side"),
    "norms after the sums": ("opt", {"do_layer_norm_before": False}, "gpt2", "norms after the sums"),
    "several experts": ("mixtral", {}, "llama", "one MLP a layer, and this one has experts"),
    "biases": ("qwen2", {}, "mixtral", "Mixtral models have no layers.0.k.bias"),
    "biases of queries": ("gpt2", {}, "gpt_neo", "GPT-Neo models have no layers.0.k.bias"),
    "half a head is rotated": (
        "phi3",
        {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}},
        "llama",
        "Llama rotates all 8 dimensions of a head, and here 4 are rotated",
    ),
    "stretched positions": (
        "llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}, "phi3",
        "Phi-3 models have no rotary positions of type linear",
    ),
    "norms that add nothing": (
        "gpt2", {"layer_norm_epsilon": 0.0}, "opt", "no factor makes one of the other. Allowed: eps = 1e-05",
    ),
    "no norm at the end": (
        "opt", {"_remove_final_layer_norm": True}, "gpt2", "GPT-2 models need final_norm.bias",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_other_class_cannot_express_is_refused(case: str, ported: Callable[..., Plan]) -> None:
    kind, config, to, reason = REFUSED[case]
    with pytest.raises(Unsupported) as refusal:
        ported(kind, to, **config)
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "to", "others"),
    [
        ("llama", "qwen3", "mistral, qwen2, mixtral, phi3, granite."),
        ("gpt2", "llama", "opt."),
        ("gpt_neox", "llama", "no model of another family."),
    ],
)
def test_a_refusal_says_what_is_possible(
    kind: str, to: str, others: str, ported: Callable[..., Plan]
) -> None:
    with pytest.raises(Unsupported) as refusal:
        ported(kind, to)
    assert str(refusal.value).endswith(f"It can become {others}")


def test_an_unknown_family_is_refused(ported: Callable[..., Plan]) -> None:
    with pytest.raises(UnknownName, match="did you mean 'mistral'"):
        ported("llama", "mistrall")


def test_a_port_to_its_own_family_changes_nothing(ported: Callable[..., Plan]) -> None:
    made = ported("llama", "llama")
    assert made.claim.level == Level.IDENTICAL
    assert made.notes == ("This is a Llama model already.",)


@pytest.mark.parametrize("port", PORTS)
def test_the_configuration_has_no_setting_of_the_old_family(port: str, ported: Callable[..., Plan]) -> None:
    from transformers import AutoConfig

    kind, config, to = PORTS[port]
    known = set(AutoConfig.for_model(to).to_dict()) | {"head_dim"}
    assert set(ported(kind, to, **config).config) <= known


def test_special_tokens_and_initialisation_come_along_and_dropout_is_off(
    ported: Callable[..., Plan],
) -> None:
    made = ported(
        "gpt2", "opt", eos_token_id=[2, 7], pad_token_id=None, initializer_range=0.03, resid_pdrop=0.4
    )
    assert (made.config["bos_token_id"], made.config["eos_token_id"]) == (1, [2, 7])
    assert made.config["pad_token_id"] is None
    assert made.config["init_std"] == 0.03
    assert (made.config["dropout"], made.config["attention_dropout"]) == (0.0, 0.0)


def test_there_and_back_is_where_it_began(
    make_model: Callable[..., Path], update: Callable[..., Path], weights: Callable[[Path], dict[str, Any]]
) -> None:
    import torch

    old = make_model("gpt2")
    back = update(update(old, Port(to="opt")), Port(to="gpt2"))
    before, after = weights(old), weights(back)
    assert set(before) == set(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("kind", "to", "dtype"),
    [("gpt2", "opt", "bfloat16"), ("llama", "qwen2", "bfloat16"), ("gpt_neo", "opt", "float32")],
)
def test_weights_keep_their_type_unless_a_factor_would_be_rounded(
    kind: str, to: str, dtype: str, ported: Callable[..., Plan]
) -> None:
    """GPT-Neo's queries are multiplied by the square root of 8, which no bfloat16 holds."""
    made = ported(kind, to, dtype="bfloat16", **({"window_size": 64} if kind == "gpt_neo" else {}))
    assert (made.dtype, made.claim.level) == (dtype, Level.SAME)


FORGOTTEN: Mapping[str, tuple[str, dict[str, Any], str, str]] = {
    "what norms add": ("gpt2", {"layer_norm_epsilon": 1e-2}, "opt", "opt.with_eps"),
    "the square root of head_dim": ("gpt_neo", {"window_size": 64}, "opt", "opt.with_scaled_scores"),
    "the layer's number": (
        "gpt2", {"scale_attn_by_inverse_layer_idx": True}, "opt", "opt.with_scaled_scores",
    ),
    "the attention's multiplier": ("granite", {}, "llama", "llama.with_scaled_scores"),
    "the other multipliers": ("granite", {}, "llama", "llama.without_multipliers"),
}  # fmt: skip


@pytest.mark.parametrize("forgotten", FORGOTTEN)
def test_a_fold_that_is_left_out_shows(
    forgotten: str,
    make_model: Callable[..., Path],
    update: Callable[..., Path],
    difference: Callable[..., float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, config, to, fold = FORGOTTEN[forgotten]
    old = make_model(kind, **config)
    monkeypatch.setattr(f"regress.updates.families.{fold}", lambda draft, *_: draft)
    assert difference(old, update(old, Port(to=to))) > 1e-3


FURTHER: Mapping[str, tuple[str, list[Step]]] = {
    "opt grows": ("gpt2", [Port(to="opt"), Grow(heads=6, hidden=48, mlp="2x"), Insert(every=1)]),
    "heads that Llama cannot have": ("llama", [Grow(heads=6), Port(to="mistral"), Grow(head_dim=12)]),
    "mixtral grows": ("llama", [Port(to="mixtral"), Grow(mlp=60, hidden=48)]),
    "granite's scale grows": ("llama", [Port(to="granite"), Grow(head_dim=16)]),
    "from class to class": (
        "llama",
        [Port(to="qwen2"), Port(to="llama"), Port(to="granite"), Insert(every=3)],
    ),
}


@pytest.mark.parametrize("case", FURTHER)
def test_ports_and_growth_follow_each_other(
    case: str, make_model: Callable[..., Path], update: Callable[..., Path], difference: Callable[..., float]
) -> None:
    kind, steps = FURTHER[case]
    old = make_model(kind)
    assert difference(old, update(old, *steps)) < 1e-4


def test_a_family_that_nobody_described_is_refused(unknown_draft: Draft) -> None:
    with pytest.raises(Unsupported, match="nobody has described"):
        Port(to="llama").plan(unknown_draft)


@pytest.mark.shared
@pytest.mark.parametrize("to", ["mistral", "qwen2", "phi3", "granite", "mixtral"])
def test_a_trained_llama(
    to: str, stories: Path, update: Callable[..., Path], difference: Callable[..., float]
) -> None:
    assert difference(stories, update(stories, Port(to=to))) < 1e-4
