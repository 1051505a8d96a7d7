"""A verdict for programs: `gate.json`.

Schema `regress.gate/1`. Strict JSON in ASCII, keys sorted; what is undefined is null, harms and limits
are rates in [0, 1] or in the unit of the score, and fields may be added without a new version.

    schema       "regress.gate/1"
    verdict      "pass", "fail", "undecided" or "not gateable"; stays undecided where that is only warned of
    exit_code    0 passed (or undecided, where the policy only warns of intervals that straddle a limit),
                 1 failed, 2 not gateable, 3 undecided
    headline     the verdict in words
    alarms       engines that are at fault, in words: the numbers of these tasks mean nothing
    notices      what to know of the comparison and no rule says: {code, data, sentence, tasks}; tasks is null
                 where it is about all of them
    groups       groups of tasks that were judged as one, by name: their tasks
    next         what to do about what is undecided or lacks evidence
    demo         whether any task asked demo items instead of its benchmark; null without a comparison
    old, new     the models: every field of `regress.types.ModelSpec`; null without a comparison
    settings_compared   overridden refusals, {field, old, new}; null without a comparison
    assumed      whether the policy was used because none was given
    policy       every field of `regress.verdicts.Policy`
    results      one object a rule, task by task: every field of `regress.verdicts.RuleResult`:
      task, slice, rule, tau, tier    which rule, of what; tier is "blocking" or "advisory"
      outcome                         "pass", "fail", "undecided", "not applicable" or "not gateable"
      code                            why (below)
      estimate, limit                 the harm observed, and the most that may be
      low, high, confidence, method   its one-sided bounds, the confidence of either, how made (below)
      n, clusters                     instances, and groups of them sampled together (null where none)
      p_pass, p_fail, p_fail_holm     against "at least the limit", "at most the limit", and after Holm
      data                            what else the sentence is made from, for example flipped ids
      warnings                        {code, data, sentence}
      sentence                        the rule and its reason in words
    runs         by task {old, new}, each {path, fingerprint}; null without a comparison

method, how the bounds were made:

    tango            score test of a fall of accuracy; its lower bound, and the test of failing, count half a
                     lost answer less, so that innocent updates do not fail too often
    tango-exact      the same where nothing was gained: the upper bound is Clopper and Pearson's of the losses
    miller-t         Student's t on the standard error of clusters, or of instances answered several times
    clopper-pearson  exact, of a rate
    korn-graubard    the same on the effective number of instances, with clusters or repeats
    bca              bootstrap of instances; bca-clustered: of whole clusters
    upper-bound      too few instances, or clusters, differ for the above: an exact upper bound, none below
    constant         every instance changed by the same amount: how many others there can still be
    observed         scope = items, where nothing is inferred: no bounds

code, why a rule came out so, with what `data` holds:

    within-limit      pass: the upper bound is at most the limit (scope = items: what is observed is)
    over-limit        fail: the lower bound, after Holm's adjustment, is over it (what is observed is)
    straddles         undecided: neither; waived by undecided = "warn"
    holm              undecided: over it only before the adjustment; waived by undecided = "warn"
    extraction        undecided: the instances readable on both sides say otherwise; never waived
    none-readable     not gateable: hardly any instance is readable on both sides
    not-defined       not applicable: the harm means nothing on this scale {scale}
    no-floor          not gateable: no reruns of OLD are stored {missing, model, task}
    few-clusters      not gateable: too few groups of instances {clusters, minimum}
    few-items         not gateable: fewer instances than it takes {n, minimum}
    no-range          not gateable: too few scores differ, and nothing bounds them
    enough            pass: as many instances as it takes {n, minimum}
    old-over-limit    not gateable: already OLD has more unreadable or cut-off answers than may be {old, new}
    unknown           not gateable: it is unknown which answers were cut off {side}
    not-a-generation  not applicable: nothing is written, so nothing is cut off
    kept, flipped     pass, fail: none or some of the listed ids were lost {listed, ids, noisy}; an id is lost
                      where NEW is right in a smaller share of its repeats than OLD
    limit-not-sample  not gateable: the first instances are no random sample {limit, n}
    not-every-item    not gateable: scope = items needs all of them {n, of}
    rows-missing      not gateable: fewer instances than the data set has, and no sample was drawn {n, of}
    members-missing   not gateable: tasks of the group were not compared {missing, of}

Where answers are unreadable, a statistical rule's `data` also holds readable_outcome, and readable_code or
readable_n, readable_estimate, readable_low and readable_high: what the instances readable on both sides
say. That of max_excess_nfr holds nfr and floor, whose difference the estimate is.
"""

from __future__ import annotations

import json
from typing import Any

from regress.identity import plain
from regress.types import Comparison
from regress.verdicts import RuleResult, Verdict
from regress.views.export import notice, representable
from regress.views.gate.notes import gathered
from regress.views.gate.reasons import result_notes, result_sentence
from regress.views.gate.view import build, scale_of
from regress.views.records import GateNote
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
            "alarms": view.alarms,
            "notices": [*map(_note, gathered(comparison))] if comparison else [],
            "groups": _groups(verdict, comparison) if comparison else {},
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
    scale = scale_of(result, comparison)
    warnings = [*map(notice, result_notes(result, scale))]
    return {**whole, "warnings": warnings, "sentence": result_sentence(result, scale)}


def _note(note: GateNote) -> dict[str, Any]:
    return {**notice(note.notice), "tasks": list(note.tasks) or None}


def _groups(verdict: Verdict, comparison: Comparison) -> dict[str, list[str]]:
    judged = {result.task for result in verdict.results}
    return {
        row.task.name: list(row.members)
        for row in comparison.tasks
        if row.members and row.task.name in judged
    }


def _runs(comparison: Comparison) -> dict[str, Any]:
    return {
        row.task.name: {
            "old": {"path": row.old_path, "fingerprint": row.old_fingerprint},
            "new": {"path": row.new_path, "fingerprint": row.new_fingerprint},
        }
        for row in comparison.tasks
        if not row.members
    }
