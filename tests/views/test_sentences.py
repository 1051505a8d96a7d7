import math
from typing import Any

from regress.types import Notice
from regress.views.notices import WORDS
from regress.views.sentences import sentence

NOTICES: dict[str, dict[str, Any]] = {
    "setting-differs": {"field": "engine.name", "old": "hf", "new": "vllm"},
    "few-items": {"n": 12, "minimum": 30},
    "truncation-unknown": {"side": "new"},
    "unreadable": {"old": 4, "new": 2, "n": 400},
    "truncated": {"old": None, "new": 1, "n": 400},
    "left-truncated": {"old": 0, "new": 3, "n": 400},
    "max-tokens-reduced": {"side": "new", "asked": 256, "used": 64},
    "limit-not-sample": {"limit": 200, "n": 1838},
    "metric-negated": {"metric": "word_perplexity"},
    "demo-items": {},
    "update-claimed": {
        "claim": "same",
        "steps": ["grow:mlp=1.5x", "insert:every=2"],
        "terms": [],
        "n": 400,
        "changed": 0,
        "certified": 396,
    },
    "per-document": {"metric": "word_perplexity"},
    "answers-unknown": {},
    "same-run": {},
    "shown-differs": {"n_different": 3, "n": 400},
    "repeats": {"repeats": 3},
    "pool-skipped": {"group": "mmlu", "reason": "its tasks are judged on different scales"},
    "pool-partial": {"group": "mmlu", "missing": ["mmlu_anatomy", "mmlu_law"]},
    "undetected": {"mde": 0.0244, "power": 0.8, "scale": "binary", "unit": "points"},
    "few-discordant": {"discordant": 4, "minimum": 10},
    "ties": {"share": 0.62},
    "constant-answers": {"side": "new", "answer": "A", "share": 0.97},
    "degenerate": {
        "measure": "commonest",
        "old": 0.41,
        "new": 0.93,
        "answer": "no",
        "kind": "generation",
        "all_read": True,
    },
    "clustered": {"clusters": 919},
    "few-clusters": {"clusters": 12, "minimum": 30},
    "epsilon": {"epsilon": 0.0312, "capped": True},
    "floor-conditional": {"runs": 2},
    "engine-padding": {"largest": 0.31, "threshold": 0.01, "batch_size": 16},
    "interval-rough": {},
    "few-differences": {"nonzero": 7, "minimum": 20},
    "no-floor-kinds": {"missing": ["order"]},
    "floor-unusable": {"reason": "rerun 2 answers other instances."},
    "significant-drop": {"low": 0.003, "scale": "binary"},
    "listed-not-right": {"ids": ["a", "b"]},
    "imported": {"side": "old", "from": "lm-eval 0.4.13", "unknown": ["finish", "model.dtype", "moon"]},
    "rescored": {"side": "old and new", "from": "rescored", "unknown": []},
}


def test_every_notice_has_a_sentence(golden: Any) -> None:
    sentences = [f"{code}: {sentence(Notice(code=code, data=data))}" for code, data in NOTICES.items()]
    assert set(NOTICES) == set(WORDS)
    golden("notices.txt", "\n".join(sentences) + "\n")


def test_an_unknown_notice_is_shown_with_its_data() -> None:
    notice = Notice(code="new\x1bcode", data={"side": "old", "why": None, "more": {"a": [1, math.nan]}})
    assert sentence(notice) == 'Notice new�code: side old, why none, more {"a":[1,null]}.'
