"""The product judges its own part: between the two engines no answer of the built-in pair flips."""

from __future__ import annotations

from pathlib import Path

import pytest

import regress

pytestmark = pytest.mark.models

TASKS = ("gsm8k", "samsum", "piqa", "hellaswag")


@pytest.mark.parametrize("model", ["demo-v1", "demo-v2"])
@pytest.mark.parametrize(
    "limit", [pytest.param(24, id="some"), pytest.param(None, id="all", marks=pytest.mark.slow)]
)
def test_the_engines_flip_no_answer(model: str, limit: int | None, tmp_path: Path) -> None:
    """With every text the same, letter for letter: nowhere are the two best tokens within rounding."""
    comparison = regress.compare(
        model,
        model,
        tasks=TASKS,
        limit=limit,
        store=tmp_path,
        old_settings={"engine": "hf", "batch_size": 1},
        new_settings={"engine": "local"},
    )
    for task in TASKS:
        flips = comparison.flips(task)
        assert len(flips) == (limit or 400)
        assert not flips["quadrant"].isin(["negative flip", "positive flip"]).any()
        assert list(flips["old_output"]) == list(flips["new_output"])
        sides = (comparison.pairs[task].old, comparison.pairs[task].new)
        for old, new in zip(*(side["choice_logprobs"].to_pylist() for side in sides), strict=True):
            assert new == (None if old is None else pytest.approx(old, abs=2e-4))
