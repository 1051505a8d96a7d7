"""The notebook runs from top to bottom, shows its figures, and lies in git without what it showed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[1] / "reports" / "flips.ipynb"


def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def test_it_lies_here_without_outputs_and_says_nothing_of_the_machine() -> None:
    notebook = read(NOTEBOOK)
    for cell in notebook.cells:
        assert not cell.metadata, cell.id
        if cell.cell_type == "code":
            assert cell.outputs == [], cell.id
            assert cell.execution_count is None, cell.id
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def test_the_two_models_stand_at_the_top() -> None:
    first = next(cell for cell in read(NOTEBOOK).cells if cell.cell_type == "code")
    names = [line.split(" = ")[0] for line in first.source.splitlines() if " = " in line]
    assert names[:2] == ["OLD", "NEW"]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook as `make notebook` leaves it, on a few items, by the interpreter that runs the tests."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "reports").mkdir()
    shutil.copy(NOTEBOOK, folder / "reports")
    (folder / "regress.toml").write_text("[defaults]\nlimit = 8\nmax_gen_toks = 16\n", encoding="utf-8")
    (folder / "few.toml").write_text("[default]\nminimum_n = 1\n", encoding="utf-8")
    own = {
        name: str(folder / name) for name in ("HOME", "IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR")
    }
    left_out = ("REGRESS_STORE", "OLD", "NEW", "PYTHONWARNINGS")
    inherited = {name: value for name, value in os.environ.items() if name not in left_out}
    code = "import sys; from nbclient.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "reports/flips.ipynb", "--output", "flips.executed.ipynb"],
        cwd=folder,
        env=inherited | own | {"POLICIES": "few.toml strict"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "reports" / "runs" / "demo-v1").is_dir(), (
        "runs lie where the command line looks for them"
    )
    return read(folder / "reports" / "flips.executed.ipynb")


def outputs(notebook: Any, kind: str) -> list[tuple[str, Any]]:
    """Outputs of one kind, each with the source of its cell."""
    shown = [(cell.source, output) for cell in notebook.cells for output in cell.get("outputs", [])]
    return [(source, output) for source, output in shown if output.output_type == kind]


@pytest.mark.models
def test_it_shows_every_figure_of_every_task(executed: Any) -> None:
    shown = outputs(executed, "display_data") + outputs(executed, "execute_result")
    pictures = [source for source, output in shown if "image/png" in output.data]
    counts = {name: sum(f"{name}(" in source for source in pictures) for name in FIGURES}
    assert counts == FIGURES


FIGURES = {
    "forest": 1,
    "quadrants": 3,
    "kinds": 3,
    "margins": 2,
    "score_change": 1,
    "slices": 4,
    "noise": 1,
    "gate": 1,
}
"""The demo pair has three tasks that are right or wrong, two of them choices, and one that is scored."""


@pytest.mark.models
def test_all_that_it_prints_is_which_policy_cannot_judge_so_few(executed: Any) -> None:
    ((_, said),) = outputs(executed, "stream")
    assert said.text.startswith("strict: 8 items of each task are asked")
    assert said.text.count("\n") == 1
