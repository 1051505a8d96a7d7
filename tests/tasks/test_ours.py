"""Our four tasks ask what lm-eval asks, and say how they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from regress.errors import DataError, TaskError, UnknownName, UsageError
from regress.tasks.load import load_tasks, tasks_folder
from regress.tasks.task import Task
from regress.types import Generation, Loglikelihood

pytestmark = pytest.mark.models

OURS = ("gsm8k", "piqa", "hellaswag", "samsum", "samsum_muscle")


def load(name: str, data: Path, **options: Any) -> Task:
    (task,) = load_tasks([name], data=data, **options).tasks
    return task


def lm_evals_own(
    yaml: str, data: Path, name: str, split_names: dict[str, str], **overrides: Any
) -> list[Any]:
    """The requests that lm-eval itself builds from a YAML, with the same items put under it."""
    import datasets
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    splits = {
        split: datasets.load_dataset(
            "json",
            data_files=str(data / name / f"{split}.jsonl"),
            split="train",
            cache_dir=str(data / "cache"),
        )
        for split in split_names
    }
    config = {**load_yaml(yaml), "custom_dataset": lambda **_: splits, **overrides}
    config.pop("tag", None)
    task = ConfigurableTask(config=config)
    task.set_config("num_fewshot", config.get("num_fewshot") or 0)
    task.set_fewshot_seed(1234)
    task.build_all_requests(rank=0, world_size=1)
    return task.instances


def arguments(task: Task) -> list[tuple[Any, ...]]:
    """Our requests in the form of lm-eval's."""
    made: list[tuple[Any, ...]] = []
    for instance in task.instances:
        for request in task.requests(instance.index):
            if isinstance(request, Loglikelihood):
                made.append((request.context, request.continuation))
            elif isinstance(request, Generation):
                settings = {
                    "until": list(request.until),
                    **request.options,
                    "max_gen_toks": request.max_tokens,
                }
                made.append((request.prompt, settings))
    return made


CASES = {
    "gsm8k": ("gsm8k/gsm8k.yaml", {"train": "", "test": ""}, {}),
    "piqa": ("piqa/piqa.yaml", {"validation": ""}, {"training_split": None}),
    "hellaswag": ("hellaswag/hellaswag.yaml", {"validation": ""}, {"training_split": None}),
    "samsum": (
        "samsum/samsum.yaml",
        {"test": ""},
        {"training_split": None, "validation_split": None, "fewshot_split": None},
    ),
}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", CASES)
def test_lm_eval_builds_the_same_requests_from_our_yaml(name: str, data: Path) -> None:
    yaml, splits, overrides = CASES[name]
    theirs = lm_evals_own(str(tasks_folder() / yaml), data, name, splits, **overrides)
    assert arguments(load(name, data)) == [one.args for one in theirs]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["piqa", "hellaswag"])
def test_our_yaml_asks_what_the_installed_lm_evals_yaml_asks(name: str, data: Path) -> None:
    import lm_eval.tasks

    yaml, splits, overrides = CASES[name]
    installed = Path(lm_eval.tasks.__file__).parent / yaml
    theirs = lm_evals_own(str(installed), data, name, splits, **overrides)
    assert arguments(load(name, data)) == [one.args for one in theirs]


@pytest.mark.shared
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["piqa", "hellaswag"])
def test_the_same_holds_for_every_real_item(name: str, shared: Any, tmp_path: Path) -> None:
    import lm_eval.tasks

    yaml, splits, overrides = CASES[name]
    (tmp_path / name).mkdir()
    lines = shared(f"data/{name}/validation.jsonl").read_text(encoding="utf-8").split("\n")
    (tmp_path / name / "validation.jsonl").write_text(
        "\n".join(lines[:3000:2] + lines[3000::7]), encoding="utf-8"
    )
    installed = Path(lm_eval.tasks.__file__).parent / yaml
    theirs = lm_evals_own(str(installed), tmp_path, name, splits, **overrides)
    assert arguments(load(name, tmp_path)) == [one.args for one in theirs]


def test_gsm8k_shows_everyone_the_first_five_of_train_and_its_version_says_so(data: Path) -> None:
    task = load("gsm8k", data)
    heads = {instance.prompt[: instance.prompt.rindex("Question:")] for instance in task.instances}
    assert heads == {
        "".join(
            f"Question: What is {i} + {i}?\nAnswer: {i} + {i} = {2 * i}\n#### {2 * i}\n\n" for i in range(5)
        )
    }
    assert "fixed5" in task.spec.version
    assert (task.spec.fewshot, task.spec.num_fewshot) == ("fixed", 5)
    assert task.spec.metric == "exact_match/strict-match"
    assert task.spec.generation["max_gen_toks"] == 256


def test_samsum_asks_as_muscle_says_and_only_the_variant_forbids_repeats(data: Path) -> None:
    task, muscle = load("samsum", data), load("samsum_muscle", data)
    (request,) = task.requests(0)
    assert isinstance(request, Generation)
    assert request.prompt == "Dialogue:\nAnn: hi 0\nBob: bye\nSummary:"
    assert request.until == ("Dialogue:", "Summary:", "</s>", "\n\n")
    assert "no_repeat_ngram_size" not in request.options
    (other,) = muscle.requests(0)
    assert isinstance(other, Generation)
    assert other.options["no_repeat_ngram_size"] == 2
    assert other.prompt == request.prompt
    assert [one.id for one in muscle.instances] == [one.id for one in task.instances]
    assert muscle.spec.fingerprint != task.spec.fingerprint


def test_headlines_and_scales_of_ours(data: Path) -> None:
    specs = {name: load(name, data).spec for name in OURS}
    assert {name: (spec.kind, spec.scale, spec.metric) for name, spec in specs.items()} == {
        "gsm8k": ("generation", "binary", "exact_match/strict-match"),
        "piqa": ("choice", "binary", "acc"),
        "hellaswag": ("choice", "binary", "acc"),
        "samsum": ("generation", "bounded", "rouge1"),
        "samsum_muscle": ("generation", "bounded", "rouge1"),
    }
    assert all(spec.higher_is_better and spec.scorer["kind"] in ("choice", "text") for spec in specs.values())
    assert len({spec.fingerprint for spec in specs.values()}) == len(OURS)


def test_items_carry_ids_clusters_tags_and_their_source(data: Path) -> None:
    piqa, hellaswag = load("piqa", data).instances, load("hellaswag", data).instances
    assert [one.id for one in hellaswag] == [str(10 + i) for i in range(6)]
    assert len({one.id for one in piqa}) == 7
    assert all(len(one.id) == 16 for one in piqa)
    assert piqa[1].cluster == "open jar 1"
    assert hellaswag[1].cluster is None
    assert hellaswag[1].tags == {"activity_label": "Cooking 1"}
    assert (piqa[1].choices, piqa[1].golds, piqa[1].target) == (
        ("twist it 1", "smash it 1"),
        (1,),
        "smash it 1",
    )
    assert '"goal": "open jar 1"' in (piqa[1].source or "")


def test_an_id_depends_neither_on_the_examples_nor_on_the_target(data: Path, write: Any) -> None:
    before = [one.id for one in load("gsm8k", data).instances]
    assert [one.id for one in load("gsm8k", data, num_fewshot=2).instances] == before
    assert [one.id for one in load("gsm8k", data, fewshot="lm-eval").instances] == before
    write("gsm8k", test=[{"question": f"What is {i} + 1?", "answer": "#### 0"} for i in range(1000, 1006)])
    after = load("gsm8k", data)
    assert [one.id for one in after.instances] == before


def test_items_that_occur_twice_are_numbered(write: Any) -> None:
    twin = {"goal": "g", "sol1": "a", "sol2": "b", "label": 0}
    other = {**twin, "sol2": "c"}
    ids = [one.id for one in load("piqa", write("piqa", validation=[twin, twin, other])).instances]
    assert ids[1] == f"{ids[0]}#2"
    assert len(set(ids)) == 3


def test_targets_items_and_prompts_have_hashes_of_their_own(data: Path, write: Any) -> None:
    before = load("piqa", data).spec
    items = [
        {"goal": f"open jar {i}", "sol1": f"twist it {i}", "sol2": f"smash it {i}", "label": 0}
        for i in range(7)
    ]
    after = load("piqa", write("piqa", validation=items)).spec
    assert (after.prompts, after.definition) == (before.prompts, before.definition)
    assert after.targets != before.targets
    assert after.items != before.items
    assert after.fingerprint != before.fingerprint


def test_the_spec_is_the_same_in_another_folder_and_says_where_items_come_from(
    data: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    (data).rename(moved)
    first, again = load("gsm8k", moved).spec, load("gsm8k", moved, data_label="demo").spec
    moved.rename(data)
    assert load("gsm8k", data).spec == first
    assert (first.data, again.data) == ("dir", "demo")
    assert first.definition == again.definition
    assert first.fingerprint != again.fingerprint


def test_nothing_is_written_beside_the_items_or_into_the_cache(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    before = sorted(data.rglob("*"))
    load("hellaswag", data)
    assert sorted(data.rglob("*")) == before
    assert not (tmp_path / "cache").exists()


def test_splits_with_other_columns_and_other_files_do_not_matter(data: Path, write: Any) -> None:
    write("gsm8k", train=[{"question": f"q{i}", "answer": "#### 1", "extra": [i]} for i in range(5)])
    write("gsm8k", example_model_solutions=[{"unrelated": 1}])
    assert load("gsm8k", data).spec.n == 6


def test_settings_of_a_call_are_in_the_spec(data: Path) -> None:
    task = load(
        "gsm8k", data, max_gen_toks=32, num_fewshot=1, generation={"temperature": 0.5, "do_sample": True}
    )
    (request,) = task.requests(0)
    assert isinstance(request, Generation)
    assert (request.max_tokens, request.options["temperature"]) == (32, 0.5)
    assert task.spec.generation["max_gen_toks"] == 32
    assert task.spec.num_fewshot == 1
    assert task.instances[0].prompt.count("Question:") == 2
    assert load("piqa", data, metric="acc_norm").spec.metric == "acc_norm"


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"metric": "rouge"}, UnknownName, "unknown metric 'rouge'.* metrics of the task 'piqa'"),
        ({"fewshot": "some"}, UsageError, "--fewshot is 'some'"),
        ({"num_fewshot": -1}, UsageError, "--num-fewshot is -1"),
        ({"max_gen_toks": 0}, UsageError, "--max-gen-toks is 0"),
        ({"num_fewshot": 2}, DataError, "needs the split 'train'"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(data: Path, options: Any, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        load("piqa", data, **options)


def test_a_task_asked_for_twice_is_named(data: Path) -> None:
    with pytest.raises(UsageError, match="'piqa' is asked for twice"):
        load_tasks(["piqa", "gsm8k", "piqa"], data=data)
    with pytest.raises(UsageError, match="no task is named"):
        load_tasks([], data=data)


def test_a_missing_task_folder_names_the_nearest(data: Path) -> None:
    (data / "gsm8k").rename(data / "gsm8k.v2")
    with pytest.raises(DataError, match=r"has no folder 'gsm8k'; did you mean 'gsm8k\.v2'"):
        load("gsm8k", data)


@pytest.mark.parametrize("missing", ["goal", "sol2"])
def test_items_without_a_field_of_the_prompt_are_refused(write: Any, missing: str) -> None:
    item = {"goal": "g", "sol1": "a", "sol2": "b", "label": 0}
    del item[missing]
    with pytest.raises(TaskError, match=r"'piqa' cannot be built: .* Do its items have the fields"):
        load("piqa", write("piqa", validation=[item]))


def test_hidden_labels_are_refused(write: Any) -> None:
    items = [{"goal": "g", "sol1": "a", "sol2": "b", "label": -1}]
    with pytest.raises(DataError, match="no item of the task 'piqa' has a right choice"):
        load("piqa", write("piqa", validation=items))


def test_a_field_with_two_types_is_refused(write: Any) -> None:
    items = [{"goal": "g", "sol1": "a", "sol2": "b", "label": label} for label in (0, "1")]
    with pytest.raises(DataError, match=r"item 2 of .*has a str in 'label', item 1 a number"):
        load("piqa", write("piqa", validation=items))
