"""What `regress noise` prints: one line a kind, and below it what to know."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from regress.views.noise import noise_table, padding, sentence


def moved(**changes: Any) -> dict[str, Any]:
    told = {"runs": 3, "paths": [], "flips": 0.02, "nfr": 0.01, "identical": 0.9, "epsilon": 0.25}
    undefined = {"moved": None, "moved_tau": None, "moved_95": None, "capped": False}
    return {**told, **undefined, **changes}


SOUND = {"n": 400, "batch_size": 8, "largest": 2e-5, "threshold": 0.01, "sound": True}
FAULTY = {**SOUND, "largest": 0.75, "sound": False}
SCORES = {"flips": None, "moved": 0.4, "moved_tau": 0.1, "moved_95": 0.0625, "nfr": 0.2, "epsilon": None}


def document(**changes: Any) -> dict[str, Any]:
    piqa = {
        "task": "piqa",
        "path": "runs/mine/piqa@1",
        "n": 1838,
        "kinds": {"rerun": moved(), "batch": moved(runs=2, flips=0.0, nfr=0.0, capped=True)},
        "padding": SOUND,
        "notices": [],
    }
    samsum = {**piqa, "task": "samsum", "kinds": {"seed": moved(**SCORES)}}
    return {"model": "mine", "tasks": [{**piqa, **changes}, {**samsum, **changes}]}


def test_each_kind_of_each_task_is_a_line() -> None:
    assert noise_table(document()).splitlines()[:6] == [
        "mine against itself",
        "",
        "task    kind   runs  flips %  NFR floor %  same output %  margins move",
        "piqa    rerun     3      2.0          1.0           90.0  0.2500",
        "piqa    batch     2      0.0          0.0           90.0  ≤ 0.2500",
        "samsum  seed      3     40.0         20.0           90.0  –",
    ]


def test_what_was_changed_is_said_once() -> None:
    assert noise_table(document(), width=None).splitlines()[7:9] == [
        "What a rerun changed: rerun, nothing; batch, the batch size; seed, the seed of sampling.",
        "Of tasks with scores, flips are scores that differ at all.",
    ]


def test_how_far_scores_move_is_advice_and_never_a_tolerance() -> None:
    shown = noise_table(document(), width=None)
    assert (
        "samsum, seed: 10.0 % of the scores differ by more than 0.05, 95 % by at most 0.06250. "
        "This is advice: a tolerance is declared, not taken from noise."
    ) in shown


def test_tasks_that_have_the_same_to_be_said_of_them_share_a_sentence() -> None:
    shown = noise_table(document(), width=None)
    assert shown.count("padding is sound") == 1
    assert "piqa, samsum: padding is sound; in float32, 400 log-likelihoods differ by at most 2e-05" in shown


@pytest.mark.parametrize(("largest", "by"), [(0.75, "by up to 0.75"), (None, "and some are lost")])
def test_a_fault_of_the_engine_cannot_be_overlooked(largest: float | None, by: str) -> None:
    said = padding({**FAULTY, "largest": largest})
    assert said.startswith("THE ENGINE, NOT THE MODEL, IS AT FAULT. In float32, 400 log-likelihoods differ")
    assert by in said
    assert said in noise_table(document(padding={**FAULTY, "largest": largest}), width=None)


@pytest.mark.parametrize("width", [60, 80])
def test_every_line_fits(width: int) -> None:
    notices = [{"code": "padding-failed", "data": {"why": "word " * 90}}]
    lines = noise_table(document(padding=FAULTY, notices=notices), width=width).splitlines()
    assert max(map(cell_len, lines)) <= width


def test_without_reruns_that_is_said() -> None:
    shown = noise_table(document(kinds={}, padding=None), width=None)
    assert shown == "mine against itself\n\nNo rerun is stored."


@pytest.mark.parametrize(
    ("code", "data", "said"),
    [
        ("few-reruns", {"runs": 1, "minimum": 3}, "only 1 run in all"),
        ("changes-nothing", {"kind": "seed"}, "no rerun that changes the seed of sampling"),
        (
            "padding-no-dtype",
            {"engine": "scripted"},
            "engine scripted does not let its weight type be chosen",
        ),
        ("padding-quantised", {"quantization": "gptq"}, "gptq weights do not run in float32"),
        ("padding-failed", {"why": "too large"}, "no padding check: too large."),
        ("padding-no-questions", {}, "no answer here has a log-likelihood"),
        ("moon-phase", {}, "notice moon-phase."),
    ],
)
def test_every_notice_has_its_words(code: str, data: dict[str, Any], said: str) -> None:
    assert said in sentence({"code": code, "data": data})


def test_what_a_model_is_called_or_an_error_says_cannot_act_on_the_screen() -> None:
    notices = [{"code": "padding-failed", "data": {"why": "\x1b[2Jgone"}}]
    shown = noise_table({**document(notices=notices), "model": "mi\x1b[31mne"})
    assert "\x1b" not in shown
