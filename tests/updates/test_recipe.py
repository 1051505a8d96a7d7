"""Recipes as they are typed: what is read, what is refused and how; a step prints as it was typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from regress.errors import RegressError, UnknownName, UpdateError, UsageError
from regress.updates.recipe import VERBS, given, make, parse, shown, step_class
from regress.updates.steps.grow import Grow
from regress.updates.steps.insert import Insert
from regress.updates.steps.moe import Moe
from regress.updates.steps.sizes import resized
from regress.updates.vocabulary import vocabulary


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (["grow:mlp=1.5x,heads=+2,hidden=640"], [Grow(mlp="1.5x", heads="+2", hidden=640)]),
        (["insert:every=4"], [Insert(every=4)]),
        (["insert:layers=[3,6],source=random"], [Insert(layers=(3, 6), source="random")]),
        (["insert:layers=3+6"], [Insert(layers=(3, 6))]),
        (["insert:layers=0-3"], [Insert(layers=(0, 1, 2, 3))]),
        (["insert:layers=5"], [Insert(layers=(5,))]),
        (["moe"], [Moe()]),
        (["moe:experts=4,noise=0.1", "grow:mlp=8"], [Moe(experts=4, noise=0.1), Grow(mlp=8)]),
    ],
)
def test_words_are_read_by_the_fields_of_their_verb(words: list[str], steps: list[Any]) -> None:
    assert parse(words) == steps
    assert parse(list(map(shown, steps))) == steps


@pytest.mark.parametrize(
    ("word", "kind", "says"),
    [
        ("grw:mlp=2x", UnknownName, "did you mean 'grow'?"),
        ("grow:mpl=2x", UnknownName, "did you mean 'mlp'?"),
        ("grow:mlp", UsageError, "'mlp' in 'grow:mlp' is not key=value"),
        ("grow:mlp=1,mlp=2", UsageError, "given twice"),
        ("insert:every=x", UsageError, "insert:every=x cannot be read. Allowed: a whole number"),
        ("moe:experts=+2", UsageError, "moe:experts=+2 cannot be read"),
        ("moe:noise=loud", UsageError, "Allowed: a number"),
        ("insert:source=up", UsageError, "left, right, random"),
        ("insert:layers=[]", UsageError, "Allowed: whole numbers, as [0,1,2] or 0-4"),
        ("insert:layers=0-9999999", UsageError, "0-9999999 is a range of too many numbers. Allowed: at most"),
        ("merge:others=[]", UsageError, "Allowed: words, as [this,that]"),
        ("moe:noise=nan", UsageError, "moe:noise=nan cannot be read"),
        ("edit:gain=1e999", UsageError, "edit:gain=1e999 cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_would_be(
    word: str, kind: type[RegressError], says: str
) -> None:
    with pytest.raises(kind) as refused:
        parse([word])
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("size", "says"),
    [("1.3x", "makes 223.6 of 172"), ("100", "less than the 172"), ("wide", "is no width"), (-3, "no width")],
)
def test_a_width_is_a_whole_number_and_no_smaller(size: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        resized("mlp", size, 172)


def test_a_recipe_is_a_file_of_tables(tmp_path: Path) -> None:
    file = tmp_path / "wider.toml"
    file.write_text(
        '[[step]]\nverb = "grow"\nmlp = "1.5x"\nhidden = 640\n'
        '[[step]]\nverb = "insert"\nlayers = [3, 6]\n[[step]]\nverb = "moe"\n',
        encoding="utf-8",
    )
    assert parse([str(file), "insert:every=1"]) == [
        Grow(mlp="1.5x", hidden=640), Insert(layers=(3, 6)), Moe(), Insert(every=1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"no \[\[step\]\] tables"),
        ("step = 3", r"no \[\[step\]\] tables"),
        ('step = ["grow"]', r"no \[\[step\]\] tables"),
        ('[[step]]\nverb = "grow"\nmlp = 2.5', r"mlp=2\.5 cannot be read\. Allowed: 640 \(so many\), "),
        ('[[step]]\nmlp = "2x"', "step 1 of .* names no verb"),
        ('[[step]]\nverb = "grow"\n[model]\nname = "x"', "or something beside them"),
        ("[[step", "is not TOML"),
        ('[[step]]\nverb = "moe"\nexperts = 2.5', "moe:experts=2.5 cannot be read"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RegressError, match=says):
        parse([str(file)])


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match=r"there is no recipe .*none\.toml"):
        parse([str(tmp_path / "none.toml")])


def test_every_verb_says_what_it_and_its_arguments_mean() -> None:
    for verb in vocabulary().verbs:
        assert verb.meaning, verb.name
        for argument in verb.arguments:
            assert argument.meaning, (verb.name, argument.name)


def test_a_width_says_how_it_is_typed() -> None:
    (grow,) = (verb for verb in vocabulary().verbs if verb.name == "grow")
    assert grow.arguments[0].kind == "640 (so many), +2 (so many more) or 1.5x"


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_the_name_that_its_class_bears(verb: str) -> None:
    assert step_class(verb).verb == verb


def test_a_needed_argument_is_asked_for() -> None:
    needed = [
        (verb.name, argument.name)
        for verb in vocabulary().verbs
        for argument in verb.arguments
        if argument.default == "needed"
    ]
    for verb, argument in needed:
        with pytest.raises(UsageError, match=f"{verb} needs {argument}"):
            make(verb, {})


def test_a_step_is_shown_with_what_it_is_about_and_stored_whole() -> None:
    assert shown(Moe()) == "moe:experts=8"
    assert shown(Moe(experts=4, top_k=1)) == "moe:experts=4,top_k=1"
    assert shown(Insert(every=2)) == "insert:every=2"
    assert given(Moe()) == {"experts": 8, "top_k": 2, "shards": 1, "noise": 0.0}
