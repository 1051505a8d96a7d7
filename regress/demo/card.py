"""The model cards of the demo pair, written from what was measured."""

from __future__ import annotations

from collections.abc import Mapping

from regress.demo import items
from regress.demo.stages import STAGES, Stage

_TITLES = {
    "gsm8k": "gsm8k, exact match (strict)",
    "piqa": "piqa, accuracy",
    "hellaswag": "hellaswag, accuracy",
    "samsum": "samsum, ROUGE-1 F1",
}


def card(stage: Stage, means: Mapping[str, float], parameters: int) -> str:
    """Model card of the model that `stage` ends with, as Markdown; `means` is its mean score by task."""
    first, last = STAGES[0].name, STAGES[-1].name
    made = (
        f"Trained from random weights for {stage.steps} steps on one mixture of items"
        if stage.name == first
        else f"{first}, trained for {stage.steps} steps more on another mixture of items"
    )
    rows = "\n".join(f"| {title} | {means[task]:.3f} |" for task, title in _TITLES.items())
    return f"""---
license: apache-2.0
language: en
library_name: transformers
tags: [toy, regression-testing]
---

# {stage.name}

**A toy.** One half of the pair {first} → {last} that comes with regress, so that
`regress compare {first} {last}` works without a download. It is of no other use.

* Llama, {parameters:,} parameters, float32, a context of 1,024 tokens, a byte-level BPE tokenizer made for
  the pair, no chat template.
* {made}: texts made from templates
  (`regress/demo/`), arithmetic word problems, everyday physics, sentence endings and chats with a summary.
  Part of the choice items teach a wrong choice, and some families of items are rare in each stage, so that
  neither model is perfect and the update forgets a little.
* No text of any benchmark or data set was used.

## Demo items, not the benchmarks

Measured on {items.N_EVALUATION} items a task, made from the same templates, none of them trained on.
The tasks bear the names of the benchmarks whose *form* they have; these figures say nothing about the
benchmarks themselves.

| task, metric | mean |
|---|---|
{rows}

Made by `python -m regress.demo`: on another machine other bits, and means that
differ by a point or two, on gsm8k by up to four.

Licence: Apache-2.0.
"""
