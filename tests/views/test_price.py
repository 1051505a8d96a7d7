"""The price of an update, as every renderer shows it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from regress.metrics.classes import scores
from regress.types import Classes, Comparison, Effort, Footprint, Price
from regress.views import export, markdown, terminal
from regress.views.classes import classes_line
from regress.views.price import price_text

OLD = Footprint(
    parameters=260_032,
    materialised=292_800,
    disk_bytes=1_044_992,
    memory_bytes={"float32": 1_040_128},
    cache_bytes=1280,
)
NEW = replace(
    OLD, parameters=130_000, materialised=130_000, memory_bytes={"int8": 260_000, "float32": 12},
    cache_bytes=None, windowed_layers=2, window=4096,
)  # fmt: skip
MACHINE = {"cpu": "Some CPU", "cores": 2, "threads": 1, "device": "cpu", "gpu": None}


def effort(**changes: Any) -> Effort:
    given = {
        "seconds": 10.0,
        "cpu_seconds": 19.0,
        "prompt_tokens": 4000,
        "output_tokens": 1000,
        "peak_bytes": 2**30,
    }
    return Effort(session="s", rows=800, machine=MACHINE, **{**given, **changes})


@pytest.fixture
def price() -> Price:
    return Price(
        old=OLD, new=NEW, old_effort=effort(), new_effort=effort(seconds=5.0), together=("piqa", "gsm8k")
    )


def cells(price: Price) -> dict[str, tuple[str, str, str]]:
    text = price_text(price)
    assert text is not None
    return {row.label: (row.old, row.new, row.ratio) for row in text.rows}


def notes(price: Price) -> str:
    text = price_text(price)
    assert text is not None
    return " ".join(text.notes)


def test_every_row_holds_old_new_and_the_ratio(price: Price) -> None:
    assert cells(price) == {
        "parameters": ("260,032", "130,000", "0.50"),
        "parameters if none were shared": ("292,800", "130,000", "0.44"),
        "weights on disk": ("1020 KiB", "1020 KiB", "1.00"),
        "weights in memory": ("1016 KiB", "254 KiB", "0.25"),
        "  of these float32": ("1016 KiB", "12 B", "0.00"),
        "  of these int8": ("0 B", "254 KiB", "–"),
        "KV cache a token": ("1,280 B", "unknown", "–"),
        "tokens/s": ("500", "1,000", "2.00"),
        "peak memory (process)": ("1.00 GiB", "1.00 GiB", "1.00"),
        "wall time": ("10.0 s", "5.0 s", "0.50"),
        "CPU time": ("19.0 s", "19.0 s", "1.00"),
    }


def test_what_is_unknown_of_both_sides_is_left_out_and_of_one_called_unknown(price: Price) -> None:
    bare = replace(
        price,
        old=None,
        new=Footprint(parameters=5, materialised=5, disk_bytes=3),
        old_effort=None,
        new_effort=None,
        together=(),
    )
    assert cells(bare) == {
        "parameters": ("unknown", "5", "–"),
        "weights on disk": ("unknown", "3 B", "–"),
    }


def test_nothing_is_measured_where_tokens_and_peak_are_unknown(price: Price) -> None:
    blind = effort(prompt_tokens=None, peak_bytes=None)
    shown = cells(replace(price, old_effort=blind, new_effort=blind))
    assert not {"tokens/s", "peak memory (process)"} & set(shown)
    assert shown["wall time"] == ("10.0 s", "10.0 s", "1.00")


def test_memory_on_a_gpu_is_called_so(price: Price) -> None:
    on_gpu = replace(effort(), machine={**MACHINE, "device": "cuda:0", "gpu": "Some GPU"})
    there = replace(price, old_effort=on_gpu, new_effort=on_gpu)
    assert "peak memory (GPU)" in cells(there)
    assert "Some GPU, Some CPU, 2 cores, 1 thread" in notes(there)


def test_windowed_layers_are_noted(price: Price) -> None:
    assert "2 layers of the new model keep only the last 4,096 tokens" in notes(price)
    assert "of the old model keep" not in notes(price)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("unrecorded", "a run does not tell what all of its answers took"),
        ("interrupted", "a run was interrupted and went on in another process"),
        ("sessions", "the two sides were answered in different processes"),
        ("machines", "the two sides were answered on different machines or devices"),
    ],
)
def test_why_time_and_memory_are_not_shown(price: Price, reason: str, words: str) -> None:
    apart = replace(
        price, old_effort=None, new_effort=None, together=(), apart={"piqa": reason, "gsm8k": reason}
    )
    assert not {"tokens/s", "wall time", "CPU time"} & set(cells(apart))
    assert f"Time and memory are not shown: {words}" in notes(apart)
    assert "(piqa" not in notes(apart)  # it is true of all


def test_tasks_left_out_are_named(price: Price) -> None:
    partly = replace(price, together=("piqa",), apart={"gsm8k": "sessions"})
    assert "answers to piqa, each side once" in notes(partly)
    assert (
        "Left out of time and memory: the two sides were answered in different processes (gsm8k)."
        in notes(partly)
    )


def test_it_stands_below_the_table_and_fits(full: Comparison, price: Price) -> None:
    with_price = replace(full, price=price)
    text = terminal.render(with_price, width=80)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    head = next(
        place for place, line in enumerate(lines) if line.split() == ["price", "old", "new", "new/old"]
    )
    assert head > next(place for place, line in enumerate(lines) if line.startswith("piqa"))
    assert lines[head + 1].split() == ["parameters", "260,032", "130,000", "0.50"]
    assert "price" not in terminal.render(full, width=80).split()
    assert "| weights on disk | 1020 KiB | 1020 KiB | 1.00 |" in markdown.render(with_price)


def test_what_a_manifest_says_of_a_machine_acts_on_nothing(
    full: Comparison, price: Price, hostile_text: str
) -> None:
    machine = {**MACHINE, "cpu": hostile_text, "gpu": hostile_text}
    bad = replace(
        price, old=replace(OLD, memory_bytes={hostile_text: 3}), old_effort=replace(effort(), machine=machine)
    )
    text = terminal.render(replace(full, price=bad), width=80)
    assert "\x1b" not in text
    assert "<script>" not in markdown.render(replace(full, price=bad))


def test_programs_get_counts_and_seconds(full: Comparison, price: Price) -> None:
    told = json.loads(export.to_json(replace(full, price=price)))["price"]
    assert told["old"]["parameters"] == 260_032
    assert told["new"]["window"] == 4096
    assert told["new_effort"]["seconds"] == 5.0
    assert told["new_effort"]["tokens_per_second"] == 1000.0
    assert told["together"] == ["piqa", "gsm8k"]
    assert json.loads(export.to_json(full))["price"] is None


# ── classes ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def by_class(full: Comparison) -> Comparison:
    """The second row with classes, one of which the new side never answers with."""
    found = Classes(
        names=("no", "yes"), labels=True, support=(3, 2), left_out=1,
        old=scores([0, 0, 0, 1, 1], [0, 0, 1, 1, 1], 2), new=scores([0, 0, 0, 1, 1], [0, 0, 0, 0, 0], 2),
    )  # fmt: skip
    first, second, *rest = full.tasks
    return replace(full, tasks=(first, replace(second, classes=found), *rest))


def test_the_line_tells_both_sides_the_difference_and_what_is_left_out(by_class: Comparison) -> None:
    assert classes_line(by_class.tasks[0]) == ""
    assert classes_line(by_class.tasks[1]) == (
        "macro average over 2 labels: precision 83.3 → 60.0 (−23.3), recall 83.3 → 50.0 (−33.3), "
        "F1 80.0 → 37.5 (−42.5); the new side never answers with 1 of them, which its precision leaves out; "
        "1 instance with several right choices left out"
    )
    assert "macro average over 2 labels" in terminal.render(by_class, width=140, wide=True)
    assert "macro average" not in terminal.render(by_class, width=80)


def test_labels_are_texts_and_stay_at_home_unless_asked_for(by_class: Comparison) -> None:
    with_text, without = (
        json.loads(export.to_json(by_class, with_text=said))["tasks"][1]["classes"] for said in (True, False)
    )
    assert (with_text["names"], without["names"]) == (["no", "yes"], None)
    assert without["new"]["precision"] == [0.6, None]
    assert without["delta"]["macro_f1"] == pytest.approx(0.375 - 0.8)
    assert without["n"] == 5


def test_the_spreadsheet_has_a_column_for_each_average(by_class: Comparison) -> None:
    header, first, second, *_ = export.to_csv(by_class).splitlines()
    columns = [dict(zip(header.split(","), row.split(","), strict=True)) for row in (first, second)]
    assert columns[0]["old_macro_f1"] == ""
    assert float(columns[1]["new_macro_recall"]) == 0.5
    assert math.isclose(float(columns[1]["old_macro_f1"]), 0.8)
