"""One instance whole."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from regress.comparison.paired import PairedInstance
from regress.types import Comparison, Instance, Prediction, TaskSpec
from regress.views.instance import bar, document, render

CHOICE = TaskSpec(name="piqa", version="1", kind="choice", scale="binary", metric="acc")
SUM = TaskSpec(
    name="gsm8k", version="1", kind="generation", scale="binary", metric="exact_match", num_fewshot=1
)


def prediction(**changes: Any) -> Prediction:
    given = {"instance_id": "3fa9", "index": 12, "prompt_hash": "p", "output": None, "answer": None}
    return Prediction(**(given | {"status": "scored", "correct": True, "score": 1.0} | changes))


def chosen() -> PairedInstance:
    asked = Instance(
        id="3fa9",
        index=12,
        prompt="Question: open a jar\nAnswer:",
        target="twist it",
        choices=("twist it", "smash"),
        golds=(0,),
        cluster="jars",
        tags={"level": "hard"},
    )
    old = prediction(answer="0", choice_logprobs=(-1.0, -5.0), gold_margin=4.0, scores={"acc": 1.0})
    new = prediction(
        answer="1", choice_logprobs=(-3.0, -2.0), gold_margin=-1.0, scores={"acc": 0.0}, correct=False
    )
    return PairedInstance(
        task=CHOICE,
        instance=asked,
        quadrant="negative flip",
        kind="answer",
        delta=-5.0,
        parted=None,
        old=old,
        new=new,
    )


def written(old: str = "so\n  16 - 3 = 13\n#### 13", new: str = "so\n  16 - 3 = 7\n#### 7") -> PairedInstance:
    asked = Instance(
        id="3fa9", index=12, prompt="Q: 1+1?\nA: 2\n\nQ: 16-3?\nA:", target="16 - 3 = 13\n#### 13"
    )
    return PairedInstance(
        task=SUM,
        instance=asked,
        quadrant="negative flip",
        kind="truncated",
        delta=-1.0,
        parted=5,
        old=prediction(output=old, answer="13", finish="stop", prompt_tokens=9, output_tokens=7),
        new=prediction(output=new, answer=None, status="unparsable", finish="length", correct=False),
    )


def test_a_choice_is_shown_with_both_sides_bars(judged: Comparison, golden: Any) -> None:
    golden("show-choice.80.txt", render(judged, [chosen()]))


def test_a_generation_is_shown_with_its_word_diff(judged: Comparison, golden: Any) -> None:
    golden("show-generation.80.txt", render(judged, [written()]))


def test_worked_examples_are_folded_unless_asked_for(judged: Comparison) -> None:
    assert "Q: 1+1?" not in render(judged, [written()])
    full = render(judged, [written()], full=True)
    assert "  Q: 1+1?\n  A: 2\n\n  Q: 16-3?\n  A:\n" in full
    assert "--full" not in full


def test_bars_of_a_length_normalised_choice_are_as_long_as_what_it_is_made_by(judged: Comparison) -> None:
    """smash has fewer characters, so that per character twist it is the likelier one."""
    one = chosen()
    normed = replace(one, task=replace(CHOICE, metric="acc_norm"), new=replace(one.new, answer="0"))
    text = render(judged, [normed])
    assert "highest one per character" in " ".join(text.split())
    bars = re.findall(r"new ([ ►]) +−\d\.000 +(█\S*)", text)
    assert [mark for mark, _ in bars] == ["►", " "]
    assert len(bars[0][1]) > len(bars[1][1])


def test_what_is_not_stored_or_not_known_is_said_to_be_that(judged: Comparison) -> None:
    bare = replace(
        written(),
        instance=Instance(id="3fa9", index=12, prompt=None, target=None),
        old=prediction(),
        new=prediction(status="error", error="timed out", correct=None, score=None),
        parted=None,
        quadrant=None,
    )
    text = render(judged, [bare])
    assert "prompt unknown" in text
    assert "old output unknown" in text
    assert "(not stored)" in text
    assert "timed out" in text
    assert "word diff" not in text


def test_every_repeat_is_shown(judged: Comparison) -> None:
    repeats = [
        replace(written(), old=replace(written().old, repeat=i), new=replace(written().new, repeat=i))
        for i in range(2)
    ]
    text = render(judged, repeats)
    assert (text.count("\nrepeat 0\n"), text.count("\nrepeat 1\n"), text.count("\nprompt")) == (1, 1, 1)


def test_colour_changes_nothing_else(judged: Comparison) -> None:
    plain, colored = (render(judged, [written()], color=color) for color in (False, True))
    assert "\x1b[31m13\x1b[0m" in colored
    assert "\x1b[32m7\x1b[0m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == plain


@pytest.mark.parametrize("width", [60, 80, 140])
def test_hostile_texts_stay_within_the_lines_and_do_nothing(
    judged: Comparison, width: int, hostile_text: str
) -> None:
    one = written(hostile_text + "\n\t" + hostile_text, "x" * 5000)
    asked = replace(one.instance, prompt=hostile_text, target=hostile_text, tags={hostile_text: hostile_text})
    lines = render(judged, [replace(one, instance=asked)], width=width).split("\n")
    assert max(map(cell_len, lines)) <= width
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e]", "".join(lines))


def test_programs_get_every_field(judged: Comparison) -> None:
    whole = document(judged, [chosen()])
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole
    (one,) = whole["repeats"]
    assert one["instance"]["choices"] == ["twist it", "smash"]
    assert (one["old"]["choice_logprobs"], one["new"]["correct"]) == ([-1.0, -5.0], False)


def test_a_bar_is_as_long_as_its_share() -> None:
    cells = [len(bar(value, -2.0, 0.0)) for value in (-2.0, -1.0, 0.0)]
    assert cells == [0, cells[2] // 2, cells[2]]
    assert bar(float("-inf"), -2.0, 0.0) == bar(1.0, 1.0, 1.0) == ""
