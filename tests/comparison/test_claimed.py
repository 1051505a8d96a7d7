"""What the answers say of a model that was made with a claim; nothing of one that was not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from regress.comparison.claimed import claimed
from regress.comparison.table import assemble
from regress.pairing import pair
from regress.views.notices import WORDS

GOLD = "AAAABBBB"


@pytest.fixture
def pairs(make_run, make_choices):
    def made(new: str = GOLD, *, dtype: str = "float32", fingerprint: str | None = "old", **changes: Any):
        old_run, new_run = (
            make_run(make_choices(GOLD, GOLD, **changes)),
            make_run(make_choices(new, GOLD, **changes), model="demo-v2"),
        )

        def of(run, **fields):
            model = dataclasses.replace(run.spec.model, dtype=dtype, **fields)
            return dataclasses.replace(run, spec=dataclasses.replace(run.spec, model=model))

        return pair(of(old_run, fingerprint=fingerprint), of(new_run))

    return made


def recorded(**changes: Any):
    made = {"claim": "same", "steps": ["grow:mlp=2x"], "old": "old", "max_error": 1e-5, **changes}
    return {}, {"update": made}


def test_answers_that_stay_are_counted_and_certified(pairs) -> None:
    (notice,) = claimed(pairs(choice_logprobs=(-1.0, -2.0), choice_lengths=(2, 50)), recorded())
    counts = {"n": 8, "changed": 0, "certified": 8}
    assert notice.data == {"claim": "same", "steps": ["grow:mlp=2x"], "terms": [], **counts}
    assert WORDS[notice.code](notice.data) == (
        "The new model was made from the old one by grow:mlp=2x, and claims the old one's function: 0 of 8 "
        "answers changed; 8 cannot have, by how far their choice leads."
    )


def test_a_recipe_that_claims_nothing_is_named(pairs) -> None:
    (notice,) = claimed(pairs("AAAABBAA"), recorded(claim="other", steps=["quantize:bits=4"]))
    assert WORDS[notice.code](notice.data) == (
        "The new model was made from the old one by quantize:bits=4; nothing was claimed: 2 of 8 answers "
        "changed."
    )


def test_under_which_conditions_is_said(pairs) -> None:
    (notice,) = claimed(pairs(), recorded(terms=["texts of at most 8 tokens"], max_error=None))
    assert notice.data["certified"] is None
    assert "claims the old one's function, for texts of at most 8 tokens: 0 of 8" in WORDS[notice.code](
        notice.data
    )


def test_answers_that_change_are_counted(pairs) -> None:
    (notice,) = claimed(pairs("AAAABBAA"), recorded())
    assert notice.data["changed"] == 2


def test_a_choice_that_leads_by_less_than_errors_move_is_not_certified(pairs) -> None:
    """One token of at most four bytes a character, of two choices, each moved by twice the error."""
    close = {"choice_logprobs": (-1.0, -1.0079), "choice_lengths": (2, 50)}
    wide = {"choice_logprobs": (-1.0, -1.0081), "choice_lengths": (2, 50)}
    assert [notice.data["certified"] for notice in claimed(pairs(**close), recorded())] == [0]
    assert [notice.data["certified"] for notice in claimed(pairs(**wide), recorded())] == [8]


@pytest.mark.parametrize(
    "changes", [{"choice_logprobs": None, "choice_lengths": None}, {"choice_lengths": None}]
)
def test_texts_are_not_certified(pairs, changes: dict[str, Any]) -> None:
    (notice,) = claimed(pairs(**changes), recorded())
    assert notice.data["certified"] is None
    assert WORDS[notice.code](notice.data).endswith("0 of 8 answers changed.")


def test_nor_is_what_was_computed_in_another_type_than_was_measured(pairs) -> None:
    (notice,) = claimed(pairs(dtype="bfloat16"), recorded())
    assert notice.data["certified"] is None


@pytest.mark.parametrize(
    "both",
    [
        ({}, {}),
        ({"update": {"claim": "same", "old": "old"}}, {}),
        recorded(old="another"),
        ({}, {"update": "damaged"}),
    ],
)
def test_nothing_is_said_where_the_new_model_was_not_made_from_the_old_one(pairs, both: Any) -> None:
    assert list(claimed(pairs(), both)) == []


def test_the_table_says_it(pairs) -> None:
    one = pairs()
    (row,) = assemble([one], recorded={one.old_spec.task.name: recorded()}).tasks
    assert "update-claimed" in [notice.code for notice in row.warnings]
