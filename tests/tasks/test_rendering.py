"""Items are read and rendered once, and what is asked is what lm-eval asks whenever it is rendered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.tasks import load, rendering
from regress.tasks.task import Task
from regress.types import Logprob

pytestmark = pytest.mark.models

Define = Callable[[str, str], str]
Write = Callable[..., Path]

relaxed = settings(deadline=None, max_examples=25)
few = settings(deadline=None, max_examples=60)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUE = st.fixed_dictionaries(
    {"text": TEXT, "number": st.none() | st.integers(-9, 9), "list": st.lists(TEXT, max_size=3)}
)
ITEM = st.fixed_dictionaries({"q": TEXT, "nested": VALUE, "float": st.floats(allow_nan=False)})

CHOICES = """
output_type: multiple_choice
test_split: test
doc_to_text: "Q: {{q}}"
doc_to_target: "{{gold}}"
doc_to_choice: "{{options}}"
"""
METRICS = {"plain": "[{metric: acc}]", "mutual": "[{metric: acc}, {metric: acc_mutual_info}]"}


def loaded(path: str, data: Path, **options: Any) -> Task:
    (task,) = load.load_tasks([path], data=data, **options).tasks
    return task


def asked(task: Task, index: int, **given: Any) -> list[tuple[str, str]]:
    requests: list[Any] = task.requests(index, **given)
    return [(one.context, one.continuation) for one in requests]


@few
@given(items=st.lists(ITEM, max_size=7), block=st.integers(1, 4), form=st.sampled_from([None, "numpy"]))
def test_rows_are_what_the_data_set_gives_one_by_one(
    items: list[dict[str, Any]], block: int, form: str | None
) -> None:
    import datasets

    data = datasets.Dataset.from_list(items).with_format(form)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "_BLOCK", block)
        read = list(rendering.rows(data))
    assert repr(read) == repr([dict(data[index]) for index in range(len(data))])


def test_rows_of_what_is_no_data_set_are_its_own() -> None:
    assert list(rendering.rows([{"a": 1}, {"a": 2}])) == [{"a": 1}, {"a": 2}]


@given(calls=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([None, "other"])), max_size=12))
def test_what_is_remembered_is_what_reading_gives(calls: list[tuple[int, str | None]]) -> None:
    items = [{"a": 1}, {"a": 1}, {"a": True}]  # equal, and yet not the same
    counts: Counter[int] = Counter()

    def read(item: Any, template: Any = None) -> str:
        counts[id(item)] += template is None
        return f"{id(item)}{item}{template}"

    remembering = rendering.once(read)
    for index, template in calls:
        given_ = (items[index], template) if template else (items[index],)
        assert remembering(*given_) == f"{id(items[index])}{items[index]}{template}"
    turns = [index for index, template in calls if template is None]
    changes = sum(before != after for before, after in zip([None, *turns], turns, strict=False))
    assert counts.total() == changes


@relaxed
@given(
    items=st.lists(
        st.fixed_dictionaries(
            {
                "q": TEXT,
                "options": st.lists(st.sampled_from(["a", " b", "c'", "é\n", "4"]), min_size=2, max_size=4),
                "gold": st.integers(0, 1),
            }
        ),
        min_size=1,
        max_size=5,
    ),
    delimiter=st.sampled_from([" ", "", "\n"]),
    metric=st.sampled_from(sorted(METRICS)),
    order=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["ask", "judge", "system"])), max_size=8),
)
def test_requests_are_lm_evals_whatever_was_asked_before(
    items: list[dict[str, Any]],
    delimiter: str,
    metric: str,
    order: list[tuple[int, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("choices")
    (folder / "t").mkdir()
    (folder / "t" / "test.jsonl").write_text("\n".join(map(json.dumps, items)), encoding="utf-8")
    definition = CHOICES + f"target_delimiter: {json.dumps(delimiter)}\nmetric_list: {METRICS[metric]}\n"
    (folder / "t.yaml").write_text("task: t\n" + definition, encoding="utf-8")
    task = loaded(str(folder / "t.yaml"), folder)
    for number, what in [*order, *((number, "ask") for number in range(len(items)))]:
        index = number % len(items)
        expected = [("Q: " + items[index]["q"], delimiter + one) for one in items[index]["options"]]
        if metric == "mutual":
            expected += [("", continuation) for _, continuation in expected]
        if what == "judge":
            assert task.score(index, [Logprob(value=-1.0)] * len(expected)).status == "scored"
            continue
        system = "Be brief." if what == "system" else None
        if system is not None:
            expected = [(f"{system}{context}" if context else "", choice) for context, choice in expected]
        assert asked(task, index, system=system) == expected


def test_an_item_is_rendered_once_for_all_that_is_asked_and_judged(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lm_eval.utils

    rendered: Counter[str] = Counter()
    render = lm_eval.utils.apply_template

    def counting(template: str, doc: dict[str, Any]) -> str:
        rendered[template] += 1
        return str(render(template, doc))

    monkeypatch.setattr(lm_eval.utils, "apply_template", counting)
    task = loaded("hellaswag", data)
    for index in range(len(task.instances)):
        task.score(index, [Logprob(value=-1.0) for _ in task.requests(index)])
    assert len(rendered) == 3  # text, target and choices
    assert set(rendered.values()) == {len(task.instances) + 1}  # lm-eval tries the first item out


def test_code_that_changes_its_item_changes_a_copy(define: Define, write: Write) -> None:
    items = [{"id": i, "q": f"Is it {i}?", "options": ["no", "yes"], "gold": i % 2} for i in range(4)]
    define("code.py", "def text(doc):\n    doc['options'].append(doc.pop('q'))\n    return 'Q'\n")
    path = define("t.yaml", "task: t\n" + CHOICES.replace('"Q: {{q}}"', "!function code.text"))
    task = loaded(path, write("t", test=items), trust_task_code=True)
    assert [json.loads(one.source or "") for one in task.instances] == items
    for _ in range(2):
        assert [asked(task, index) for index in range(4)] == [[("Q", " no"), ("Q", " yes")]] * 4
