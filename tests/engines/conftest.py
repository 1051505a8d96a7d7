"""The reference (lm-eval's own evaluator), and tiny checkpoints made on the spot."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from regress.demo.pair import items_folder

PIECES = ("Q:", " ax", " a", " b", " c", " d", " e", " f", " St", "op", "!", "x", "\n", ".")


@pytest.fixture
def pieces() -> Any:
    """A tokenizer whose tokens are `PIECES`, after `<pad>`, `<s>` (put first) and `</s>`."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<s>", "</s>", "<unk>", *PIECES]
    tokenizer = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>")
    )
    split = Regex("|".join(map(re.escape, sorted(PIECES, key=len, reverse=True))))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(split, "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


@pytest.fixture
def tokenizer(pieces: Any) -> Any:
    """The tokenizer that `make_checkpoint` saves; a test module may replace it."""
    return pieces


def _checkpoint(
    folder: Path, tokenizer: Any, *, seed: int = 0, dtype: str = "float32", **config: Any
) -> Path:
    """A Llama with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    settings = {"vocab_size": len(tokenizer), "max_position_embeddings": 64, **sizes, **special, **config}
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**settings)).to(getattr(torch, dtype))
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


@pytest.fixture
def make_checkpoint(tmp_path: Path, tokenizer: Any) -> Callable[..., Path]:
    """Save a tiny Llama called `name`; further arguments are its seed, dtype and configuration."""

    def make(name: str = "tiny", **changes: Any) -> Path:
        return _checkpoint(tmp_path / name, tokenizer, **changes)

    return make


@pytest.fixture
def make_writer(
    make_checkpoint: Callable[..., Path], edit_weights: Callable[..., None], tokenizer: Any
) -> Callable[..., Path]:
    """A model that after each piece always writes the next one of `chain`; `</s>` ends it."""
    import torch

    def make(*chains: Sequence[str], name: str = "writer", **changes: Any) -> Path:
        folder = make_checkpoint(name, **{"hidden_size": 64, "tie_word_embeddings": False, **changes})
        follows = [
            (tokenizer.convert_tokens_to_ids(a), tokenizer.convert_tokens_to_ids(b))
            for chain in chains
            for a, b in itertools.pairwise(chain)
        ]

        def script(tensors: dict[str, Any]) -> None:
            for key, value in tensors.items():
                if key.endswith(("o_proj.weight", "down_proj.weight")):
                    value.zero_()  # each token is seen alone
            seen = tensors["model.embed_tokens.weight"]
            seen.copy_(torch.randn(seen.shape, generator=torch.Generator().manual_seed(1)))
            head = tensors["lm_head.weight"].zero_()
            for this, following in follows:
                head[following] += seen[this]

        edit_weights(folder, script)
        return folder

    return make


@pytest.fixture
def lm_eval_run(tmp_path: Path) -> Callable[..., Mapping[str, Any]]:
    """lm-eval's own `simple_evaluate`, on tasks whose items lie in a folder of JSON lines.

    Each task is lm-eval YAML that includes ours (or `definitions[name]`) and changes only where the
    items come from.
    """

    def run(
        model: Path | str,
        tasks: Sequence[str],
        data: Path | None = None,
        *,
        definitions: Mapping[str, Path] | None = None,
        limit: int | None = None,
        batch_size: int = 8,
        dtype: str = "float32",
        model_arguments: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> Mapping[str, Any]:
        import lm_eval
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager

        from regress.definitions.yaml_files import tasks_folder

        pointed = tmp_path / "pointed"
        shutil.rmtree(pointed, ignore_errors=True)
        pointed.mkdir()
        for task in tasks:
            definition = (definitions or {}).get(task) or tasks_folder() / task / f"{task}.yaml"
            _point(
                pointed / f"{task}.yaml",
                task,
                definition,
                (data or items_folder()) / task,
                tmp_path / "cache",
            )
        lm = HFLM(
            pretrained=str(model), device="cpu", dtype=dtype, softmax_dtype="float32",
            batch_size=batch_size, **(model_arguments or {}),
        )  # fmt: skip
        return lm_eval.simple_evaluate(
            model=lm,
            tasks=list(tasks),
            task_manager=TaskManager(include_defaults=False, include_path=[str(pointed)]),
            limit=limit,
            log_samples=True,
            bootstrap_iters=0,
            **arguments,
        )

    return run


def _point(file: Path, task: str, definition: Path, items: Path, cache: Path) -> None:
    # lm-eval opens the source of worked examples even where it shows none, so every split must be there
    there = {split: items / f"{split}.jsonl" for split in ("train", "validation", "test")}
    some = next(path for path in there.values() if path.exists())
    document = {
        "include": str(definition),
        "task": task,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {
            "data_files": {split: str(path if path.exists() else some) for split, path in there.items()},
            "cache_dir": str(cache),
        },
    }
    file.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
