"""Models of every family on disk, new ones made from them by steps, and what both answer."""

from __future__ import annotations

import functools
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from regress.demo.pair import model_folder

from ..models import SIZES, random_model

KINDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{kind: (kind, {}) for kind in SIZES},
    "llama, tied": ("llama", {"tie_word_embeddings": True}),
    "llama, biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
}
"""What a test may ask for: a family, and what is unusual about it."""

SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")
Original = Callable[[str, int, str, bool, str], Path]


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """Makes a model, each once: kind, seed, type, whether it has a tokenizer, its configuration as JSON."""

    @functools.cache
    def made(kind: str, seed: int, dtype: str, spoken: bool, changes: str) -> Path:
        import torch
        from transformers import AutoTokenizer

        folder = tmp_path_factory.mktemp("original")
        family, config = KINDS[kind]
        settings = {**config, **json.loads(changes)}
        if spoken:
            tokenizer = AutoTokenizer.from_pretrained(str(model_folder("demo-v2")))
            special = {key: getattr(tokenizer, key) for key in SPECIAL}
            settings = {"vocab_size": len(tokenizer), **special, **settings}
            tokenizer.save_pretrained(str(folder))
        model = random_model(family, seed=seed, **settings)
        model.to(getattr(torch, dtype)).save_pretrained(str(folder))
        return folder

    return made


@dataclass(frozen=True, kw_only=True)
class Models:
    """Makes, changes and asks models in one temporary folder."""

    folder: Path
    original: Original
    numbers: Iterator[int] = field(default_factory=itertools.count)
    asked: dict[Any, Any] = field(default_factory=dict)

    def make(
        self,
        kind: str,
        *,
        name: str | None = None,
        seed: int = 0,
        dtype: str = "float32",
        spoken: bool = True,
        **config: Any,
    ) -> Path:
        """A model of random weights, in a folder of this test's own.

        Args:
            kind: One of `KINDS`.
            name: The folder.
            seed: Decides the weights.
            dtype: Type of the stored weights.
            spoken: Whether it has a tokenizer, the built-in pair's; otherwise it knows 64 tokens.
            config: What else its configuration says.
        """
        import torch

        folder = self.folder / (name or f"model{next(self.numbers)}")
        shutil.copytree(self.original(kind, seed, dtype, spoken, json.dumps(config)), folder)
        torch.manual_seed(seed)  # whether or not it was there already
        return folder

    def tiny(self, kind: str, **config: Any) -> Path:
        """A model that knows 64 tokens, without a tokenizer."""
        return self.make(kind, spoken=False, **config)

    def saved(self, model: Any) -> Path:
        """A model of transformers on disk."""
        out = self.folder / f"model{next(self.numbers)}"
        model.save_pretrained(str(out))
        return out

    def planned(self, old: Path, *steps: Any, dtype: str | None = None) -> Any:
        """What steps make of a stored model, on paper."""
        from regress.updates.planning import plan
        from regress.updates.stored import open_model

        return plan(open_model(old).draft(), steps, dtype=dtype)

    def changed(self, old: Path, *steps: Any, dtype: str | None = None, seed: int = 0) -> Path:
        """The stored result of steps; it is not verified."""
        from regress.updates.build import new_folder, write_model
        from regress.updates.stored import open_model

        out = self.folder / f"model{next(self.numbers)}"
        with new_folder(out) as folder:
            write_model(self.planned(old, *steps, dtype=dtype), {"old": open_model(old)}, folder, seed)
        return out

    def load(self, folder: Path, dtype: str = "float32") -> Any:
        """A model as anybody loads it; every tensor must be asked for, there, and of its shape."""
        import torch
        from transformers import AutoModelForCausalLM

        # grouped products of experts know no float64
        experts = {"experts_implementation": "eager"} if dtype == "float64" else {}
        model, info = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=getattr(torch, dtype), output_loading_info=True, **experts
        )
        assert not any(info.values()), info
        for weight in model.parameters():  # where they lie in a mapped file decides how products are rounded
            weight.data = weight.data.clone()
        return model.eval()

    def kept(self, folder: Path, dtype: str = "float32") -> Any:
        """The same for questions, which leave a model as it is: it is loaded again if its files change."""
        key = folder, dtype, *(path.stat().st_mtime_ns for path in sorted(folder.iterdir()))
        if key not in self.asked:
            self.asked[key] = self.load(folder, dtype)
        return self.asked[key]

    def ids(self, length: int = 24, vocabulary: int = 64) -> Any:
        """Two random texts."""
        import torch

        return torch.randint(3, vocabulary, (2, length), generator=torch.Generator().manual_seed(1))

    def logits(self, folder: Path, ids: Any = None, dtype: str = "float32") -> Any:
        """A stored model's next-token logits [B, T, V] for token ids [B, T]."""
        import torch

        with torch.no_grad():
            return self.kept(folder, dtype)(self.ids() if ids is None else ids).logits

    def loss(self, folder: Path, ids: Any) -> float:
        """Mean negative log-likelihood of a token of `ids`, in nats."""
        import torch

        with torch.no_grad():
            return float(self.kept(folder)(ids, labels=ids).loss)

    def gap(self, one: Path, other: Path, ids: Any = None, dtype: str = "float32") -> float:
        """Largest difference of two models' logits, in standard deviations of the first one's."""
        a, b = (self.logits(each, ids, dtype).double() for each in (one, other))
        return float((a - b).abs().max() / a.std())

    def written(self, folder: Path, ids: Any = None, *, cache: bool = True) -> list[int]:
        """The 16 tokens that a model writes greedily after token ids [1, T], or after three."""
        ids = self.ids(3)[:1] if ids is None else ids
        found = self.kept(folder).generate(
            ids, max_new_tokens=16, do_sample=False, use_cache=cache, eos_token_id=None, pad_token_id=0
        )
        return [int(token) for token in found[0, ids.shape[1] :]]

    def same(self, one: Path, other: Path) -> None:
        """Both compute one function: logits, and texts with and without a cache."""
        assert self.gap(one, other) <= 1e-4
        assert self.written(one) == self.written(other) == self.written(other, cache=False)


@pytest.fixture
def models(tmp_path: Path, original: Original) -> Models:
    """Makes, changes and asks models."""
    return Models(folder=tmp_path, original=original)


@pytest.fixture
def ids(models: Models) -> Any:
    """Two texts of 40 random tokens, for models with a tokenizer."""
    return models.ids(40, 500)


def _method(fixture: str, name: str) -> Any:
    @pytest.fixture(name=fixture)
    def bound(models: Models) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(models, name)
        return method

    return bound


make_model = _method("make_model", "make")
load = _method("load", "load")
logits = _method("logits", "logits")
update = _method("update", "changed")
planned = _method("planned", "planned")
written = _method("written", "written")


@pytest.fixture
def difference(models: Models, ids: Any) -> Callable[..., float]:
    """See `Models.gap`; on the texts `ids`."""
    return functools.partial(models.gap, ids=ids)
