"""The headline and its scale are read from the definition."""

from __future__ import annotations

import math
from typing import Any

import pytest

from regress.definitions.headline import PER_INSTANCE, Metric, headline, scorer
from regress.errors import TaskError, UnknownName


def metric(name: str, aggregation: str | None = "mean", **given: Any) -> Metric:
    return Metric(
        **{
            "name": name,
            "aggregation": aggregation,
            "higher_is_better": True,
            "builtin": True,
            "options": {},
            **given,
        }
    )


def decide(
    *metrics: Metric,
    filters: tuple[str, ...] = ("none",),
    asked: str | None = None,
    task="t",
    **metadata: Any,
):
    return headline(task, metrics, filters, asked=asked, metadata=metadata)


def test_the_first_metric_after_the_first_filter_decides() -> None:
    assert decide(metric("acc"), metric("acc_norm")).key == "acc"
    assert decide(metric("exact_match"), filters=("strict", "loose")).key == "exact_match/strict"


@pytest.mark.parametrize(
    ("asked", "key"), [("exact_match", "exact_match/strict"), ("exact_match/loose", "exact_match/loose")]
)
def test_another_can_be_asked_for_with_or_without_its_filter(asked: str, key: str) -> None:
    assert decide(metric("em"), metric("exact_match"), filters=("strict", "loose"), asked=asked).key == key


def test_an_unknown_metric_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'acc_norm'"):
        decide(metric("acc"), metric("acc_norm"), asked="acc_nrom")


@pytest.mark.parametrize(
    ("one", "scale"),
    [
        (metric("acc"), "binary"),
        (metric("exact_match", builtin=False), "binary"),
        (metric("em", builtin=False), "binary"),
        (metric("f1", builtin=False), "bounded"),
        (metric("word_perplexity", "weighted_perplexity", higher_is_better=False), "unbounded"),
        (metric("edits", higher_is_better=False, builtin=False), "unbounded"),
        (metric("brier_score", "brier_score", higher_is_better=False), "unbounded"),
    ],
)
def test_the_scale_follows_from_metric_and_direction(one: Metric, scale: str) -> None:
    assert decide(one).scale == scale


def test_a_scale_is_assumed_only_of_the_tasks_own_code() -> None:
    assert not decide(metric("acc")).assumed
    assert decide(metric("acc", builtin=False)).assumed
    assert decide(metric("f1", builtin=False)).assumed
    assert not decide(metric("f1", builtin=False), scale="binary").assumed
    assert not decide(metric("rouge1", builtin=False), scorer={"rouge1": {}}).assumed


def test_a_task_that_calls_a_share_of_probability_acc_is_bounded() -> None:
    assert decide(metric("acc", builtin=False), task="truthfulqa_mc2").scale == "bounded"


def test_a_declared_scale_that_is_none_is_refused() -> None:
    with pytest.raises(TaskError, match="declares the scale 'fuzzy'"):
        decide(metric("acc"), scale="fuzzy")


@pytest.mark.parametrize(
    "corpus",
    [
        metric("bleu", "bleu"),
        metric("bleu", "mean"),
        metric("ter", "ter"),
        metric("mcc", "matthews_corrcoef"),
        metric("f1", "f1"),
        metric("macro", None, builtin=False),
    ],
)
def test_a_metric_over_the_corpus_is_refused_by_name_and_others_are_offered(corpus: Metric) -> None:
    with pytest.raises(TaskError, match=f"{corpus.name!r} of the task 't' is computed over all items"):
        decide(corpus)
    with pytest.raises(TaskError, match=r"Allowed: exact_match\. Choose another with --metric"):
        decide(corpus, metric("exact_match"))
    assert decide(corpus, metric("exact_match"), asked="exact_match").key == "exact_match"


def test_one_items_value_from_what_a_task_hands_to_its_aggregation() -> None:
    assert PER_INSTANCE["weighted_perplexity"]((-6.0, 3)) == pytest.approx(math.exp(2))
    assert PER_INSTANCE["bits_per_byte"]((-6.0, 3)) == pytest.approx(2 / math.log(2))
    assert PER_INSTANCE["perplexity"](-1.0) == pytest.approx(math.e)
    assert PER_INSTANCE["brier_score"]((0, [0.5, 0.5])) == 0.5
    assert PER_INSTANCE["mean"](True) == 1.0


def test_what_data_can_express_is_data() -> None:
    exact = metric("exact_match", options={"ignore_case": True})
    assert scorer("generate_until", [exact], None, metadata={}) == {
        "kind": "text",
        "filters": [{"name": "none", "filter": [{"function": "take_first"}]}],
        "metrics": [{"metric": "exact_match", "function": "exact_match", "ignore_case": True}],
    }
    assert scorer("multiple_choice", [metric("acc"), metric("f1", "f1")], None, metadata={})["metrics"] == [
        "acc"
    ]


@pytest.mark.parametrize(
    ("output_type", "metrics", "filters"),
    [
        ("multiple_choice", [metric("acc", builtin=False)], None),
        ("multiple_choice", [metric("acc")], [{"name": "f", "filter": [{"function": "take_first"}]}]),
        ("generate_until", [metric("exact_match", builtin=False)], None),
        ("generate_until", [metric("exact_match", options={"odd": 1})], None),
        ("generate_until", [metric("exact_match")], [{"name": "f", "filter": [{"function": "custom"}]}]),
        ("loglikelihood_rolling", [metric("word_perplexity", "weighted_perplexity")], None),
    ],
)
def test_anything_else_is_judged_by_lm_eval(output_type: str, metrics: list[Metric], filters: Any) -> None:
    assert scorer(output_type, metrics, filters, metadata={}) == {"kind": "lm-eval"}
