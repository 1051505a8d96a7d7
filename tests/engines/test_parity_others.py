"""Any other task too: lm-eval's own definitions, groups, likelihoods, repeats, another headline, a chat."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from regress.demo.items import read
from regress.demo.pair import items_folder, model_folder
from regress.store.runs import read_run
from regress.workflows.compare import compare
from regress.workflows.evaluate import evaluate

pytestmark = pytest.mark.models

LmEvalRun = Callable[..., Mapping[str, Any]]
MODEL = "demo-v2"
N = 12


def installed(path: str) -> Path:
    import lm_eval.tasks

    return Path(lm_eval.tasks.__file__).parent / path


def stored_rows(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_run(folder).predictions.to_pylist()
    for row in rows:
        row["scores"] = dict(row["scores"])
    return rows


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def write(data: Path) -> Callable[..., None]:
    def writer(task: str, items: Sequence[Mapping[str, Any]], split: str = "test") -> None:
        (data / task).mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(item) + "\n" for item in items)
        (data / task / f"{split}.jsonl").write_text(lines, encoding="utf-8")

    return writer


@pytest.fixture
def define(tmp_path: Path) -> Callable[[str, str], Path]:
    def definer(name: str, text: str) -> Path:
        path = tmp_path / "definitions" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"task: {name}\n{text}" if "group:" not in text else text, encoding="utf-8")
        return path

    return definer


def questions(n: int = N) -> list[dict[str, Any]]:
    """Demo items in the form of ARC: choices with labels."""
    return [
        {
            "question": item["goal"],
            "choices": {"label": ["A", "B"], "text": [item["sol1"], item["sol2"]]},
            "answerKey": "AB"[item["label"]],
        }
        for item in read(items_folder(), "piqa", "validation")[:n]
    ]


def sentences(n: int = N) -> list[dict[str, Any]]:
    return [{"text": item["summary"]} for item in read(items_folder(), "samsum", "test")[:n]]


def test_a_definition_of_lm_eval_included_by_path(
    tmp_path: Path,
    data: Path,
    write: Callable[..., None],
    define: Callable[..., Path],
    lm_eval_run: LmEvalRun,
) -> None:
    write("mine", questions())
    path = define("mine", f"include: {installed('arc/arc_easy.yaml')}\n")
    (folder,) = evaluate(MODEL, tasks=[str(path)], data=str(data), store=tmp_path / "runs")
    theirs = lm_eval_run(model_folder(MODEL), ["mine"], data, definitions={"mine": path})
    rows = stored_rows(folder)
    for name in ("acc", "acc_norm"):
        assert sum(row["scores"][name] for row in rows) / N == theirs["results"]["mine"][f"{name},none"]
    for row, sample in zip(rows, theirs["samples"]["mine"], strict=True):
        assert row["choice_logprobs"] == pytest.approx([float(r[0][0]) for r in sample["resps"]], abs=1e-4)


def test_acc_norm_as_the_headline(tmp_path: Path, lm_eval_run: LmEvalRun) -> None:
    """`correct`, `score`, `answer` and the margin then speak of the length-normalised choice."""
    (folder,) = evaluate(MODEL, tasks="hellaswag", limit=40, metric="acc_norm", store=tmp_path / "runs")
    theirs = lm_eval_run(model_folder(MODEL), ["hellaswag"], limit=40)["samples"]["hellaswag"]
    rows = stored_rows(folder)
    assert [row["correct"] for row in rows] == [sample["acc_norm"] == 1.0 for sample in theirs]
    assert [row["score"] for row in rows] == [sample["acc_norm"] for sample in theirs]
    by_length = [
        [
            logprob / length
            for logprob, length in zip(row["choice_logprobs"], row["choice_lengths"], strict=True)
        ]
        for row in rows
    ]
    assert [int(row["answer"]) for row in rows] == [norms.index(max(norms)) for norms in by_length]
    assert all((row["gold_margin"] > 0) == row["correct"] for row in rows)


def test_the_likelihood_of_a_last_word(
    tmp_path: Path,
    data: Path,
    write: Callable[..., None],
    define: Callable[..., Path],
    lm_eval_run: LmEvalRun,
) -> None:
    """Perplexity is lower-is-better: stored as it is among the scores, negated as the score."""
    write("last", sentences())
    path = define("last", f"include: {installed('lambada/lambada_openai.yaml')}\n")
    (folder,) = evaluate(MODEL, tasks=[str(path)], data=str(data), store=tmp_path / "runs")
    theirs = lm_eval_run(model_folder(MODEL), ["last"], data, definitions={"last": path})
    rows = stored_rows(folder)
    for row, sample in zip(rows, theirs["samples"]["last"], strict=True):
        assert row["scores"]["loglikelihood"] == pytest.approx(float(sample["resps"][0][0][0]), abs=1e-4)
        assert row["scores"]["acc"] == sample["acc"]
        assert row["score"] == -row["scores"]["perplexity"]
    run = read_run(folder).spec.task
    assert (run.kind, run.scale, run.higher_is_better) == ("likelihood", "unbounded", False)


def test_the_likelihood_of_whole_texts_window_by_window(
    tmp_path: Path,
    data: Path,
    write: Callable[..., None],
    define: Callable[..., Path],
    lm_eval_run: LmEvalRun,
) -> None:
    """Texts longer than the context are scored in windows, as lm-eval scores them."""
    items = [{"page": " ".join(one["text"] for one in sentences()[: i + 1]) * 8} for i in range(5)]
    write("pages", items)
    path = define("pages", f"include: {installed('wikitext/wikitext.yaml')}\n")
    given = {"engine_args": {"max_length": 64}}
    (folder,) = evaluate(MODEL, tasks=[str(path)], data=str(data), store=tmp_path / "runs", **given)
    theirs = lm_eval_run(
        model_folder(MODEL), ["pages"], data, definitions={"pages": path}, model_arguments={"max_length": 64}
    )
    rows = stored_rows(folder)
    for row, sample in zip(rows, theirs["samples"]["pages"], strict=True):
        assert row["scores"]["loglikelihood"] == pytest.approx(float(sample["resps"][0][0]), abs=1e-3)
        total, words = sample["word_perplexity"]
        assert row["scores"]["word_perplexity"] == pytest.approx(
            2.718281828459045 ** (-total / words), rel=1e-5
        )
        assert row["score"] == -row["scores"]["word_perplexity"]


def test_a_group_is_its_tasks_and_a_pooled_row(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    data: Path,
    write: Callable[..., None],
    define: Callable[..., Path],
    lm_eval_run: LmEvalRun,
) -> None:
    write("first", questions(7))
    write("second", questions(18)[7:])
    paths = {
        name: define(name, f"include: {installed('arc/arc_easy.yaml')}\n") for name in ("first", "second")
    }
    from regress.tasks.build import Index

    group = define("both", "group: both\ntask: [first, second]\n")
    monkeypatch.setattr(Index, "installed", {})  # 14,000 files that these two do not need
    runs = compare("demo-v1", MODEL, tasks=[str(group)], data=str(data), store=tmp_path / "runs")
    theirs = lm_eval_run(model_folder(MODEL), ["first", "second"], data, definitions=paths)["results"]
    rows = {row.task.name: row for row in runs.tasks}
    assert list(rows) == ["first", "second", "both"]
    for name in ("first", "second"):
        assert rows[name].estimates["new"].value == theirs[name]["acc,none"]
    pooled = (7 * theirs["first"]["acc,none"] + 11 * theirs["second"]["acc,none"]) / 18
    assert rows["both"].n == 18
    assert rows["both"].estimates["new"].value == pytest.approx(pooled, abs=1e-12)


REPEATED = """
include: {include}
repeats: 3
filter_list:
  - name: vote
    filter:
      - {{function: regex, regex_pattern: "#### (\\\\-?[0-9\\\\.\\\\,]+)"}}
      - {{function: majority_vote}}
      - {{function: take_first}}
"""


def test_an_item_asked_several_times_is_voted_on_as_lm_eval_votes(
    tmp_path: Path,
    define: Callable[..., Path],
    data: Path,
    write: Callable[..., None],
    lm_eval_run: LmEvalRun,
) -> None:
    from regress.definitions.yaml_files import tasks_folder

    for split in ("train", "test"):
        write("voted", read(items_folder(), "gsm8k", split)[:6], split)
    path = define("voted", REPEATED.format(include=tasks_folder() / "gsm8k" / "gsm8k.yaml"))
    (folder,) = evaluate(MODEL, tasks=[str(path)], data=str(data), store=tmp_path / "runs")
    theirs = lm_eval_run(model_folder(MODEL), ["voted"], data, definitions={"voted": path})
    rows = stored_rows(folder)
    assert len(theirs["samples"]["voted"][0]["resps"][0]) == 3
    for row, sample in zip(rows, theirs["samples"]["voted"], strict=True):
        assert row["output"] == sample["resps"][0][0]
        assert row["scores"] == {"exact_match/vote": sample["exact_match"]}
    mean = sum(row["score"] for row in rows) / len(rows)
    assert mean == theirs["results"]["voted"]["exact_match,vote"]


CHAT = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def test_chat_template_system_text_and_worked_examples_as_turns(
    tmp_path: Path, lm_eval_run: LmEvalRun
) -> None:
    import shutil

    from transformers import AutoTokenizer

    model = tmp_path / "chatty"
    shutil.copytree(model_folder(MODEL), model)
    tokenizer = AutoTokenizer.from_pretrained(str(model))
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(str(model))
    given: dict[str, Any] = {"limit": 3, "data": "demo", "chat_template": "auto", "system": "Be brief."}
    folders = evaluate(str(model), tasks="gsm8k,piqa", store=tmp_path / "runs", **given)
    theirs = lm_eval_run(
        model, ["gsm8k", "piqa"], limit=3,
        apply_chat_template=True, system_instruction="Be brief.", fewshot_as_multiturn=True,
    )["samples"]  # fmt: skip
    texts, choices = map(stored_rows, folders)
    strict = [sample for sample in theirs["gsm8k"] if sample["filter"] == "strict-match"]
    assert strict[0]["arguments"][0][0].startswith("<system>Be brief.\n<user>")
    assert [row["output"] for row in texts] == [sample["resps"][0][0] for sample in strict]
    for row, sample in zip(choices, theirs["piqa"], strict=True):
        assert row["choice_logprobs"] == pytest.approx([float(r[0][0]) for r in sample["resps"]], abs=1e-4)
