"""What a model answers by transformers alone: the shortest way from a prompt to an answer of one token.

Nothing of regress is in it but where the model lies, so that the harness's answers are held to something else
than themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

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
