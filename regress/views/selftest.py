"""What the self test found, beside what was known.

As JSON, schema `regress.selftest/1`; what is undefined is null, and fields may be added without a new
version.

    schema      "regress.selftest/1"
    ok          whether all was found as known
    kept        where models and runs lie; null if they were deleted
    oracles     one object an oracle: {number, name, ok, seconds, stopped, facts}
      facts     {case, what, relation, known, found, unit, holds}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from regress.changes import Fact, OracleResult, SelfTest, Value
from regress.identity import plain, strict
from regress.views.listing import table, wrap
from regress.views.numbers import UNDEFINED, about, count, duration, percent, plural
from regress.views.untrusted import visible

SCHEMA = "regress.selftest/1"
_HEADERS = ["", "what is done, and measured", "known", "found", ""]
_MARK = {True: "ok", False: "WRONG"}


def render(found: SelfTest, *, width: int) -> str:
    """Oracles, and under each what is known and what was found; what was found otherwise comes last."""
    rows = [row for result in found.results for row in _rows(result)]
    parts = [table(_HEADERS, rows, width=width, spared=["", *_HEADERS[2:]]), *_wrong(found, width)]
    if found.kept:
        parts.append(visible(f"Models and runs are in {found.kept}."))
    parts.append("\n".join(wrap(_verdict(found), width)))
    return "\n\n".join(parts) + "\n"


def to_json(found: SelfTest) -> str:
    """The document described above, as text."""
    oracles = [{**plain(result), "ok": result.ok} for result in found.results]
    document = {"schema": SCHEMA, "ok": found.ok, "kept": found.kept, "oracles": oracles}
    return json.dumps(strict(document), indent=2, allow_nan=False) + "\n"


def _rows(result: OracleResult) -> Iterator[list[str]]:
    yield [result.number, result.name, "", "", _MARK[result.ok]]
    alike: dict[Any, list[Fact]] = {}
    for fact in result.facts:
        alike.setdefault((fact.what, fact.relation, fact.unit), []).append(fact)
    for facts in alike.values():
        yield from _lines(facts)


def _lines(facts: Sequence[Fact]) -> Iterator[list[str]]:
    """One line for all facts about the same thing, or one for each of several numbers that rise."""
    first = facts[0]
    mark = "" if all(fact.holds for fact in facts) else _MARK[False]
    if first.relation == "rises":
        for fact in facts:
            names, values = str(fact.known).split(" < "), _numbers(fact.found)
            for place, (name, value) in enumerate(zip(names, values, strict=True)):
                known = "" if not place else "more"
                yield ["", f"{_what(fact)}: {name}", known, _one(value, fact.unit), mark]
        return
    yield ["", _what(first), _known(facts), _found(facts), mark]


def _what(fact: Fact) -> str:
    return f"{fact.what}, {fact.unit}" if fact.unit == "nats" else fact.what


def _known(facts: Sequence[Fact]) -> str:
    first = facts[0]
    shown = {_value(fact.known, fact.unit) for fact in facts}
    if first.relation == "is":
        return shown.pop() if len(shown) == 1 else "by hand"
    return f"{first.relation} {shown.pop()}"


def _found(facts: Sequence[Fact]) -> str:
    """What comes nearest to being wrong, or is."""
    first = next((fact for fact in facts if not fact.holds), facts[0])
    if first.holds and first.relation != "is":
        edge = max if first.relation == "below" else min
        first = edge(facts, key=lambda fact: _numbers(fact.found)[0])
    elif first.holds and len({_value(fact.known, fact.unit) for fact in facts}) > 1:
        return "the same"
    return _value(first.found, first.unit)


def _wrong(found: SelfTest, width: int) -> Iterator[str]:
    for result in found.results:
        said = [_otherwise(result.number, fact) for fact in result.facts if not fact.holds]
        if result.stopped:
            said.append(f"{result.number} broke off: {result.stopped}")
        yield from ("\n".join(wrap(visible(sentence), width)) for sentence in said)


def _otherwise(number: str, fact: Fact) -> str:
    where = f" ({fact.case})" if fact.case else ""
    relation = "" if fact.relation == "is" else f"{fact.relation} "
    known, found = _value(fact.known, fact.unit), _value(fact.found, fact.unit)
    return f"{number}{where}: {_what(fact)}: known {relation}{known}, found {found}."


def _verdict(found: SelfTest) -> str:
    wrong = [result.number for result in found.results if not result.ok]
    took = duration(sum(result.seconds for result in found.results))
    if found.ok:
        facts = sum(len(result.facts) for result in found.results)
        return (
            f"All as known: {plural(len(found.results), 'oracle')}, {plural(facts, 'fact')}, in {took}. "
            "regress computes on this machine what it must."
        )
    return (
        f"NOT AS KNOWN: {', '.join(wrong)}, of {plural(len(found.results), 'oracle')}, in {took}. "
        "What regress computes on this machine is not to be relied on. Please report it, with the output of "
        "--json."
    )


def _value(value: Value, unit: str) -> str:
    if isinstance(value, tuple):
        return "/".join(_one(each, unit) for each in value) or UNDEFINED
    return _one(value, unit)


def _one(value: bool | int | float | str, unit: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if unit == "share":
        return f"{percent(value)} %"
    return count(value) if isinstance(value, int) else about(value)


def _numbers(value: Value) -> tuple[float, ...]:
    """A number or several, as several."""
    values = value if isinstance(value, tuple) else (value,)
    return tuple(float(each) for each in values if not isinstance(each, str))
