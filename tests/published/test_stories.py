"""The published table of updates of stories260k: every row within tolerance, every order as it must be."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # pytest itself does not put it there
    sys.path.insert(0, str(ROOT))

from tests.published import second  # noqa: E402
from tests.published.bench import Bench  # noqa: E402
from tests.published.influence import judge_influence  # noqa: E402
from tests.published.judge import judge  # noqa: E402
from tests.published.orders import ORDERS, Order, out_of_order  # noqa: E402
from tests.published.page import line  # noqa: E402
from tests.published.rows import ROWS, Row  # noqa: E402
from tests.published.stories import MODELS  # noqa: E402

pytestmark = pytest.mark.models
NEEDS_MODEL = (pytest.mark.slow, pytest.mark.shared)
NAMED = {row.name: row for row in ROWS}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The old model and the published sample's like; a row is measured when a test first asks for it."""
    if not (MODELS / "stories260k").is_dir():
        pytest.skip("the folder of real models beside the checkout is missing")
    return Bench(MODELS / "stories260k", tmp_path_factory.mktemp("published"))


def needs_model(test: object) -> object:
    for mark in NEEDS_MODEL:
        test = mark(test)
    return test


@needs_model
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_as_published_or_differs_for_a_known_reason(bench: Bench, row: Row) -> None:
    found = line(bench.measure(row), bench.sample.ids)
    assert found.holds, found.text()
    # a reason that explains nothing any more must go
    assert ("kld" in found.outside) == bool(row.other), found.text()


@needs_model
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.title)
def test_an_order_holds(bench: Bench, order: Order) -> None:
    found = {name: bench.measure(NAMED[name]) for name in order.rows}
    assert out_of_order(order, found) is False, {name: each.figures for name, each in found.items()}


@needs_model
def test_the_old_model_reads_and_answers_as_published(bench: Bench) -> None:
    found = bench.measure(NAMED["identity"]).figures
    assert found["ppl"].low < 3.596 < found["ppl"].high
    assert found["acc"].low < 0.971 < found["acc"].high
    assert found["acc"].n == 240


@needs_model
def test_everything_composed_changes_no_answer_and_hardly_any_could(bench: Bench) -> None:
    found = bench.measure(NAMED["composed"])
    assert (found.claim, found.changed) == ("same", 0)
    assert found.certified is not None
    assert found.certified >= 0.98 * found.figures["acc"].n


@needs_model
def test_the_same_in_bfloat16_is_damaged_like_the_old_model_in_bfloat16(bench: Bench) -> None:
    composed, cast = (bench.measure(NAMED[name]) for name in ("bf16-composed", "bf16"))
    assert composed.claim == cast.claim == "near"
    assert 0.5 < composed.figures["kld"].value / cast.figures["kld"].value < 2
    assert composed.figures["same_top"].value > 0.99


@needs_model
def test_block_influence_is_as_published(bench: Bench) -> None:
    assert [each.column for each in judge_influence(bench.model, bench.sample) if not each.fits] == []


@needs_model
def test_a_louder_final_norm_changes_probabilities_and_no_greedy_choice(bench: Bench) -> None:
    found = bench.measure(NAMED["gain-x2"])
    assert found.claim == "argmax"
    assert found.figures["same_top"].value == 1
    assert found.figures["kld"].value > 0.1


@needs_model
@pytest.mark.parametrize(
    "name", ["fp16", "bf16", "int4", "magnitude-30", "stacked", "theta-2e4", "relu", "noise-3"]
)
def test_numpy_in_float64_finds_the_same_on_the_same_stories(bench: Bench, name: str) -> None:
    """What differs from the published figures differs by sample or by recipe, not by how it is computed."""
    found = bench.measure(NAMED[name])
    again = second.figures(found.old, found.new, bench.sample.ids)
    assert again["ppl"] == pytest.approx(found.figures["ppl"].value, rel=1e-5)
    assert again["kld"] == pytest.approx(found.figures["kld"].value, rel=1e-3)
    assert again["same_top"] == pytest.approx(found.figures["same_top"].value, abs=1e-3)


@needs_model
def test_the_tolerances_tell_neighbouring_rows_apart(bench: Bench) -> None:
    """int8 measured is not int6 printed: every step of the table is wider than what is let through."""
    for name, other in (
        ("int8", "int6"),
        ("int6", "int5"),
        ("int5", "int4"),
        ("magnitude-20", "magnitude-10"),
    ):
        found = bench.measure(NAMED[name])
        taken = replace(found, row=replace(found.row, line=NAMED[other].line))
        outside = {each.column for each in judge(taken) if not each.fits}
        assert {"ratio", "kld", "same_top"} <= outside, (name, other)


@needs_model
def test_the_script_writes_what_it_found(tmp_path: Path) -> None:
    done = script("--only", "identity,int8", "--out", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["name"]: row for row in json.loads((tmp_path / "stories.json").read_text())["rows"]}
    assert rows["identity"]["figures"]["kld"]["value"] == 0
    assert rows["int8"]["recipe"] == ["quantize:bits=8"]
    assert rows["int8"]["verdict"] == "within tolerance"


def test_a_missing_model_is_said(tmp_path: Path) -> None:
    done = script("--models", tmp_path)
    assert done.returncode == 2
    assert f"there is no model in {tmp_path / 'stories260k'}" in done.stderr


def script(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.published.stories", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
