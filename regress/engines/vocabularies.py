"""Whether two tokenizers mean the same tokens, without which no probability has its like in the other model.

A vocabulary that only goes on after the end of the other one is the same vocabulary: rows of padding, or
tokens added at the end. The two models are then held against each other on the tokens that both have.
"""

from __future__ import annotations

from typing import Any

from regress.errors import NotComparable

_FIELD = "model.tokenizer"
_DO = "Divergence is defined for models of one vocabulary only; flips (`regress compare`) need none."


def require_one_vocabulary(old: Any, new: Any) -> None:
    """Refuse tokenizers that give one id to different tokens, or begin a text differently.

    Raises:
        NotComparable: Naming the first difference.
    """
    one, other = ({place: token for token, place in each.get_vocab().items()} for each in (old, new))
    different = sorted(place for place in one.keys() & other.keys() if one[place] != other[place])
    if different:
        place = different[0]
        raise NotComparable(
            f"old and new have different vocabularies: {len(different)} ids stand for different tokens "
            f"(first: {place}, {one[place]!r} against {other[place]!r})",
            field=_FIELD,
            do=_DO,
        )
    inside = min(len(one), len(other))
    if alone := sorted(place for place in one.keys() ^ other.keys() if place < inside):
        side, token = ("old", one[alone[0]]) if alone[0] in one else ("new", other[alone[0]])
        raise NotComparable(
            f"old and new have different vocabularies: id {alone[0]}, {token!r}, is known to the {side} "
            "tokenizer only",
            field=_FIELD,
            do=_DO,
        )
    if lead(old) != lead(new):
        begins = [old.convert_ids_to_tokens(lead(old)), new.convert_ids_to_tokens(lead(new))]
        raise NotComparable(
            f"the two tokenizers begin a text differently ({begins[0]} against {begins[1]})",
            field=_FIELD,
            do="Set add_bos_token alike in both tokenizer_config.json.",
        )


def lead(tokenizer: Any) -> list[int]:
    """What the tokenizer puts before every text: a start token, or nothing."""
    start = tokenizer.bos_token_id
    ids = tokenizer("a")["input_ids"]
    return [start] if start is not None and ids[:1] == [start] else []


def encode(old: Any, new: Any, text: str) -> list[int]:
    """The tokens of a text, without what is put before it.

    Raises:
        NotComparable: If the two tokenizers cut it differently.
    """
    one, other = (_encoded(tokenizer, text) for tokenizer in (old, new))
    if one != other:
        pairs = enumerate(zip(one, other, strict=False))
        place = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
        parts = [
            each.convert_ids_to_tokens(ids[place : place + 3]) for each, ids in ((old, one), (new, other))
        ]
        raise NotComparable(
            f"the two tokenizers cut the same text differently: token {place} begins {parts[0]} in the old "
            f"and {parts[1]} in the new one",
            field=_FIELD,
            do=_DO,
        )
    return one


def _encoded(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    begun = lead(tokenizer)
    return ids[1:] if begun and ids[:1] == begun else ids
