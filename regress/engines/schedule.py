"""What goes through a model together, and in which order: pure, from token ids alone.

The windows of a chunk form a prefix tree over token ids. The path from its root that most of them
share is the chunk's *prefix* (worked examples, a system message): computed once, read by all. Below
it, windows that share enough to be worth a common mask form a *tree*. Trees are laid out in
depth-first order and packed one after the other, without padding, up to a budget of tokens.

    prefix   a b c                       computed once
    tree     d e f g . h i . j           `d e` is the context, `f g`, `h i` and `j` three choices

Shapes: T tokens of a pack, R rows whose logits are wanted, W wanted log-probabilities.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]

LEAST_PREFIX = 16
"""Tokens: to read a shorter prefix apart costs more than to compute it in every tree."""
MASK_AREA = 512
"""Entries of a tree's mask that one token computed less pays for, at the width of a small model."""


@dataclass(frozen=True, eq=False)
class Window:
    """What the model is shown at once, and what it should say of it."""

    tokens: Ids
    """Read: the context, and the continuation without its last token."""
    targets: Ids
    """To be said after the last `len(targets)` tokens, one after each; never empty."""

    @property
    def context(self) -> int:
        """Tokens before the first one after which something is to be said."""
        return len(self.tokens) - len(self.targets)


@dataclass(frozen=True, eq=False)
class Pack:
    """Trees that go through the model in one forward pass, one after the other."""

    tokens: Ids
    """[T] ids, each tree in depth-first order."""
    positions: Ids
    """[T] place of each token in its window, the prefix included."""
    ends: Ids
    """[T] one past a token's last descendant: token i reads token j iff j ≤ i < ends[j]."""
    bounds: Ids
    """[trees + 1] where each tree starts; the last is T."""
    prefixed: bool
    """Whether every window goes on from the schedule's prefix."""
    rows: Ids
    """[R] tokens whose logits are wanted, ascending."""
    owners: Ids
    """[W] number of the window that wants it; those of one window stand in order."""
    sources: Ids
    """[W] which of `rows` tells it."""
    targets: Ids
    """[W] id of the token whose log-probability is wanted."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """All that is computed for the windows of a chunk."""

    prefix: Ids
    """Read by every prefixed pack; may be empty."""
    packs: tuple[Pack, ...]
    """In the order in which they run."""

    @property
    def tokens(self) -> int:
        """Tokens that are computed."""
        return len(self.prefix) + sum(len(pack.tokens) for pack in self.packs)


@dataclass(frozen=True, eq=False)
class _Tree:
    tokens: Ids
    positions: Ids
    ends: Ids
    wanted: list[tuple[int, Ids]]
    """For each window its number and the places in `tokens` after which its targets stand."""


def schedule(windows: Sequence[Window], budget: int) -> Schedule:
    """Plan the computation of all windows.

    Args:
        windows: What is asked; equal ones are computed once.
        budget: Tokens of a pack; a larger tree, or a longer window, is a pack of its own.
    """
    order = sorted(range(len(windows)), key=lambda number: _sortable(windows[number].tokens))
    prefix = shared_prefix([windows[number] for number in order])
    going_on = [number for number in order if _goes_on(windows[number], prefix)]
    apart = [number for number in order if not _goes_on(windows[number], prefix)] if len(prefix) else []
    packs = [
        _pack(trees, windows, prefixed=prefixed)
        for numbers, skip, prefixed in ((going_on, len(prefix), len(prefix) > 0), (apart, 0, False))
        for trees in _packed(_trees(windows, numbers, skip, budget), budget)
    ]
    return Schedule(prefix=prefix, packs=tuple(packs))


def separate(windows: Sequence[Window], skip: int) -> Pack:
    """Windows as a pack of trees of their own, in the order given, without their first `skip` tokens."""
    trees = [_tree(windows, [number], [0], skip) for number in range(len(windows))]
    return _pack(trees, windows, prefixed=skip > 0)


def shared_prefix(windows: Sequence[Window]) -> Ids:
    """The tokens that more than half of the windows begin with, such that the most are saved.

    Only tokens of the contexts count: after the last of a prefix nothing can be asked.

    Args:
        windows: In lexicographic order of their tokens: what most share, the middle one has.
    """
    if not windows:
        return np.zeros(0, np.int64)
    middle = windows[len(windows) // 2]
    lengths = np.sort([min(common(each.tokens, middle.tokens), each.context) for each in windows])[::-1]
    sharers = np.arange(1, len(lengths) + 1)
    saved = np.where(2 * sharers > len(lengths), lengths * (sharers - 1), 0)
    length = int(lengths[int(saved.argmax())])
    return middle.tokens[: length if saved.max() > 0 and length >= LEAST_PREFIX else 0]


def common(a: Ids, b: Ids) -> int:
    """Tokens that two sequences begin with alike.

    >>> common(np.array([1, 2, 3]), np.array([1, 2, 4, 5]))
    2
    """
    shorter = min(len(a), len(b))
    unlike = a[:shorter] != b[:shorter]
    place = int(unlike.argmax()) if shorter else 0
    return place if shorter and unlike[place] else shorter


def _sortable(tokens: Ids) -> bytes:
    return tokens.astype(">i8").tobytes()


def _goes_on(window: Window, prefix: Ids) -> bool:
    return window.context >= len(prefix) and common(window.tokens, prefix) == len(prefix)


def _trees(windows: Sequence[Window], ordered: Sequence[int], skip: int, budget: int) -> list[_Tree]:
    """Neighbours that share enough in one tree each; `ordered` lexicographically."""
    trees: list[_Tree] = []
    members: list[int] = []
    shares: list[int] = []
    size = 0
    for place, number in enumerate(ordered):
        tokens = windows[number].tokens
        shared = common(tokens, windows[ordered[place - 1]].tokens) - skip if members else 0
        new = len(tokens) - skip - shared
        if members and (size + new > budget or shared * MASK_AREA < size * new):
            trees.append(_tree(windows, members, shares, skip))
            members, shares, size, shared, new = [], [], 0, 0, len(tokens) - skip
        members.append(number)
        shares.append(shared)
        size += new
    return [*trees, _tree(windows, members, shares, skip)] if members else []


def _tree(windows: Sequence[Window], members: Sequence[int], shares: Sequence[int], skip: int) -> _Tree:
    """Lay windows out depth first; each shares its first tokens (beyond `skip`) with the one before it."""
    size = sum(len(windows[number].tokens) - skip for number in members) - sum(shares)
    tokens, positions, ends = (np.empty(size, np.int64) for _ in range(3))
    wanted, path, filled = [], np.empty(0, np.int64), 0
    for number, shared in zip(members, shares, strict=True):
        window = windows[number]
        new = len(window.tokens) - skip - shared
        ends[path[shared:]] = filled
        path = np.concatenate([path[:shared], np.arange(filled, filled + new)])
        tokens[filled : filled + new] = window.tokens[skip + shared :]
        positions[filled : filled + new] = np.arange(skip + shared, len(window.tokens))
        filled += new
        wanted.append((number, path[len(path) - len(window.targets) :]))
    ends[path] = filled
    return _Tree(tokens, positions, ends, wanted)


def _packed(trees: Iterable[_Tree], budget: int) -> list[list[_Tree]]:
    """Trees in packs of at most `budget` tokens, the largest first, so that those of a pack are alike."""
    packs: list[list[_Tree]] = []
    room = 0
    for tree in sorted(trees, key=lambda tree: -len(tree.tokens)):
        size = len(tree.tokens)
        if size > room:
            packs.append([])
            room = budget
        packs[-1].append(tree)
        room -= size
    return packs


def _pack(trees: Sequence[_Tree], windows: Sequence[Window], *, prefixed: bool) -> Pack:
    bounds = np.cumsum([0, *(len(tree.tokens) for tree in trees)])
    wanted = [
        (number, start + places)
        for start, tree in zip(bounds, trees, strict=False)
        for number, places in tree.wanted
    ]
    rows, sources = np.unique(np.concatenate([places for _, places in wanted]), return_inverse=True)
    return Pack(
        tokens=np.concatenate([tree.tokens for tree in trees]),
        positions=np.concatenate([tree.positions for tree in trees]),
        ends=np.concatenate([start + tree.ends for start, tree in zip(bounds, trees, strict=False)]),
        bounds=bounds,
        prefixed=prefixed,
        rows=rows,
        owners=np.repeat([number for number, _ in wanted], [len(places) for _, places in wanted]),
        sources=sources.reshape(-1),
        targets=np.concatenate([windows[number].targets for number, _ in wanted]),
    )
