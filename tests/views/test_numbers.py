import math

import pytest

from regress.views.numbers import percent, points


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(0.0, "0.0"), (1e-5, "<0.1"), (0.0005, "0.1"), (0.99999, ">99.9"), (1.0, "100.0"), (math.inf, "–")],
)
def test_a_rate_that_is_not_quite_nothing_or_all_does_not_look_like_it(rate: float, shown: str) -> None:
    assert percent(rate) == shown


def test_a_difference_within_rounding_of_zero_has_no_sign() -> None:
    assert points(-1e-12) == "0.0"
    assert points(-0.0004) == "−0.0"
