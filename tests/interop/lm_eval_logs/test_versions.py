"""What lm-eval wrote, by version: one run of two items of PIQA and one of GSM8K, in each form.

The forms were taken from what these releases themselves wrote about the built-in demo model (0.4.0 to
0.4.2 with stand-ins for what they fetch from the network), shortened.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from regress.interop.lm_eval_logs import reader as lm_eval_logs
from regress.interop.records import Reading, Record, Source

Json = dict[str, Any]

DATE = "2024-10-03T12-30-15.971163"
GOALS = [
    {"goal": "To open a jar,", "sol1": "twist the lid.", "sol2": "smash it.", "label": 0},
    {"goal": "To dry a plate,", "sol1": "use a sponge.", "sol2": "use a towel.", "label": 1},
]
SUMS = [{"question": "What is 40 + 2?", "answer": "It is 40+2=<<40+2=42>>42.\n#### 42"}]
SHOT = "Question: What is 1 + 1?\nAnswer: #### 2\n\n"

# ── one row in each form ─────────────────────────────────────────────────────────────────────────

# 0.4.0, 0.4.1, 0.4.2: plain lists, numbers and truth values; one row a document and filter, the filter
# unnamed; no hashes
ROWS_0_4_0: dict[str, list[Json]] = {
    "piqa": [
        {
            "doc_id": 0,
            "doc": GOALS[0],
            "target": 0,
            "arguments": [
                ["Question: To open a jar,\nAnswer:", " twist the lid."],
                ["Question: To open a jar,\nAnswer:", " smash it."],
            ],
            "resps": [[[-2.5, True]], [[-4.25, False]]],
            "filtered_resps": [[-2.5, True], [-4.25, False]],
            "acc": 1.0,
            "acc_norm": 1.0,
        },
        {
            "doc_id": 1,
            "doc": GOALS[1],
            "target": 1,
            "arguments": [
                ["Question: To dry a plate,\nAnswer:", " use a sponge."],
                ["Question: To dry a plate,\nAnswer:", " use a towel."],
            ],
            "resps": [[[-3.0, False]], [[-3.5, False]]],
            "filtered_resps": [[-3.0, False], [-3.5, False]],
            "acc": 0.0,
            "acc_norm": 0.0,
        },
    ],
    "gsm8k": [
        {
            "doc_id": 0,
            "doc": SUMS[0],
            "target": SUMS[0]["answer"],
            "arguments": [
                [SHOT + "Question: What is 40 + 2?\nAnswer:", {"until": ["Question:"], "do_sample": False}]
            ],
            "resps": [[" It is 1,042."]],
            "filtered_resps": ["[invalid]"],
            "exact_match": 0.0,
        },
        {
            "doc_id": 0,
            "doc": SUMS[0],
            "target": SUMS[0]["answer"],
            "arguments": [
                [SHOT + "Question: What is 40 + 2?\nAnswer:", {"until": ["Question:"], "do_sample": False}]
            ],
            "resps": [[" It is 1,042."]],
            "filtered_resps": ["1,042."],
            "exact_match": 0.0,
        },
    ],
}


def _as_0_4_3(row: Json) -> Json:
    """0.4.3: arguments as objects, responses as text, hashes."""
    return {
        **{name: row[name] for name in ("doc_id", "doc", "target")},
        "arguments": {
            f"gen_args_{i}": {f"arg_{j}": part for j, part in enumerate(request)}
            for i, request in enumerate(row["arguments"])
        },
        "resps": _as_text(row["resps"]),
        "filtered_resps": _as_text(row["filtered_resps"]),
        "doc_hash": "8ed88432b61a095b",
        "prompt_hash": "a71cb6806277213d",
        "target_hash": "063032a94e9e908d",
        **{name: row[name] for name in ("acc", "acc_norm", "exact_match") if name in row},
    }


def _as_text(value: Any) -> Any:
    return [_as_text(one) for one in value] if isinstance(value, list) else str(value)


def _as_0_4_4(row: Json) -> Json:
    """0.4.4, 0.4.5: the target as text."""
    return {**_as_0_4_3(row), "target": str(row["target"])}


def _as_0_4_7(filter_name: str, row: Json) -> Json:
    """0.4.7 to 0.4.13: the filter and the metrics named."""
    metrics = [name for name in ("acc", "acc_norm", "exact_match") if name in row]
    return {**_as_0_4_4(row), "filter": filter_name, "metrics": metrics}


ROWS: dict[str, Callable[[str, Json], Json]] = {
    "0.4.0": lambda _, row: row,
    "0.4.1": lambda _, row: row,
    "0.4.2": lambda _, row: row,
    "0.4.3": lambda _, row: _as_0_4_3(row),
    "0.4.4": lambda _, row: _as_0_4_4(row),
    "0.4.5": lambda _, row: _as_0_4_4(row),
    "0.4.7": _as_0_4_7,
    "0.4.13": _as_0_4_7,
}

# ── results ──────────────────────────────────────────────────────────────────────────────────────

CONFIGS: dict[str, Json] = {
    "piqa": {
        "task": "piqa",
        "doc_to_text": "Question: {{goal}}\nAnswer:",
        "doc_to_target": "label",
        "doc_to_choice": "{{[sol1, sol2]}}",
        "description": "",
        "target_delimiter": " ",
        "num_fewshot": 0,
        "metric_list": [
            {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
            {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True},
        ],
        "output_type": "multiple_choice",
        "metadata": {"version": 1.0},
    },
    "gsm8k": {
        "task": "gsm8k",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_target": "{{answer}}",
        "description": "",
        "num_fewshot": 1,
        "metric_list": [
            {
                "metric": "exact_match",
                "aggregation": "mean",
                "higher_is_better": True,
                "ignore_case": True,
                "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"],
            }
        ],
        "output_type": "generate_until",
        "generation_kwargs": {"until": ["Question:"], "do_sample": False},
        "filter_list": [
            {
                "name": "strict-match",
                "filter": [
                    {"function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"},
                    {"function": "take_first"},
                ],
            },
            {
                "name": "flexible-extract",
                "filter": [
                    {"function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"},
                    {"function": "take_first"},
                ],
            },
        ],
        "metadata": {"version": 3.0},
    },
}
RESULTS_0_4_0: Json = {
    "results": {
        "piqa": {"acc,none": 0.5, "acc_stderr,none": 0.5, "acc_norm,none": 0.5, "alias": "piqa"},
        "gsm8k": {"exact_match,strict-match": 0.0, "exact_match,flexible-extract": 0.0, "alias": "gsm8k"},
    },
    "configs": CONFIGS,
    "versions": {"piqa": 1.0, "gsm8k": 3.0},
    "n-shot": {"piqa": 0, "gsm8k": 1},
    "config": {
        "model": "hf",
        "model_args": "pretrained=Qwen/Qwen2.5-0.5B,dtype=float32",
        "batch_size": "8",
        "batch_sizes": [],
        "device": "cpu",
        "limit": None,
        "gen_kwargs": None,
    },
    "git_hash": None,
}
RESULTS_0_4_3: Json = {
    **RESULTS_0_4_0,
    "n-samples": {"piqa": {"original": 2, "effective": 2}, "gsm8k": {"original": 1, "effective": 1}},
    "higher_is_better": {"piqa": {"acc": True, "acc_norm": True}, "gsm8k": {"exact_match": True}},
    "config": {
        **RESULTS_0_4_0["config"],
        "model_num_parameters": 494032768,
        "model_dtype": "torch.float32",
        "model_revision": "main",
        "model_sha": "060db6499f32faf8b98477b0a26969ef7d8b9987",
    },
    "transformers_version": "4.44.2",
    "max_length": 32768,
    "model_source": "hf",
    "model_name": "Qwen/Qwen2.5-0.5B",
    "model_name_sanitized": "Qwen__Qwen2.5-0.5B",
    "system_instruction": None,
    "chat_template": None,
}
RESULTS_0_4_13: Json = {
    **RESULTS_0_4_3,
    "config": {
        **RESULTS_0_4_3["config"],
        "model_args": {"pretrained": "Qwen/Qwen2.5-0.5B", "dtype": "float32"},
    },
    "lm_eval_version": "0.4.13",
}
RESULTS = {
    **dict.fromkeys(("0.4.0", "0.4.1", "0.4.2"), RESULTS_0_4_0),
    **dict.fromkeys(("0.4.3", "0.4.4", "0.4.5", "0.4.7"), RESULTS_0_4_3),
    "0.4.13": RESULTS_0_4_13,
}
FILTERS = {"piqa": ["none", "none"], "gsm8k": ["strict-match", "flexible-extract"]}


def _write(version: str, folder: Path) -> Path:
    """A folder as that version leaves it; what was given to it as --output_path."""
    rows = {
        task: [
            ROWS[version](filter_name, row)
            for filter_name, row in zip(FILTERS[task], ROWS_0_4_0[task], strict=True)
        ]
        for task in ROWS_0_4_0
    }
    if version <= "0.4.2" and len(version) == 5:
        (folder / "results.json").write_text(json.dumps(RESULTS[version], indent=2), encoding="utf-8")
        for task, told in rows.items():
            name = f"pretrained__Qwen__Qwen2.5-0.5B,dtype__float32_{task}.jsonl"
            (folder / name).write_text(json.dumps(told, indent=2), encoding="utf-8")
        return folder
    inner = folder / "Qwen__Qwen2.5-0.5B"
    inner.mkdir()
    (inner / f"results_{DATE}.json").write_text(json.dumps(RESULTS[version], indent=2), encoding="utf-8")
    for task, told in rows.items():
        lines = "".join(json.dumps(row) + "\n" for row in told)
        (inner / f"samples_{task}_{DATE}.jsonl").write_text(lines, encoding="utf-8")
    return folder


def _by_task(folder: Path) -> dict[str, Source]:
    return {one.heading.task: one for one in lm_eval_logs.sources(folder, Reading())}


def _told(source: Source) -> list[Json]:
    """Records but for the place where they stand."""
    return [asdict(replace(record, where="")) for record in source.records()]


@pytest.fixture(params=[*ROWS])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Source]:
    folder = _write(request.param, tmp_path)
    assert lm_eval_logs.recognises(folder)
    return _by_task(folder)


def test_choices_are_the_same_records_in_every_form(log: dict[str, Source]) -> None:
    first = {
        "where": "",
        "position": 0,
        "repeat": 0,
        "filter": "none",
        "id": None,
        "own": {},
        "question": "Question: To open a jar,\nAnswer:",
        "prompt": "Question: To open a jar,\nAnswer:",
        "choices": ("twist the lid.", "smash it."),
        "golds": (0,),
        "targets": (),
        "cluster": None,
        "tags": {},
        "source": json.dumps(GOALS[0], sort_keys=True),
        "output": None,
        "logprobs": (-2.5, -4.25),
        "lengths": None,
        "answer": "0",
        "status": "scored",
        "correct": True,
        "scores": {"acc": 1.0, "acc_norm": 1.0},
        "prompt_tokens": None,
        "output_tokens": None,
        "finish": None,
        "error": None,
        "verbatim": None,
    }
    told = _told(log["piqa"])
    assert told[0] == first
    assert [(row["position"], row["answer"], row["golds"], row["correct"]) for row in told] == [
        (0, "0", (0,), True),
        (1, "0", (1,), False),
    ]


def test_generations_have_a_record_for_each_filter_in_every_form(log: dict[str, Source]) -> None:
    strict, flexible = _told(log["gsm8k"])
    assert (strict["filter"], strict["status"], strict["answer"]) == ("strict-match", "unparsable", None)
    assert (flexible["filter"], flexible["status"], flexible["answer"]) == (
        "flexible-extract",
        "scored",
        "1042",
    )
    assert strict["scores"] == {"exact_match/strict-match": 0.0}
    assert flexible["scores"] == {"exact_match/flexible-extract": 0.0}
    for row in (strict, flexible):
        assert row["output"] == " It is 1,042."
        assert row["targets"] == (SUMS[0]["answer"],)
        assert row["prompt"] == SHOT + "Question: What is 40 + 2?\nAnswer:"
        assert row["question"] == "Question: What is 40 + 2?\nAnswer:"


def test_the_run_is_told_in_every_form(log: dict[str, Source]) -> None:
    heading = log["gsm8k"].heading
    assert heading.model.name == heading.model.source == "Qwen/Qwen2.5-0.5B"
    assert heading.model.dtype == "float32"
    assert (heading.engine.name, heading.engine.batch_size) == ("hf", 8)
    assert (heading.version, heading.kind, heading.scale) == ("3.0", "generation", "binary")
    assert (heading.metric, heading.num_fewshot) == ("exact_match/strict-match", 1)
    assert heading.generation == {"until": ["Question:"], "do_sample": False, "max_gen_toks": 256}
    assert heading.scorer["kind"] == "text"
    assert not heading.judge
    assert log["piqa"].heading.metric == "acc"


@pytest.mark.parametrize("version", ["0.4.3", "0.4.4", "0.4.5", "0.4.7", "0.4.13"])
def test_how_many_there_are_is_told_since_0_4_3(version: str, tmp_path: Path) -> None:
    heading = _by_task(_write(version, tmp_path))["piqa"].heading
    assert (heading.n, heading.expected, heading.model.parameters) == (2, 2, 494032768)
    assert heading.model.revision == "060db6499f32faf8b98477b0a26969ef7d8b9987"


def test_what_wrote_it_is_told_by_the_latest(tmp_path: Path) -> None:
    heading = _by_task(_write("0.4.13", tmp_path))["piqa"].heading
    assert heading.producer == "lm-eval 0.4.13"
    assert heading.engine.version == "lm-eval 0.4.13, transformers 4.44.2"


def test_ranks_that_wrote_one_after_the_other_are_told_apart_without_named_filters(tmp_path: Path) -> None:
    """Several processes: all rows of the first, filter after filter, then all rows of the second."""
    folder = _write("0.4.3", tmp_path)
    file = next(folder.glob("*/samples_gsm8k_*"))
    strict, flexible = (json.loads(line) for line in file.read_text("utf-8").splitlines())
    order = [(0, strict), (2, strict), (0, flexible), (2, flexible), (1, strict), (1, flexible)]
    file.write_text("".join(json.dumps({**row, "doc_id": i}) + "\n" for i, row in order), encoding="utf-8")
    told: list[Record] = [*_by_task(folder)["gsm8k"].records()]
    assert [(row.position, row.filter.partition("-")[0]) for row in told] == [
        (0, "strict"),
        (2, "strict"),
        (0, "flexible"),
        (2, "flexible"),
        (1, "strict"),
        (1, "flexible"),
    ]
