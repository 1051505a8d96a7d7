"""All oracles, in order: what is done, and what must come of it."""

from __future__ import annotations

from regress.workflows.selftest import gates, orders, reckoned, unchanged
from regress.workflows.selftest.bench import EARLIER
from regress.workflows.selftest.oracle import Oracle

SIX = (
    ("grow:mlp=1.5x",),
    ("grow:heads=2x",),
    ("grow:head_dim=48",),
    ("grow:hidden=160",),
    ("grow:mlp=+40,heads=2x,head_dim=48,hidden=192", "insert:every=2"),
)
"""The expansions that keep the function, alone and together."""
MOE = ("moe:experts=3,top_k=2",)

ORACLES: tuple[Oracle, ...] = (
    # ── class I: nothing changes ─────────────────────────────────────────────────────────────────
    Oracle(number="I-1", name="the same checkpoint twice", facts=unchanged.again, quick=True),
    Oracle(number="I-2", name="six expansions, each and together", facts=unchanged.same(*SIX)),
    Oracle(
        number="I-3",
        name="layers put in that add nothing",
        facts=unchanged.identical(("insert:layers=[0,3],source=random",)),
        quick=True,
    ),
    Oracle(
        number="I-4",
        name="experts that are copies",
        facts=unchanged.same(MOE, ("moe:experts=2,top_k=2,shards=2",)),
    ),
    Oracle(
        number="I-5a",
        name="LoRA, untrained",
        facts=unchanged.identical(("adapt:kind=lora",)),
    ),
    Oracle(
        number="I-5b",
        name="IA3, untrained",
        facts=unchanged.same(("adapt:kind=ia3",)),
    ),
    Oracle(
        number="I-6",
        name="saved and loaded",
        facts=unchanged.stored(SIX[-1], MOE, ("port:to=phi3",), ("cast:dtype=bfloat16",)),
    ),
    Oracle(
        number="I-7",
        name="ported to other classes",
        facts=unchanged.same(*((f"port:to={kind}",) for kind in ("mistral", "qwen2", "phi3", "granite"))),
    ),
    Oracle(
        number="I-8a",
        name="symmetries",
        facts=unchanged.same(
            ("reparam:how=permute_ffn", "reparam:how=permute_heads"),
            ("reparam:how=rotate_values",),
            ("reparam:how=rotate_residual",),
        ),
    ),
    Oracle(
        number="I-8b",
        name="symmetries that keep every bit",
        facts=unchanged.identical(("reparam:how=scale_ffn",), ("reparam:how=untie",)),
    ),
    Oracle(number="I-9", name="inside a range, and beyond it", facts=unchanged.reach),
    Oracle(number="I-10", name="another attention kernel and engine", facts=unchanged.kernels),
    Oracle(
        number="I-11",
        name="updates of nothing",
        facts=unchanged.identical(
            ("layers:map=[0,1,2,3]",),
            (f"merge:others={EARLIER},weights=[1,0]",),
            ("prune:sparsity=0",),
            ("extend:positions=2048",),
        ),
    ),
    Oracle(number="I-12", name="a model together with itself", facts=unchanged.beside_itself),
    # ── class II: what follows by hand ───────────────────────────────────────────────────────────
    Oracle(number="II-1", name="a louder final norm", facts=reckoned.louder),
    Oracle(number="II-2", name="two answer tokens exchanged", facts=reckoned.swapped, quick=True),
    Oracle(number="II-3", name="an answer token muted", facts=reckoned.muted),
    Oracle(number="II-4", name="old and new model together", facts=reckoned.together),
    Oracle(number="II-5", name="a silenced layer is a dropped one", facts=reckoned.silenced),
    Oracle(number="II-6", name="done twice, or undone", facts=reckoned.undone),
    Oracle(number="II-7", name="layers that share weights", facts=reckoned.shared),
    Oracle(number="II-8", name="bugs put into recipes", facts=reckoned.refused),
    Oracle(number="II-9", name="identities of the flip table", facts=reckoned.identities, quick=True),
    # ── class III: what is larger than what ──────────────────────────────────────────────────────
    Oracle(number="III-1", name="fewer bits", facts=orders.bits),
    Oracle(number="III-2", name="fewer weights", facts=orders.sparsity),
    Oracle(number="III-3", name="maps of layers", facts=orders.maps),
    Oracle(number="III-4", name="expansions in bfloat16", facts=orders.formats),
    Oracle(number="III-5", name="noise", facts=orders.noise),
    # ── class G: what the gate says ──────────────────────────────────────────────────────────────
    Oracle(number="G-1", name="the gate on an update of nothing", facts=gates.nothing, quick=True),
    Oracle(number="G-2", name="the gate on ruin", facts=gates.ruin, quick=True),
)
