"""Quick figures of a demo model on its own items: what the model cards say.

The same prompts and rules as the task adapters', without lm-eval; nothing else relies on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from rouge_score.rouge_scorer import RougeScorer
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from regress.demo import items
from regress.demo.items import Item

_BATCH = 40
_STOPS = {"gsm8k": ("Question:", "</s>"), "samsum": ("Dialogue:", "Summary:", "</s>", "\n\n")}
_LONGEST = {"gsm8k": 80, "samsum": 48}


def measure(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, task: str, asked: Sequence[Item], shots: Sequence[Item]
) -> list[float]:
    """Score of each item: 1.0 or 0.0, and ROUGE-1 F1 for summaries."""
    if task in ("piqa", "hellaswag"):
        return [float(choice == int(item["label"])) for choice, item in zip(_choose(model, tokenizer, task, asked), asked, strict=True)]
    before = "".join(f"{items.prompt(task, shot)} {items.target(task, shot)}\n\n" for shot in shots)
    texts = _generate(model, tokenizer, task, [before + items.prompt(task, item) for item in asked])
    if task == "gsm8k":
        return [float(_result(text) == _result(item["answer"])) for text, item in zip(texts, asked, strict=True)]
    rouge = RougeScorer(["rouge1"], use_stemmer=True)
    return [float(rouge.score(item["summary"], text)["rouge1"].fmeasure) for text, item in zip(texts, asked, strict=True)]


def _result(text: str) -> str | None:
    found = re.search(r"#### (\-?[0-9\.\,]+)", text)
    return found.group(1).replace(",", "") if found else None


@torch.inference_mode()
def _choose(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, task: str, asked: Sequence[Item]) -> list[int]:
    """For each item the choice with the highest summed log-likelihood."""
    chosen = []
    for item in asked:
        context = tokenizer.encode(items.prompt(task, item))
        rows = [tokenizer.encode(f" {choice}", add_special_tokens=False) for choice in items.choices(task, item)]
        length = max(map(len, rows))
        ids = torch.tensor([context + row + [tokenizer.pad_token_id] * (length - len(row)) for row in rows])
        logprobs = model(input_ids=ids).logits.log_softmax(-1)[:, len(context) - 1 : -1]
        sums = [
            logprobs[i, torch.arange(len(row)), torch.tensor(row)].sum().item() for i, row in enumerate(rows)
        ]
        chosen.append(sums.index(max(sums)))
    return chosen


@torch.inference_mode()
def _generate(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, task: str, prompts: Sequence[str]) -> list[str]:
    """Greedy answers, cut at the first stop string."""
    texts = []
    for start in range(0, len(prompts), _BATCH):
        inputs = tokenizer(list(prompts[start : start + _BATCH]), return_tensors="pt", padding=True, padding_side="left")
        shape = inputs["input_ids"].shape[1]
        ids = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=_LONGEST[task],
            do_sample=False,
        )
        texts += tokenizer.batch_decode(ids[:, shape:], skip_special_tokens=True)
    for stop in _STOPS[task]:
        texts = [text.split(stop)[0] for text in texts]
    return texts
