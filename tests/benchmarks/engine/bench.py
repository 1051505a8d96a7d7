"""What a run of the benchmark holds: where it runs, its models on disk, what the machine can do."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .limits import Machine, described, measure
from .models import save_model
from .processes import elsewhere
from .words import special_tokens, words
from .workloads import Items, Writer
from .works import BATCH_SIZES, CPU, GPU_FACTOR, GPU_ONLY, SHAPES, TINY, Shape, Work

REFERENCE = "hf"
OURS = "local"


def available(engine: str) -> bool:
    """Whether this engine can run here."""
    needed = {"hf": "lm_eval", "local": "regress.engines.local"}
    return importlib.util.find_spec(needed[engine]) is not None


@dataclass
class Bench:
    """One run of the benchmark."""

    folder: Path
    """Where models are made; deleted afterwards."""
    device: str = "cpu"
    tiny: bool = False
    repeats: int = 3
    """Timed repetitions of each side; their median counts."""
    ours: str = OURS
    _machines: dict[str, Machine] = field(default_factory=dict)

    @property
    def has_reference(self) -> bool:
        """Whether lm-eval is installed; without it there are no ratios."""
        return available(REFERENCE)

    @functools.cached_property
    def about(self) -> dict[str, Any]:
        """Device, processor, threads and versions."""
        return elsewhere(described, self.device)

    def works(self, only: Sequence[str] = ()) -> list[Work]:
        """The lines to measure, sized for where they run."""
        lines = [*CPU]
        if self.device.startswith("cuda"):
            lines = [replace(w, items=GPU_FACTOR * w.items) for w in CPU]
            lines += GPU_ONLY
        if self.tiny:
            lines = [replace(w, items=4, trial=2) for w in lines]
        return [line for line in lines if not only or line.name in only]

    @property
    def batch_sizes(self) -> Sequence[int]:
        """Batch sizes of lm-eval to try."""
        return (1, 2) if self.tiny else BATCH_SIZES[self.device.split(":")[0]]

    def shape(self, model: str) -> Shape:
        """Sizes of a model, or of the toy that stands for it."""
        return TINY[SHAPES[model].family] if self.tiny else SHAPES[model]

    def model(self, name: str) -> str:
        """The folder of a model, made at its first use."""
        folder = self.folder / (self.shape(name).family if self.tiny else name)
        if not folder.exists():
            say(f"  making {folder.name}")
            elsewhere(save_model, folder, self.shape(name), self.device)
        return str(folder)

    def encode(self, model: str) -> Callable[[str], list[int]]:
        """The model's tokenizer."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(Path(self.model(model)) / "tokenizer.json"))
        return lambda text: list(tokenizer.encode(text).ids)

    def writer(self, model: str) -> Writer:
        """Writes words that the model's tokenizer knows."""
        shape = self.shape(model)
        return Writer(words(shape.vocabulary, specials=len(set(special_tokens(shape.family).values()))))

    def items(self, work: Work) -> Items:
        """What is asked."""
        return work.make(self.writer(work.model), work.items)

    def machine(self, dtype: str) -> Machine:
        """What this machine can do at its best, measured at first use."""
        if dtype not in self._machines:
            self._machines[dtype] = elsewhere(functools.partial(measure, tiny=self.tiny), dtype, self.device)
        return self._machines[dtype]

    def settings(self, engine: str, dtype: str, **more: Any) -> dict[str, Any]:
        """How an engine is opened."""
        return {"engine": engine, "dtype": dtype, "device": self.device, **more}


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)
