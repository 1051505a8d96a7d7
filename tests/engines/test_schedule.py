"""The schedule says of every token what it reads, computes shared ones once, and loses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regress.engines.schedule import LEAST_PREFIX, Pack, Schedule, Window, schedule, separate, shared_prefix

SHOTS = list(range(100, 100 + LEAST_PREFIX + 4))


def window(tokens: Sequence[int], targets: int) -> Window:
    """The last `targets` tokens are asked for; the very last one is not read."""
    ids = np.array(tokens, np.int64)
    return Window(ids[:-1], ids[len(ids) - targets :])


def read_by(pack: Pack, token: int, prefix: Sequence[int]) -> list[int]:
    """Plainly: the ids that a token of a pack reads, itself included."""
    (tree,) = (t for t in range(len(pack.bounds) - 1) if pack.bounds[t] <= token < pack.bounds[t + 1])
    own = [int(pack.tokens[j]) for j in range(pack.bounds[tree], token + 1) if token < pack.ends[j]]
    return [*(prefix if pack.prefixed else []), *own]


def answered(plan: Schedule) -> list[tuple[int, tuple[int, ...], int]]:
    """For everything that is wanted: whose it is, all that is read before it, and the token itself."""
    prefix = plan.prefix.tolist()
    return [
        (int(owner), tuple(read_by(pack, int(pack.rows[source]), prefix)), int(target))
        for pack in plan.packs
        for owner, source, target in zip(pack.owners, pack.sources, pack.targets, strict=True)
    ]


def asked(windows: Sequence[Window]) -> list[tuple[int, tuple[int, ...], int]]:
    return [
        (number, tuple(one.tokens[: one.context + place + 1].tolist()), int(target))
        for number, one in enumerate(windows)
        for place, target in enumerate(one.targets)
    ]


few_ids = st.integers(0, 2)


@st.composite
def some_windows(draw: Any) -> list[Window]:
    """Short ids over a small alphabet, so that windows share beginnings; some go on from worked examples."""
    found = []
    for _ in range(draw(st.integers(1, 14))):
        shots = SHOTS if draw(st.booleans()) else []
        ids = [*shots, *draw(st.lists(few_ids, min_size=2, max_size=9))]
        found.append(window(ids, draw(st.integers(1, len(ids) - 1))))
    return found


@given(some_windows(), st.integers(1, 60))
@example([window([1, 2], 1)], 1)
def test_every_target_is_asked_once_after_just_what_its_window_shows(
    windows: list[Window], budget: int
) -> None:
    assert sorted(answered(schedule(windows, budget))) == sorted(asked(windows))


@given(some_windows(), st.integers(1, 60))
def test_the_targets_of_a_window_stand_in_order(windows: list[Window], budget: int) -> None:
    by_owner: dict[int, list[int]] = {}
    for owner, read, _ in answered(schedule(windows, budget)):
        by_owner.setdefault(owner, []).append(len(read))
    assert all(lengths == sorted(lengths) for lengths in by_owner.values())


@given(some_windows(), st.integers(1, 60))
def test_positions_count_what_is_read_before(windows: list[Window], budget: int) -> None:
    plan = schedule(windows, budget)
    for pack in plan.packs:
        reads = [len(read_by(pack, token, plan.prefix.tolist())) for token in range(len(pack.tokens))]
        assert pack.positions.tolist() == [n - 1 for n in reads]


@given(some_windows(), st.integers(1, 60), st.randoms(use_true_random=False))
def test_the_order_of_asking_changes_no_pack(windows: list[Window], budget: int, random: Any) -> None:
    shuffled = list(windows)
    random.shuffle(shuffled)
    first, second = (schedule(each, budget) for each in (windows, shuffled))
    assert first.prefix.tolist() == second.prefix.tolist()
    assert [pack.tokens.tolist() for pack in first.packs] == [pack.tokens.tolist() for pack in second.packs]
    assert [pack.ends.tolist() for pack in first.packs] == [pack.ends.tolist() for pack in second.packs]
    assert [pack.bounds.tolist() for pack in first.packs] == [pack.bounds.tolist() for pack in second.packs]


@given(some_windows(), st.integers(1, 60))
def test_a_pack_keeps_to_the_budget_unless_one_window_alone_exceeds_it(
    windows: list[Window], budget: int
) -> None:
    for pack in schedule(windows, budget).packs:
        assert len(pack.tokens) <= budget or len(pack.bounds) == 2


@given(some_windows(), st.integers(1, 60))
def test_nothing_is_computed_that_nobody_asked_to_be_read(windows: list[Window], budget: int) -> None:
    plan = schedule(windows, budget)
    assert plan.tokens <= sum(len(one.tokens) for one in windows) + len(plan.prefix)
    shown = {tuple(one.tokens[:n].tolist()) for one in windows for n in range(1, len(one.tokens) + 1)}
    for pack in plan.packs:
        for token in range(len(pack.tokens)):
            assert tuple(read_by(pack, token, plan.prefix.tolist())) in shown


def test_choices_share_their_context_and_equal_requests_everything() -> None:
    context = [1, 2, 3, 4, 5, 6]
    windows = [
        window([*context, *choice], len(choice)) for choice in ([7, 8, 9], [7, 9], [8, 8, 8], [7, 8, 9])
    ]
    plan = schedule(windows, 100)
    assert plan.tokens == 6 + len("7888")  # 7, its 8, and 8 8; the last of each choice is not read
    (pack,) = plan.packs
    assert pack.tokens.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]
    assert pack.ends.tolist() == [10, 10, 10, 10, 10, 10, 8, 8, 10, 10]
    assert pack.positions.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 6, 7]
    assert pack.rows.tolist() == [5, 6, 7, 8, 9]  # one projection for the first token of all four


def test_one_token_choices_need_only_their_context() -> None:
    windows = [window([1, 2, 3, choice], 1) for choice in range(10, 30)]
    (pack,) = schedule(windows, 8).packs
    assert pack.tokens.tolist() == [1, 2, 3]
    assert sorted(pack.targets.tolist()) == list(range(10, 30))
    assert set(pack.sources.tolist()) == {0}


def test_worked_examples_are_the_prefix_even_where_some_lack_them() -> None:
    going_on = [window([*SHOTS, item, 1, 2], 2) for item in range(7)]
    others = [window([50 + item, 1, 2], 2) for item in range(3)]
    plan = schedule([*others, *going_on], 100)
    assert plan.prefix.tolist() == SHOTS
    assert [pack.prefixed for pack in plan.packs] == [True, False]
    assert plan.tokens == len(SHOTS) + 7 * 2 + 3 * 2


def test_what_half_of_them_lack_is_no_prefix() -> None:
    half = [window([*SHOTS, item, 1], 1) for item in range(3)] + [
        window([item, 1, 2], 1) for item in range(3)
    ]
    assert schedule(half, 1000).prefix.tolist() == []


def test_a_prefix_ends_before_the_first_thing_asked() -> None:
    windows = [window([*SHOTS, 1, 2], 4), window([*SHOTS, 3, 4], 1), window([*SHOTS, 5, 6], 1)]
    prefix = schedule(windows, 1000).prefix
    assert prefix.tolist() in (SHOTS[:-3], SHOTS)
    assert sorted(answered(schedule(windows, 1000))) == sorted(asked(windows))


@pytest.mark.parametrize("shared", [LEAST_PREFIX - 1, LEAST_PREFIX])
def test_a_short_prefix_is_computed_in_every_tree(shared: int) -> None:
    windows = [window([*SHOTS[:shared], item, 1], 1) for item in range(5)]
    found = shared_prefix(sorted(windows, key=lambda one: one.tokens.tolist()))
    assert len(found) == (shared if shared >= LEAST_PREFIX else 0)


def test_windows_that_share_little_stay_apart() -> None:
    """A start token in common is no reason for a mask twice as wide."""
    windows = [window([0, *range(40 * item + 1, 40 * item + 41)], 3) for item in range(3)]
    (pack,) = schedule(windows, 1000).packs
    assert len(pack.bounds) - 1 == 3


def test_separate_windows_keep_their_order_and_share_nothing() -> None:
    windows = [window([9, 9, 1, 2, 3], 1), window([9, 9, 1, 2, 4], 1)]
    pack = separate(windows, 2)
    assert pack.tokens.tolist() == [1, 2, 1, 2]
    assert pack.bounds.tolist() == [0, 2, 4]
    assert pack.rows.tolist() == [1, 3]
    assert pack.prefixed
    assert read_by(pack, 3, [9, 9]) == [9, 9, 1, 2]


def test_nothing_is_planned_for_nothing() -> None:
    plan = schedule([], 10)
    assert (plan.tokens, plan.packs) == (0, ())
