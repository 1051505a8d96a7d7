"""The committed weights: they load, they fit the tasks, and they are the update that is promised."""

from __future__ import annotations

import re
from random import Random

import pytest

from regress.demo import items
from regress.demo.pair import MODELS, model_folder

pytestmark = pytest.mark.models

TASKS = tuple(items.SPLITS)


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model_folder("demo-v1"))


@pytest.fixture(scope="module")
def models():
    from transformers import AutoModelForCausalLM

    return {name: AutoModelForCausalLM.from_pretrained(model_folder(name)) for name in MODELS}


@pytest.fixture(scope="module")
def choice_scores(models, tokenizer):
    """Scores on all items of the two choice tasks: two seconds each."""
    from regress.demo.measure import measure

    return {
        (name, task): measure(models[name], tokenizer, task)
        for name in MODELS
        for task in ("piqa", "hellaswag")
    }


@pytest.fixture(scope="module")
def text_scores(models, tokenizer):
    """Scores on the first 80 items of the two tasks where the models write."""
    from regress.demo.measure import measure

    return {
        (name, task): measure(models[name], tokenizer, task, limit=80)
        for name in MODELS
        for task in ("gsm8k", "samsum")
    }


def mean(values):
    return sum(values) / len(values)


def worse(scores, task):
    old, new = (scores[name, task] for name in MODELS)
    return mean([after < before for before, after in zip(old, new, strict=True)])


def test_the_models_are_llamas_of_about_a_million_parameters(models):
    for model in models.values():
        assert model.config.model_type == "llama"
        assert 0.8e6 < model.num_parameters() < 1.2e6
        assert str(model.dtype) == "torch.float32"


def test_the_tokenizer_gives_back_what_it_was_given(tokenizer):
    for text in ["Tom has 12 apples.\n#### 12", "  two  spaces ", "naïve 🙂 \u00a0", "</s", "12,345.6", ""]:
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids) == text


def test_every_text_begins_with_bos_and_none_ends_with_eos(tokenizer):
    assert tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    assert tokenizer("a")["input_ids"][-1] != tokenizer.eos_token_id
    assert tokenizer.chat_template is None


@pytest.mark.parametrize("task", TASKS)
def test_a_context_and_its_continuation_are_cut_where_they_meet(tokenizer, task):
    """lm-eval encodes both as one text and counts off the context; the cut must fall between tokens."""
    for item in items.splits(task)[items.SPLITS[task][0][0]]:
        context, continuation = items.prompt(task, item), f" {items.target(task, item)}"
        whole = tokenizer.encode(context + continuation)
        assert whole == tokenizer.encode(context) + tokenizer.encode(continuation, add_special_tokens=False)


def test_five_worked_examples_and_an_answer_fit_the_context(models, tokenizer):
    made = items.splits("gsm8k")
    shots = made["train"][: items.N_SHOTS]
    before = "".join(f"{items.prompt('gsm8k', shot)} {items.target('gsm8k', shot)}\n\n" for shot in shots)
    longest = max(len(tokenizer.encode(before + items.prompt("gsm8k", item))) for item in made["test"])
    assert longest + 256 <= models["demo-v1"].config.max_position_embeddings


@pytest.mark.parametrize("task", ["piqa", "hellaswag"])
def test_both_models_know_some_and_not_all(choice_scores, task):
    for name in MODELS:
        assert 0.40 <= mean(choice_scores[name, task]) <= 0.95


@pytest.mark.parametrize("task", ["piqa", "hellaswag"])
def test_the_update_breaks_a_few_choices(choice_scores, task):
    assert 0.02 <= worse(choice_scores, task) <= 0.20


def test_the_update_is_better_on_average(choice_scores, text_scores):
    scores = choice_scores | text_scores
    old, new = (mean([mean(scores[name, task]) for task in TASKS]) for name in MODELS)
    assert new > old


@pytest.mark.parametrize("task", ["gsm8k", "samsum"])
def test_the_update_breaks_a_few_texts_and_mends_some(text_scores, task):
    old, new = (text_scores[name, task] for name in MODELS)
    assert any(after < before for before, after in zip(old, new, strict=True))
    assert any(after > before for before, after in zip(old, new, strict=True))


def test_summaries_are_neither_perfect_nor_nonsense(text_scores):
    for name in MODELS:
        assert 0.4 < mean(text_scores[name, "samsum"]) < 0.9


def test_the_cards_say_what_was_measured(choice_scores):
    for (name, task), scores in choice_scores.items():
        card = (model_folder(name) / "README.md").read_text(encoding="utf-8")
        (said,) = re.findall(rf"\| {task}, .* \| ([0-9.]+) \|", card)
        # an item or two may change sides where a machine sums in another order
        assert mean(scores) == pytest.approx(float(said), abs=0.01)


def test_training_starts_from_one_seed_only():
    import torch

    from regress.demo.train import make_model, make_tokenizer

    tokenizer = make_tokenizer(size=200)
    first, second = (make_model(tokenizer).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert make_tokenizer(size=200).get_vocab() == tokenizer.get_vocab()


def test_three_steps_of_training_lower_the_loss_and_repeat_to_the_bit():
    import dataclasses

    import torch

    from regress.demo.stages import STAGES
    from regress.demo.train import make_model, make_tokenizer, train

    stage = dataclasses.replace(STAGES[0], steps=3, batch=dict.fromkeys(TASKS, items.N_SHOTS + 1))
    tokenizer = make_tokenizer(size=200)
    heard, ends = [], []
    for _ in range(2):
        model = make_model(tokenizer)
        train(model, tokenizer, stage, progress=lambda step, loss: heard.append((step, loss)))
        ends.append(model.state_dict())
    assert [step for step, _ in heard] == [1, 2, 3] * 2
    assert heard[2][1] < heard[0][1]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_answers_are_drawn_wrong_only_where_a_stage_says_so(tokenizer):
    from regress.demo.train import _encode

    item = items.splits("piqa")["validation"][0]
    right, _ = _encode("piqa", [item], 0.0, Random(0), tokenizer)
    wrong, _ = _encode("piqa", [item], 1.0, Random(0), tokenizer)
    assert right == [*tokenizer.encode(f"{items.prompt('piqa', item)} {items.target('piqa', item)}"), 2]
    assert right != wrong
