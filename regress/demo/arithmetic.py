"""Word problems in the form of GSM8K: small numbers, one or two steps, `####` before the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from regress.demo.words import two_people

Item = dict[str, str]

_THINGS = (
    "apples", "books", "cards", "coins", "cups", "eggs", "hats", "keys", "lemons", "marbles", "nuts", "pens",
    "plates", "shells", "stamps", "toys",
)  # fmt: skip
_BAGS = ("bags", "baskets", "drawers", "jars", "shelves", "trays")
_GOODS = (
    "notebooks", "sandwiches", "balls", "mugs", "scarves", "posters", "candles", "brushes",
)  # fmt: skip
_DAILY = (
    ("runs", "run", "miles"), ("reads", "read", "pages"), ("bakes", "bake", "rolls"),
    ("writes", "write", "letters"), ("solves", "solve", "puzzles"), ("paints", "paint", "tiles"),
)  # fmt: skip


def _sum(expression: str, result: int) -> str:
    """An equation with the calculator mark that GSM8K puts between its sides."""
    return f"{expression}=<<{expression}={result}>>{result}"


def _item(question: str, *steps: str, result: int) -> Item:
    return {"question": question, "answer": "\n".join([*steps, f"#### {result}"])}


def _gain(rng: Random) -> Item:
    a, b = two_people(rng)
    x, y, things = rng.randint(2, 15), rng.randint(2, 9), rng.choice(_THINGS)
    more = rng.choice([f"{b.name} gives {a.him} {y} more.", f"Then {a.he} finds {y} more."])
    question = f"{a.name} has {x} {things}. {more} How many {things} does {a.name} have now?"
    return _item(question, f"{a.name} has {_sum(f'{x}+{y}', x + y)} {things}.", result=x + y)


def _loss(rng: Random) -> Item:
    a, b = two_people(rng)
    y, left, things = rng.randint(2, 9), rng.randint(1, 12), rng.choice(_THINGS)
    x = y + left
    less = rng.choice([f"{a.he.capitalize()} gives {y} to {b.name}.", f"Then {a.he} loses {y} of them."])
    question = f"{a.name} has {x} {things}. {less} How many {things} are left?"
    return _item(question, f"{a.name} has {_sum(f'{x}-{y}', left)} {things} left.", result=left)


def _groups(rng: Random) -> Item:
    a, _ = two_people(rng)
    x, y, things, bags = rng.randint(2, 6), rng.randint(2, 9), rng.choice(_THINGS), rng.choice(_BAGS)
    question = rng.choice(
        [
            f"{a.name} has {x} {bags} with {y} {things} in each. How many {things} is that?",
            f"There are {x} {bags}. {a.name} puts {y} {things} in each. How many {things} are there?",
        ]
    )
    return _item(question, f"There are {_sum(f'{x}*{y}', x * y)} {things}.", result=x * y)


def _share(rng: Random) -> Item:
    a, _ = two_people(rng)
    friends, each, things = rng.randint(2, 6), rng.randint(2, 9), rng.choice(_THINGS)
    total = friends * each
    question = (
        f"{a.name} shares {total} {things} equally among {friends} friends. How many does each friend get?"
    )
    return _item(question, f"Each friend gets {_sum(f'{total}/{friends}', each)} {things}.", result=each)


def _gain_loss(rng: Random) -> Item:
    a, b = two_people(rng)
    x, y, z, things = rng.randint(3, 12), rng.randint(2, 9), rng.randint(2, 4), rng.choice(_THINGS)
    question = (
        f"{a.name} has {x} {things} and buys {y} more. {a.he.capitalize()} gives {z} to {b.name}. "
        f"How many {things} does {a.name} have now?"
    )
    total = x + y
    return _item(
        question,
        f"First {a.name} has {_sum(f'{x}+{y}', total)} {things}.",
        f"Then {a.he} has {_sum(f'{total}-{z}', total - z)}.",
        result=total - z,
    )


def _more_than(rng: Random) -> Item:
    a, b = two_people(rng)
    x, y, things = rng.randint(2, 9), rng.randint(2, 6), rng.choice(_THINGS)
    question = (
        f"{a.name} has {x} {things}. {b.name} has {y} more than {a.name}. "
        f"How many {things} do they have together?"
    )
    theirs = x + y
    return _item(
        question,
        f"{b.name} has {_sum(f'{x}+{y}', theirs)} {things}.",
        f"Together they have {_sum(f'{x}+{theirs}', x + theirs)}.",
        result=x + theirs,
    )


def _twice(rng: Random) -> Item:
    a, b = two_people(rng)
    x, things = rng.randint(2, 12), rng.choice(_THINGS)
    question = (
        f"{a.name} has {x} {things}. {b.name} has twice as many. How many {things} do they have in all?"
    )
    return _item(
        question,
        f"{b.name} has {_sum(f'2*{x}', 2 * x)} {things}.",
        f"In all they have {_sum(f'{x}+{2 * x}', 3 * x)}.",
        result=3 * x,
    )


def _change(rng: Random) -> Item:
    a, _ = two_people(rng)
    n, price, goods = rng.randint(2, 5), rng.randint(2, 6), rng.choice(_GOODS)
    cost = n * price
    paid = rng.choice([note for note in (20, 40) if note > cost])
    question = (
        f"{a.name} buys {n} {goods} for ${price} each. {a.he.capitalize()} pays with a ${paid} note. "
        f"How much change does {a.he} get?"
    )
    return _item(
        question,
        f"The {goods} cost {_sum(f'{n}*{price}', cost)} dollars.",
        f"The change is {_sum(f'{paid}-{cost}', paid - cost)} dollars.",
        result=paid - cost,
    )


def _daily(rng: Random) -> Item:
    a, _ = two_people(rng)
    x, days, extra = rng.randint(2, 6), rng.randint(2, 7), rng.randint(2, 5)
    does, do, units = rng.choice(_DAILY)
    question = (
        f"{a.name} {does} {x} {units} a day for {days} days, and then {extra} more. "
        f"How many {units} does {a.he} {do}?"
    )
    total = x * days
    return _item(
        question,
        f"In {days} days {a.he} {does} {_sum(f'{x}*{days}', total)} {units}.",
        f"With the rest that is {_sum(f'{total}+{extra}', total + extra)}.",
        result=total + extra,
    )


FAMILIES: Mapping[str, Callable[[Random], Item]] = {
    "gain": _gain,
    "loss": _loss,
    "groups": _groups,
    "share": _share,
    "gain and loss": _gain_loss,
    "more than": _more_than,
    "twice": _twice,
    "change": _change,
    "daily": _daily,
}
