"""A policy as TOML has it -> `Policy`, or a refusal that names the key.

preset = "balanced"              # what it builds upon; "none" for nothing; default balanced
confidence = 0.95                # of every one-sided test
undecided = "block"              # or "warn": an undecided verdict exits 0
scope = "population"             # or "items": these items are all that matters
noise_kinds = ["rerun", "batch", "order"]
allow = []                       # "prompts", "task", "scorer": judge settings, not models

[default]                        # every task, where its scale defines the rule
max_accuracy_drop = 0.02         # a blocking limit; false takes the preset's away
max_nfr = { limit = 0.05, tier = "advisory" }
max_score_drop = 0.02
max_excess_nfr = 0.02
max_unreadable = 0.10
minimum_n = 200

[tasks.samsum]                   # over the default
max_nfr = { limit = 0.10, tau = 0.10 }

[tasks.gsm8k]
must_not_flip = ["3fa9c1d2e4b5a697"]

[[slices]]                       # declared before the run; advisory unless it says otherwise
name = "long division"
tasks = ["gsm8k"]
tags = { topic = "division" }
max_accuracy_drop = 0.05
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast, get_args

from regress.comparable import ALLOWABLE
from regress.errors import UnknownName, UsageError
from regress.policy.presets import DEFAULT_PRESET, PRESETS
from regress.types import VARIATIONS, Scale
from regress.verdicts import (
    MEASURES,
    Measure,
    Policy,
    Rule,
    Scope,
    SliceTerms,
    Terms,
    Tier,
    Undecided,
)

TAU = 0.10
"""How far a score must fall to count as a negative flip, where the policy does not say."""

_LARGEST = 10**9
"""Nothing that a policy counts or limits is larger."""

_KEYS = (
    *("preset", "confidence", "undecided", "scope", "noise_kinds", "allow"),
    *("default", "tasks", "slices"),
)
_SHARES = ("max_unreadable", "max_truncated")
_TERMS = (*MEASURES, *_SHARES, "minimum_n", "must_not_flip")
_RULE = ("limit", "binary", "bounded", "tau", "tier")
_SLICE = ("name", "tags", "tasks", "tier", "minimum_n", *MEASURES)
_WITH_TAU = ("max_nfr", "max_excess_nfr")


def preset(name: str) -> Policy:
    """One of the shipped policies.

    Raises:
        UnknownName: If there is none of that name.

    >>> preset("balanced").undecided
    'block'
    """
    if name not in PRESETS:
        raise UnknownName("preset", name, PRESETS)
    return replace(_overlaid(PRESETS[name], Policy(name=name), "preset"), base=name)


def parse(table: Mapping[str, Any], *, name: str) -> Policy:
    """The policy that a TOML table says, over the preset that it names (`balanced` if it names none).

    Args:
        table: The table; `must_not_flip` as a list of ids.
        name: What to call it: the file that it was read from.

    Raises:
        UnknownName: If it holds a key that regress does not know.
        UsageError: If a value cannot be meant.

    >>> parse({"default": {"max_accuracy_drop": 0.01}}, name="mine.toml").default.minimum_n
    200
    """
    _known(table, _KEYS, name)
    base = table.get("preset", DEFAULT_PRESET)
    if not isinstance(base, str) or base not in (*PRESETS, "none"):
        raise UnknownName("preset", str(base), [*PRESETS, "none"], where=name)
    under = Policy(name=name) if base == "none" else replace(preset(base), name=name)
    return _overlaid(table, under, name)


def _overlaid(table: Mapping[str, Any], under: Policy, where: str) -> Policy:
    scope = cast(Scope, _one_of(table, "scope", under.scope, get_args(Scope), where))
    default = _terms(_table(table, "default", where), under.default, f"{where}, default", scope, named=False)
    tasks = {
        task: _terms(
            _table(terms, task, where, own=True), default, f"{where}, tasks.{task}", scope, named=True
        )
        for task, terms in _table(table, "tasks", where).items()
    }
    slices = table.get("slices", [])
    if not isinstance(slices, list) or not all(isinstance(one, Mapping) for one in slices):
        raise UsageError(f"{where}: slices is {slices!r}", allowed="tables, each headed [[slices]]")
    if default.must_not_flip:
        raise UsageError(
            f"{where}, default: must_not_flip lists ids",
            do="Ids belong to a task: put it under [tasks.NAME].",
        )
    return replace(
        under,
        confidence=_number(table, "confidence", under.confidence, where, low=0.5, high=1.0, open_ends=True),
        scope=scope,
        undecided=cast(Undecided, _one_of(table, "undecided", under.undecided, get_args(Undecided), where)),
        noise_kinds=cast(Any, _several(table, "noise_kinds", under.noise_kinds, VARIATIONS, where, least=1)),
        allow=_several(table, "allow", under.allow, ALLOWABLE, where),
        default=default,
        tasks=tasks,
        slices=tuple(_slice(one, f"{where}, slice {place}", scope) for place, one in enumerate(slices, 1)),
    )


# ── what a task is held to ───────────────────────────────────────────────────────────────────────


def _terms(table: Mapping[str, Any], under: Terms, where: str, scope: Scope, *, named: bool) -> Terms:
    _known(table, _TERMS, where)
    shares = {
        key: None if table[key] is False else _number(table, key, 0.0, where, low=0.0, high=1.0)
        for key in _SHARES
        if key in table
    }
    return replace(
        under,
        rules=_rules(table, under.rules, where, scope, named=named),
        minimum_n=_whole(table, "minimum_n", under.minimum_n, where),
        must_not_flip=_ids(table, under.must_not_flip, where),
        **cast(Any, shares),
    )


def _rules(
    table: Mapping[str, Any], under: Sequence[Rule], where: str, scope: Scope, *, named: bool
) -> tuple[Rule, ...]:
    """The rules under it, each replaced by what the table says of the same measure."""
    rules: list[Rule] = []
    for measure in MEASURES:
        if measure in table:
            rules += _rule(measure, table[measure], f"{where}: {measure}", scope, named=named)
        else:
            rules += [rule for rule in under if rule.measure == measure]
    return tuple(rules)


def _rule(measure: Measure, value: Any, where: str, scope: Scope, *, named: bool) -> list[Rule]:
    if value is False:
        return []
    table = value if isinstance(value, Mapping) else {"limit": value}
    _known(table, _RULE, where)
    tier = cast(Tier, _one_of(table, "tier", "blocking", get_args(Tier), where))
    tau = _tau(measure, table, where)
    limits: list[tuple[Scale | None, str]] = [(None, "limit"), ("binary", "binary"), ("bounded", "bounded")]
    rules = [
        Rule(
            measure=measure,
            limit=_limit(measure, table, key, where, scope),
            tier=tier,
            scale=scale,
            tau=tau,
            named=named,
        )
        for scale, key in limits
        if key in table
    ]
    if not rules or ("limit" in table and len(rules) > 1):
        raise UsageError(
            f"{where} is {dict(table)!r}", allowed="a number, or `limit`, or `binary` and `bounded`"
        )
    return rules


def _limit(measure: Measure, table: Mapping[str, Any], key: str, where: str, scope: Scope) -> float:
    # only a score without bounds may fall by more than 1
    high = math.inf if measure == "max_score_drop" else 1.0
    limit = _number(table, key, math.nan, where, low=0.0, high=high)
    if limit == 1.0 and measure != "max_score_drop":
        raise UsageError(f"{where} is limited to 1", allowed="a number below 1: nothing exceeds 1")
    if limit == 0.0 and scope == "population":
        raise UsageError(
            f"{where} is limited to 0",
            allowed="a number above 0: no finite sample proves that there is no harm at all",
            do='For these very items, without generalising, set scope = "items".',
        )
    return limit


def _tau(measure: Measure, table: Mapping[str, Any], where: str) -> float | None:
    if measure not in _WITH_TAU:
        if "tau" in table:
            raise UsageError(f"{where} has a tau", allowed=f"tau on {' and '.join(_WITH_TAU)} only")
        return None
    return _number(table, "tau", TAU, where, low=0.0, high=math.inf, open_ends=True)


def _slice(table: Mapping[str, Any], where: str, scope: Scope) -> SliceTerms:
    _known(table, _SLICE, where)
    name, tags = table.get("name"), table.get("tags")
    if not isinstance(name, str) or not name:
        raise UsageError(f"{where} has no name", allowed="a text as `name`")
    if not isinstance(tags, Mapping) or not tags or not all(isinstance(tag, str) for tag in tags.values()):
        raise UsageError(
            f"{where}: tags is {tags!r}", allowed='a table of texts, such as { topic = "algebra" }'
        )
    tier = cast(Tier, _one_of(table, "tier", "advisory", get_args(Tier), where))
    own = _rules(table, (), where, scope, named=False)
    return SliceTerms(
        name=name,
        tags=dict(tags),
        tasks=_texts(table, "tasks", where),
        tier=tier,
        rules=tuple(replace(rule, tier=tier) for rule in own),
        minimum_n=_whole(table, "minimum_n", None, where),
    )


# ── values ───────────────────────────────────────────────────────────────────────────────────────


def _known(table: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    for key in table:
        if key not in keys:
            raise UnknownName("key", str(key), keys, where=where)


def _table(table: Any, key: str, where: str, *, own: bool = False) -> Mapping[str, Any]:
    value = table if own else table.get(key, {})
    if not isinstance(value, Mapping):
        raise UsageError(f"{where}: {key} is {value!r}", allowed="a table")
    return value


def _number(
    table: Mapping[str, Any],
    key: str,
    default: float,
    where: str,
    *,
    low: float,
    high: float,
    open_ends: bool = False,
) -> float:
    value = table.get(key, default)
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    # a whole number may be too large to be a float
    if not real or not (low < value < high if open_ends else low <= value <= high) or value > _LARGEST:
        between = "above" if open_ends else "from"
        upper = "" if math.isinf(high) else f" {'and below' if open_ends else 'to'} {high:g}"
        raise UsageError(f"{where}: {key} is {value!r}", allowed=f"a number {between} {low:g}{upper}")
    return float(value)


def _whole(table: Mapping[str, Any], key: str, default: Any, where: str) -> Any:
    value = table.get(key, default)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if key in table and not (whole and 1 <= value <= _LARGEST):
        raise UsageError(f"{where}: {key} is {value!r}", allowed=f"a whole number from 1 to {_LARGEST:,}")
    return value


def _one_of(table: Mapping[str, Any], key: str, default: str, known: Sequence[str], where: str) -> str:
    value = table.get(key, default)
    if value not in known:
        raise UsageError(f"{where}: {key} is {value!r}", allowed=", ".join(known))
    return str(value)


def _texts(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise UsageError(f"{where}: {key} is {value!r}", allowed="a list of texts")
    return tuple(dict.fromkeys(value))


def _several(
    table: Mapping[str, Any],
    key: str,
    default: Sequence[str],
    known: Sequence[str],
    where: str,
    *,
    least: int = 0,
) -> tuple[str, ...]:
    if key not in table:
        return tuple(default)
    chosen = _texts(table, key, where)
    for name in chosen:
        if name not in known:
            raise UnknownName(key.rstrip("s").replace("_", " "), name, known, where=where)
    if len(chosen) < least:
        raise UsageError(f"{where}: {key} is empty", allowed=f"at least {least} of {', '.join(known)}")
    return chosen


def _ids(table: Mapping[str, Any], default: tuple[str, ...], where: str) -> tuple[str, ...]:
    return _texts(table, "must_not_flip", where) if "must_not_flip" in table else default
