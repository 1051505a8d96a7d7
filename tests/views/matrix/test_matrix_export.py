"""Several versions for programs: all of it, strict, whatever the names."""

from __future__ import annotations

import json

import pytest

from regress.views.matrix.export import document, to_json

NAMES = ("v1", "v2", "v3")


def test_every_pair_with_its_estimates(make_matrix):
    matrix = make_matrix(NAMES)
    told = document(matrix)
    assert told["schema"] == "regress.matrix/1"
    assert [one["name"] for one in told["versions"]] == list(NAMES)
    assert told["versions"][0]["model"]["dtype"] == "float32"
    for task, said in zip(matrix.tasks, told["tasks"], strict=True):
        assert said["task"]["name"] == task.task.name
        assert [(one["old"], one["new"]) for one in said["pairs"]] == [
            (a, b) for a in NAMES for b in NAMES if a != b
        ]
        for pair, one in zip(task.pairs, said["pairs"], strict=True):
            assert one["n"] == pair.n == 40
            assert set(one["estimates"]) == {"old", "new", "delta", "nfr", "pfr"}
            nfr, found = pair.estimates["nfr"], one["estimates"]["nfr"]
            assert (found["value"], found["low"], found["high"]) == (nfr.value, nfr.low, nfr.high)
        for standing, one in zip(task.standings, said["versions"], strict=True):
            assert one["accuracy"]["value"] == standing.accuracy.value
            assert one["sides"]["unreadable"] == 0


def test_what_is_refused_has_a_reason_and_no_numbers(make_matrix):
    told = document(make_matrix(NAMES, without=[1]))["tasks"][1]
    assert told["versions"][1]["accuracy"] is None
    assert told["versions"][1]["refused"].startswith("v2 has no run of sums")
    refused = [one for one in told["pairs"] if "v2" in (one["old"], one["new"])]
    assert len(refused) == 4
    assert all(one["estimates"] == {} and one["n"] == 0 and one["refused"] for one in refused)


def test_json_is_strict_and_ascii_whatever_the_names(make_matrix, hostile_text):
    text = to_json(make_matrix(["v1", hostile_text, "lone \udc80"], metric=hostile_text))
    assert text.isascii()
    told = json.loads(text, parse_constant=pytest.fail)
    assert told["versions"][2]["name"] == r"lone \udc80"
    assert text == json.dumps(told, sort_keys=True, indent=2) + "\n"
