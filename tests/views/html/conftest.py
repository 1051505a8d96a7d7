"""Comparisons with their pairs, and the installed Chromium to look at their pages with.

No browser is fetched: Debian's `chromium` is driven, and where there is none these tests skip, saying so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regress.comparison.compared import Compared
from regress.comparison.table import assemble
from regress.pairing import pair
from regress.schema import instance_table
from regress.types import Instance, Prediction
from regress.views.html.page import render

SHOTS = "Question: What is 1 + 1?\nAnswer: 1 + 1 = 2\n#### 2\n\n" * 3
GENERATION = {"kind": "generation", "metric": "exact_match/strict-match", "num_fewshot": 3}
SUMMARY = {"kind": "generation", "scale": "bounded", "metric": "rouge1"}

Asked = tuple[str, str, str, str]
"""Prompt, target, old output, new output."""


@pytest.fixture(scope="session")
def compare_runs(make_run, make_task) -> Callable[..., Compared]:
    """Compares tasks given as (task fields, old predictions, new predictions, instances)."""

    def build(
        *tasks: tuple[dict[str, Any], list[Prediction], list[Prediction], list[Instance] | None], **names: str
    ) -> Compared:
        pairs, instances = {}, {}
        for fields, old, new, items in tasks:
            task = make_task(**fields)
            runs = [
                make_run(rows, model=names.get(side, f"demo-{side}"), task=task)
                for side, rows in (("old", old), ("new", new))
            ]
            pairs[task.name] = pair(*runs)
            if items is not None:
                instances[task.name] = instance_table(items)
        return Compared.of(assemble(list(pairs.values()), instances=instances), pairs, instances)

    return build


@pytest.fixture(scope="session")
def generated(make_prediction) -> Callable[..., Any]:
    """A task of generated answers: an instance is right where its output ends with its target."""

    def build(asked: Sequence[Asked], name: str = "gsm8k", **fields: Any) -> Any:
        def predictions(place: int) -> list[Prediction]:
            return [
                make_prediction(
                    f"q{i}",
                    index=i,
                    output=row[place],
                    answer=row[place][-20:] or None,
                    status="scored" if row[place] else "unparsable",
                    correct=row[place].endswith(row[1]),
                    score=float(row[place].endswith(row[1])),
                    scores={
                        "exact_match/strict-match": float(row[place].endswith(row[1])),
                        "exact_match/flexible-extract": 1.0,
                    },
                    finish="length" if i == 1 else "stop",
                    output_tokens=len(row[place].split()),
                )
                for i, row in enumerate(asked)
            ]

        items = [Instance(id=f"q{i}", index=i, prompt=row[0], target=row[1]) for i, row in enumerate(asked)]
        return {"name": name, **GENERATION, **fields}, predictions(2), predictions(3), items

    return build


@pytest.fixture(scope="session")
def chosen(make_prediction) -> Callable[..., Any]:
    """A task of four choices; `answers` gives gold, old and new choice of each instance."""

    def build(answers: Sequence[tuple[int, int, int]], name: str = "hellaswag", **fields: Any) -> Any:
        def prediction(i: int, gold: int, choice: int) -> Prediction:
            logprobs = [-8.0 - 0.5 * ((place - choice) % 4) - 0.01 * i for place in range(4)]
            return make_prediction(
                f"h{i}",
                index=i,
                output=f" ending {choice} of {i}",
                answer=str(choice),
                correct=choice == gold,
                score=float(choice == gold),
                scores={"acc": float(choice == gold), "acc_norm": 1.0},
                choice_logprobs=tuple(logprobs),
                choice_lengths=(10, 20, 30, 40),
                gold_margin=logprobs[gold] - max(one for place, one in enumerate(logprobs) if place != gold),
            )

        items = [
            Instance(
                id=f"h{i}",
                index=i,
                prompt=f"Scene {i}. The cook",
                target=f"ending {gold} of {i}",
                choices=tuple(f"ending {place} of {i}" for place in range(4)),
                golds=(gold,),
                tags={"activity": "Cooking" if i % 2 else "Baking"},
            )
            for i, (gold, _, _) in enumerate(answers)
        ]
        old, new = ([prediction(i, row[0], row[side]) for i, row in enumerate(answers)] for side in (1, 2))
        return {"name": name, **fields}, old, new, items

    return build


@pytest.fixture(scope="session")
def scored(make_prediction) -> Callable[..., Any]:
    """A task whose answers have scores between 0 and 1: old and new score of each instance."""

    def build(scores: Sequence[tuple[float, float]], name: str = "samsum") -> Any:
        def prediction(i: int, score: float) -> Prediction:
            text = f"Ann meets Bob {score:.2f} times."
            return make_prediction(f"s{i}", index=i, output=text, answer=text, score=score, finish="stop")

        items = [
            Instance(id=f"s{i}", index=i, prompt=f"Ann: hi {i}", target="Ann meets Bob.")
            for i in range(len(scores))
        ]
        old, new = ([prediction(i, row[side]) for i, row in enumerate(scores)] for side in (0, 1))
        return {"name": name, **SUMMARY}, old, new, items

    return build


def sums(*rows: tuple[str, str, str]) -> list[Asked]:
    """Questions with worked examples before them: target, old and new output."""
    return [
        (f"{SHOTS}Question: What is {i} + 7?\nAnswer:", f"#### {target}", old, new)
        for i, (target, old, new) in enumerate(rows)
    ]


@pytest.fixture(scope="session")
def three_tasks(compare_runs, generated, chosen, scored) -> Compared:
    """Right and wrong, choices, scores: 6 + 8 + 5 instances, of which 2 + 2 + 2 got worse."""
    same = "So it is 7.\n#### 7"
    rows = [
        ("7", same, "So it is 8.\n#### 8"),
        ("7", "It is 7.\n#### 7", ""),
        ("9", "So it is 8.\n#### 8", "So it is 9.\n#### 9"),
        ("7", same, same),
        ("5", "#### 1", "#### 1"),
        ("5", "#### 1", "#### 2"),
    ]
    answers = [(0, 0, 1), (1, 1, 3), (2, 0, 2), (3, 3, 3), (0, 1, 1), (1, 2, 3), (2, 2, 2), (3, 3, 3)]
    moved = [(0.9, 0.2), (0.5, 0.4), (0.3, 0.3), (0.2, 0.7), (0.6, 0.6)]
    return compare_runs(generated(sums(*rows)), chosen(answers), scored(moved))


# ── a real browser ───────────────────────────────────────────────────────────────────────────────

FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The installed Chromium, without a window."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium is installed (Debian's package is called chromium)")
    sync = pytest.importorskip("playwright.sync_api", reason="Playwright, of the extra [dev], is not there")
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def written() -> Callable[[Compared], str]:
    """The page of a comparison, made once: most of its time goes into drawing."""
    pages: dict[int, tuple[Compared, str]] = {}

    def build(comparison: Compared) -> str:
        if id(comparison) not in pages:  # kept with its comparison, so that no other gets its number
            pages[id(comparison)] = comparison, render(comparison)
        return pages[id(comparison)][1]

    return build


@dataclass
class Opened:
    """A page in the browser, and what went wrong on it."""

    page: Any
    problems: list[str]


@pytest.fixture
def open_page(
    chromium: Any, written: Callable[[Compared], str], tmp_path: Path
) -> Iterator[Callable[..., Opened]]:
    """Opens the page of a comparison from disk; whatever goes wrong on it fails the test."""
    contexts, opened = [], []

    def build(
        comparison: Compared | str, fragment: str = "", wait: str = "html[data-ready]", **how: Any
    ) -> Opened:
        text = comparison if isinstance(comparison, str) else written(comparison)
        file = tmp_path / "report.html"
        file.write_text(text, encoding="utf-8")
        # offline, so that whatever is asked of a network fails, and is heard of
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, "offline": True, **how})
        contexts.append(context)
        page, problems = context.new_page(), list[str]()
        page.on("console", lambda said: problems.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on(
            "request", lambda asked: asked.url.startswith("file:") or problems.append(f"asks {asked.url}")
        )
        page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(f"{file.as_uri()}{fragment}")
        if how.get("java_script_enabled", True):
            page.wait_for_selector(wait)
        opened.append(Opened(page, problems))
        return opened[-1]

    yield build
    for context in contexts:
        context.close()
    assert [problem for one in opened for problem in one.problems] == []
