"""Made-up words, one token each, and the byte-level BPE tokenizer that reads them.

A word is a space and two or three syllables of one consonant and one vowel (` bakedo`). Its token is
made by merges as a trained tokenizer's would be, so that tokenising costs what it costs in life.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SPACE = "Ġ"  # how byte-level BPE writes a space
SYLLABLES = [a + b for a, b in itertools.product("bcdfghjklmnpqrstvwxz", "aeiou")]
KEYWORDS = ("Question", "Answer", "Dialogue", "Summary")


def words(vocabulary: int, *, specials: int) -> list[str]:
    """Every made-up word that is one token of a vocabulary of this size."""
    return [
        "".join(pair).removeprefix(SPACE) for pair in _merges(vocabulary, specials) if len("".join(pair)) > 3
    ]


def save_tokenizer(folder: Path, vocabulary: int, family: str) -> None:
    """Save a tokenizer of exactly `vocabulary` tokens with the special tokens of its family."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    named = special_tokens(family)
    specials = list(dict.fromkeys(named.values()))
    merges = list(_merges(vocabulary, len(specials)))
    tokens = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet()), *_keyword_tokens()]
    tokens += ["".join(pair) for pair in merges]
    bpe = models.BPE({token: i for i, token in enumerate(tokens)}, [*_keyword_merges(), *merges])
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if family == "llama":
        begin = named["bos_token"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", pair=f"{begin} $A $B", special_tokens=[(begin, tokens.index(begin))]
        )
    fast: Any = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)
    assert len(fast) == vocabulary, (len(fast), vocabulary)
    fast.save_pretrained(str(folder))


def special_tokens(family: str) -> dict[str, str]:
    """The special tokens of a family, the first of them token 0."""
    if family == "gpt2":
        return dict.fromkeys(("bos_token", "eos_token", "pad_token"), "<|endoftext|>")
    return {"pad_token": "<unk>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}


def _merges(vocabulary: int, specials: int) -> Iterator[tuple[str, str]]:
    """Syllables, ` ` + syllable, then words of two and of three syllables until the vocabulary is full."""
    return itertools.islice(_all_merges(), vocabulary - 256 - len(_keyword_tokens()) - specials)


def _all_merges() -> Iterator[tuple[str, str]]:
    yield from ((syllable[0], syllable[1]) for syllable in SYLLABLES)
    yield from ((SPACE, syllable) for syllable in SYLLABLES)
    two = [(SPACE + a, b) for a in SYLLABLES for b in SYLLABLES]
    yield from two
    for third in SYLLABLES:
        yield from ((a + b, third) for a, b in two)


def _keyword_merges() -> list[tuple[str, str]]:
    """Letter by letter from the left; before all other merges, so that nothing else takes the letters."""
    return [(word[:i], word[i]) for word in KEYWORDS for i in range(1, len(word))]


def _keyword_tokens() -> list[str]:
    return ["".join(pair) for pair in _keyword_merges()]
