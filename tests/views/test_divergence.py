"""What `regress divergence` prints: means, intervals, tails, and what they do not say."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from regress.comparison.divergence import row
from regress.findings import DivergenceRow, ModelDivergence
from regress.metrics.divergence import log_softmax, positions
from regress.types import Estimate, ModelSpec, Notice
from regress.views.divergence import SCALE, VOLUME, document, explained, render, section, sentence, to_json


def measured(source: str = "wiki.txt", size: float = 0.01, **changes: Any) -> DivergenceRow:
    rng = np.random.default_rng(0)
    x = 3 * rng.normal(size=(1200, 11))
    moved = x + size * rng.normal(size=x.shape)
    found = row(
        source, positions(log_softmax(x), log_softmax(moved), x.argmax(axis=1)), np.arange(1200) // 100
    )
    return replace(found, **changes)


def divergence(*rows: DivergenceRow) -> ModelDivergence:
    old, new = (ModelSpec(name=name, source=name) for name in ("models/old", "models/new"))
    return ModelDivergence(
        old=old, new=new, rows=rows or (measured(),), window=512, stride=256, vocabulary=32000
    )


TASKS = tuple(measured(task) for task in ("gsm8k", "samsum", "piqa", "hellaswag"))


# ── terminal ─────────────────────────────────────────────────────────────────────────────────────


def test_the_whole_at_eighty_columns() -> None:
    text = render(divergence())
    assert text.splitlines()[:4] == [
        "divergence of models/old → models/new",
        "",
        "text      tokens       KLD  same top %      Δp %  RMS Δp %  PPL ratio",
        "wiki.txt   1,200  2.39e−05        99.7  −0.00424     0.232     1.0001",
    ]
    assert "wiki.txt: diverges like another number format; perplexity " in text
    assert "Intervals take tokens of one unit as sampled together: wiki.txt 12 windows." in text


@pytest.mark.parametrize("width", [60, 80, 140, 200])
@pytest.mark.parametrize("rows", [(), TASKS], ids=["text", "tasks"])
def test_no_line_is_wider_than_asked(width: int, rows: tuple[DivergenceRow, ...]) -> None:
    assert max(map(cell_len, render(divergence(*rows), width=width).splitlines())) <= width


def test_what_it_does_not_say_is_said() -> None:
    flat = " ".join(render(divergence()).split())
    assert VOLUME in flat
    assert "not in which direction" in VOLUME
    assert "no rule of the gate" in VOLUME
    assert SCALE in flat


def test_a_roomy_terminal_has_both_perplexities_and_all_quantiles() -> None:
    wide, narrow = render(divergence(), width=140), render(divergence(), width=80)
    assert "PPL old  PPL new" in wide
    assert "99.9 %" in wide
    assert "99.9 %" not in narrow.split("quantiles")[1].splitlines()[0]


def test_several_tasks_have_their_tails_by_name() -> None:
    lines = render(divergence(*TASKS), width=140).splitlines()
    assert sum(line.startswith("piqa") for line in lines) == 4  # means, words, and two lines of tails


def test_beside_a_comparison_the_models_are_named_already() -> None:
    assert "models/old" not in render(divergence(), title=False)


def test_hostile_names_do_nothing_to_a_terminal() -> None:
    text = render(divergence(measured("\x1b[31mred\u202e.txt")))
    assert "\x1b" not in text
    assert "\u202e" not in text


# ── words ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kld", "words"),
    [
        (0.0, "no difference at all"),
        (1e-12, "the same function"),
        (1e-8, "between the same function and another number format"),
        (5.4e-5, "diverges like another number format"),
        (4.6e-4, "diverges like light compression"),
        (0.159, "behaves otherwise"),
        (math.inf, "behaves otherwise"),
        (math.nan, "undefined"),
    ],
)
def test_a_mean_divergence_is_named_after_what_leaves_one_like_it(kld: float, words: str) -> None:
    assert explained(measured(kld=Estimate(value=kld, n=5))).startswith(f"wiki.txt: {words};")


def test_what_has_no_interval_shows_none() -> None:
    bare = Estimate(value=0.5, n=5)
    alone = measured(kld=bare, same_top=bare, delta_p=bare, ratio=bare)
    assert "95 %" not in explained(alone)
    assert "nan" not in render(divergence(alone))


def test_probability_outside_the_shared_vocabulary_and_repeated_beginnings_are_told() -> None:
    text = " ".join(render(divergence(measured(new_outside=0.0312, repeated=13512))).split())
    assert "the new model gives 3.1 % of its probability to tokens that the other does not have" in text
    assert "left out were: wiki.txt 13,512 tokens." in text
    assert "the old model gives" not in text


@pytest.mark.parametrize(
    ("code", "data", "words"),
    [
        ("few-units", {"units": 1, "minimum": 10, "unit": "window"}, "only 1 window; "),
        ("no-chat-template", {}, "without the chat template"),
        ("moon-phase", {}, "notice moon-phase."),
    ],
)
def test_warnings_are_sentences(code: str, data: dict[str, Any], words: str) -> None:
    assert words in sentence(Notice(code=code, data=data))
    shown = render(divergence(measured(warnings=(Notice(code=code, data=data),))), width=None)
    assert words in shown


# ── JSON and Markdown ────────────────────────────────────────────────────────────────────────────


def test_the_document_is_strict_json_with_rates_in_zero_to_one() -> None:
    told = json.loads(to_json(divergence(measured(kld=Estimate(value=math.inf, n=1200)))))
    assert told["schema"] == "regress.divergence/1"
    assert told["rows"][0]["estimates"]["kld"]["value"] is None
    assert 0.9 < told["rows"][0]["estimates"]["same_top"]["value"] <= 1
    assert told["rows"][0]["unit"] == "window"
    assert set(told["rows"][0]["quantiles"]["kld"]) >= {"0.0", "0.5", "0.999", "1.0"}


def test_quantiles_bear_their_fraction() -> None:
    found = measured()
    told = document(divergence(found))["rows"][0]["quantiles"]["delta_p"]
    assert {float(q): value for q, value in told.items()} == found.delta_p_quantiles


def test_the_section_of_a_report_escapes_names() -> None:
    lines = [line for paragraph in section(divergence(measured("<b>*x*|y</b>"))) for line in paragraph]
    assert lines[0] == "## Divergence"
    assert not any("<b>" in line or "|y" in line.replace("\\|y", "") for line in lines)
    assert any(VOLUME[:40] in line for line in lines)
