"""The lines of the table: what is asked of which model, and how much faster it must be."""

from __future__ import annotations

from dataclasses import dataclass

from .workloads import GSM8K_ANSWER, SAMSUM_SUMMARY, Maker, gsm8k, hellaswag, hellaswag_10_shot, piqa, samsum


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A model's sizes; its weights are random."""

    family: str
    """`gpt2` or `llama`."""
    layers: int
    width: int
    heads: int
    kv_heads: int
    inner: int
    """Width between the two (or three) products of the feed-forward layer."""
    vocabulary: int
    positions: int = 2048
    """Enlarged from GPT-2's 1024, so that no few-shot prompt is cut."""
    stops_after: int = round(1.15 * GSM8K_ANSWER)
    """Mean length of an answer if there were no longest one."""
    saved_as: str = "float32"

    @property
    def layer_parameters(self) -> int:
        """Parameters of the matrix products of all layers; neither embeddings nor the head."""
        attention = 2 * self.width**2 + 2 * self.width * (self.width * self.kv_heads // self.heads)
        return self.layers * (attention + (3 if self.family == "llama" else 2) * self.width * self.inner)

    @property
    def head_parameters(self) -> int:
        """Parameters of the projection onto the vocabulary."""
        return self.width * self.vocabulary


GPT2 = {
    "family": "gpt2", "layers": 12, "width": 768, "heads": 12, "kv_heads": 12, "inner": 3072,
    "vocabulary": 50257,
}  # fmt: skip
SHAPES = {
    "gpt2": Shape(**GPT2),
    "gpt2-short": Shape(**GPT2, stops_after=SAMSUM_SUMMARY),
    "llama-15m": Shape(
        family="llama", layers=6, width=288, heads=6, kv_heads=6, inner=768, vocabulary=32000
    ),
    "llama-1b": Shape(
        family="llama", layers=16, width=2048, heads=32, kv_heads=8, inner=8192, vocabulary=32000,
        saved_as="bfloat16",
    ),
}  # fmt: skip
TINY = {
    "gpt2": Shape(
        family="gpt2", layers=2, width=32, heads=2, kv_heads=2, inner=64, vocabulary=1500, stops_after=5
    ),
    "llama": Shape(
        family="llama", layers=2, width=32, heads=2, kv_heads=2, inner=64, vocabulary=1500, stops_after=5
    ),
}


@dataclass(frozen=True, kw_only=True)
class Work:
    """One line of the table."""

    name: str
    """What `--only` calls it."""
    title: str
    must: float | None = None
    """Times faster than lm-eval's `hf` that it must be; null where the issue asks nothing."""
    aim: float | None = None
    model: str = "gpt2"
    """Key of `SHAPES`."""
    dtype: str = "float32"
    make: Maker
    items: int
    """So many that lm-eval takes half a minute or more on two cores."""
    trial: int
    """Items on which its batch sizes are tried."""


CPU = (
    Work(name="hellaswag", title="HellaSwag 0-shot, GPT-2 size", must=5, aim=6, make=hellaswag,
         items=48, trial=16),
    Work(name="hellaswag-bf16", title="HellaSwag 0-shot, GPT-2 bf16", must=2.8, aim=4,
         dtype="bfloat16", make=hellaswag, items=48, trial=16),
    Work(name="hellaswag-llama", title="HellaSwag 0-shot, 15M Llama", must=6, aim=7,
         model="llama-15m", make=hellaswag, items=128, trial=32),
    Work(name="hellaswag-10", title="HellaSwag 10-shot, GPT-2 size", must=20, aim=35,
         make=hellaswag_10_shot, items=12, trial=4),
    Work(name="piqa", title="PIQA 0-shot, GPT-2 size", must=3, aim=4, make=piqa, items=128, trial=32),
    Work(name="gsm8k-llama", title="GSM8K 5-shot, 15M Llama", must=8, aim=12, model="llama-15m",
         make=gsm8k, items=128, trial=32),
    Work(name="gsm8k", title="GSM8K 5-shot, GPT-2 size", must=6, aim=9, make=gsm8k, items=64, trial=32),
    Work(name="samsum", title="SAMSum, GPT-2 size", must=3, aim=5, model="gpt2-short", make=samsum,
         items=64, trial=32),
)  # fmt: skip
GPU_FACTOR = 4
"""A GPU is asked this many times more of the same."""
GPU_ONLY = (
    Work(name="hellaswag-1b", title="HellaSwag 0-shot, 1B bf16", model="llama-1b", dtype="bfloat16",
         make=hellaswag, items=128, trial=32),
    Work(name="gsm8k-1b", title="GSM8K 5-shot, 1B bf16", model="llama-1b", dtype="bfloat16",
         make=gsm8k, items=32, trial=8),
)  # fmt: skip
BATCH_SIZES = {"cpu": (1, 2, 4, 8, 16, 32, 64), "cuda": (8, 16, 32, 64, 128)}
"""Of lm-eval, by kind of device."""
