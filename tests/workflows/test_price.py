"""What runs record of their price: over interruptions, in one process and in several, and of real models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from regress.engines import meter
from regress.engines.scripted import ScriptedEngine
from regress.identity import plain
from regress.types import Effort, Text
from regress.workflows.compare import compare
from regress.workflows.evaluate import evaluate


class Stopped(BaseException):
    """A process that is killed."""


@pytest.fixture
def recorded() -> Any:
    """What the manifest in a folder records."""

    def read(folder: Path) -> Mapping[str, Any]:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
        return manifest["recorded"]

    return read


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripted answers tell tokens, three of prompt and one of answer, and take a second each."""
    now = [0.0]
    answer = ScriptedEngine._answer

    def told(self: ScriptedEngine, request: Any) -> Any:
        found = answer(self, request)
        now[0] += 1.0
        return Text(text=found.text, finish=found.finish, prompt_tokens=3, output_tokens=1)

    monkeypatch.setattr(ScriptedEngine, "_answer", told)
    monkeypatch.setattr(meter.time, "perf_counter", lambda: now[0])


def another_process(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(meter.os, "getpid", lambda: number)


@pytest.mark.usefixtures("known")
def test_a_run_tells_what_all_its_answers_took(model, ask, recorded) -> None:
    (folder,) = evaluate(model("a.jsonl"), tasks="gsm8k", **ask)
    (effort,) = recorded(folder)["effort"]
    assert (effort["rows"], effort["seconds"]) == (6, 6.0)
    assert (effort["prompt_tokens"], effort["output_tokens"]) == (18, 6)


@pytest.mark.usefixtures("known")
def test_an_interrupted_run_sums_up_all_parts_and_each_once(
    model, ask, recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks hold three answers: one is stored, the next is stopped while it is answered."""
    name, answer, calls = model("a.jsonl"), ScriptedEngine.answer, []

    def stopping(self: ScriptedEngine, requests: Any) -> Any:
        calls.append(requests)
        if len(calls) == 2:
            raise Stopped
        return answer(self, requests)

    another_process(monkeypatch, 1)
    with monkeypatch.context() as patch:
        patch.setattr(ScriptedEngine, "answer", stopping)
        with pytest.raises(Stopped):
            evaluate(name, tasks="gsm8k", **ask)
    another_process(monkeypatch, 2)
    (folder,) = evaluate(name, tasks="gsm8k", **ask)
    first, second = recorded(folder)["effort"]
    assert first["session"] != second["session"]
    assert (first["rows"], first["seconds"], second["rows"], second["seconds"]) == (3, 3.0, 3, 3.0)
    assert first["prompt_tokens"] + second["prompt_tokens"] == 18


@pytest.mark.usefixtures("known")
def test_a_damaged_part_counts_as_it_was_answered_again(
    model, ask, recorded, monkeypatch, here: Path
) -> None:
    name, answer, calls = model("a.jsonl"), ScriptedEngine.answer, []

    def stopping(self: ScriptedEngine, requests: Any) -> Any:
        calls.append(requests)
        if len(calls) == 2:
            raise Stopped
        return answer(self, requests)

    with monkeypatch.context() as patch:
        patch.setattr(ScriptedEngine, "answer", stopping)
        with pytest.raises(Stopped):
            evaluate(name, tasks="gsm8k", **ask)
    (part,) = here.glob("runs/*/*/parts/*.parquet")
    part.write_bytes(part.read_bytes()[:-30])
    (folder,) = evaluate(name, tasks="gsm8k", **ask)
    assert [effort["rows"] for effort in recorded(folder)["effort"]] == [6]


@pytest.mark.usefixtures("known")
def test_sides_answered_in_two_processes_are_not_compared_in_time(model, ask, monkeypatch) -> None:
    footprint = {"footprint": {"parameters": 5}}
    monkeypatch.setattr(ScriptedEngine, "recorded", lambda self: footprint)
    names = model("a.jsonl"), model("b.jsonl", gsm8k=[0, 1])
    another_process(monkeypatch, 1)
    evaluate(names[0], tasks="gsm8k", **ask)
    another_process(monkeypatch, 2)
    found = compare(*names, tasks="gsm8k,samsum", **ask).price
    assert (found.apart, found.together) == ({"gsm8k": "sessions"}, ("samsum",))
    assert (found.old_effort.rows, found.old_effort.seconds) == (4, 4.0)
    assert found.old.parameters == found.new.parameters == 5


def test_of_answers_from_a_table_there_is_no_price(model, ask) -> None:
    assert compare(model("a.jsonl"), model("b.jsonl", gsm8k=[0]), tasks="gsm8k", **ask).price is None


@pytest.mark.usefixtures("known")
def test_runs_from_before_are_compared_as_ever(model, ask, recorded) -> None:
    names = model("a.jsonl"), model("b.jsonl", gsm8k=[0, 1])
    folders = [evaluate(name, tasks="gsm8k", **ask)[0] for name in names]
    for folder in folders:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        del manifest["recorded"]["effort"]
        (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    found = compare(*names, tasks="gsm8k", **ask)
    assert found.price is None
    assert found.tasks[0].estimates["pfr"].value == pytest.approx(2 / 6)


@pytest.mark.models
def test_the_built_in_pair_is_measured_together_and_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = compare("demo-v1", "demo-v2", tasks="piqa,gsm8k", limit=8, store="runs").price
    assert found is not None
    assert (found.together, found.apart) == (("piqa", "gsm8k"), {})
    assert found.old == found.new  # one architecture
    assert found.old.loaded
    assert found.old.parameters < found.old.materialised
    for effort in (found.old_effort, found.new_effort):
        assert effort.rows == 16
        assert effort.cpu_seconds > 0
        assert effort.tokens > 16 * 10
        assert effort.load_seconds > 0
    assert found.old_effort.prompt_tokens == found.new_effort.prompt_tokens  # one tokenizer
    assert plain(found.old_effort.machine) == plain(found.new_effort.machine)
    again = compare("demo-v1", "demo-v2", tasks="piqa,gsm8k", limit=8, store="runs").price
    assert again == found  # as it was measured: nothing is answered again


def test_efforts_stand_in_the_manifest_as_they_are_read(model, ask, recorded) -> None:
    (folder,) = evaluate(model("a.jsonl"), tasks="gsm8k", **ask)
    (effort,) = recorded(folder)["effort"]
    assert set(effort) == set(Effort.__dataclass_fields__)
