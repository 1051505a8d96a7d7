"""Tensors that hold several projections, one after the other in their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regress.updates.draft import part
from regress.updates.expressions import Tensor, join, take


def split_rows(tensors: Mapping[str, Tensor], fused: str, rows: Mapping[str, int]) -> dict[str, Tensor]:
    """Every tensor called `fused` as several, named as in `rows`, each with so many of its rows."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if _piece(name) != fused:
            found[name] = tensor
            continue
        start = 0
        for piece, count in rows.items():
            found[_renamed(name, piece)] = take(tensor, 0, range(start, start + count))
            start += count
    return found


def join_rows(tensors: Mapping[str, Tensor], pieces: Sequence[str], fused: str) -> dict[str, Tensor]:
    """The inverse of `split_rows`; tensors that are not all there stay as they are."""
    joined = dict(tensors)
    for name in tensors:
        names = [_renamed(name, piece) for piece in pieces]
        if _piece(name) == pieces[0] and all(each in tensors for each in names):
            joined[_renamed(name, fused)] = join([joined.pop(each) for each in names], 0)
    return joined


def _piece(name: str) -> str:
    return part(name).partition(".")[0]


def _renamed(name: str, piece: str) -> str:
    """The same tensor's weight or bias of another projection."""
    *stem, _, kind = name.split(".")
    return ".".join([*stem, piece, kind])
