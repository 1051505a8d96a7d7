"""Make the demo pair from nothing: one tokenizer, one small Llama, trained in two stages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from regress.demo import items
from regress.demo.items import Item
from regress.demo.stages import Stage

BOS, EOS, PAD = "<s>", "</s>", "<pad>"
VOCABULARY = 2048
CONTEXT = 1024
PROMPT_WEIGHT = 0.2
"""What a prompt token counts in the loss, where a token of the answer counts 1."""

PACKS = (1, 2, items.N_SHOTS + 1, items.N_SHOTS + 1)
"""Word problems in a row: one teaches to read a question, many teach to read the last of them."""

Encoded = tuple[list[int], list[float]]
"""Token ids, and what each counts in the loss."""


def make_tokenizer(seed: int = items.SEED, size: int = 4000) -> PreTrainedTokenizerFast:
    """Byte-level BPE over training texts of all tasks; digits stay single, every text starts with BOS."""
    rng = Random(f"{seed} tokenizer")
    texts = [
        f"{items.prompt(task, item)} {items.target(task, item)}"
        for task in items.FAMILIES
        for item in _draw(task, rng, dict.fromkeys(items.FAMILIES[task], 1.0), size)
    ]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    bos = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, bos)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def _draw(task: str, rng: Random, weights: dict[str, float], size: int) -> list[Item]:
    drawn = items.stream(task, rng, weights, items.shipped(task))
    return [next(drawn) for _ in range(size)]


def make_model(tokenizer: PreTrainedTokenizerFast, seed: int = items.SEED) -> LlamaForCausalLM:
    """An untrained Llama of about a million parameters."""
    torch.manual_seed(seed)
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=344,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        # near 1/sqrt(hidden): with the usual 0.02 so small a model takes three times as long to learn to copy
        initializer_range=0.08,
        dtype="float32",
        **special,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(**special)
    return model


def train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    stage: Stage,
    progress: Callable[[int, float], None] | None = None,
) -> None:
    """Train `model` in place for one stage; `progress` hears (step, loss) after every step."""
    batches = {task: _batches(task, stage, tokenizer) for task in stage.batch}
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], betas=(0.9, 0.95)
    )
    model.train()
    for step in range(stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(stage, step)
        total = 0.0
        for drawn in batches.values():
            loss = _loss(model, next(drawn), tokenizer.pad_token_id) / len(batches)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if progress:
            progress(step + 1, total)
    model.eval()


def _rate(stage: Stage, step: int) -> float:
    """Linear warm-up over a tenth of the stage, then half a cosine down to a hundredth."""
    warm = max(1, stage.steps // 10)
    if step < warm:
        return stage.rate * (step + 1) / warm
    done = (step - warm) / max(1, stage.steps - warm)
    return stage.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def _batches(task: str, stage: Stage, tokenizer: PreTrainedTokenizerFast) -> Iterator[list[Encoded]]:
    """Training batches of a task for ever."""
    rng = Random(f"{stage.seed} {task}")
    drawn = items.stream(task, rng, stage.weights[task], items.shipped(task))
    noise = stage.noise.get(task, 0.0)
    while True:
        pack = rng.choice(PACKS) if task == "gsm8k" else 1
        yield [
            _encode(task, [next(drawn) for _ in range(pack)], noise, rng, tokenizer)
            for _ in range(stage.batch[task] // pack)
        ]


def _encode(
    task: str, pack: Sequence[Item], noise: float, rng: Random, tokenizer: PreTrainedTokenizerFast
) -> Encoded:
    """One sequence of one or more questions with their answers; a wrong choice in a share `noise` of them."""
    ids, weights = [tokenizer.bos_token_id], [0.0]
    for i, item in enumerate(pack):
        answer = items.target(task, item)
        if rng.random() < noise:
            answer = rng.choice([choice for choice in items.choices(task, item) if choice != answer])
        question = "\n\n" * (i > 0) + items.prompt(task, item)
        for text, weight in ((question, PROMPT_WEIGHT), (f" {answer}", 1.0)):
            piece = tokenizer.encode(text, add_special_tokens=False)
            ids += piece
            weights += [weight] * len(piece)
    return [*ids, tokenizer.eos_token_id], [*weights, 1.0]


def _loss(model: LlamaForCausalLM, batch: Sequence[Encoded], pad: int) -> torch.Tensor:
    """Weighted mean cross-entropy of the next token."""
    length = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([row + [pad] * (length - len(row)) for row, _ in batch])  # [B, T]
    weights = torch.tensor([row + [0.0] * (length - len(row)) for _, row in batch])[:, 1:]
    logits = model(input_ids=ids[:, :-1]).logits  # [B, T - 1, V]
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    return (losses * weights).sum() / weights.sum()


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write weights, config and tokenizer in the ordinary layout."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    # written through a temporary file that only its owner may read; a package is read by everyone
    (folder / "model.safetensors").chmod(0o644)
