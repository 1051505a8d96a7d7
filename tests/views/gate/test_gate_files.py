"""The files of a verdict: Markdown, JUnit and JSON, whatever names and ids contain."""

from __future__ import annotations

import inspect
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
from markdown_it import MarkdownIt

from regress.policy import bounds, rules
from regress.types import Comparison
from regress.verdicts import RuleResult
from regress.views.gate import export
from regress.views.gate.export import document, to_json
from regress.views.gate.junit import to_junit
from regress.views.gate.markdown import LONGEST
from regress.views.gate.markdown import render as markdown
from regress.views.gate.measured import MEASURED
from regress.views.gate.policy import explain
from regress.views.gate.reasons import REASONS

NAMES = ("pass", "fail", "undecided", "warned", "not-gateable", "hostile")


def html(text: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


# ── Markdown ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_the_comment_reads_as_it_did(name: str, verdicts: Any, judged: Comparison, golden: Any) -> None:
    golden(f"gate-{name}.md", markdown(verdicts[name], judged, assumed=name == "pass"))


def test_hostile_names_make_no_html_link_code_or_further_column(verdicts: Any, hostile: Comparison) -> None:
    page = html(markdown(verdicts["hostile"], hostile))
    tags = set(re.findall(r"</?([a-z0-9]+)", page))
    ours = {"h2", "h3", "p", "ul", "li", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert tags <= ours | {"details", "summary"}
    tables = [{row.count("<td") for row in part.split("<tr>")[2:]} for part in page.split("<table>")[1:]]
    assert tables == [{6}, {8}, {5}], "rules, comparison, worst flips"


def test_texts_are_in_it_only_on_request(verdicts: Any, full: Comparison) -> None:
    bare, whole = (markdown(verdicts["fail"], full, with_text=wanted) for wanted in (False, True))
    for text in ("freezer", "cookies", "How do you open", "420"):
        assert text not in bare
    assert "freezer" in whole
    assert whole.replace("\n", "").startswith(
        bare[: bare.index("</details>", bare.index("worst"))].replace("\n", "")
    )


@pytest.mark.parametrize("with_text", [False, True])
def test_a_comment_is_never_longer_than_a_host_takes(
    with_text: bool, made: Any, judged_as: Any, hostile: Comparison, hostile_text: str
) -> None:
    data = {"ids": [hostile_text] * 5000, "listed": 5000}
    results = [
        made("must_not_flip", "fail", "flipped", hostile_text, data=data, slice=f"{i}") for i in range(400)
    ]
    page = markdown(judged_as("fail", *results), hostile, with_text=with_text)
    assert 0.5 * LONGEST < len(page) <= LONGEST
    assert len(re.findall(r"… \d+ more", page)) == 2


def test_only_measured_harms_have_numbers(verdicts: Any) -> None:
    page = markdown(verdicts["fail"])
    assert "| pass | gsm8k | at least 200 instances |  |  | 1,319 |" in page
    assert (
        "| UNDECIDED | piqa | accuracy drop at most 2 points | −1.0 points | −3.0 to +1.0 | 1,838 |" in page
    )


def test_what_keeps_the_gate_from_passing_stands_first(verdicts: Any) -> None:
    reasons = markdown(verdicts["fail"]).partition("### Reasons")[2]
    reasons, _, folded = reasons.partition("<summary>Rules that hold</summary>")
    assert re.findall(r"^- \*\*(.+?)\*\*", reasons, re.MULTILINE) == ["FAIL", "FAIL", "UNDECIDED", "fail"]
    assert re.findall(r"^- \*\*(.+?)\*\*", folded, re.MULTILINE) == ["pass", "pass"]


# ── JUnit ────────────────────────────────────────────────────────────────────────────────────────


def cases(text: str) -> list[ET.Element]:
    return ET.fromstring(text.encode()).findall("./testsuite/testcase")


@pytest.mark.parametrize("name", NAMES)
def test_the_report_for_ci_holds_what_it_held(
    name: str, verdicts: Any, judged: Comparison, golden: Any
) -> None:
    golden(f"gate-{name}.xml", to_junit(verdicts[name], judged))


@pytest.mark.parametrize("name", NAMES)
def test_the_counts_are_those_of_its_cases(name: str, verdicts: Any) -> None:
    root = ET.fromstring(to_junit(verdicts[name]).encode())
    suite = root[0]
    found = suite.findall("testcase")
    assert (root.tag, suite.tag, len(root)) == ("testsuites", "testsuite", 1)
    assert len(found) == len(verdicts[name].results)
    for holder in (root, suite):
        assert int(holder.attrib["tests"]) == len(found)
        for counted, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(holder.attrib[counted]) == sum(case.find(tag) is not None for case in found)
    for case in found:
        assert {"classname", "name", "time"} == set(case.attrib)
        assert [child.tag for child in case][-1] == "system-out"
        assert len({child.tag for child in case} & {"failure", "error", "skipped"}) <= 1


@pytest.mark.parametrize(
    ("outcome", "tier", "undecided", "tag", "kind"),
    [
        ("pass", "blocking", "block", None, None),
        ("fail", "blocking", "block", "failure", "fail"),
        ("undecided", "blocking", "block", "failure", "undecided"),
        ("undecided", "blocking", "warn", "skipped", None),
        ("hangs on reading", "blocking", "warn", "failure", "undecided"),
        ("not gateable", "blocking", "warn", "error", "not gateable"),
        ("not applicable", "blocking", "block", "skipped", None),
        ("fail", "advisory", "block", None, None),
        ("undecided", "advisory", "block", None, None),
        ("not gateable", "advisory", "block", None, None),
    ],
)
def test_an_outcome_is_what_viewers_know(
    outcome: Any, tier: Any, undecided: Any, tag: str | None, kind: str | None, verdicts: Any, judged_as: Any
) -> None:
    code = "extraction" if outcome == "hangs on reading" else "straddles"
    outcome = "undecided" if outcome == "hangs on reading" else outcome
    result = RuleResult(task="piqa", rule="max_nfr", outcome=outcome, code=code, tier=tier, limit=0.05)
    policy = replace(verdicts["pass"].policy, undecided=undecided)
    (case,) = cases(to_junit(judged_as("pass", result, policy=policy)))
    told = [child for child in case if child.tag != "system-out"]
    assert [child.tag for child in told] == ([tag] if tag else [])
    assert [child.get("type") for child in told] == ([kind] if tag else [])
    assert case.attrib["classname"] == "regress.piqa"
    assert case.attrib["name"] == "max_nfr: lost answers (NFR) at most 5 %"


def test_a_report_of_hostile_ids_can_be_read_back(verdicts: Any) -> None:
    first = cases(to_junit(verdicts["hostile"]))[0]
    failure = first.find("failure")
    assert failure is not None
    assert "<script>" in str(failure.text)
    assert "]]>&<!--" in str(failure.text)
    assert not re.search("[\x00-\x08\x0b-\x1f\ud800-\udfff]", to_junit(verdicts["hostile"]))


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_the_json_is_strict_and_bears_every_field(name: str, verdicts: Any, judged: Comparison) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    verdict = verdicts[name]
    text = to_json(verdict, judged)
    whole = json.loads(text, parse_constant=refuse)
    assert text.isascii()
    assert whole == document(verdict, judged)
    assert whole["schema"] == "regress.gate/1"
    assert (whole["verdict"], whole["exit_code"]) == (verdict.outcome, verdict.exit_code)
    for result, found in zip(verdict.results, whole["results"], strict=True):
        assert set(RuleResult.__dataclass_fields__) | {"sentence"} == set(found)
        assert found["code"] == result.code


def test_every_code_and_method_is_documented() -> None:
    documented = set(re.findall(r"^    ([a-z-]+(?:, [a-z-]+)*) {2,}", str(export.__doc__), re.MULTILINE))
    words = {word for words in documented for word in words.split(", ")} | {"bca-clustered"}
    assert {*MEASURED, *REASONS} <= words
    made = "".join(inspect.getsource(module) for module in (bounds, rules))
    methods = {name for line in re.findall(r"method=.+", made) for name in re.findall(r'"([a-z-]+)"', line)}
    assert {"tango-exact", "upper-bound", "observed"} <= methods <= words


def test_the_file_holds_what_it_held(verdicts: Any, judged: Comparison, golden: Any) -> None:
    golden("gate-fail.json", to_json(verdicts["fail"], judged))


def test_undefined_is_null_and_a_warning_bears_its_sentence(verdicts: Any) -> None:
    whole = document(verdicts["fail"])
    flipped = next(result for result in whole["results"] if result["rule"] == "must_not_flip")
    assert flipped["estimate"] is None
    assert flipped["warnings"][0]["sentence"].startswith("The old model was never right on c3")
    assert (whole["runs"], whole["demo"], whole["old"]) == (None, None, None)


def test_runs_are_named_by_task(verdicts: Any, full: Comparison) -> None:
    runs = document(verdicts["fail"], full)["runs"]
    assert set(runs) == {"gsm8k", "piqa", "samsum"}
    assert runs["gsm8k"]["old"]["fingerprint"] == "01" * 32


# ── the policy ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["balanced", "own"])
def test_a_policy_is_explained_as_it_was(name: str, policies: Any, golden: Any) -> None:
    golden(f"policy-{name}.txt", explain(policies[name], assumed=name == "balanced") + "\n")


def test_an_explanation_of_items_alone_speaks_of_no_bounds(policies: Any) -> None:
    words = explain(replace(policies["balanced"], scope="items"))
    assert "these very items" in words
    assert "bound" not in words
    assert "UNDECIDED if the items readable on both sides say otherwise (exit code 3)" in " ".join(
        words.split()
    )
