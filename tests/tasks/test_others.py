"""Any other task of lm-eval, by name or by path, is asked and judged as lm-eval would, or refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import DataError, HubError, TaskError, UnknownName, UsageError
from regress.tasks.load import load_tasks
from regress.tasks.task import Task
from regress.types import Generation, Loglikelihood, Logprob, RollingLoglikelihood, Text

pytestmark = pytest.mark.models

Define = Callable[[str, str], str]
Write = Callable[..., Path]

QA = [
    {"q": f"{i}+1?", "a": [str(i + 1), f"{i + 1}."], "n": i + 1, "text": f"one {i} two three"}
    for i in range(6)
]
TRAIN = [{"q": f"{i}-1?", "a": [str(i - 1)], "n": i - 1, "text": "t"} for i in range(8)]
GENERATE = (
    "output_type: generate_until\ntest_split: test\ndoc_to_text: 'Q: {{q}} A:'\ndoc_to_target: '{{n}}'\n"
)


@pytest.fixture
def qa(write: Write) -> Path:
    return write("t", test=QA, train=TRAIN)


def load(path: str, data: Path, **options: Any) -> Task:
    (task,) = load_tasks([path], data=data, **options).tasks
    return task


def installed(path: str) -> str:
    import lm_eval.tasks

    return str(Path(lm_eval.tasks.__file__).parent / path)


# ── what may not be run ──────────────────────────────────────────────────────────────────────────


def test_code_beside_a_yaml_given_by_path_is_refused_before_it_is_imported(
    define: Define, qa: Path, tmp_path: Path
) -> None:
    define(
        "code.py",
        f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()\ndef f(doc): return doc['q']\n",
    )
    path = define("t.yaml", "task: t\n" + GENERATE.replace("'Q: {{q}} A:'", "!function code.f"))
    with pytest.raises(TaskError, match=r"runs Python code: code\.f.*--trust-task-code"):
        load(path, qa)
    assert not (tmp_path / "ran").exists()
    assert load(path, qa, trust_task_code=True).instances[0].prompt == "0+1?"


def test_code_in_an_include_counts_too_even_where_it_is_overwritten(define: Define, qa: Path) -> None:
    define("base.yaml", "process_docs: !function code.f\n")
    path = define("t.yaml", "include: base.yaml\ntask: t\nprocess_docs: null\n" + GENERATE)
    with pytest.raises(TaskError, match=r"runs Python code: code\.f"):
        load(path, qa)


def test_code_of_the_installed_lm_eval_runs_freely(define: Define, data: Path) -> None:
    (data / "hellaswag").rename(data / "mine")
    task = load(define("mine.yaml", f"include: {installed('hellaswag/hellaswag.yaml')}\ntask: mine\n"), data)
    assert task.instances[0].choices == ("burns it 0.", "sings. Loudly.", "leaves.", 'it\'s "done" ')


def test_a_template_cannot_reach_python(define: Define, qa: Path) -> None:
    attack = "{{ cycler.__init__.__globals__.os.getcwd() }}"
    with pytest.raises(TaskError, match="SecurityError"):
        load(define("t.yaml", "task: t\n" + GENERATE.replace("Q: {{q}} A:", attack)), qa)


def test_a_task_that_executes_answers_is_refused_before_its_code_is_imported(
    define: Define, qa: Path, tmp_path: Path
) -> None:
    define(
        "code.py",
        f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()\ndef f(doc): return doc['q']\n",
    )
    text = "task: t\nunsafe_code: true\n" + GENERATE.replace("'Q: {{q}} A:'", "!function code.f")
    with pytest.raises(TaskError, match=r"executes what the model writes.*--allow-unsafe-code"):
        load(define("t.yaml", text), qa, trust_task_code=True)
    assert not (tmp_path / "ran").exists()
    assert load(define("t.yaml", text), qa, trust_task_code=True, allow_unsafe_code=True).spec.n == 6


def test_humaneval_of_the_installed_lm_eval_is_refused(qa: Path) -> None:
    with pytest.raises(TaskError, match="'humaneval' executes what the model writes"):
        load(installed("humaneval/humaneval.yaml"), qa)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("metric_list: [{metric: bleurt}]\n", "'bleurt' of the task 't' would be fetched as code"),
        ("metric_list: [{metric: exact_match, hf_evaluate: true}]\n", "'exact_match' .* fetched as code"),
        ("metric_list: [{metric: bleurt}, {metric: exact_match}]\n", "Choose another of its metrics"),
        ("metric_list: [{metric: bleu}]\n", "'bleu' of the task 't' is computed over all items"),
        ("metric_list: [{metric: chrf}, {metric: exact_match}]\n", "Allowed: exact_match"),
        ("doc_to_image: picture\n", "shows images"),
        ("class: nothing\n", "Python code of a kind"),
        ("metadata: {scale: wide}\n", "declares the scale 'wide'"),
        ("metadata: {tags: 3}\n", "`metadata: tags` is 3"),
        ("test_split: null\n", "names no test or validation split"),
        ("output_type: guess\n", "cannot be built: ValueError: Got invalid output_type"),
        ("unheard_of: 1\n", "cannot be built: TypeError"),
    ],
)
def test_what_cannot_be_run_or_judged_is_refused_by_name(
    define: Define, qa: Path, lines: str, said: str
) -> None:
    metric = "" if "metric_list" in lines else "metric_list: [{metric: exact_match}]\n"
    kept = [line for line in GENERATE.splitlines() if line.split(":")[0] != lines.split(":")[0]]
    with pytest.raises(TaskError, match=said):
        load(define("t.yaml", "task: t\n" + "\n".join(kept) + "\n" + metric + lines), qa)


def test_a_metric_from_the_network_that_does_not_decide_is_left_out(define: Define, qa: Path) -> None:
    path = define("t.yaml", "task: t\nmetric_list: [{metric: exact_match}, {metric: bleurt}]\n" + GENERATE)
    assert load(path, qa).score(0, [Text(text="1")]).scores == {"exact_match": 1.0}
    with pytest.raises(TaskError, match="'bleurt' of the task 't' would be fetched"):
        load(path, qa, metric="bleurt")


def test_an_unknown_name_is_answered_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    from regress.tasks.build import Index

    monkeypatch.setattr(Index, "installed", {"arc_easy": None})
    with pytest.raises(UnknownName, match="did you mean 'hellaswag'"):
        load_tasks(["helaswag"])
    with pytest.raises(UnknownName, match="did you mean 'arc_easy'"):
        load_tasks(["arc_esy"])
    with pytest.raises(TaskError, match="cannot read the task definition"):
        load_tasks(["./nowhere.yaml"])


def test_a_hub_that_cannot_be_reached_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match=r"'baber/piqa' of the task 'piqa'.*HF_TOKEN.*HF_ENDPOINT.*--data DIR"):
        load_tasks(["piqa"])


def test_a_folder_here_that_would_shadow_the_hub_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "baber" / "piqa").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="'baber/piqa' in the current directory"):
        load_tasks(["piqa"])


def test_the_revision_is_read_off_where_the_cache_keeps_it() -> None:
    from types import SimpleNamespace as Namespace

    from regress.tasks.sources import origin

    def split(*files: str) -> Any:
        return Namespace(cache_files=[{"filename": file} for file in files])

    file = f"/cache/a___b/default/0.0.0/{'0a' * 20}/b-NAME.arrow"
    assert origin("a/b", {"test": split(file), "train": split(file)}) == f"hub:a/b@{'0a' * 20}"
    assert origin("a/b", {"test": split("/elsewhere/b.arrow"), "train": split()}) == "hub:a/b"
    assert origin("json", {}) == origin("./folder", {}) == "dir"
    assert origin(None, {}) == "code"


# ── prompts ──────────────────────────────────────────────────────────────────────────────────────


def lm_evals_prompts(path: str, splits: dict[str, Any], **building: Any) -> list[Any]:
    import datasets
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    rows = {name: datasets.Dataset.from_list(items) for name, items in splits.items()}
    task = ConfigurableTask(config={**load_yaml(path), "custom_dataset": lambda **_: rows})
    task.set_fewshot_seed(1234)
    task.build_all_requests(rank=0, world_size=1, **building)
    return [one.args for one in task.instances]


SHOTS = "task: t\ntraining_split: train\nfewshot_split: train\nnum_fewshot: 3\n" + GENERATE


def chat(messages: list[dict[str, Any]], /, add_generation_prompt: bool = True) -> str:
    turns = "".join(f"<{message['role']}>{message['content']}" for message in messages)
    return turns + ("<assistant>" if add_generation_prompt else "")


@pytest.mark.parametrize("extra", ["", "gen_prefix: 'It is'\n", "description: 'Add. '\n"])
def test_random_shots_are_those_of_one_rank_over_the_full_set(define: Define, qa: Path, extra: str) -> None:
    path = define("t.yaml", SHOTS + extra + "metric_list: [{metric: exact_match}]\n")
    task = load(path, qa)
    assert task.spec.fewshot == "lm-eval"
    theirs = lm_evals_prompts(path, {"test": QA, "train": TRAIN})
    assert [one.prompt for one in task.instances] == [prompt for prompt, _ in theirs]
    assert len({one.prompt.split("A:")[0] for one in task.instances}) > 1


def test_prompts_do_not_depend_on_what_was_asked_before(define: Define, qa: Path) -> None:
    path = define("t.yaml", SHOTS + "metric_list: [{metric: exact_match}]\n")
    forward, backward = load(path, qa), load(path, qa)
    asked = [backward.requests(i, chat=chat) for i in reversed(range(6))][::-1]
    assert asked == [forward.requests(i, chat=chat) for i in range(6)]
    assert [backward.requests(i) for i in (5, 0, 5)] == [forward.requests(i) for i in (5, 0, 5)]
    assert [forward.requests(i)[0].prompt for i in range(6)] == [one.prompt for one in forward.instances]


@pytest.mark.parametrize("system", [None, "Be brief."])
@pytest.mark.parametrize("templated", [True, False])
def test_chat_and_system_prompts_are_lm_evals_with_the_same_shots(
    define: Define, qa: Path, system: str | None, templated: bool
) -> None:
    path = define("t.yaml", SHOTS + "metric_list: [{metric: exact_match}]\n")
    task = load(path, qa)
    theirs = lm_evals_prompts(
        path,
        {"test": QA, "train": TRAIN},
        system_instruction=system,
        apply_chat_template=templated,
        fewshot_as_multiturn=templated,
        chat_template=chat if templated else None,
    )
    ours = [task.requests(i, chat=chat if templated else None, system=system)[0].prompt for i in range(6)]
    assert ours == [prompt for prompt, _ in theirs]


def test_a_choice_after_a_chat_template_has_no_space_before_it(data: Path) -> None:
    (task,) = load_tasks(["piqa"], data=data).tasks
    asked = task.requests(0, chat=chat)
    assert asked[0] == Loglikelihood(
        context="<user>Question: open jar 0\nAnswer:<assistant>", continuation="twist it 0"
    )


def test_fixed_shots_are_the_first_others_for_every_item(define: Define, write: Write) -> None:
    data = write("t", test=QA)
    text = SHOTS.replace("train\n", "test\n").replace("training_split: test\n", "")
    path = define("t.yaml", text + "metric_list: [{metric: exact_match}]\n")
    task = load(path, data, fewshot="fixed")
    assert task.instances[0].prompt == "Q: 1+1? A: 2\n\nQ: 2+1? A: 3\n\nQ: 3+1? A: 4\n\nQ: 0+1? A:"
    assert task.instances[5].prompt.startswith("Q: 0+1? A: 1\n\nQ: 1+1? A: 2\n\nQ: 2+1? A: 3\n\n")
    assert (task.spec.fewshot, load(path, data).spec.fewshot) == ("fixed", "lm-eval")


def test_lm_evals_sampler_can_be_asked_for_in_our_tasks_too(data: Path) -> None:
    (ours,) = load_tasks(["gsm8k"], data=data, fewshot="lm-eval").tasks
    (fixed,) = load_tasks(["gsm8k"], data=data, fewshot="fixed").tasks
    (default,) = load_tasks(["gsm8k"], data=data).tasks
    assert ours.spec.fewshot == "lm-eval"
    assert ours.spec.prompts != fixed.spec.prompts
    assert fixed.spec == default.spec
    other = load_tasks(["gsm8k"], data=data, fewshot="lm-eval", fewshot_seed=7).tasks[0]
    assert other.spec.prompts != ours.spec.prompts


def test_more_shots_than_there_are_is_refused(define: Define, qa: Path) -> None:
    path = define("t.yaml", SHOTS + "metric_list: [{metric: exact_match}]\n")
    for fewshot in ("fixed", "lm-eval"):
        with pytest.raises(TaskError, match=r"9 worked examples|Sample larger than population"):
            load(path, qa, num_fewshot=9, fewshot=fewshot)


def test_a_task_defined_without_examples_keeps_none(define: Define, qa: Path) -> None:
    path = define("t.yaml", "task: t\nnum_fewshot: 0\nmetric_list: [{metric: exact_match}]\n" + GENERATE)
    with pytest.raises(UsageError, match="'t' is defined without worked examples"):
        load(path, qa, num_fewshot=2)
    assert load(path, qa, num_fewshot=0).spec.num_fewshot == 0


# ── groups ───────────────────────────────────────────────────────────────────────────────────────


def test_groups_stand_for_their_tasks_nested_ones_too(
    define: Define, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regress.tasks.build import Index

    monkeypatch.setattr(Index, "installed", {})
    for name in ("a", "b", "c"):
        data = write(name, test=QA)
        define(f"g/{name}.yaml", f"task: {name}\nmetric_list: [{{metric: exact_match}}]\n" + GENERATE)
    define("g/inner.yaml", "group: inner\ntask: [b, c]\n")
    outer = define("g/outer.yaml", "group: outer\ntask: [a, inner]\n")
    loaded = load_tasks([outer], data=data)
    assert [task.spec.name for task in loaded.tasks] == ["a", "b", "c"]
    assert loaded.groups == {"outer": ("a", "b", "c"), "inner": ("b", "c")}
    with pytest.raises(UsageError, match="'a' is asked for twice"):
        load_tasks([outer, str(Path(outer).parent / "a.yaml")], data=data)


def test_a_tag_stands_for_its_tasks(define: Define, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval.tasks._index import TaskIndex

    from regress.tasks.build import Index

    for name in ("a", "b"):
        data = write(name, test=QA)
        path = define(
            f"g/{name}.yaml", f"task: {name}\ntag: both\nmetric_list: [{{metric: exact_match}}]\n" + GENERATE
        )
    monkeypatch.setattr(Index, "installed", TaskIndex.build([Path(path).parent]))
    loaded = load_tasks(["both"], data=data)
    assert loaded.groups == {"both": ("a", "b")}
    assert [task.spec.name for task in loaded.tasks] == ["a", "b"]


def test_a_group_that_names_code_needs_trust_too(
    define: Define, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regress.tasks.build import Index

    monkeypatch.setattr(Index, "installed", {})
    define("g/a.yaml", "task: a\nmetric_list: [{metric: exact_match}]\n" + GENERATE)
    group = define("g/g.yaml", "group: g\ntask: [a]\nmetadata: {x: !function code.f}\n")
    with pytest.raises(TaskError, match=r"'g' .* runs Python code: code\.f"):
        load_tasks([group], data=write("a", test=QA))


# ── judging ──────────────────────────────────────────────────────────────────────────────────────


def logprobs(*values: float, greedy: bool = False) -> list[Logprob]:
    return [Logprob(value=value, greedy=greedy) for value in values]


def test_one_of_several_targets_is_enough(define: Define, qa: Path) -> None:
    text = GENERATE.replace("'{{n}}'", "a")
    task = load(define("t.yaml", "task: t\nmetric_list: [{metric: exact_match}]\n" + text), qa)
    assert task.instances[0].target == '["1", "1."]'
    assert task.score(0, [Text(text="1.")]).correct
    assert not task.score(0, [Text(text="2")]).correct


def test_perplexity_is_unbounded_negated_and_said(define: Define, qa: Path) -> None:
    text = (
        "output_type: loglikelihood_rolling\ntest_split: test\ndoc_to_text: ''\ndoc_to_target: '{{text}}'\n"
    )
    names = ("word_perplexity", "byte_perplexity", "bits_per_byte")
    metrics = "metric_list: [" + ", ".join(f"{{metric: {name}}}" for name in names) + "]\n"
    task = load(define("t.yaml", "task: t\n" + text + metrics), qa)
    assert (task.spec.kind, task.spec.scale, task.spec.higher_is_better) == ("likelihood", "unbounded", False)
    assert task.requests(0) == [RollingLoglikelihood(text="one 0 two three")]
    assert task.instances[0].prompt == "one 0 two three"
    prediction = task.score(0, logprobs(-8.0))
    assert prediction.scores == {
        "word_perplexity": pytest.approx(math.exp(2)),
        "byte_perplexity": pytest.approx(math.exp(8 / 15)),
        "bits_per_byte": pytest.approx(8 / 15 / math.log(2)),
        "loglikelihood": -8.0,
    }
    assert prediction.score == -prediction.scores["word_perplexity"]
    assert (prediction.status, prediction.correct, prediction.answer) == ("scored", None, None)


def test_a_perplexity_beyond_all_numbers_is_an_error_row(define: Define, qa: Path) -> None:
    text = (
        "output_type: loglikelihood_rolling\ntest_split: test\ndoc_to_text: ''\ndoc_to_target: '{{text}}'\n"
    )
    task = load(define("t.yaml", "task: t\nmetric_list: [{metric: word_perplexity}]\n" + text), qa)
    prediction = task.score(0, logprobs(-1e5))
    assert (prediction.status, prediction.score) == ("error", None)
    assert "OverflowError" in (prediction.error or "")


def test_the_likelihood_of_a_last_word_can_be_judged_as_greedy_or_not(define: Define, qa: Path) -> None:
    text = GENERATE.replace("generate_until", "loglikelihood").replace("'{{n}}'", "' {{n}}'")
    path = define("t.yaml", "task: t\nmetric_list: [{metric: perplexity}, {metric: acc}]\n" + text)
    assert load(path, qa).spec.scale == "unbounded"
    task = load(path, qa, metric="acc")
    assert task.requests(0) == [Loglikelihood(context="Q: 0+1? A:", continuation=" 1")]
    assert task.score(0, logprobs(-2.0, greedy=True)).correct is True
    assert task.score(0, logprobs(-2.0)).correct is False
    assert task.score(0, logprobs(-2.0)).scores["perplexity"] == pytest.approx(math.exp(2))


CUSTOM = (
    "metric_list: [{metric: NAME, aggregation: mean, higher_is_better: true}]\n"
    "process_results: !function judge.f\n"
)


@pytest.mark.parametrize(
    ("name", "value", "scale", "score", "correct"),
    [("em", "True", "binary", 1.0, True), ("f1", "0.25", "bounded", 0.25, None)],
)
def test_a_tasks_own_code_is_believed_within_its_scale(
    define: Define, qa: Path, name: str, value: str, scale: str, score: float, correct: bool | None
) -> None:
    define("judge.py", f"def f(doc, results): return {{{name!r}: {value}}}\n")
    task = load(
        define("t.yaml", "task: t\n" + GENERATE + CUSTOM.replace("NAME", name)), qa, trust_task_code=True
    )
    prediction = task.score(0, [Text(text=" 1 ")])
    assert task.spec.scale == scale
    assert task.spec.scorer == {"kind": "lm-eval"}
    assert (prediction.answer, prediction.score, prediction.correct) == ("1", score, correct)


def test_a_value_outside_an_assumed_scale_asks_for_a_declaration(define: Define, qa: Path) -> None:
    define("judge.py", "def f(doc, results): return {'f1': 25.0}\n")
    text = "task: t\n" + GENERATE + CUSTOM.replace("NAME", "f1")
    with pytest.raises(TaskError, match=r"taken to be bounded and is 25\.0.*metadata: \{scale"):
        load(define("t.yaml", text), qa, trust_task_code=True).score(0, [Text(text="1")])
    declared = load(define("u.yaml", text + "metadata: {scale: unbounded}\n"), qa, trust_task_code=True)
    assert declared.score(0, [Text(text="1")]).score == 25.0
    wrong = load(define("v.yaml", text + "metadata: {scale: bounded}\n"), qa, trust_task_code=True)
    assert wrong.score(0, [Text(text="1")]).status == "error"


def test_code_that_breaks_on_one_answer_costs_that_row_only(define: Define, qa: Path) -> None:
    define("judge.py", "def f(doc, results): return {'em': 1 / len(results[0])}\n")
    text = "task: t\n" + GENERATE + CUSTOM.replace("NAME", "em")
    task = load(define("t.yaml", text), qa, trust_task_code=True)
    assert task.score(0, [Text(text="1")]).correct is True
    assert "ZeroDivisionError" in (task.score(1, [Text(text="")]).error or "")


def test_a_context_for_each_choice(define: Define, write: Write) -> None:
    data = write(
        "t", test=[{"o": ["he", "she"], "s": " ran", "n": 1}, {"o": ["it", "we"], "s": " sat", "n": 0}]
    )
    text = (
        "task: t\noutput_type: multiple_choice\ntest_split: test\ndoc_to_text: n\ndoc_to_target: s\n"
        "doc_to_choice: o\ntarget_delimiter: ''\nmetric_list: [{metric: acc}]\n"
    )
    task = load(define("t.yaml", text), data)
    assert task.requests(0) == [
        Loglikelihood(context="he", continuation=" ran"),
        Loglikelihood(context="she", continuation=" ran"),
    ]
    assert (task.instances[0].golds, task.instances[0].prompt) == ((1,), "he\nshe")
    assert task.score(0, logprobs(-2.0, -1.0)).correct is True


def test_mutual_information_asks_for_the_choices_alone_as_well(define: Define, data: Path) -> None:
    (data / "piqa").rename(data / "t")
    include = f"include: {installed('piqa/piqa.yaml')}\ntask: t\n"
    task = load(define("t.yaml", include + "metric_list: [{metric: acc_mutual_info}, {metric: acc}]\n"), data)
    assert [one.context for one in task.requests(0)] == ["Question: open jar 0\nAnswer:"] * 2 + [""] * 2
    prediction = task.score(0, logprobs(-4.0, -3.0, -6.0, -1.0))
    assert prediction.scores == {"acc_mutual_info": 1.0, "acc": 0.0}
    assert (prediction.answer, prediction.gold_margin) == ("0", 4.0)
    assert prediction.choice_logprobs == (-4.0, -3.0)


def test_repeats_are_asked_and_voted_on(define: Define, qa: Path) -> None:
    filters = (
        "repeats: 3\nfilter_list: [{name: vote, filter: [{function: regex, regex_pattern: '(\\d+)'}, "
        "{function: majority_vote}, {function: take_first}]}]\nmetric_list: [{metric: exact_match}]\n"
    )
    task = load(define("t.yaml", "task: t\n" + GENERATE + filters), qa)
    asked = task.requests(0)
    assert len(asked) == 3
    assert all(isinstance(one, Generation) for one in asked)
    prediction = task.score(0, [Text(text="is 2"), Text(text="is 1"), Text(text="1!")])
    assert (prediction.answer, prediction.correct, prediction.output) == ("1", True, "is 2")
    assert task.spec.metric == "exact_match/vote"
