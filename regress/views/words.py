"""A word diff as people read one: `[-old-]{+new+}`, with the marks of `git diff --word-diff`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from regress.metrics.words import Stretch
from regress.views.untrusted import visible

_MARK = re.compile(r"(\[-|-\]|\{\+|\+\})")
_CLOSES = {"[-": "-]", "{+": "+}"}
_LEFT_OUT = "…"


def marked(diff: Sequence[Stretch], *, context: int | None = None, longest: int | None = None) -> str:
    """A diff as one line of text, made `visible`: old words in `[-…-]`, new ones in `{+…+}`.

    Args:
        diff: The stretches, from `regress.metrics.words.word_diff`.
        context: Words to keep beside a change where both say the same; null for all of them.
        longest: Words to keep of either side of a change; null for all of them.

    >>> diff = [("equal", ("so", "it", "is"), ("so", "it", "is")), ("replace", ("13",), ("7", "eggs"))]
    >>> marked(diff), marked(diff, context=1, longest=1)
    ('so it is [-13-]{+7 eggs+}', '… is [-13-]{+7 …+}')
    """
    last = len(diff) - 1
    shown = []
    for place, (operation, old, new) in enumerate(diff):
        if operation == "equal":
            shown.append(_around(old, context, before=place > 0, after=place < last))
        else:
            removed, added = (_beginning(side, longest) for side in (old, new))
            shown.append((f"[-{removed}-]" if old else "") + (f"{{+{added}+}}" if new else ""))
    return " ".join(filter(None, shown))


def inked(lines: Iterable[str], *, old: Callable[[str], str], new: Callable[[str], str]) -> Iterator[str]:
    """Lines of a `marked` diff, what is marked in them set off; a mark may open on one and close on another.

    Args:
        lines: The text, wrapped.
        old: What sets old words off.
        new: What sets new words off.

    >>> list(inked(["is [-13", "eggs-] now"], old=str.upper, new=str))
    ['is [-13', 'EGGS-] now']
    """
    inks, opened = {"[-": old, "{+": new}, ""
    for line in lines:
        shown = []
        for piece in _MARK.split(line):
            if not opened and piece in inks:
                opened = piece
            shown.append(inks[opened](piece) if opened and piece else piece)
            if opened and piece == _CLOSES[opened]:
                opened = ""
        yield "".join(shown)


def _around(words: Sequence[str], context: int | None, *, before: bool, after: bool) -> str:
    """Words that both sides share, without those far from any change."""
    if context is None:
        return visible(" ".join(words))
    if len(words) <= context * (before + after):
        return visible(" ".join(words))
    left, right = words[: context * before], words[len(words) - context * after :]
    return " ".join(filter(None, (visible(" ".join(left)), _LEFT_OUT, visible(" ".join(right)))))


def _beginning(words: Sequence[str], longest: int | None) -> str:
    cut = longest is not None and len(words) > longest
    return visible(" ".join(words[:longest])) + (f" {_LEFT_OUT}" if cut else "")
