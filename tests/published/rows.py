"""The rows of the published table: recipes, and the figures printed for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from regress.updates.planning import Step

from .own_steps import DisturbLayers, PoolHeads, RoundMatrices, unweighted_experts
from .printed import Bounds, printed

PPL, PPL_BF16 = 3.596, 3.598
"""Perplexities of the old model as published: as it is, and with weights rounded to bfloat16."""
BF16 = ("cast:dtype=bfloat16",)
SIX = (
    "grow:mlp=256,heads=+4,head_dim=12,hidden=96",
    "grow:kv_heads=+2",
    "insert:layers=[2,4]",
)
"""All six function-preserving expansions."""
MOE = "moe:experts=4,top_k=2"
"""Four equal experts, of which two are used; their widths must be multiples of 16 bytes."""


@dataclass(frozen=True)
class Row:
    """One update, and what is published of it."""

    name: str
    """What it is called here and in `--only`."""
    steps: tuple[str | Step, ...]
    """The recipe."""
    line: str = "- - - - - -"
    """The printed figures: perplexity, divergence, same top, accuracy, NFR, PFR."""
    old: tuple[str, ...] = ()
    """The recipe of the model that it starts from, and is compared with."""
    dtype: str | None = None
    """What its weights are stored as; null for what loses nothing."""
    same: bool = False
    """Whether the function is kept: then nothing that is measured may depend on the sample."""
    other: str = ""
    """What was done instead where the table was printed, so that its divergence is not this recipe's."""
    around: Callable[[], AbstractContextManager[None]] = nullcontext
    """In what it is run."""

    @property
    def figures(self) -> Mapping[str, Bounds]:
        """What is printed, by column."""
        return printed(self.line)

    @property
    def old_ppl(self) -> float:
        """Perplexity published of the model that it starts from."""
        return PPL_BF16 if self.old else PPL


_SAME = "3.596 - 100 97.1 0 0"
_PRESERVING = (
    Row("identity", ("layers:map=0-4",), "3.596 0 100 97.1 0 0", same=True),
    Row("composed", (*SIX, MOE), _SAME, same=True),
    Row("permuted-heads", ("reparam:how=permute_heads",), _SAME, same=True),
    Row("rotated-values", ("reparam:how=rotate_values",), _SAME, same=True),
    Row("folded-gains", ("reparam:how=fold_gains",), _SAME, same=True),
    Row("rotated-residual", ("reparam:how=rotate_residual",), _SAME, same=True),
    Row("copied-keys", ("reparam:how=repeat_kv",), _SAME, same=True),
    Row("hidden-x2", ("grow:hidden=2x",), same=True),
)
_FP16, _BF16 = "3.596 5.9e-7 99.97 97.1 0 0", "3.598 5.4e-5 99.59 97.1 0 0"
_GAINS = "only matrices were rounded; in a checkpoint of that type the gains of norms are, too"
_FORMATS = (
    Row("fp16", ("cast:dtype=float16",), _FP16, other=_GAINS),
    Row("fp16-matrices", (RoundMatrices(dtype="float16"),), _FP16),
    Row("bf16", ("cast:dtype=bfloat16",), _BF16, other=_GAINS),
    Row("bf16-matrices", (RoundMatrices(dtype="bfloat16"),), _BF16),
    Row("bf16-hidden-x2", ("grow:hidden=2x",), "3.598 1.6e-5 99.80 97.1 0 0", old=BF16, dtype="bfloat16"),
    Row("bf16-hidden-x4", ("grow:hidden=4x",), "3.598 - 100 97.1 0 0", old=BF16, dtype="bfloat16", same=True),
    Row(
        "bf16-insertion",
        ("insert:layers=[2]",),
        "3.598 0 100 97.1 0 0",
        old=BF16,
        dtype="bfloat16",
        same=True,
    ),
    Row("bf16-composed", (*SIX, MOE), dtype="bfloat16"),
)
_QUANTISED = (
    Row("int8", ("quantize:bits=8",), "3.600 4.6e-4 98.78 96.7 0.4 0"),
    Row("int6", ("quantize:bits=6",), "3.627 7.8e-3 95.35 97.1 0 0"),
    Row("int5", ("quantize:bits=5",), "3.728 3.2e-2 90.32 96.2 0.8 0"),
    Row("int4", ("quantize:bits=4",), "4.219 0.159 80.26 94.2 2.9 0"),
    # 172 units are no multiple of 32; the 20 that are added write nothing, so that a row's last group is
    # rounded as its 12 old weights alone would be
    Row("int4-group-32", ("grow:mlp=192", "quantize:bits=4,group=32"), "4.153 0.142 - - - -"),
    Row("int3", ("quantize:bits=3",), "22.2 1.79 33.66 73.3 23.8 0"),
    Row("int2", ("quantize:bits=2",), "7544 7.66 1.45 27.9 69.6 0.4"),
)
_PRUNED = (
    Row("magnitude-10", ("prune:sparsity=0.1",), "3.63 .008 95 97.1 0 0"),
    Row("magnitude-20", ("prune:sparsity=0.2",), "3.90 .070 86 96.2 1.2 .4"),
    Row("magnitude-30", ("prune:sparsity=0.3",), "5.04 .318 72 92.1 5.0 0"),
    Row("magnitude-50", ("prune:sparsity=0.5",), "36.8 2.30 27 59.6 37.5 0"),
    Row("rows-30", ("prune:sparsity=0.3,per=row",), "4.75 .258 75 93.8 3.3 0"),
    Row("wanda-30", ("prune:sparsity=0.3,by=wanda",), "4.44 .197 79 94.2 2.9 0"),
    Row("rows-50", ("prune:sparsity=0.5,per=row",), "32.6 2.17 28 65.0 32.5 .4"),
    Row("wanda-50", ("prune:sparsity=0.5,by=wanda",), "18.1 1.60 37 71.7 25.8 .4"),
    Row("2:4", ("prune:pattern=2:4",), "123 3.49 14 50.4 47.1 .4"),
    Row("ffn-25", ("prune:sparsity=0.25,pattern=ffn",), "15.5 1.43 40 76.7 20.8 .4"),
)
_LAYERS = (
    Row("drop-0", ("drop:layers=0",), "130 3.56 17 55 42.5 0..0.4"),
    Row("drop-1", ("drop:layers=1",), "13.6 1.31 48 82 15.8 0..0.4"),
    Row("drop-2", ("drop:layers=2",), "7.67 .74 59 88 9.2 0..0.4"),
    Row("drop-3", ("drop:layers=3",), "8.83 .89 54 81 16.2 0..0.4"),
    Row("drop-4", ("drop:layers=4",), "9.50 .95 49 82 15.8 0..0.4"),
    Row("stacked", ("layers:map=[0-4,0-4]",), "5.64 .440 68 89.6 7.9 .4"),
    Row("each-doubled", ("layers:map=[0,0,1,1,2,2,3,3,4,4]",), "6.23 .540 66.5 87.5 10.0 .4"),
    Row("solar", ("layers:map=[0-3,1-4]",), "5.04 .326 74 90.4 7.1 .4"),
    Row("doubled-0", ("layers:map=[0,0,1,2,3,4]",), "4.19 0.134..0.185 79..82 93..96 2.1..4.6 0.4..0.8"),
    Row("doubled-1", ("layers:map=[0,1,1,2,3,4]",), "4.27 0.134..0.185 79..82 93..96 2.1..4.6 0.4..0.8"),
    Row("doubled-2", ("layers:map=[0,1,2,2,3,4]",), "4.14 0.134..0.185 79..82 93..96 2.1..4.6 0.4..0.8"),
    Row("doubled-3", ("layers:map=[0,1,2,3,3,4]",), "4.23 0.134..0.185 79..82 93..96 2.1..4.6 0.4..0.8"),
    Row("doubled-4", ("layers:map=[0,1,2,3,4,4]",), "4.32 0.134..0.185 79..82 93..96 2.1..4.6 0.4..0.8"),
)
_NOISE = ("3.61 .0019 97.8 96.7 .4 0", "3.67 .017 93.3 95.8 1.2 0", "4.73 .261 75 92.9 4.6 .4")
_EMBEDDING = "the embedding, which is the output projection too, got no noise; `edit` disturbs every matrix"
_OTHERS = (
    Row("pooled-heads", (PoolHeads(kv_heads=2),), "84.5 3.11 20 44.2 53.3 .4"),
    Row("gelu", ("activate:to=gelu",), "7.30 .686 64 87.5 10.4 .8"),
    Row("relu", ("activate:to=relu",), "132 3.59 16 50.0 47.5 .4"),
    Row("theta-2e4", ("extend:theta=20000",), "3.67 .021 92.6 95.8 1.2 0"),
    Row("unweighted-experts", (MOE,), "5.21 .357 72 92.1 5.8 .8", around=unweighted_experts),
    Row("gain-x2", ("edit:gain=2",), "5.12 .357 100 96.7 .8 .4"),
    Row("noise-1", ("edit:noise=0.01",), _NOISE[0], other=_EMBEDDING),
    Row("noise-3", ("edit:noise=0.03",), _NOISE[1], other=_EMBEDDING),
    Row("noise-10", ("edit:noise=0.1",), _NOISE[2], other=_EMBEDDING),
    Row("noise-1-layers", (DisturbLayers(noise=0.01),), _NOISE[0]),
    Row("noise-3-layers", (DisturbLayers(noise=0.03),), _NOISE[1]),
    Row("noise-10-layers", (DisturbLayers(noise=0.1),), _NOISE[2]),
)
ROWS: tuple[Row, ...] = (*_PRESERVING, *_FORMATS, *_QUANTISED, *_PRUNED, *_LAYERS, *_OTHERS)
"""The table, from what changes nothing on."""
INFLUENCE = tuple(Bounds.read(word) for word in [".231", ".140", ".116", ".121", ".155"])
"""Block Influence of each layer, as printed."""
