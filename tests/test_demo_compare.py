"""The main job, end to end, on the built-in pair: what a stranger sees after `make compare`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from regress.__main__ import main

README = Path(__file__).parents[1] / "README.md"
TASKS = ("gsm8k", "samsum", "piqa", "hellaswag")

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict]:
    """What `regress compare demo-v1 demo-v2` prints and writes, run from an empty folder."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("REGRESS_STORE", raising=False)
        with open(folder / "out.txt", "w+", encoding="utf-8") as out:
            patch.setattr("sys.stdout", out)
            assert main(["compare", "demo-v1", "demo-v2"]) == 0
    document = json.loads((folder / "reports/demo-v1..demo-v2/comparison.json").read_text("utf-8"))
    return (folder / "out.txt").read_text("utf-8"), document


def _table(text: str) -> dict[str, list[float]]:
    rows = re.findall(r"^(gsm8k|samsum|piqa|hellaswag) +(\d+(?: +~?[+−]?[\d.]+| +–){6})", text, re.MULTILINE)
    return {
        task: [float(cell.lstrip("~").replace("−", "-")) for cell in cells.split() if cell != "–"]
        for task, cells in rows
    }


def test_the_readme_shows_the_table_that_the_command_prints(printed: tuple[str, dict]) -> None:
    """Log-probabilities differ in their last digits between machines, so a rate may differ by a few items."""
    shown, real = _table(README.read_text(encoding="utf-8")), _table(printed[0])
    assert set(shown) == set(real) == set(TASKS)
    for task in TASKS:
        assert real[task] == pytest.approx(shown[task], abs=1.0), task


def test_the_update_is_better_on_average_and_still_loses_answers_on_every_task(
    printed: tuple[str, dict],
) -> None:
    tasks = {row["task"]["name"]: row["estimates"] for row in printed[1]["tasks"]}
    assert sum(row["delta"]["value"] for row in tasks.values()) > 0
    for name, row in tasks.items():
        assert row["nfr"]["n"] >= 300
        assert 0.4 <= row["old"]["value"] <= 0.95, name
        assert 0.4 <= row["new"]["value"] <= 0.95, name
        assert 0.02 <= row["nfr"]["value"] <= 0.2, name


def test_the_output_says_that_these_are_not_the_benchmarks_and_fits_eighty_columns(
    printed: tuple[str, dict],
) -> None:
    text = printed[0]
    assert "demo items, not the benchmarks" in text.splitlines()[0]
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text


def test_every_identity_of_the_rates_holds(printed: tuple[str, dict]) -> None:
    for row in printed[1]["tasks"]:
        value = {name: estimate["value"] for name, estimate in row["estimates"].items()}
        if row["task"]["scale"] == "binary":
            counts, n = row["counts"], row["n"]
            assert sum(counts.values()) == n
            assert value["delta"] == pytest.approx(value["pfr"] - value["nfr"], abs=1e-12)
            assert value["nfr_mc"] == pytest.approx(value["nfr"] + counts["both_wrong_different"] / n)
            assert value["nfi"] == pytest.approx(1 - value["bec"])
            assert value["churn"] == pytest.approx(value["nfr_mc"] + value["pfr"])
        else:
            gains, losses = value["pfr"] * value["m_g"], value["nfr"] * value["m_r"]
            assert value["delta"] == pytest.approx(gains - losses, abs=1e-12)
