"""Words out of a list, as people type them: with dashes for blanks, several with commas between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from regress.errors import UnknownName, UsageError


def dashed(word: str) -> str:
    """A word as it is typed without quotes.

    >>> dashed("prompt length")
    'prompt-length'
    """
    return word.replace(" ", "-")


def typed(noun: str, words: Sequence[str] | str, known: Iterable[str], *, none: str) -> list[str]:
    """The words named, each as `known` has it.

    Args:
        noun: What they are, for messages.
        words: The words, or a text with commas between them.
        known: Those that there are, dashed.
        none: What is wrong where not one is named.

    Raises:
        UnknownName: If one is none of them.
        UsageError: If there is none.

    >>> typed("cut", "steps,prompt length", ["prompt-length", "steps"], none="nothing to cut by")
    ['steps', 'prompt-length']
    """
    allowed = list(known)
    wanted = [dashed(one.strip()) for one in (words.split(",") if isinstance(words, str) else words)]
    for one in wanted:
        if one not in allowed:
            raise UnknownName(noun, one, allowed)
    if not wanted:
        raise UsageError(none, allowed=", ".join(allowed))
    return wanted
