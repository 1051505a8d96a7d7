"""A verdict for programs: `gate.json`.

Schema `regress.gate/1`. Strict JSON in ASCII, keys sorted; what is undefined is null, harms and limits
are rates in [0, 1] or in the unit of the score, and fields may be added without a new version.

    schema       "regress.gate/1"
    verdict      "pass", "fail", "undecided" or "not gateable"; stays undecided where that is only warned of
    exit_code    0 passed (or undecided where the policy only warns), 1 failed, 2 not gateable, 3 undecided
    headline     the verdict in words
    next         what to do about what is undecided or lacks evidence
    demo         whether any task asked demo items instead of its benchmark; null without a comparison
    old, new     the models: every field of `regress.types.ModelSpec`; null without a comparison
    settings_compared   overridden refusals, {field, old, new}; null without a comparison
    assumed      whether the policy was used because none was given
    policy       every field of `regress.verdicts.Policy`
    results      one object a rule, task by task: every field of `regress.verdicts.RuleResult`:
      task, slice, rule, tau, tier    which rule, of what; tier is "blocking" or "advisory"
      outcome, code                   "pass", "fail", "undecided", "not applicable", "not gateable"; and why
      estimate, limit                 the harm observed, and the most that may be
      low, high, confidence, method   its one-sided bounds, the confidence of either, how they were made
      n, clusters                     instances, and groups of them sampled together (null where none)
      p_pass, p_fail, p_fail_holm     against "at least the limit", "at most the limit", and after Holm
      data                            what else the sentence is made from, for example flipped ids
      warnings                        {code, data, sentence}
      sentence                        the rule and its reason in words
    runs         by task {old, new}, each {path, fingerprint}; null without a comparison
"""

from __future__ import annotations

import json
from typing import Any

from regress.identity import plain
from regress.types import Comparison
from regress.verdicts import RuleResult, Verdict
from regress.views.export import notice, representable
from regress.views.gate.reasons import result_sentence
from regress.views.gate.view import build, scale_of
from regress.views.sentences import on_demo_items

SCHEMA = "regress.gate/1"


def document(
    verdict: Verdict, comparison: Comparison | None = None, *, assumed: bool = False
) -> dict[str, Any]:
    """`verdict` as the object that `gate.json` holds, ready for `json.dumps(allow_nan=False)`.

    Args:
        verdict: What came of the gate.
        comparison: What was judged.
        assumed: Whether the policy was used because none was given.
    """
    view = build(verdict, comparison, assumed=assumed)
    whole: dict[str, Any] = representable(
        {
            "schema": SCHEMA,
            "verdict": verdict.outcome,
            "exit_code": verdict.exit_code,
            "headline": view.headline,
            "next": view.steps,
            "assumed": assumed,
            "policy": plain(verdict.policy),
            "results": [_result(result, comparison) for result in verdict.results],
            "demo": on_demo_items(comparison) if comparison else None,
            "old": plain(comparison.old) if comparison else None,
            "new": plain(comparison.new) if comparison else None,
            "settings_compared": plain(comparison.settings_compared) if comparison else None,
            "runs": _runs(comparison) if comparison else None,
        }
    )
    return whole


def to_json(verdict: Verdict, comparison: Comparison | None = None, *, assumed: bool = False) -> str:
    """`document` as text: keys sorted, two spaces, ASCII, a line end at the end."""
    whole = document(verdict, comparison, assumed=assumed)
    return json.dumps(whole, sort_keys=True, indent=2, allow_nan=False) + "\n"


def _result(result: RuleResult, comparison: Comparison | None) -> dict[str, Any]:
    whole: dict[str, Any] = plain(result)
    sentence = result_sentence(result, scale_of(result, comparison))
    return {**whole, "warnings": [*map(notice, result.warnings)], "sentence": sentence}


def _runs(comparison: Comparison) -> dict[str, Any]:
    return {
        row.task.name: {
            "old": {"path": row.old_path, "fingerprint": row.old_fingerprint},
            "new": {"path": row.new_path, "fingerprint": row.new_fingerprint},
        }
        for row in comparison.tasks
        if not row.members
    }
