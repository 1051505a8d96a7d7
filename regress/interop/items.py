"""What several formats say of an item in the same words: which choice is meant, which fields are strata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TAGS = (
    *("subject", "subset", "category", "domain", "subdomain", "topic"),
    *("difficulty", "level", "language", "split"),
)
"""Fields of free metadata that name a stratum; others may be different for each item."""


def tags(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The strata that an item's metadata names.

    >>> tags({"subject": "law", "level": 3, "uuid": "7f"})
    {'subject': 'law', 'level': '3'}
    """
    return {
        name: str(metadata[name])
        for name in TAGS
        if isinstance(metadata.get(name), (str, int)) and metadata[name] != ""
    }


def place(text: str, choices: Sequence[str], *, by_index: bool = False) -> int | None:
    """Which choice is meant: by its text, by a capital letter, or by its index; null if none or several are.

    >>> place("blue", ["red", "blue"]), place("B", ["red", "blue"]), place("1", ["red", "blue"])
    (1, 1, None)
    >>> place("1", ["red", "blue"], by_index=True)
    1
    """
    text = text.strip()
    same = [i for i, choice in enumerate(choices) if choice.strip() == text]
    if same:
        return same[0] if len(same) == 1 else None
    found = ord(text) - ord("A") if len(text) == 1 and text.isascii() and text.isupper() else None
    if by_index and text.isascii() and text.isdecimal() and len(text) < 4:
        found = int(text)
    return found if found is not None and found < len(choices) else None
