import csv
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from regress.types import Comparison, Notice
from regress.views.export import CSV_COLUMNS, document, to_csv, to_json

NAMES = ("full", "judged", "settings", "unknowns", "hostile")


def read(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def rows(comparison: Comparison) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(comparison))))


@pytest.mark.parametrize("name", NAMES)
def test_the_files_hold_what_they_held(name: str, request: pytest.FixtureRequest, golden: Any) -> None:
    comparison = request.getfixturevalue(name)
    golden(f"{name}.json", to_json(comparison))
    golden(f"{name}.csv", to_csv(comparison))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("with_text", [False, True])
def test_the_json_is_strict_and_the_document_is_what_it_says(
    name: str, with_text: bool, request: pytest.FixtureRequest
) -> None:
    comparison = request.getfixturevalue(name)
    text = to_json(comparison, with_text)
    assert text.isascii()
    assert text.endswith("}\n")
    assert read(text) == document(comparison, with_text=with_text)
    json.dumps(read(text), ensure_ascii=False).encode()  # a lone surrogate would raise


def test_undefined_and_unknown_are_null(unknowns: Comparison) -> None:
    empty, wiki = document(unknowns)["tasks"]
    assert empty["estimates"]["nfr"]["value"] is None
    assert empty["sides"]["old"]["truncated"] is None
    assert wiki["estimates"]["m_r"] == {
        **dict.fromkeys(("value", "low", "high", "confidence", "method")),
        "n": 62,
        "notices": [],
    }
    assert wiki["counts"] is None


def test_rates_are_rates_and_counts_sum_to_n(full: Comparison) -> None:
    for task in document(full)["tasks"]:
        for name in {"nfr", "pfr", "nfr_mc", "churn", "btc", "nfr_tau"} & set(task["estimates"]):
            assert 0 <= task["estimates"][name]["value"] <= 1
        assert task["counts"] is None or sum(task["counts"].values()) == task["n"]


def test_outputs_prompts_and_targets_are_in_it_only_on_request(full: Comparison) -> None:
    flip = document(full)["tasks"][0]["worst"][0]
    assert flip["old_answer"] == "42"
    texts = {"old_output", "new_output", "prompt", "target"}
    assert not texts & set(flip)
    assert texts <= set(document(full, with_text=True)["tasks"][0]["worst"][0])


def test_a_notice_bears_its_code_its_data_and_its_sentence(full: Comparison) -> None:
    notice = document(full)["tasks"][0]["notices"][1]
    assert (notice["code"], notice["data"]) == ("unreadable", {"old": 4, "new": 2, "n": 400})
    assert notice["sentence"].startswith("Answers that cannot be read count as not right")


def test_numbers_of_numpy_are_numbers(full: Comparison) -> None:
    data = {"n": np.int64(3), "x": np.float32("nan"), "y": np.float64(0.5), "z": np.bool_(True)}
    noticed = replace(full, warnings=(Notice(code="other", data=data),))
    assert read(to_json(noticed))["notices"][0]["data"] == {"n": 3, "x": None, "y": 0.5, "z": True}


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_the_csv_has_every_column(name: str, request: pytest.FixtureRequest) -> None:
    comparison = request.getfixturevalue(name)
    header, *body = csv.reader(io.StringIO(to_csv(comparison)))
    assert tuple(header) == CSV_COLUMNS
    assert [len(row) for row in body] == [len(CSV_COLUMNS)] * len(comparison.tasks)


def test_the_csv_leaves_unknown_and_undefined_empty(unknowns: Comparison) -> None:
    first = rows(unknowns)[0]
    assert (first["nfr"], first["old_truncated"], first["old_unreadable"]) == ("", "", "0")


def test_a_spreadsheet_finds_no_formula(hostile: Comparison) -> None:
    for row in rows(hostile):
        texts = [cell for cell in row.values() if not cell.lstrip("-").replace(".", "").isdigit()]
        assert not [cell for cell in texts if cell[:1] in "=+-@|%\t\r" and cell]
    assert rows(hostile)[0]["task"] == "'=cmd|'/c calc'!A1"
    assert "\x1b" not in to_csv(hostile)


def test_a_negative_number_stays_a_number(unknowns: Comparison) -> None:
    assert float(rows(unknowns)[1]["old"]) == -12.3456


def test_what_is_more_than_chance_is_in_both_files(judged: Comparison) -> None:
    whole = document(judged)
    gsm8k, piqa = whole["tasks"]
    assert whole["suite"]["tasks"] == ["gsm8k", "piqa"]
    assert gsm8k["padding"]["sound"] is False
    assert (piqa["evidence"]["detected"], piqa["clusters"], piqa["padding"]) == (False, 919, None)
    first, second = rows(judged)
    assert (first["delta_low"], first["excess_nfr_high"], first["floor_nfr"]) == (
        "-0.0652",
        "0.0735",
        "0.0065",
    )
    assert (second["detected"], second["mde"], second["excess_nfr"]) == ("false", "0.0127", "")


def test_columns_that_were_there_stay_where_they_were() -> None:
    assert CSV_COLUMNS.index("notices") + 1 == CSV_COLUMNS.index("delta_low")
