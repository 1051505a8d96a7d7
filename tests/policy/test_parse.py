"""What a policy file may say, and what it is told if it may not."""

from __future__ import annotations

import re
import tomllib

import pytest

import regress.policy.parse
from regress.errors import UnknownName, UsageError
from regress.policy.parse import parse, preset
from regress.policy.presets import PRESETS
from regress.verdicts import MEASURES, Rule, Terms


def rules(terms: Terms, measure: str) -> list[Rule]:
    return [rule for rule in terms.rules if rule.measure == measure]


# ── presets ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "drop", "nfr", "tier", "smooth", "share", "minimum", "undecided"),
    [
        ("strict", 0.01, 0.05, "blocking", 0.10, 0.05, 300, "block"),
        ("balanced", 0.02, 0.05, "advisory", 0.20, 0.10, 200, "block"),
        ("permissive", 0.03, 0.10, "advisory", 0.30, 0.20, 100, "warn"),
    ],
)
def test_the_presets_are_these(name, drop, nfr, tier, smooth, share, minimum, undecided):
    policy = preset(name)
    for measure in ("max_accuracy_drop", "max_score_drop"):
        assert [(rule.limit, rule.tier) for rule in rules(policy.default, measure)] == [(drop, "blocking")]
    flips = {rule.scale: rule for rule in rules(policy.default, "max_nfr")}
    assert (flips["binary"].limit, flips["binary"].tier) == (nfr, tier)
    assert (flips["bounded"].limit, flips["bounded"].tau, flips["bounded"].tier) == (smooth, 0.10, tier)
    assert (policy.default.max_unreadable, policy.default.max_truncated) == (share, share)
    assert (policy.default.minimum_n, policy.undecided) == (minimum, undecided)
    assert (policy.scope, policy.confidence) == ("population", 0.95)


def test_an_unknown_preset_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match="balanced"):
        preset("ballanced")


# ── building upon another ────────────────────────────────────────────────────────────────────────


def test_a_policy_builds_upon_balanced_unless_it_says_otherwise():
    assert parse({}, name="p").default == preset("balanced").default
    assert parse({"preset": "strict"}, name="p").default == preset("strict").default
    assert parse({"preset": "none"}, name="p").default == Terms()
    assert parse({}, name="p").base == "balanced"


def test_what_it_says_of_a_measure_replaces_the_presets():
    policy = parse({"default": {"max_nfr": 0.03}}, name="p")
    assert rules(policy.default, "max_nfr") == [Rule(measure="max_nfr", limit=0.03, tau=0.10)]
    assert rules(policy.default, "max_accuracy_drop") == rules(
        preset("balanced").default, "max_accuracy_drop"
    )


def test_false_takes_a_limit_away():
    policy = parse({"default": {"max_nfr": False, "max_truncated": False}}, name="p")
    assert not rules(policy.default, "max_nfr")
    assert policy.default.max_truncated is None


def test_a_task_is_held_to_the_default_and_to_what_it_is_named_for():
    policy = parse(
        {"default": {"minimum_n": 500}, "tasks": {"gsm8k": {"max_accuracy_drop": 0.005}}}, name="p"
    )
    terms = policy.tasks["gsm8k"]
    assert terms.minimum_n == 500
    assert [(rule.limit, rule.named) for rule in rules(terms, "max_accuracy_drop")] == [(0.005, True)]
    assert not any(rule.named for rule in rules(terms, "max_nfr"))


def test_a_limit_may_differ_by_scale():
    table = {"default": {"max_nfr": {"binary": 0.1, "bounded": 0.3, "tau": 0.2, "tier": "advisory"}}}
    found = {
        rule.scale: (rule.limit, rule.tau, rule.tier)
        for rule in rules(parse(table, name="p").default, "max_nfr")
    }
    assert found == {"binary": (0.1, 0.2, "advisory"), "bounded": (0.3, 0.2, "advisory")}


def test_the_example_in_the_documentation_parses():
    _, example = regress.policy.parse.__doc__.split("\n\n", maxsplit=1)
    policy = parse(tomllib.loads(example), name="doc")
    assert policy.tasks["gsm8k"].must_not_flip == ("3fa9c1d2e4b5a697",)
    assert policy.slices[0].name == "long division"
    assert {rule.measure for rule in policy.default.rules} == set(MEASURES) - {"max_nfr_mc"}


# ── what cannot be meant ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"confidence": 95}, "confidence is 95. Allowed: a number above 0.5 and below 1"),
        ({"confidence": "high"}, "confidence is 'high'"),
        ({"scope": "world"}, "scope is 'world'. Allowed: population, items"),
        ({"undecided": "pass"}, "undecided is 'pass'. Allowed: block, warn"),
        ({"noise_kinds": []}, "noise_kinds is empty"),
        ({"default": 3}, "default is 3. Allowed: a table"),
        ({"default": {"max_nfr": -0.1}}, "limit is -0.1. Allowed: a number from 0 to 1"),
        ({"default": {"max_nfr": 5}}, "limit is 5. Allowed: a number from 0 to 1"),
        ({"default": {"max_nfr": True}}, "limit is True"),
        ({"default": {"max_nfr": float("nan")}}, "limit is nan"),
        ({"default": {"max_score_drop": float("inf")}}, "limit is inf"),
        ({"default": {"max_nfr": 1}}, "a number below 1"),
        ({"default": {"max_score_drop": 10**400}}, "limit is 1000"),
        ({"default": {"minimum_n": 10**400}}, "minimum_n is 1000"),
        ({"default": {"max_nfr": 0}}, "no finite sample proves"),
        ({"default": {"max_nfr": {"tier": "advisory"}}}, "Allowed: a number, or `limit`"),
        ({"default": {"max_nfr": {"limit": 0.1, "binary": 0.1}}}, "Allowed: a number, or `limit`"),
        ({"default": {"max_accuracy_drop": {"limit": 0.1, "tau": 0.1}}}, "has a tau"),
        ({"default": {"max_nfr": {"limit": 0.1, "tier": "loud"}}}, "tier is 'loud'"),
        ({"default": {"minimum_n": 0}}, "minimum_n is 0"),
        ({"default": {"minimum_n": 2.5}}, "minimum_n is 2.5"),
        ({"default": {"max_unreadable": 1.5}}, "max_unreadable is 1.5"),
        ({"default": {"must_not_flip": ["a"]}}, "Ids belong to a task"),
        ({"tasks": {"gsm8k": {"must_not_flip": "a"}}}, "must_not_flip is 'a'"),
        ({"tasks": {"gsm8k": 1}}, "gsm8k is 1"),
        ({"slices": {"name": "x"}}, "headed [[slices]]"),
        ({"slices": [{"tags": {"a": "b"}}]}, "slice 1 has no name"),
        ({"slices": [{"name": "x"}]}, "tags is None"),
        ({"slices": [{"name": "x", "tags": {"a": 3}}]}, "tags is {'a': 3}"),
    ],
)
def test_impossible_values_are_errors_that_say_what_is_possible(table, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        parse(table, name="p.toml")


@pytest.mark.parametrize(
    ("table", "known"),
    [
        ({"defualt": {}}, "default"),
        ({"default": {"max_acuracy_drop": 0.1}}, "max_accuracy_drop"),
        ({"default": {"max_nfr": {"limits": 0.1}}}, "limit"),
        ({"tasks": {"gsm8k": {"min_n": 3}}}, "minimum_n"),
        ({"slices": [{"name": "x", "tags": {"a": "b"}, "task": "y"}]}, "tasks"),
        ({"preset": "stricts"}, "strict"),
        ({"noise_kinds": ["batches"]}, "batch"),
        ({"allow": ["prompt"]}, "prompts"),
    ],
)
def test_unknown_keys_are_errors_that_name_the_nearest(table, known):
    with pytest.raises(UnknownName, match=known):
        parse(table, name="p.toml")


def test_a_limit_of_nothing_is_allowed_where_nothing_is_inferred():
    policy = parse({"preset": "none", "scope": "items", "default": {"max_nfr": 0}}, name="p")
    assert policy.default.rules[0].limit == 0.0


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_says_how_small_is_too_small(name):
    assert preset(name).default.minimum_n >= 100
