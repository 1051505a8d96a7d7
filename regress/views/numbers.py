"""How a number looks; what is undefined or unknown never looks like one."""

from __future__ import annotations

import math
from typing import Literal

from regress.types import Scale

UNDEFINED = "–"
UNKNOWN = "unknown"

Unit = Literal["rate", "level", "difference", "ratio"]
"""What an estimate is: a share of instances, an accuracy or mean score, a change of one, or a quotient."""


def percent(rate: float) -> str:
    """A rate in [0, 1] as a percentage; what is not quite 0 or 100 does not look like it.

    >>> percent(0.613), percent(0.0001), percent(0.0), percent(math.nan)
    ('61.3', '<0.1', '0.0', '–')
    """
    if not math.isfinite(rate):
        return UNDEFINED
    if 0 < rate < 0.0005:
        return "<0.1"
    if 0.9995 <= rate < 1:
        return ">99.9"
    return f"{100 * rate:.1f}".replace("-", "−")


def worded(shown: str) -> str:
    """A number as it stands in a sentence.

    >>> worded("<0.1"), worded(">99.9"), worded("1.4")
    ('less than 0.1', 'more than 99.9', '1.4')
    """
    return shown.replace("<", "less than ").replace(">", "more than ")


def at_most(shown: str) -> str:
    """An upper bound in a sentence.

    >>> at_most("<0.1"), at_most(">99.9"), at_most("1.4")
    ('less than 0.1', 'at most 100', 'at most 1.4')
    """
    return {"<0.1": worded(shown), ">99.9": "at most 100"}.get(shown, f"at most {shown}")


def at_least(shown: str) -> str:
    """A lower bound in a sentence.

    >>> at_least("<0.1"), at_least(">99.9"), at_least("1.4")
    ('more than 0', 'more than 99.9', 'at least 1.4')
    """
    return {"<0.1": "more than 0", ">99.9": worded(shown)}.get(shown, f"at least {shown}")


def chosen(rate: float) -> str:
    """A rate that somebody chose, such as a tolerance, in percent without digits that say nothing.

    >>> chosen(0.05), chosen(0.95), chosen(0.995)
    ('5', '95', '99.5')
    """
    return f"{100 * rate:g}"


def points(delta: float) -> str:
    """A difference of two rates in percentage points, with its sign.

    >>> points(0.1675), points(-0.02), points(0.0), points(math.nan)
    ('+16.8', '−2.0', '0.0', '–')
    """
    if not math.isfinite(delta):
        return UNDEFINED
    return f"{100 * delta:+.1f}".replace("-", "−") if abs(delta) > 1e-9 else "0.0"


def score(value: float, *, signed: bool = False) -> str:
    """A score without bounds, to four digits.

    >>> score(-12.3456), score(0.25, signed=True), score(1234.0), score(math.nan)
    ('−12.35', '+0.2500', '1234', '–')
    """
    if not math.isfinite(value):
        return UNDEFINED
    # the alternate form keeps zeros at the end, so that a column of scores is equally precise
    return format(value, "+#.4g" if signed and value else "#.4g").rstrip(".").replace("-", "−")


def about(value: float) -> str:
    """A small measured or chosen number, to three digits, without zeros that say nothing.

    >>> about(0.31), about(0.01), about(0.012345), about(math.nan)
    ('0.31', '0.01', '0.0123', '–')
    """
    return f"{value:.3g}".replace("-", "−") if math.isfinite(value) else UNDEFINED


def change_of_probability(delta: float) -> str:
    """A change of a probability in percentage points, to three digits, however small.

    >>> change_of_probability(-0.00039), change_of_probability(0.105274), change_of_probability(math.nan)
    ('−0.039', '+10.5', '–')
    """
    if not math.isfinite(delta):
        return UNDEFINED
    return f"{100 * delta:+.3g}".replace("-", "−") if delta else "0"


def near_one(value: float) -> str:
    """A quotient that is hardly ever far from 1, to four decimals.

    >>> near_one(1.00143), near_one(2098.1234), near_one(math.inf)
    ('1.0014', '2098', '–')
    """
    if not math.isfinite(value):
        return UNDEFINED
    return f"{value:.4f}" if value < 100 else f"{value:.0f}"


def ratio(value: float) -> str:
    """A quotient of two rates.

    >>> ratio(0.5), ratio(math.nan)
    ('0.50', '–')
    """
    return f"{value:.2f}" if math.isfinite(value) else UNDEFINED


def number(value: float, unit: Unit, scale: Scale) -> str:
    """An estimate of a task that is judged on `scale`.

    >>> number(0.613, "level", "bounded"), number(0.613, "level", "unbounded")
    ('61.3', '0.6130')
    """
    if unit == "ratio":
        return ratio(value)
    if unit == "level" and scale == "unbounded":
        return score(value)
    if unit == "difference":
        return score(value, signed=True) if scale == "unbounded" else points(value)
    return percent(value)


def amount(change: float, scale: Scale) -> str:
    """The size of a change with its unit, without a sign.

    >>> amount(-0.024, "binary"), amount(0.024, "unbounded")
    ('2.4 points', '0.02400')
    """
    return score(abs(change)) if scale == "unbounded" else f"{percent(abs(change))} points"


def size(amount: int | None) -> str:
    """An amount of memory, exact as long as it is small.

    >>> size(36_864), size(9_216), size(1_016 * 2**20), size(3 * 2**29), size(None)
    ('36.0 KiB', '9,216 B', '1016 MiB', '1.50 GiB', 'unknown')
    """
    if amount is None:
        return UNKNOWN
    if amount < 10_240:
        return f"{count(amount)} B"
    power = min(4, (amount.bit_length() - 1) // 10)
    value = amount / 1024**power
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"


def duration(seconds: float) -> str:
    """A stretch of time.

    >>> duration(0.0421), duration(3.25), duration(754.0), duration(7_380.0)
    ('0.04 s', '3.2 s', '12 min 34 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def p_value(p: float) -> str:
    """A p-value; a small one never looks like none at all.

    >>> p_value(0.0352), p_value(1e-9), p_value(1.0), p_value(math.nan)
    ('p = 0.035', 'p < 0.001', 'p = 1.000', 'p = –')
    """
    if not math.isfinite(p):
        return f"p = {UNDEFINED}"
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def count(number: int | None) -> str:
    """A number of things.

    >>> count(10042), count(None)
    ('10,042', 'unknown')
    """
    return UNKNOWN if number is None else f"{number:,}"


def change(old: int | None, new: int | None) -> str:
    """A count before and after.

    >>> change(4, 2), change(None, 1), change(None, None)
    ('4 → 2', 'unknown → 1', 'unknown')
    """
    return UNKNOWN if old is None and new is None else f"{count(old)} → {count(new)}"


def plural(number: int | None, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "instance"), plural(1200, "instance"), plural(0, "time")
    ('1 instance', '1,200 instances', '0 times')
    """
    return f"{count(number)} {noun}" + ("" if number == 1 else "s")
