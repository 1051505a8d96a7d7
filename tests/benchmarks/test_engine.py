"""The engine's benchmark runs and writes what it should; how fast anything is, no test says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = {
    "name", "work", "must", "aim", "measured", "model", "dtype", "items", "repeats", "ratio", "cpu_ratio",
    "reached", "memory_below_hf", "share_of_limit", "limit_seconds", "needed", "answers", "ours", "hf",
}  # fmt: skip
SIDE = {"wall", "walls", "cpu", "cpus", "opening", "peak_bytes", "beyond_loading_bytes", "facts"}


def benchmark(*arguments: object) -> str:
    command = [sys.executable, "-m", "tests.benchmarks.engine", "--tiny", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.models
def test_each_line_is_measured_on_both_sides(tmp_path: Path) -> None:
    out = benchmark("--only", "hellaswag-llama", "gsm8k-llama", "scaling", "--out", tmp_path)
    document = json.loads((tmp_path / "engine-tiny.json").read_text(encoding="utf-8"))
    assert document["gpu"] == "not measured"
    part = document["cpu"]
    assert [row["name"] for row in part["rows"]] == ["hellaswag-llama", "gsm8k-llama"]
    for row in part["rows"]:
        assert set(row) == ROW
        assert set(row["ours"]) == {*SIDE, "engine"}
        assert set(row["hf"]) == {*SIDE, "batch_size", "searched"}
        assert row["answers"]["errors"] == 0
        assert row["work"] in out
    choices, texts = (row["answers"] for row in part["rows"])
    assert choices["largest_difference"] < 2e-4
    assert texts["different_texts"] == 0
    assert [axis["axis"] for axis in part["scaling"]] == ["items", "choices", "shots"]
    assert part["peaks"]["float32"]["flops"] > 0
    assert all(len(line) <= 100 for line in out.splitlines()[:-1])


@pytest.mark.models
def test_a_bfloat16_softmax_is_shown_to_be_coarse() -> None:
    lines = benchmark("--bf16-softmax").splitlines()
    apart = {line[:28].strip(): float(line.split()[-2]) for line in lines if line.endswith("nats")}
    assert apart["lm-eval's hf, as it comes"] > 10 * apart["regress, engine hf"]
    assert apart["lm-eval's hf, as it comes"] > 10 * apart["regress, engine local"]


def test_shared_tokens_are_counted_once() -> None:
    from regress.types import Loglikelihood
    from tests.benchmarks.engine.limits import count

    def request(context: str, continuation: str) -> Loglikelihood:
        return Loglikelihood(context=context, continuation=continuation)

    items = [[request("abcd", "xy"), request("abcd", "xz")], [request("abce", "x")]]
    counted = count(items, [0, 0, 0], lambda text: [ord(letter) for letter in text], chunk=1)
    # `abcd`, `abcdx`; then `abce` alone, since `abc` was read with the first chunk
    assert (counted.tokens, counted.reads) == (4 + 1 + 1, 1 + 2 + 3 + 4 + 5 + 4)
    assert counted.rows == 2 + 1  # after `abcd` and `abcdx`; after `abce`
