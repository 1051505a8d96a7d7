"""What the self test prints: what was known beside what was found, and what is wrong at the end."""

from __future__ import annotations

import json
import math

import pytest
from rich.cells import cell_len

from regress.changes import Fact, OracleResult, SelfTest
from regress.views.selftest import render, to_json
from regress.workflows.selftest.facts import above, below, equal, rising


def oracle(*facts: Fact, number: str = "I-2", stopped: str | None = None) -> OracleResult:
    return OracleResult(number=number, name="six expansions", facts=facts, stopped=stopped, seconds=2.0)


SAME = oracle(
    equal("claim", "same", "same", case="one"),
    equal("claim", "same", "same", case="two"),
    below("KLD", 2e-13, 1e-9, case="one", unit="nats"),
    below("KLD", 4e-13, 1e-9, case="two", unit="nats"),
    equal("answers that changed", 0, 0, case="one"),
    equal("pairs", 8, 8, case="one"),
    equal("pairs", 9, 9, case="two"),
    equal("flip table", (8, 52), (8, 52)),
    equal("NFR", 0.26, 0.26, unit="share"),
    equal("bit for bit", True, True),
)
WRONG = oracle(
    equal("NFR", 0.1, 0.2, case="piqa", unit="share"),
    equal("NFR", 0.2, 0.2, case="gsm8k", unit="share"),
    rising("KLD", {"int8": 1e-4, "int4": 1e-5}, unit="nats"),
    above("flips", 0, 0),
    number="II-2",
)


def test_facts_about_one_thing_are_one_line_with_what_comes_nearest_to_being_wrong() -> None:
    lines = render(SelfTest(results=(SAME,)), width=80).splitlines()
    assert lines[1].split() == ["I-2", "six", "expansions", "ok"]
    assert [" ".join(line.split()) for line in lines[2:9]] == [
        "claim same same",
        "KLD, nats below 1e−09 4e−13",
        "answers that changed 0 0",
        "pairs by hand the same",
        "flip table 8/52 8/52",
        "NFR 26.0 % 26.0 %",
        "bit for bit yes yes",
    ]
    assert lines[-2:] == [
        "All as known: 1 oracle, 10 facts, in 2.0 s. regress computes on this machine",
        "what it must.",
    ]


def test_what_is_wrong_is_marked_and_told_case_by_case() -> None:
    text = render(SelfTest(results=(SAME, WRONG)), width=100)
    marked = [" ".join(line.split()) for line in text.splitlines() if line.endswith("WRONG")]
    assert marked == [
        "II-2 six expansions WRONG",
        "NFR 20.0 % 10.0 % WRONG",
        "KLD, nats: int8 0.0001 WRONG",
        "KLD, nats: int4 more 1e−05 WRONG",
        "flips above 0 0 WRONG",
    ]
    assert "II-2 (piqa): NFR: known 20.0 %, found 10.0 %." in text
    assert "gsm8k" not in text
    assert "II-2: KLD, nats: known rises int8 < int4, found 0.0001/1e−05." in text
    assert "II-2: flips: known above 0, found 0." in text
    assert "NOT AS KNOWN: II-2, of 2 oracles, in 4.0 s." in text


def test_why_an_oracle_broke_off_is_said_whatever_is_in_it() -> None:
    text = render(SelfTest(results=(oracle(stopped="no \x1b[31mdisk"),), kept="here\x07"), width=80)
    assert "I-2 broke off: no" in text
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "Models and runs are in here" in text


@pytest.mark.parametrize("width", [60, 80, 140])
def test_no_line_is_wider_than_asked(width: int) -> None:
    text = render(SelfTest(results=(SAME, WRONG, oracle(stopped="x " * 90))), width=width)
    assert max(map(cell_len, text.splitlines())) <= width


def test_json_says_what_holds_and_has_no_nan() -> None:
    nan = oracle(below("KLD", math.nan, 1e-9, unit="nats"))
    document = json.loads(to_json(SelfTest(results=(SAME, nan))))
    assert (document["schema"], document["ok"], document["kept"]) == ("regress.selftest/1", False, None)
    first, second = document["oracles"]
    assert (first["number"], first["ok"], len(first["facts"])) == ("I-2", True, 10)
    assert first["facts"][2] == {
        "what": "KLD",
        "relation": "below",
        "known": 1e-9,
        "found": 2e-13,
        "holds": True,
        "case": "one",
        "unit": "nats",
    }
    assert (second["ok"], second["facts"][0]["found"], second["facts"][0]["holds"]) == (False, None, False)
