"""Made-up items whose lengths in tokens follow the real benchmarks.

Lengths are mean and standard deviation over the official items, at 1.3 tokens a word: HellaSwag
validation (10,042 items), PIQA validation (1,838), GSM8K test (1,319), SAMSum test (819; two tokens
more a line, for the speaker's colon and the line's end). Answers of GSM8K are counted piece by
piece, since most of their characters are digits and signs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from regress.types import Generation, Loglikelihood, Request

Items = list[list[Request]]
Maker = Callable[["Writer", int], Items]

HELLASWAG_CONTEXT = (53, 19)
HELLASWAG_ENDING = (32, 13)
"""Over items; endings of one item differ from their mean by 7."""
HELLASWAG_WITHIN = 7
HELLASWAG_SHOT = 80
"""Tokens of one worked example; ten of them make the 800 shared ones."""
PIQA_GOAL = (9, 5)
PIQA_SOLUTION = (24, 23)
PIQA_COMMON = (9, 13)
"""Tokens with which both solutions to one goal begin."""
GSM8K_QUESTION = (60, 23)
GSM8K_SHOT = (50, 95)
"""Question and answer of a worked example: the first five of the training split have 650 to 800 tokens."""
GSM8K_ANSWER = 115
SAMSUM_DIALOGUE = (146, 113)
SAMSUM_SUMMARY = 26

GSM8K_UNTIL = ("Question:", "</s>", "<|im_end|>")
SAMSUM_UNTIL = ("Dialogue:", "Summary:", "</s>", "\n\n")
GREEDY = {"do_sample": False, "temperature": 0.0}


class Writer:
    """Writes text of a wanted number of tokens.

    Args:
        words: Each is one token where a space goes before it.
        seed: Same seed, same texts.
    """

    def __init__(self, words: Sequence[str], seed: int = 0) -> None:
        self._words, self._rng = words, np.random.default_rng(seed)

    def text(self, tokens: int) -> str:
        """` word word …`."""
        return "".join(f" {self._words[i]}" for i in self._rng.integers(len(self._words), size=tokens))

    def length(self, mean: float, sd: float, least: int = 2) -> int:
        """A length from the gamma distribution with this mean and standard deviation."""
        return max(least, round(self._rng.gamma((mean / sd) ** 2, sd**2 / mean)))

    def around(self, mean: float, sd: float, least: int = 2) -> int:
        """A length from the normal distribution."""
        return max(least, round(self._rng.normal(mean, sd)))


def hellaswag(write: Writer, n: int, *, choices: int = 4, shots: int = 0) -> Items:
    """Endings of a scene, after the same worked examples for every item."""
    examples = "".join(f"Scene:{write.text(HELLASWAG_SHOT - 4)}\n\n" for _ in range(shots))
    return [_scene(write, examples, choices) for _ in range(n)]


def _scene(write: Writer, examples: str, choices: int) -> list[Request]:
    context = f"{examples}Scene:{write.text(write.length(*HELLASWAG_CONTEXT))}"
    usual = write.length(*HELLASWAG_ENDING)
    lengths = [write.around(usual, HELLASWAG_WITHIN) for _ in range(choices)]
    return [Loglikelihood(context=context, continuation=write.text(length)) for length in lengths]


def hellaswag_10_shot(write: Writer, n: int) -> Items:
    """The same after ten examples."""
    return hellaswag(write, n, shots=10)


def piqa(write: Writer, n: int) -> Items:
    """Two solutions to a goal that begin alike."""
    items: Items = []
    for _ in range(n):
        context = f"Question:{write.text(write.length(*PIQA_GOAL))}\nAnswer:"
        lengths = [write.length(*PIQA_SOLUTION) for _ in range(2)]
        common = min(write.length(*PIQA_COMMON, least=0), *(length - 1 for length in lengths))
        start = write.text(common)
        solutions = [start + write.text(length - common) for length in lengths]
        items.append([Loglikelihood(context=context, continuation=one) for one in solutions])
    return items


def gsm8k(write: Writer, n: int) -> Items:
    """Questions after the same five worked examples."""
    shots = [(write.text(GSM8K_SHOT[0]), write.text(GSM8K_SHOT[1])) for _ in range(5)]
    examples = "".join(f"Question:{question}\nAnswer:{answer}\n\n" for question, answer in shots)
    questions = (write.text(write.length(*GSM8K_QUESTION)) for _ in range(n))
    return [
        [
            Generation(
                prompt=f"{examples}Question:{question}\nAnswer:",
                until=GSM8K_UNTIL,
                max_tokens=256,
                options=GREEDY,
            )
        ]
        for question in questions
    ]


def samsum(write: Writer, n: int) -> Items:
    """Dialogues to sum up; no two prompts share more than a word."""
    dialogues = (write.text(write.length(*SAMSUM_DIALOGUE, least=12)) for _ in range(n))
    return [
        [
            Generation(
                prompt=f"Dialogue:\n{dialogue}\nSummary:", until=SAMSUM_UNTIL, max_tokens=128, options=GREEDY
            )
        ]
        for dialogue in dialogues
    ]
