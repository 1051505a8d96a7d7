"""Reruns in a comparison: the floor, what exceeds it, and which flips are coin tosses."""

from __future__ import annotations

import numpy as np
import pytest

from regress.comparison.estimates import estimates
from regress.comparison.judged import Judged
from regress.types import NoiseFloor, PaddingCheck, Reruns

NOISE = ("excess_nfr", "floor_nfr", "robust_nfr", "coin_tosses", "self_nfr")


def made(columns):
    return estimates(columns, np.random.default_rng(0))


def reruns(base, *flipped, kind="rerun", margins=None):
    """Runs that flip these rows of the first."""
    runs = [np.array(base)]
    for rows in flipped:
        again = runs[0].copy()
        again[list(rows)] ^= True
        runs.append(again)
    stack = np.array(runs)
    return Reruns(kind=kind, correct=stack, score=stack.astype(float), margin=margins)


def floor(*parts, padding=None):
    return NoiseFloor(reruns={part.kind: part for part in parts}, padding=padding)


def test_without_reruns_nothing_is_said_of_noise(flips):
    assert not set(NOISE) & set(made(flips(60, 60, 1319)))


def test_excess_is_what_exceeds_the_floor_instance_by_instance(flips):
    base = flips(60, 60, 1320)
    own = reruns(
        base.old_correct, range(300, 340)
    )  # 20 of them right: these flip negatively in half of the pairs
    one = made(flips(60, 60, 1320, old_floor=floor(own)))
    assert one["floor_rerun"].value == one["floor_nfr"].value == pytest.approx(40 / 2 / 1320)
    assert one["excess_nfr"].value == pytest.approx(60 / 1320 - 20 / 1320)
    assert one["excess_nfr"].low < one["excess_nfr"].value < one["excess_nfr"].high


def test_floors_are_kept_apart_and_only_some_kinds_are_averaged(flips):
    base = flips(60, 60, 1000).old_correct
    parts = (
        reruns(base, range(200, 240)),
        reruns(base, [], kind="batch"),
        reruns(base, range(500), kind="hardware"),
    )
    one = made(flips(60, 60, 1000, old_floor=floor(*parts)))
    assert one["floor_hardware"].value == 0.25
    assert one["floor_nfr"].value == pytest.approx((one["floor_rerun"].value + one["floor_batch"].value) / 2)
    assert {n.code: n.data for n in one["excess_nfr"].warnings}["no-floor-kinds"] == {"missing": ["order"]}


def test_few_runs_of_old_are_said(flips):
    base = flips(60, 60, 1000).old_correct
    two, three = (made(flips(60, 60, 1000, old_floor=floor(reruns(base, *([[]] * k))))) for k in (1, 2))
    assert "floor-conditional" in [notice.code for notice in two["excess_nfr"].warnings]
    assert "floor-conditional" not in [notice.code for notice in three["excess_nfr"].warnings]


def test_a_flip_inside_the_noise_of_the_margins_is_a_coin_toss(columns):
    """Margins move by 0.1 between reruns; one lost instance lay 0.05 from a tie, the other far from it."""
    old_margin = np.array([0.05, 3.0, 1.0, -1.0, -2.0])
    new_margin = np.array([-2.0, -2.0, 1.0, 0.02, -2.0])
    moved = np.array([old_margin, old_margin + 0.1])
    own = Reruns(kind="rerun", correct=moved > 0, score=(moved > 0).astype(float), margin=moved)
    one = made(
        columns(
            old_margin > 0, new_margin > 0, old_margin=old_margin, new_margin=new_margin, old_floor=floor(own)
        )
    )
    assert (one["nfr"].value, one["robust_nfr"].value) == (0.4, 0.2)
    assert (one["pfr"].value, one["robust_pfr"].value) == (0.2, 0.0)
    assert one["coin_tosses"].value == 0.4
    (notice,) = [n for n in one["robust_nfr"].warnings if n.code == "epsilon"]
    assert (round(notice.data["epsilon"], 12), notice.data["capped"]) == (0.1, True)


@pytest.mark.parametrize("kind", ["repeats", "reruns"])
def test_the_identity_of_repeats_holds(columns, kind):
    """Observed NFR less the mean self-NFR is half the loss plus half the distance."""
    rng = np.random.default_rng(3)
    p_old, p_new = rng.uniform(size=200), rng.uniform(size=200)
    old, new = (rng.uniform(size=(4, 200)) < p for p in (p_old, p_new))
    if kind == "repeats":
        one = columns(old.T.ravel(), new.T.ravel(), item=np.repeat(np.arange(200), 4), repeated=True)
    else:
        sides = (Reruns(kind="seed", correct=s, score=s.astype(float), margin=None) for s in (old, new))
        old_floor, new_floor = (floor(side) for side in sides)
        one = columns(old[0], new[0], old_floor=old_floor, new_floor=new_floor)
    found = made(one)
    nfr = (old.mean(axis=0) * (1 - new.mean(axis=0))).mean()
    assert found["cross_nfr"].value == pytest.approx(nfr)
    assert nfr - found["self_nfr"].value == pytest.approx(
        found["half_loss"].value + found["half_distance"].value
    )


def test_on_scores_the_floor_counts_falls(columns):
    old = np.linspace(0.2, 0.8, 100)
    again = old.copy()
    again[:10] -= 0.1
    own = Reruns(kind="rerun", correct=None, score=np.array([old, again]), margin=None)
    one = made(columns(old, old - 0.01, scale="bounded", old_floor=floor(own)))
    assert one["floor_rerun"].value == pytest.approx(0.05)
    assert one["excess_nfr"].value == pytest.approx(0.95)


def test_pooled_floors_take_the_runs_that_every_task_has(flips):
    base = flips(10, 10, 100).old_correct
    parts = [
        flips(10, 10, 100, old_floor=floor(reruns(base, *([range(40, 60)] * k), kind="rerun")))
        for k in (1, 3)
    ]
    pooled = Judged.pooled(parts)
    assert pooled.old_floor.reruns["rerun"].correct.shape == (2, 200)
    assert made(pooled)["floor_rerun"].value == pytest.approx(0.1)
    assert Judged.pooled([parts[0], flips(10, 10, 100)]).old_floor is None


def test_rows_left_out_are_left_out_of_the_reruns(flips):
    base = flips(10, 10, 100)
    own = floor(
        reruns(base.old_correct, range(50, 60)),
        padding=PaddingCheck(n=1, batch_size=8, largest=0, threshold=1),
    )
    part = flips(10, 10, 100, old_floor=own).rows(np.arange(100) < 55)
    assert part.old_floor.reruns["rerun"].correct.shape == (2, 55)
    assert part.old_floor.padding == own.padding
