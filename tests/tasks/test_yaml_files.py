"""Task YAML is read without running what it names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from regress.definitions.yaml_files import Code, read, tasks_folder
from regress.errors import TaskError
from regress.tasks.load import list_tasks

Define = Callable[[str, str], str]


def test_the_definitions_are_found_from_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tasks" / "fake").mkdir(parents=True)
    (tmp_path / "tasks" / "fake" / "fake.yaml").write_text("task: fake\n")
    monkeypatch.chdir(tmp_path)
    assert tasks_folder().is_absolute()
    assert sorted(
        path.name for path in tasks_folder().iterdir() if path.is_dir() and path.name[0] != "_"
    ) == [
        "gsm8k",
        "hellaswag",
        "piqa",
        "samsum",
    ]


def test_our_tasks_are_listed_with_a_sentence_each() -> None:
    listings = list_tasks()
    assert [one.name for one in listings] == ["gsm8k", "hellaswag", "piqa", "samsum", "samsum_muscle"]
    assert all(one.ours and one.kind == "task" and one.path and one.description for one in listings)
    muscle = listings[-1].description
    assert "no_repeat_ngram_size 2" in muscle
    assert "the prompt's bigrams count too" in muscle


def test_listing_ours_imports_neither_lm_eval_nor_datasets() -> None:
    code = (
        "import sys; from regress.tasks.load import list_tasks; list_tasks();"
        "print([m for m in ('lm_eval', 'datasets', 'torch', 'jinja2', 'scipy') if m in sys.modules])"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.stdout.strip() == "[]"


def test_functions_are_found_wherever_they_stand_and_not_imported(define: Define, tmp_path: Path) -> None:
    define("code.py", "raise SystemExit('this code ran')")
    define("base.yaml", "process_docs: !function code.f\nmetric_list: [{metric: !function code.g}]\n")
    path = define("deep/task.yaml", "include: ../base.yaml\ntask: t\nprocess_docs: null\n")
    definition = read(Path(path))
    assert definition.config["task"] == "t"
    assert definition.config["process_docs"] is None
    base = tmp_path / "base.yaml"
    assert list(definition.code()) == [Code("code.f", base), Code("code.g", base)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("task: !!python/object/apply:os.system [ls]\n", "is not a task definition"),
        ("- a\n- b\n", "is not a task definition"),
        ("include: self.yaml\n", "includes itself"),
        ("include: [3]\n", "includes 3"),
        ("include: gone.yaml\n", "cannot read the task definition"),
        ("task: [unclosed\n", "is not a task definition"),
    ],
)
def test_what_is_no_definition_is_refused(define: Define, text: str, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        read(Path(define("self.yaml", text)))
