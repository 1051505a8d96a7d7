"""Extraction as data gives what lm-eval's filters give."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.scoring.extract import Extract, extract, known

STRICT = [{"function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"}, {"function": "take_first"}]
FLEXIBLE = [
    {"function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"},
    {"function": "take_first"},
]
SHOUTED = [{"function": "lowercase"}, {"function": "remove_whitespace"}, {"function": "take_first"}]
VOTED = [
    {"function": "regex", "regex_pattern": "(\\d+)"},
    {"function": "majority_vote"},
    {"function": "take_first"},
]
EMPTY_GROUPS = [
    {"function": "regex", "regex_pattern": "(a)?(b)?", "fallback": " none "},
    {"function": "take_first"},
]
PIPELINES = [
    STRICT,
    FLEXIBLE,
    SHOUTED,
    VOTED,
    EMPTY_GROUPS,
    [{"function": "uppercase"}, {"function": "take_first"}],
]

answers = st.one_of(
    st.text(),
    st.text(alphabet="0123456789.,$- #\nab"),
    st.builds(
        "{}#### {}{}".format, st.text(max_size=5), st.integers(), st.sampled_from(["", ".", ",000", " x"])
    ),
)


def by_lm_eval(outputs: list[str], steps: list[dict[str, Any]]) -> str:
    from lm_eval.api.instance import Instance
    from lm_eval.filters import build_filter_ensemble

    asked = Instance(request_type="generate_until", doc={}, arguments=("", {}), idx=0, resps=list(outputs))
    components = [[s["function"], {k: v for k, v in s.items() if k != "function"}] for s in steps]
    build_filter_ensemble("f", components).apply([asked])
    return asked.filtered_resps["f"]


@pytest.mark.models
@pytest.mark.parametrize("steps", PIPELINES)
@settings(deadline=None)  # the first call imports the oracle
@given(outputs=st.lists(answers, min_size=1, max_size=4))
def test_every_pipeline_reads_what_lm_eval_reads(steps: list[dict[str, Any]], outputs: list[str]) -> None:
    assert extract(outputs, steps).text == by_lm_eval(outputs, steps)


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        ("so 6 x 7 = 42\n#### 42", "42", "42"),
        ("#### 1,000.", "1,000.", "1,000."),
        ("#### -5", "-5", "-5"),
        ("#### 3\n#### 4", "3", "4"),
        ("The answer is $18.", "[invalid]", "$18."),
        ("no number at all", "[invalid]", "[invalid]"),
        ("", "[invalid]", "[invalid]"),
        ("####42", "[invalid]", "42"),
        ("#### x 7", "[invalid]", "7"),
    ],
)
def test_both_readings_of_a_gsm8k_answer(text: str, strict: str, flexible: str) -> None:
    assert extract([text], STRICT).text == strict
    assert extract([text], FLEXIBLE).text == flexible


def test_it_is_remembered_that_nothing_was_found_whatever_comes_after() -> None:
    steps = [
        {"function": "regex", "regex_pattern": "x"},
        {"function": "uppercase"},
        {"function": "take_first"},
    ]
    assert extract(["y"], steps) == Extract("[INVALID]", found=False)


def test_a_written_fallback_is_found_but_a_missing_answer_is_not() -> None:
    steps = [{"function": "regex", "regex_pattern": r"(\[invalid\]|\d)"}, {"function": "take_first"}]
    assert extract(["[invalid]"], steps).found
    assert not extract(["?"], steps).found


def test_fewer_matches_than_asked_for_is_not_found() -> None:
    steps = [{"function": "regex", "regex_pattern": "\\d", "group_select": 3}, {"function": "take_first"}]
    assert extract(["1 2"], steps) == Extract("[invalid]", found=False)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [{"function": "regex"}],
        [{"function": "take_first"}, {"function": "take_first"}],
        [{"function": "custom", "filter_fn": print}, {"function": "take_first"}],
        [{"function": "regex", "unheard_of": 1}, {"function": "take_first"}],
        [{"function": print}, {"function": "take_first"}],
    ],
)
def test_a_pipeline_that_cannot_be_run_as_data_is_not_known_and_refused(steps: list[dict[str, Any]]) -> None:
    assert not known(steps)
    with pytest.raises(ValueError, match="cannot run these filters"):
        extract(["1"], steps)


def test_no_output_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="no output"):
        extract([], STRICT)


@pytest.mark.shared
@pytest.mark.models
def test_real_solutions_of_four_systems_are_read_as_lm_eval_reads_them(shared: Any) -> None:
    solutions = shared("data/gsm8k/example_model_solutions.jsonl")
    systems = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    read = 0
    for line in solutions.read_text(encoding="utf-8").split("\n")[:400]:
        for system in systems:
            text = re.sub(r"\nA: ", "\n#### ", json.loads(line)[system]["solution"])
            for steps in (STRICT, FLEXIBLE):
                assert extract([text], steps).text == by_lm_eval([text], steps)
                read += extract([text], steps).found
    assert read > 3000
