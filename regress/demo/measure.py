"""What a demo model scores on its own items: the figures on the model cards.

The same prompts and rules as the task adapters', in a few lines and without lm-eval.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from rouge_score.rouge_scorer import RougeScorer
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from regress.demo import items
from regress.demo.items import Item

_BATCH = 40
_STOPS = {"gsm8k": ("Question:",), "samsum": ("Dialogue:", "Summary:", "\n\n")}
_LONGEST = {"gsm8k": 96, "samsum": 48}


def measure(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, task: str, *, limit: int | None = None
) -> list[float]:
    """Score of each evaluation item, in order: 1.0 or 0.0, and ROUGE-1 F1 for summaries."""
    made = items.splits(task)
    asked = made[items.SPLITS[task][0][0]][:limit]
    if task in ("piqa", "hellaswag"):
        return [float(_choose(model, tokenizer, task, item) == int(item["label"])) for item in asked]
    shots = made.get("train", [])[: items.N_SHOTS]
    before = "".join(f"{items.prompt(task, shot)} {items.target(task, shot)}\n\n" for shot in shots)
    texts = _generate(model, tokenizer, task, [before + items.prompt(task, item) for item in asked])
    return [_score(task, text, items.target(task, item)) for text, item in zip(texts, asked, strict=True)]


def _score(task: str, text: str, target: str) -> float:
    if task == "samsum":
        return float(RougeScorer(["rouge1"], use_stemmer=True).score(target, text)["rouge1"].fmeasure)
    read, gold = (re.search(r"#### (\-?[0-9\.\,]+)", answer) for answer in (text, target))
    return float(read is not None and gold is not None and read.group(1) == gold.group(1))


@torch.inference_mode()
def _choose(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, task: str, item: Item) -> int:
    """The choice with the highest summed log-likelihood."""
    context = tokenizer.encode(items.prompt(task, item))
    rows = [tokenizer.encode(f" {choice}", add_special_tokens=False) for choice in items.choices(task, item)]
    longest = max(map(len, rows))
    padding = [[tokenizer.pad_token_id] * (longest - len(row)) for row in rows]
    ids = torch.tensor([context + row + pad for row, pad in zip(rows, padding, strict=True)])  # [C, T]
    logprobs = model(input_ids=ids).logits.log_softmax(-1)[:, len(context) - 1 :]  # [C, T, V]
    sums = [
        sum(float(logprobs[choice, place, token]) for place, token in enumerate(row))
        for choice, row in enumerate(rows)
    ]
    return sums.index(max(sums))


@torch.inference_mode()
def _generate(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, task: str, prompts: Sequence[str]
) -> list[str]:
    """Greedy answers, cut at the first stop string."""
    texts: list[str] = []
    for start in range(0, len(prompts), _BATCH):
        batch = tokenizer(
            list(prompts[start : start + _BATCH]), return_tensors="pt", padding=True, padding_side="left"
        )
        ids = model.generate(**batch, max_new_tokens=_LONGEST[task], do_sample=False)
        texts += tokenizer.batch_decode(ids[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return [re.split("|".join(map(re.escape, _STOPS[task])), text)[0] for text in texts]
