"""A column whose sign is wrong is found out by its name, its sign and chance."""

from __future__ import annotations

import numpy as np
import pytest

from regress.errors import DataError
from regress.interop.tables.direction import Role, check, ranking

N = 1000


def _scores(rate: float, sign: int, choices: int = 4) -> tuple[list[list[float]], list[list[int]]]:
    """Scores of one sign; the right choice has the largest in `rate` of the rows, else the smallest."""
    rng = np.random.default_rng(7)
    scores, golds = [], []
    for row in range(N):
        values = np.sort(rng.uniform(1, 9, choices)) * sign
        values.sort()
        gold = int(rng.integers(choices))
        order = np.roll(values, gold - (choices - 1) if row < rate * N else gold)
        scores.append(order.tolist())
        golds.append([gold])
    return scores, golds


def _check(role: Role, rate: float, sign: int, *, declared: bool = False) -> str | None:
    scores, golds = _scores(rate, sign)
    return check(role, "nll", scores, ranking(scores, golds), declared=declared)


def test_ranking_counts_both_ways_against_chance() -> None:
    scores, golds = _scores(0.78, 1)
    seen = ranking(scores, golds)
    assert (seen.rows, seen.chance) == (N, 0.25)
    assert (seen.higher, seen.lower) == (0.78, 0.22)
    assert seen.error == pytest.approx(np.sqrt(0.25 * 0.75 / N))


def test_several_right_choices_and_rows_of_other_lengths_have_another_chance() -> None:
    seen = ranking([[1.0, 2.0], [3.0, 2.0, 1.0, 0.0]], [[1], [0, 1]])
    assert (seen.higher, seen.lower, seen.chance) == (1.0, 0.0, 0.5)


def test_scores_that_are_what_their_name_says_are_fine() -> None:
    assert _check("logprobs", 0.78, -1) is None
    assert _check("nll", 0.05, 1) is None
    assert _check("logprobs", 0.25, -1) is None


def test_a_column_named_nll_that_ranks_better_when_higher_is_a_sign_error() -> None:
    with pytest.raises(DataError) as error:
        _check("nll", 0.78, -1)
    assert str(error.value) == (
        "the column `nll` ranks the right choice first in 22 % of 1,000 rows when lower is better, and in "
        "78 % when higher is: its sign seems to be wrong. Say --map logprobs=nll if these are "
        "log-probabilities."
    )


def test_log_probabilities_that_rank_better_when_lower_are_one_too() -> None:
    with pytest.raises(DataError, match="Say --map nll=nll if these are negative log-likelihoods"):
        _check("logprobs", 0.1, 1)


def test_a_model_that_is_really_so_bad_is_read_as_the_user_says() -> None:
    with pytest.raises(DataError, match=r"--map logprobs=nll to read them as they are"):
        _check("logprobs", 0.05, -1)
    assert "it is read as you say" in (_check("logprobs", 0.05, -1, declared=True) or "")


def test_a_sign_that_contradicts_what_the_user_says_is_refused_where_chance_does_too() -> None:
    with pytest.raises(DataError, match="its sign seems to be wrong"):
        _check("nll", 0.78, -1, declared=True)


def test_name_against_sign_is_refused_where_chance_does_not_tell() -> None:
    with pytest.raises(DataError, match="has negative values, and a name that says that lower is better"):
        _check("nll", 0.25, -1)
    with pytest.raises(DataError, match="has no negative value, and a name that says that higher is better"):
        _check("logprobs", 0.25, 1)


def test_scores_that_are_no_log_probabilities_are_read_as_chance_tells() -> None:
    assert "higher is better" in (_check("logprobs", 0.78, 1) or "")


def test_few_rows_decide_nothing() -> None:
    scores, golds = [[2.0, 1.0]] * 3, [[0]] * 3
    assert check("nll", "x", scores, ranking(scores, golds), declared=False) is None
