"""A verdict as JUnit XML: one test case a rule, so that CI viewers show what failed and why.

    blocking fail           <failure type="fail">
    blocking undecided      <failure type="undecided">, or <skipped> where the policy waives it
    blocking not gateable   <error type="not gateable">
    not applicable          <skipped>
    advisory                passes, its outcome in <system-out>

Whatever names and ids contain, the file is well-formed XML 1.0.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter

from regress.types import Comparison
from regress.verdicts import RuleResult, Undecided, Verdict
from regress.views.gate.headline import headline
from regress.views.gate.reasons import result_notes, result_sentence
from regress.views.gate.rules import limit_of
from regress.views.gate.view import mark, policy_name, scale_of
from regress.views.sentences import sentence
from regress.views.untrusted import visible

_COUNTED = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def to_junit(verdict: Verdict, comparison: Comparison | None = None) -> str:
    """`verdict` as a JUnit file.

    Args:
        verdict: What came of the gate.
        comparison: What was judged, for the scales of its tasks.
    """
    cases = [_case(result, verdict.policy.undecided, comparison) for result in verdict.results]
    found = Counter(child.tag for case in cases for child in case if child.tag in _COUNTED)
    counts = {"tests": str(len(cases))} | {name: str(found[tag]) for tag, name in _COUNTED.items()}
    root = ET.Element("testsuites", {"name": "regress gate", **counts, "time": "0"})
    suite = ET.SubElement(root, "testsuite", {"name": "regress gate", **counts, "time": "0"})
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("verdict", verdict.outcome),
        ("policy", policy_name(verdict.policy)),
        ("exit code", str(verdict.exit_code)),
        ("headline", headline(verdict)),
    ):
        ET.SubElement(properties, "property", {"name": name, "value": visible(value)})
    suite.extend(cases)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(result: RuleResult, undecided: Undecided, comparison: Comparison | None) -> ET.Element:
    scale = scale_of(result, comparison)
    part = f" [slice {result.slice}]" if result.slice else ""
    name = f"{result.rule}{part}: {limit_of(result, scale)}"
    attributes = {"classname": f"regress.{result.task}", "name": name, "time": "0"}
    case = ET.Element("testcase", {key: visible(text) for key, text in attributes.items()})
    reason = visible(result_sentence(result, scale))
    if tag := _tag(result, undecided):
        kind = {} if tag == "skipped" else {"type": result.outcome}
        ET.SubElement(case, tag, {**kind, "message": reason}).text = None if tag == "skipped" else reason
    notes = [f"note: {sentence(warning)}" for warning in result_notes(result, scale)]
    ET.SubElement(case, "system-out").text = "\n".join((f"{mark(result)}: {reason}", *map(visible, notes)))
    return case


def _tag(result: RuleResult, undecided: Undecided) -> str:
    """What a viewer is told of a rule; nothing where it passes, or does not decide."""
    if result.outcome == "not applicable":
        return "skipped"
    if result.tier == "advisory" or result.outcome == "pass":
        return ""
    if result.outcome == "not gateable":
        return "error"
    waived = result.outcome == "undecided" and undecided == "warn" and result.code != "extraction"
    return "skipped" if waived else "failure"
