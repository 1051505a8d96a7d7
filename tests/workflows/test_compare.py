"""`regress.compare`: two models in, what the update did out, and nothing computed twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import regress
from regress.errors import (
    DamagedRun,
    EngineError,
    IncompleteRun,
    NotComparable,
    UnknownName,
    UsageError,
)
from regress.store.runs import Store, read_run
from regress.workflows.progress import Remark

ALL = "piqa,gsm8k,hellaswag,samsum"
OLD = {"piqa": {0, 1, 2, 3, 5}, "gsm8k": {0, 1, 2}, "hellaswag": {0, 5}, "samsum": {0, 1}}
NEW = {"piqa": {0, 1, 4, 6}, "gsm8k": {0, 4, 5}, "hellaswag": {0, 1, 2}, "samsum": {1, 2}}


@pytest.fixture
def pair(model) -> tuple[str, str]:
    return model("old.jsonl", **OLD), model("new.jsonl", **NEW)


def rows(comparison):
    return {row.task.name: row for row in comparison.tasks}


def folders(name: str, tasks: str = "piqa", **settings) -> dict[str, Path]:
    paths = regress.evaluate(name, tasks=tasks, **settings)
    return {read_run(path).spec.task.name: path for path in paths}


# ── what comes out ───────────────────────────────────────────────────────────────────────────────


def test_the_flips_of_every_task_are_those_that_the_models_made(pair, ask):
    comparison = regress.compare(*pair, tasks=ALL, **ask)
    assert list(rows(comparison)) == ALL.split(",")
    for task in ("piqa", "gsm8k", "hellaswag"):
        counts, old, new = rows(comparison)[task].counts, OLD[task], NEW[task]
        assert counts.both_right == len(old & new)
        assert counts.negative_flips == len(old - new)
        assert counts.positive_flips == len(new - old)
        lost = comparison.flips(task, quadrant="negative flip")
        assert set(lost["index"]) == old - new
    assert (comparison.old.name, comparison.new.name) == pair


def test_swapping_old_and_new_swaps_what_was_lost_and_what_was_gained(pair, ask):
    there, back = regress.compare(*pair, tasks=ALL, **ask), regress.compare(*pair[::-1], tasks=ALL, **ask)
    for task, row in rows(there).items():
        other = rows(back)[task].estimates
        assert row.estimates["nfr"].value == other["pfr"].value
        assert row.estimates["delta"].value == -other["delta"].value


def test_a_model_against_itself_has_no_flip(pair, ask):
    comparison = regress.compare(pair[0], pair[0], tasks=ALL, **ask)
    for row in comparison.tasks:
        assert (row.estimates["nfr"].value, row.estimates["pfr"].value, row.estimates["delta"].value) == (
            0,
            0,
            0,
        )


def test_the_worst_flips_carry_prompt_and_target(pair, ask):
    (worst, *_) = rows(regress.compare(*pair, tasks="gsm8k", **ask))["gsm8k"].worst
    assert worst.prompt.endswith(f"What is {1000 + worst.index} + 1?\nAnswer:")
    assert f"#### {1001 + worst.index}" in worst.target


def test_runs_without_text_give_the_same_counts(pair, ask):
    plain, hidden = (regress.compare(*pair, tasks=ALL, text=text, **ask) for text in (True, False))
    for task, row in rows(plain).items():
        assert row.counts == rows(hidden)[task].counts
    assert "twist" not in repr(hidden.flips().to_dict())


def test_runs_without_their_instances_are_still_compared(pair, ask, here):
    regress.compare(*pair, tasks="piqa", **ask)
    shutil.rmtree(here / "runs" / "_instances")
    runs = Store(here / "runs")
    paths = [str(run.path) for name in ("old.jsonl", "new.jsonl") for run in runs.named(name)]
    assert rows(regress.compare(*paths))["piqa"].n == 8


# ── nothing computed twice ───────────────────────────────────────────────────────────────────────


def test_old_is_answered_before_new_and_a_second_call_answers_nothing(pair, ask, watched):
    first = regress.compare(*pair, tasks="piqa,gsm8k", progress=watched, **ask)
    order = list(dict.fromkeys(watched.answered))
    assert order == [(name, task) for name in pair for task in ("piqa", "gsm8k")]
    watched.clear()
    second = regress.compare(*pair, tasks="piqa,gsm8k", progress=watched, **ask)
    assert second == first
    assert watched.answered == []
    assert sorted(watched.reused) == sorted(order)


def test_with_old_stored_only_new_is_answered(pair, ask, watched):
    regress.evaluate(pair[0], tasks="piqa,gsm8k", **ask)
    regress.compare(*pair, tasks="piqa,gsm8k", progress=watched, **ask)
    assert {name for name, _ in watched.answered} == {"new.jsonl"}


def test_another_task_asks_only_that_task(pair, ask, watched):
    regress.compare(*pair, tasks="piqa", **ask)
    regress.compare(*pair, tasks="piqa,gsm8k", progress=watched, **ask)
    assert {task for _, task in watched.answered} == {"gsm8k"}


def test_a_slip_in_the_second_name_costs_no_answer_of_the_first(pair, ask, watched):
    with pytest.raises(UnknownName, match=r"'nev\.jsonl'; did you mean 'new\.jsonl'"):
        regress.compare(pair[0], "nev.jsonl", tasks="piqa", progress=watched, **ask)
    assert watched == []


# ── stored runs, by path ─────────────────────────────────────────────────────────────────────────


def test_two_runs_are_compared_by_their_paths(pair, ask):
    old, new = (folders(name, **ask)["piqa"] for name in pair)
    assert rows(regress.compare(str(old), str(new)))["piqa"].counts.negative_flips == 3


def test_two_models_are_compared_by_the_folders_of_their_runs(pair, ask):
    for name in pair:
        folders(name, ALL, **ask)
    comparison = regress.compare("runs/old.jsonl", "runs/new.jsonl")
    assert set(rows(comparison)) == set(ALL.split(","))
    chosen = regress.compare("runs/old.jsonl", "runs/new.jsonl", tasks="gsm8k,samsum")
    assert set(rows(chosen)) == {"gsm8k", "samsum"}


def test_a_stored_old_run_decides_what_a_new_model_is_asked(pair, ask, watched):
    """Tasks, items and shots as the run was asked: nothing has to be typed again."""
    old = folders(pair[0], "gsm8k", **{**ask, "limit": 4, "num_fewshot": 2})["gsm8k"]
    comparison = regress.compare(str(old), pair[1], engine="scripted", store="runs", progress=watched)
    assert rows(comparison)["gsm8k"].n == 4
    assert {task for _, task in watched.answered} == {"gsm8k"}


def test_several_runs_of_a_task_under_one_label_are_listed_not_guessed_between(pair, ask):
    first, second = (folders(pair[0], **{**ask, "limit": limit})["piqa"] for limit in (4, 5))
    with pytest.raises(UsageError, match="2 runs of piqa") as caught:
        regress.compare("runs/old.jsonl", "runs/old.jsonl")
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_task_that_was_not_stored_is_said_with_what_there_is(pair, ask):
    folders(pair[0], "piqa", **ask)
    with pytest.raises(UsageError, match=r"has no run of gsm8k\. Allowed: piqa"):
        regress.compare("runs/old.jsonl", "runs/old.jsonl", tasks="gsm8k")


def test_a_task_stored_on_one_side_only_is_refused_and_named(pair, ask):
    folders(pair[0], "piqa,gsm8k", **ask)
    folders(pair[1], "piqa,samsum", **ask)
    with pytest.raises(
        NotComparable, match="gsm8k is stored for the old model and not for the new"
    ) as caught:
        regress.compare("runs/old.jsonl", "runs/new.jsonl")
    assert caught.value.field == "task.name"
    assert set(rows(regress.compare("runs/old.jsonl", "runs/new.jsonl", tasks="piqa"))) == {"piqa"}


def test_runs_of_two_tasks_are_refused_by_name(pair, ask):
    runs = folders(pair[0], "piqa,hellaswag", **ask)
    with pytest.raises(NotComparable) as caught:
        regress.compare(str(runs["piqa"]), str(runs["hellaswag"]))
    assert caught.value.field == "task.name"


# ── stored runs, by name where the model is gone ─────────────────────────────────────────────────


def test_a_model_that_is_gone_is_found_by_its_name_and_that_is_said(pair, ask, watched, here):
    folders(pair[0], "piqa,gsm8k", **ask)
    (here / "old.jsonl").unlink()
    comparison = regress.compare(*pair, tasks="piqa,gsm8k", progress=watched, **ask)
    assert rows(comparison)["piqa"].counts.negative_flips == 3
    assert {name for name, _ in watched.answered} == {"new.jsonl"}
    assert any("stored runs of old.jsonl are used" in remark.text for remark in watched.of(Remark))


def test_of_a_model_that_is_gone_several_fitting_runs_are_listed(model, pair, ask, here):
    first = folders(pair[0], **ask)["piqa"]
    second = folders(model("old.jsonl", piqa={7}), **ask)["piqa"]
    (here / "old.jsonl").unlink()
    with pytest.raises(UsageError, match=r"old\.jsonl has 2 runs of piqa") as caught:
        regress.compare(*pair, tasks="piqa", **ask)
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)


def test_of_a_model_that_is_gone_only_runs_of_the_items_asked_for_fit(model, pair, ask, here):
    folders(pair[0], **{**ask, "limit": 4})
    folders(pair[0], **ask)
    (here / "old.jsonl").unlink()
    assert rows(regress.compare(*pair, tasks="piqa", limit=4, **ask))["piqa"].n == 4
    with pytest.raises(UnknownName, match=r"old\.jsonl"):
        regress.compare(*pair, tasks="piqa", limit=5, **ask)


def test_of_a_model_that_is_gone_only_runs_asked_with_the_settings_given_now_fit(pair, ask, here):
    regress.compare(*pair, tasks="piqa", **ask)
    (here / pair[0]).unlink()
    assert regress.compare(*pair, tasks="piqa", **ask).tasks[0].n == 8
    with pytest.raises(UnknownName, match="answer table"):
        regress.compare(*pair, tasks="piqa", **ask, metric="acc_norm")


def test_a_setting_that_does_not_exist_is_not_excused_by_stored_runs(pair, ask):
    """Or a slip in it would silently compare something else than was asked for."""
    regress.compare(*pair, tasks="piqa", **ask)
    with pytest.raises(UnknownName, match="engine 'scriptd'; did you mean 'scripted'"):
        regress.compare(*pair, tasks="piqa", **{**ask, "engine": "scriptd"})
    with pytest.raises(UnknownName, match="unknown metric"):
        regress.compare(*pair, tasks="piqa", metric="bleurgh", **ask)


def test_a_table_that_is_there_but_broken_is_not_excused_by_stored_runs(pair, ask, here):
    regress.compare(*pair, tasks="piqa", **ask)
    (here / "old.jsonl").write_text('{"match": "", "txt": "x"}\n')
    with pytest.raises((EngineError, UnknownName), match="txt"):
        regress.compare(*pair, tasks="piqa", **ask)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


def test_other_worked_examples_are_refused_naming_the_setting_and_its_values(pair, ask):
    with pytest.raises(NotComparable, match=r"num_fewshot 5 against 2") as caught:
        regress.compare(*pair, tasks="gsm8k", new_settings={"num_fewshot": 2}, **ask)
    assert caught.value.field == "prompts"
    assert caught.value.exit_code == 2


def test_a_refusal_that_is_overridden_is_a_comparison_of_settings(pair, ask):
    comparison = regress.compare(
        pair[0], pair[0], tasks="gsm8k", new_settings={"num_fewshot": 2}, allow=["prompts"], **ask
    )
    assert [d.field for d in comparison.settings_compared] == ["task.num_fewshot"]


def test_the_first_items_are_not_compared_with_a_sample(pair, ask):
    first = folders(pair[0], **{**ask, "limit": 4})["piqa"]
    drawn = folders(pair[1], **{**ask, "sample": 4, "seed": 1})["piqa"]
    with pytest.raises(
        NotComparable, match=r"different items.*limit 4 against none, sample none against 4"
    ) as caught:
        regress.compare(str(first), str(drawn))
    assert caught.value.field == "items"


def test_other_items_are_refused(pair, ask, write_data, here):
    old = folders(pair[0], **ask)["piqa"]
    write_data(here / "data", piqa=7)
    with pytest.raises(NotComparable) as caught:
        regress.compare(str(old), str(folders(pair[1], **ask)["piqa"]))
    assert caught.value.field == "items"


def test_an_unfinished_run_is_no_evidence(model, pair, ask, here):
    old = folders(pair[0], **ask)["piqa"]
    with pytest.raises(IncompleteRun):
        regress.evaluate(model("bad.jsonl", errors={1}), tasks="piqa", **ask)
    (bad,) = (here / "runs" / "bad.jsonl").iterdir()
    with pytest.raises(IncompleteRun, match="not complete"):
        regress.compare(str(old), str(bad))
    with pytest.raises(IncompleteRun, match="not complete"):
        regress.compare(str(old), str(bad.parent))


def test_a_damaged_run_is_refused_even_where_its_key_fits(pair, ask):
    old = folders(pair[0], **ask)["piqa"]
    path = old / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(DamagedRun, match=r"regress runs rm"):
        regress.compare(*pair, tasks="piqa", **ask)


# ── groups ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def group(here) -> str:
    (here / "both.yaml").write_text("group: both\ntask: [piqa, hellaswag]\n")
    return "./both.yaml"


def test_a_group_is_its_tasks_and_a_pooled_row_after_them(pair, ask, group):
    """Also where the runs are named by path: each remembers the groups it was asked as part of."""
    regress.compare(*pair, tasks=group, **ask)
    for selected in ({"tasks": "both"}, {}):
        comparison = regress.compare("runs/old.jsonl", "runs/new.jsonl", **selected)
        *members, pooled = comparison.tasks
        assert {row.task.name for row in members} == {"piqa", "hellaswag"}
        assert pooled.task.name == "both"
        assert pooled.members == ("piqa", "hellaswag")
        assert pooled.n == 14
        assert pooled.counts.negative_flips == sum(len(OLD[t] - NEW[t]) for t in ("piqa", "hellaswag"))


def test_a_task_with_a_name_that_is_no_file_name_is_compared_by_that_name(pair, ask, here):
    """A folder's name is not where a task's name is read from."""
    text = (Path(regress.__file__).parents[1] / "tasks/piqa/piqa.yaml").read_text("utf-8")
    (here / "mine.yaml").write_text(text.replace("task: piqa", "task: org/my piqa"))
    shutil.copytree(here / "data/piqa", here / "data/org/my piqa")
    comparison = regress.compare(*pair, tasks="./mine.yaml", **ask)
    assert list(rows(comparison)) == ["org/my piqa"]
    assert rows(comparison)["org/my piqa"].worst[0].prompt is not None


# ── the record ───────────────────────────────────────────────────────────────────────────────────


def test_every_row_says_which_runs_it_was_made_from(pair, ask):
    row = rows(regress.compare(*pair, tasks="piqa", **ask))["piqa"]
    assert read_run(row.old_path).spec.model.name == "old.jsonl"
    assert json.loads((Path(row.new_path) / "spec.json").read_text())["fingerprint"] == row.new_fingerprint


def test_a_task_that_was_asked_for_never_drops_out_in_silence(pair, ask):
    regress.compare(*pair, tasks="piqa,hellaswag", **ask)
    with pytest.raises(UsageError, match="no run of gsm8k, helaswag"):
        regress.compare("runs/old.jsonl", "runs/new.jsonl", tasks="piqa,gsm8k,helaswag", **ask)


def test_a_setting_of_one_side_stays_on_that_side_whatever_is_stored(pair, ask):
    own = {"max_gen_toks": 4}
    for _ in range(2):
        compared = regress.compare(*pair, tasks="gsm8k", old_settings=own, **ask)
        lengths = [run.task.generation["max_gen_toks"] for run in _specs(compared, "gsm8k")]
        assert lengths == [4, 256]


def _specs(compared, task):
    return compared.pairs[task].old_spec, compared.pairs[task].new_spec


def test_a_group_is_pooled_if_it_is_asked_for_and_only_then(pair, ask, group):
    for task in ("piqa", "hellaswag"):
        regress.compare(*pair, tasks=task, **ask)
    pooled = regress.compare(*pair, tasks=group, **ask)
    assert [row.task.name for row in pooled.tasks if row.members] == ["both"]
    alone = regress.compare(*pair, tasks="piqa", **ask)
    assert [row.task.name for row in alone.tasks] == ["piqa"]
