"""What `import regress` gives: cheap to import, verbs and nouns, each verb callable as often as one likes."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import regress
from regress.types import QUADRANTS

ROOT = Path(regress.__file__).parents[1]
SETTINGS = {"engine": "scripted", "data": "data", "tasks": "piqa,gsm8k"}
VERBS = (
    "evaluate",
    "compare",
    "divergence",
    "layers",
    "gate",
    "report",
    "noise",
    "plan",
    "rescore",
    "slices",
    "import_runs",
    "export_runs",
    "matrix",
)


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh process holds after running `code`."""
    told = (
        f"{code}\nimport sys, json\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


# ── what importing costs ─────────────────────────────────────────────────────────────────────────

HEAVY = {
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "rich",
    "torch",
    "transformers",
    "lm_eval",
    "datasets",
    "peft",
}


def test_importing_regress_imports_nothing_heavy() -> None:
    assert not modules_after("import regress") & HEAVY


@pytest.mark.parametrize("words", ["'--help'", "'compare', '--help'", "'--version'"])
def test_nor_does_asking_for_help(words: str) -> None:
    code = f"from regress.__main__ import main; assert main([{words}]) == 0"
    assert not modules_after(code) & HEAVY


def test_comparing_stored_runs_never_reaches_the_weights_wing(world: Path) -> None:
    """Shown in a process in which those modules raise on import."""
    runs = [regress.evaluate(model, **SETTINGS) for model in ("old.jsonl", "new.jsonl")]
    folders = [str((world / paths[0]).parent) for paths in runs]
    code = (
        "import sys\n"
        "class Wall:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('torch', 'transformers', 'lm_eval', 'peft', 'datasets', 'ray'):\n"
        "            raise ImportError(f'the numbers wing reached {name}')\n"
        "sys.meta_path.insert(0, Wall())\n"
        "from regress.__main__ import main\n"
        f"sys.exit(main(['compare', *{folders!r}, '--out', 'out'])\n"
        "    or main(['runs']) or main(['models']) or main(['tasks']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=world)
    assert done.returncode == 0, done.stderr
    assert "gsm8k" in done.stdout


# ── names ────────────────────────────────────────────────────────────────────────────────────────


def test_every_public_name_can_be_had_and_is_listed() -> None:
    for name in regress.__all__:
        assert getattr(regress, name) is getattr(regress, name)
        assert name in dir(regress)
        assert getattr(regress, name).__doc__


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'compar'"):
        _ = regress.compar  # type: ignore[attr-defined]


def test_no_module_at_the_top_bears_the_name_of_a_verb() -> None:
    """Importing such a module would put it in place of the verb."""
    top = {path.stem for path in (ROOT / "regress").iterdir()}
    assert not top & set(VERBS)


def test_each_room_opens_with_one_docstring_and_nothing_else() -> None:
    hands_out = ROOT / "regress" / "updates" / "__init__.py"
    for init in set((ROOT / "regress").glob("*/__init__.py")) - {hands_out}:
        (statement,) = ast.parse(init.read_text(encoding="utf-8")).body
        assert isinstance(statement, ast.Expr), init


def test_the_room_of_updates_hands_out_its_verbs_as_the_top_does() -> None:
    code = "import regress.updates as up; up.grow; up.insert; up.drop"
    assert not modules_after(code) & (HEAVY - {"numpy", "pyarrow"})


# ── verbs ────────────────────────────────────────────────────────────────────────────────────────


def test_each_verb_can_be_called_twice(world: Path) -> None:
    """A submodule that took the verb's place would make the second call fail."""
    assert regress.evaluate("old.jsonl", **SETTINGS) == regress.evaluate("old.jsonl", **SETTINGS)
    first = regress.compare("old.jsonl", "new.jsonl", **SETTINGS)
    second = regress.compare("old.jsonl", "new.jsonl", **SETTINGS)
    pd.testing.assert_frame_equal(first.to_frame(), second.to_frame())
    assert callable(regress.evaluate)
    assert callable(regress.compare)


@pytest.fixture
def comparison(world: Path) -> Any:
    return regress.compare("old.jsonl", "new.jsonl", **SETTINGS)


def test_a_comparison_is_one_row_a_task(comparison: Any) -> None:
    frame = comparison.to_frame().set_index("task")
    assert frame.index.tolist() == ["piqa", "gsm8k"]
    assert frame.loc["piqa", ["n", "old", "new", "nfr", "pfr"]].tolist() == [8, 5 / 8, 5 / 8, 2 / 8, 2 / 8]
    assert frame.loc["gsm8k", ["n", "old", "new", "nfr", "pfr"]].tolist() == pytest.approx(
        [6, 5 / 6, 4 / 6, 2 / 6, 1 / 6]
    )
    assert (frame["delta"] - (frame["pfr"] - frame["nfr"])).abs().max() < 1e-12


def test_flips_are_one_row_an_instance_in_five_quadrants(comparison: Any) -> None:
    flips = comparison.flips("gsm8k")
    assert flips["quadrant"].cat.categories.tolist() == list(QUADRANTS)
    assert list(QUADRANTS) == [
        "both right",
        "positive flip",
        "negative flip",
        "both wrong same",
        "both wrong different",
    ]
    assert flips["quadrant"].tolist() == [
        "both right",
        "both right",
        "negative flip",
        "negative flip",
        "positive flip",
        "both right",
    ]
    lost = comparison.flips("gsm8k", quadrant="negative flip")
    assert lost["old_answer"].tolist() == ["1003", "1004"]
    assert lost["new_answer"].tolist() == ["7", "7"]
    assert lost["target"].str.contains("####").all()


def test_stored_runs_are_compared_by_path(world: Path) -> None:
    old, new = (regress.evaluate(model, **SETTINGS)[0] for model in ("old.jsonl", "new.jsonl"))
    assert regress.compare(str(old), str(new)).to_frame()["task"].tolist() == ["piqa"]


def test_what_is_refused_is_raised_with_its_exit_code(world: Path) -> None:
    with pytest.raises(regress.RegressError, match="unknown setting 'limt'; did you mean 'limit'") as caught:
        regress.evaluate("old.jsonl", limt=3)
    assert caught.value.exit_code == 2


def test_nothing_is_printed_unless_asked(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    regress.compare("old.jsonl", "new.jsonl", **SETTINGS)
    assert capsys.readouterr() == ("", "")


# ── the house ────────────────────────────────────────────────────────────────────────────────────


def test_imports_go_downwards_only() -> None:
    """The import contracts of pyproject.toml hold."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
