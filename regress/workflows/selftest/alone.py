"""What models compute by transformers alone, the shortest way.

Nothing of regress is in it but where the built-in model lies, so that what the harness finds is held to
something else than itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from regress.demo.pair import model_folder


class Chooser:
    """A built-in model, loaded by transformers.

    Args:
        name: Its name.
    """

    def __init__(self, name: str) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = str(model_folder(name))
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def token(self, word: str) -> int:
        """The one token that `word` is after a space."""
        (token,) = self._tokenizer.encode(f" {word}", add_special_tokens=False)
        return int(token)

    @torch.no_grad()
    def chosen(self, prompts: Sequence[str], words: Sequence[str]) -> list[str]:
        """For each prompt, the word that is likeliest to follow."""
        tokens = [self.token(word) for word in words]
        answers = []
        for prompt in prompts:
            ids = self._tokenizer(prompt, return_tensors="pt").input_ids
            answers.append(words[int(self._model(ids).logits[0, -1, tokens].argmax())])
        return answers


@torch.no_grad()
def largest_change(old: Path, new: Path, length: int) -> float:
    """Largest |Δlogit| of two models over one text of so many random tokens."""
    from transformers import AutoModelForCausalLM

    models = [AutoModelForCausalLM.from_pretrained(str(folder)).eval() for folder in (old, new)]
    tokens = torch.Generator().manual_seed(0)
    ids = torch.randint(3, models[0].config.vocab_size, (1, length), generator=tokens)
    before, after = (model(ids, use_cache=False).logits for model in models)
    return float((after - before).abs().max())
