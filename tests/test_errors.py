"""What the command line says when it cannot do it: exit code and message, as golden transcripts.

`REGENERATE_GOLDEN=1 pytest tests/test_errors.py` writes the transcripts anew; read the difference
before committing it. Every message says what went wrong, the value met, what is allowed and what to
do, in one line that begins with `regress: `.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from regress.demo.pair import model_folder
from regress.identity import file_hash
from regress.store.lock import RunLock
from regress.store.manifest import MANIFEST, SPEC
from regress.store.writer import PREDICTIONS

GOLDEN = Path(__file__).parent / "golden_errors"
SCRIPTED = ("--engine", "scripted", "--data", "data")


class Transcript:
    """Commands as typed, with their exit codes and what they wrote to standard error."""

    def __init__(self, world: Path, command: Callable[..., Any]) -> None:
        self._world, self._command, self._text = world, command, ""

    def refused(self, *arguments: object) -> None:
        """Run a command that must be refused."""
        outcome = self._command(*arguments)
        assert outcome.code == 2, outcome
        assert outcome.out == "", "a refusal leaves nothing for the next program in a pipe"
        assert outcome.err.splitlines()[-1].startswith("regress: "), outcome.err
        assert outcome.err.endswith((".\n", "?\n")), outcome.err
        typed = " ".join(["$ regress", *map(str, arguments)])
        self._text += self._normalised(f"{typed}\n{outcome.err}\n")

    def where(self, what: str) -> None:
        """Note what the next command meets."""
        self._text += "".join(f"# {line}\n" for line in what.splitlines())

    def matches(self, name: str) -> None:
        """Compare everything so far with the golden transcript."""
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("REGENERATE_GOLDEN") == "1":
            path.parent.mkdir(exist_ok=True)
            path.write_text(self._text, encoding="utf-8")
        assert path.exists(), f"no golden transcript {name}: see the docstring of this file"
        assert self._text == path.read_text(encoding="utf-8")

    def _normalised(self, text: str) -> str:
        text = text.replace(str(self._world), "<here>").replace(str(model_folder("demo-v2")), "<demo>")
        text = re.sub(r"@[0-9a-f]{12}\b", "@<key>", text)
        return re.sub(r"pid \d+ on \S+(?=\))", "pid <pid> on <host>", text)


@pytest.fixture
def transcript(world: Path, command: Callable[..., Any]) -> Transcript:
    return Transcript(world, command)


def run_of(model: str, task: str) -> Path:
    """The one run of `task` by `model` in the store, relative to the current directory."""
    (folder,) = Path("reports/runs", model).glob(f"{task}@*")
    return folder


def copied(folder: Path, name: str) -> Path:
    """A copy of a run outside the store, to be damaged."""
    return shutil.copytree(folder, Path("elsewhere") / name)


def forged(folder: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> Path:
    """A copy of a run with other rows, and a manifest that vouches for them."""
    copy = copied(folder, name)
    table = change(pq.read_table(copy / PREDICTIONS))
    pq.write_table(table, copy / PREDICTIONS)
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest |= {"rows": table.num_rows, "sha256": file_hash(copy / PREDICTIONS)}
    (copy / MANIFEST).write_text(json.dumps(manifest))
    return copy


def with_column(table: pa.Table, name: str, change: Callable[[list[Any]], list[Any]]) -> pa.Table:
    place = table.schema.get_field_index(name)
    type_ = table.schema.field(place).type
    values = change(table.column(name).to_pylist())
    plain = pa.array(values, type_.value_type) if pa.types.is_dictionary(type_) else pa.array(values, type_)
    column = pc.dictionary_encode(plain).cast(type_) if pa.types.is_dictionary(type_) else plain
    return table.set_column(place, table.schema.field(place), column)


@pytest.fixture
def stored(world: Path, command: Callable[..., Any]) -> Path:
    """Both models of the small world, evaluated on both tasks."""
    for model in ("old.jsonl", "new.jsonl"):
        assert command("evaluate", model, *SCRIPTED, "--tasks", "piqa,gsm8k").code == 0
    return world


# ── what was typed ───────────────────────────────────────────────────────────────────────────────


def test_commands_and_options_that_do_not_exist(transcript: Transcript) -> None:
    transcript.refused("comparee", "a", "b")
    transcript.refused("serve")
    transcript.refused("runs", "rn", "a")
    transcript.refused("compare", "a", "b", "--limt", "4")
    transcript.refused("compare", "a", "b", "--old-dtyp=float16")
    transcript.refused("evaluate", "a", "--lim", "4")
    transcript.refused("runs", "rm", "a", "--ye")
    transcript.refused("--json", "runs")
    transcript.refused("compare", "a", "b", "c")
    transcript.matches("usage")


def test_arguments_that_are_missing_or_malformed(transcript: Transcript) -> None:
    transcript.refused("compare")
    transcript.refused("compare", "a")
    transcript.refused("evaluate")
    transcript.refused("runs", "rm")
    transcript.refused("evaluate", "a", "--limit")
    transcript.refused("evaluate", "a", "--limit", "ten")
    transcript.refused("evaluate", "a", "--engine-args", "load_in_8bit")
    transcript.refused("evaluate", "a", "--engine-args", '{"load_in_8bit": ')
    transcript.refused("evaluate", "a", "--fewshot", "fixd")
    transcript.refused("compare", "a", "b", "--allow", "data")
    transcript.matches("arguments")


def test_settings_that_cannot_be_meant(transcript: Transcript) -> None:
    transcript.refused("evaluate", "a", "--limit", "3", "--sample", "4")
    transcript.refused("evaluate", "a", "--limit", "0")
    transcript.refused("evaluate", "a", "--sample", "-1")
    transcript.refused("evaluate", "a", "--batch-size", "0")
    transcript.refused("evaluate", "a", "--chunk-size", "0")
    transcript.refused("evaluate", "a", "--num-fewshot", "-1")
    transcript.refused("evaluate", "a", "--tasks", ",")
    transcript.refused("evaluate", "old.jsonl", *SCRIPTED, "--tasks", "piqa,piqa")
    transcript.refused("evaluate", "old.jsonl", *SCRIPTED, "--tasks", "piqa", "--num-fewshot", "2")
    transcript.refused("compare", "a", "b", "--worst", "-1")
    transcript.matches("settings")


def test_a_configuration_that_cannot_be_read(transcript: Transcript, world: Path) -> None:
    broken = ("store = ", "store = 3", "stoer = 'x'", "aliases = 'x'", "[aliases]\nmine = 3")
    preset = ("limt = 3", "limit = 0", "limit = 'x'", "tasks = 3", "text = 'no'", "dtype = 32")
    for text in (*broken, *(f"[defaults]\n{line}" for line in preset)):
        (world / "regress.toml").write_text(text, encoding="utf-8")
        transcript.where(text)
        transcript.refused("evaluate", "old.jsonl")
    transcript.matches("configuration")


# ── names ────────────────────────────────────────────────────────────────────────────────────────


def test_models_that_nobody_knows(transcript: Transcript, monkeypatch: pytest.MonkeyPatch) -> None:
    """Near an alias, near nothing, like a path, and things that are there but are no models."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    data = ("--data", "data", "--tasks", "piqa")
    transcript.refused("evaluate", "lama2", *data)
    transcript.refused("evaluate", "demo-v3", *data)
    transcript.refused("evaluate", "xyzzy", *data)
    transcript.refused("evaluate", "nobody/nothing", *data)
    transcript.refused("evaluate", "./dat", *data)
    transcript.refused("evaluate", "data", *data)
    transcript.refused("evaluate", "old.jsonl", *data)
    transcript.refused("evaluate", "+adapter", *data)
    transcript.refused("evaluate", "odl.jsonl", "--engine", "scripted", *data)
    transcript.matches("models")


def test_scripted_models_that_cannot_be_read(transcript: Transcript, world: Path) -> None:
    rows = ('{"match": "x", "logprb": -1}', '{"text": "x"}', '{"match": "x"}', "[]", "{")
    for row in rows:
        (world / "broken.jsonl").write_text(row + "\n", encoding="utf-8")
        transcript.where(row)
        transcript.refused("evaluate", "broken.jsonl", *SCRIPTED, "--tasks", "piqa")
    transcript.matches("scripted")


def test_engines_metrics_and_data_that_nobody_knows(transcript: Transcript) -> None:
    transcript.refused("evaluate", "demo-v1", "--data", "data", "--tasks", "piqa", "--engine", "hff")
    transcript.refused("evaluate", "demo-v1", "--data", "data", "--tasks", "piqa", "--engine", "xyzzy")
    transcript.refused("evaluate", "old.jsonl", *SCRIPTED, "--tasks", "piqa", "--metric", "acc_nrm")
    transcript.refused("evaluate", "old.jsonl", *SCRIPTED, "--tasks", "piqa", "--metric", "xyzzy")
    transcript.refused("evaluate", "old.jsonl", "--engine", "scripted", "--data", "dta", "--tasks", "piqa")
    transcript.refused("evaluate", "old.jsonl", *SCRIPTED, "--tasks", "hellaswag")
    transcript.refused("evaluate", "old.jsonl", *SCRIPTED, "--tasks", "./my_task.yaml")
    transcript.matches("engines_and_data")


def test_tasks_that_nobody_knows(transcript: Transcript) -> None:
    """One case only: lm-eval's index of 14,000 files takes seconds to read."""
    transcript.refused("evaluate", "old.jsonl", *SCRIPTED, "--tasks", "hellaswog")
    transcript.matches("tasks")


@pytest.mark.models
def test_ways_to_run_a_model_that_do_not_exist(
    transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    asked = ("evaluate", "demo-v1", "--data", "data", "--tasks", "piqa")
    transcript.refused(*asked, "--dtype", "flaot32")
    transcript.refused(*asked, "--dtype", "int4")
    transcript.refused(*asked, "--device", "cudda")
    transcript.refused(*asked, "--device", "cuda")
    transcript.refused(*asked, "--chat-template", "atuo")
    transcript.refused(*asked, "--chat-template", "chatml")
    transcript.refused(*asked, "--engine-args", "no_such_argument=1")
    transcript.matches("ways_to_run")


# ── runs on disk ─────────────────────────────────────────────────────────────────────────────────


def test_divergence_that_cannot_be_measured(transcript: Transcript, world: Path) -> None:
    for name, content in (("empty", b""), ("binary", b"MZ\0"), ("latin1", b"caf\xe9")):
        (world / name).write_bytes(content)
    pair = ("divergence", "demo-v1", "demo-v2")
    for name in ("empty", "binary", "latin1", "none.txt", "data"):
        transcript.refused(*pair, "--text", name)
    (world / "text").write_text("So it goes.", encoding="utf-8")
    transcript.refused(*pair, "--text", "text", "--window", "1")
    transcript.refused(*pair, "--text", "text", "--window", "16", "--stride", "16")
    transcript.refused(*pair, "--text", "text", "--tasks", "piqa")
    transcript.refused(*pair, "--text", "text", "--engine", "vllm")
    transcript.refused("divergence", "old.jsonl", "new.jsonl", *SCRIPTED, "--tasks", "piqa")
    transcript.refused("compare", "old.jsonl", "new.jsonl", *SCRIPTED, "--tasks", "piqa", "--divergence")
    transcript.refused("compare", "old.jsonl", "new.jsonl", "--divergence", "none.txt")
    transcript.refused("compare", "old.jsonl", "new.jsonl", "--window", "16")
    transcript.matches("divergence")


@pytest.mark.models
def test_models_that_cannot_be_put_together(transcript: Transcript, world: Path) -> None:
    """Layer maps, adapters, models with shared layers, ensembles."""
    demo = str(model_folder("demo-v2"))
    made = {
        "moved": ("composition.json", {"base": "./gone", "layers": [0]}),
        "apart": ("ensemble.json", {"by": "mean", "members": [{"model": "./gone"}, {"model": demo}]}),
        "map": ("composition.json", {"base": demo, "layers": [0, 7]}),
        "other": ("composition.json", {"base": demo, "fingerprint": "f"}),
        "broken": ("composition.json", {"base": demo, "layers": "all"}),
        "homeless": ("adapter_config.json", {"peft_type": "LORA"}),
        "one": ("ensemble.json", {"by": "mean", "members": [{"model": demo}]}),
        "both": ("ensemble.json", {"by": "mean", "members": [{"model": demo}, {"model": demo}]}),
    }
    for name, (file, document) in made.items():
        (world / name).mkdir()
        (world / name / file).write_text(json.dumps({"schema": 1, **document}))
    for name in made:
        transcript.refused("layers", name)
    transcript.refused("compare", "demo-v2", "one", "--data", "demo")
    transcript.refused("layers", "demo-v2", "--depth", "0")
    transcript.refused("layers", "demo-v2", "--map", "0,x")
    transcript.refused("layers", "demo-v2", "--text", "gone.txt")
    transcript.refused("update", "demo-v2", "-o", "new", "adapt:load=gone")
    transcript.refused("update", "demo-v2", "-o", "new", "adapt:load=gone,merge=true")
    transcript.refused("update", "demo-v2", "-o", "new", "adapt:targets=[nobody]")
    transcript.refused("update", "demo-v2", "-o", "new", "layers:map=[0,9],tied=true")
    transcript.refused("update", "demo-v2", "-o", "new", "layers:map=[0,0],tied=true", "grow:mlp=2x")
    transcript.refused("update", "demo-v2", "-o", "new", "ensemble:others=[both]")
    transcript.refused("update", "both", "-o", "new", "grow:mlp=2x")
    transcript.matches("put_together")
    assert not (world / "new").exists()


@pytest.mark.models
def test_self_tests_that_cannot_be_carried_out(transcript: Transcript, world: Path) -> None:
    """Oracles that nobody knows, and a folder that is taken."""
    transcript.refused("selftest", "--only", "I-33")
    transcript.refused("selftest", "--only", "everything")
    transcript.refused("selftest", "--keep", "data")
    transcript.matches("selftest")


def test_runs_that_nobody_knows(transcript: Transcript, stored: Path) -> None:
    transcript.refused("runs", "rm", "odl.jsonl", "--yes")
    transcript.refused("runs", "rm", "old.jsonl/piqq", "--yes")
    transcript.refused("runs", "rm", "xyzzy", "--yes")
    transcript.refused("runs", "rm", "old.jsonl", "xyzzy", "--yes")
    transcript.refused("runs", "rm", "old.jsonl")
    transcript.refused("compare", "reports/runs/old.jsonl", "reports/runs/new.jsnl")
    transcript.matches("runs")
    assert run_of("old.jsonl", "piqa").exists(), "a refusal deletes nothing"


def test_runs_that_are_not_finished(transcript: Transcript, stored: Path, write_gaps: Path) -> None:
    old, new = run_of("old.jsonl", "piqa"), run_of("new.jsonl", "piqa")
    transcript.refused("evaluate", "gaps.jsonl", *SCRIPTED, "--tasks", "piqa")
    transcript.refused("compare", old, run_of("gaps.jsonl", "piqa"))
    unfinished = copied(new, "unfinished")
    (unfinished / MANIFEST).unlink()
    transcript.refused("compare", old, unfinished)
    with RunLock(unfinished):
        transcript.refused("compare", old, unfinished)
    transcript.refused("compare", old, forged(new, "empty", lambda table: table.slice(0, 0)))
    transcript.matches("unfinished")


@pytest.fixture
def write_gaps(world: Path) -> Path:
    """A scripted model that has no answer to most questions."""
    path = world / "gaps.jsonl"
    path.write_text('{"match": "open jar 1", "logprob": -1.0}\n', encoding="utf-8")
    return path


def test_runs_that_somebody_else_is_writing(transcript: Transcript, stored: Path) -> None:
    folder = run_of("new.jsonl", "piqa")
    (folder / MANIFEST).unlink()
    asked = ("evaluate", "new.jsonl", *SCRIPTED, "--tasks", "piqa")
    with RunLock(folder):
        transcript.refused(*asked)
        transcript.refused("runs", "rm", "new.jsonl/piqa", "--yes")
    (folder / "lock").write_text(json.dumps({"pid": 7, "host": f"not-{socket.gethostname()}"}))
    transcript.refused(*asked)
    transcript.matches("locked")
    assert folder.exists()


def test_runs_that_are_not_what_was_written(transcript: Transcript, stored: Path) -> None:
    old, new = run_of("old.jsonl", "piqa"), run_of("new.jsonl", "piqa")

    def overwritten(name: str, file: str, text: str) -> None:
        copy = copied(new, name)
        (copy / file).write_text(text, encoding="utf-8")
        transcript.refused("compare", old, copy)

    overwritten("no-parquet", PREDICTIONS, "PAR1")
    overwritten("no-json", MANIFEST, '{"schema": 1')
    overwritten("no-fields", MANIFEST, '{"schema": 1}')
    overwritten("no-schema", MANIFEST, "[]")
    overwritten("newer-manifest", MANIFEST, '{"schema": 99}')
    overwritten("newer-spec", SPEC, '{"schema": 99}')
    overwritten("edited-spec", SPEC, (new / SPEC).read_text().replace('"n": 8', '"n": 9'))
    gone = copied(new, "gone")
    (gone / PREDICTIONS).unlink()
    transcript.refused("compare", old, gone)
    transcript.refused("compare", old, forged(new, "narrow", lambda table: table.drop_columns(["answer"])))
    transcript.matches("damaged")


# ── refused comparisons ──────────────────────────────────────────────────────────────────────────


def test_runs_that_answer_different_questions(transcript: Transcript, stored: Path, world: Path) -> None:
    old = run_of("old.jsonl", "piqa")
    transcript.refused("compare", old, run_of("new.jsonl", "gsm8k"))
    transcript.refused("compare", old, run_of("new.jsonl", "gsm8k"), "--allow", "task")

    def otherwise(name: str, *arguments: str) -> Path:
        arguments = ("evaluate", "new.jsonl", "--engine", "scripted", "--store", name, *arguments)
        return Path(transcript._command(*arguments).out.strip())

    transcript.refused("compare", old, otherwise("few", "--data", "data", "--tasks", "piqa", "--limit", "3"))
    norm = otherwise("norm", "--data", "data", "--tasks", "piqa", "--metric", "acc_norm")
    transcript.refused("compare", old, norm)
    shots = otherwise("shots", "--data", "data", "--tasks", "gsm8k", "--num-fewshot", "2")
    transcript.refused("compare", run_of("old.jsonl", "gsm8k"), shots)
    shutil.copytree("data", "flipped")
    items = Path("flipped/piqa/validation.jsonl")
    items.write_text(items.read_text().replace('"label": 1', '"label": 0'), encoding="utf-8")
    transcript.refused("compare", old, otherwise("golds", "--data", "flipped", "--tasks", "piqa"))
    transcript.matches("not_comparable")


def test_runs_that_lack_answers(transcript: Transcript, stored: Path) -> None:
    """Missing evidence never helps a verdict, and cannot be waived."""
    old, new = run_of("old.jsonl", "piqa"), run_of("new.jsonl", "piqa")
    everything = ("--allow", "prompts", "--allow", "task", "--allow", "scorer")
    fewer = forged(new, "fewer", lambda table: table.slice(0, 5))
    transcript.refused("compare", old, fewer, *everything)
    twice = forged(
        new, "twice", lambda t: with_column(t, "instance_id", lambda ids: [ids[0], ids[0], *ids[2:]])
    )
    transcript.refused("compare", old, twice, *everything)
    failed = forged(new, "failed", lambda t: with_column(t, "status", lambda s: ["error", *s[1:]]))
    transcript.refused("compare", old, failed, *everything)
    transcript.matches("missing_evidence")


def test_stored_runs_that_a_path_does_not_settle(transcript: Transcript, stored: Path, command: Any) -> None:
    assert command("evaluate", "new.jsonl", *SCRIPTED, "--tasks", "piqa", "--limit", "3").code == 0
    transcript.refused("compare", "reports/runs/old.jsonl", "reports/runs/new.jsonl")
    transcript.refused("compare", "reports/runs/old.jsonl", "reports/runs/new.jsonl", "--tasks", "samsum")
    transcript.refused("compare", "reports/runs/old.jsonl", run_of("new.jsonl", "gsm8k"))
    Path("hollow").mkdir()
    transcript.refused("compare", run_of("old.jsonl", "piqa"), "hollow")
    transcript.matches("paths")


def test_a_disk_that_refuses(transcript: Transcript, stored: Path) -> None:
    """What a disk or its owner refuses is no bug of ours."""
    transcript.refused("evaluate", "old.jsonl", *SCRIPTED, "--tasks", "piqa", "--store", "new.jsonl")
    transcript.refused("compare", "reports/runs/old.jsonl", "reports/runs/new.jsonl", "--out", "new.jsonl")
    transcript.matches("disk")


# ── answers that others recorded ─────────────────────────────────────────────────────────────────

FOREIGN = {
    "empty.csv": "",
    "header.csv": "id,correct\n",
    "twice.csv": "id,correct,correct\n1,true,true\n",
    "ragged.csv": "id,correct\n1,true\n2,true,false\n",
    "truth.csv": "id,correct\n1,true\n2,maybe\n",
    "repeats.csv": "id,correct\n1,true\n2,true\n1,false\n",
    "blanks.csv": "id,correct\na  b,true\na b,true\n",
    "place.csv": "correct\ntrue\nfalse\n",
    "untargeted.jsonl": '{"id": 1, "pred": "4", "target": "4"}\n{"id": 2, "pred": "5", "target": null}\n',
    "nan.csv": "id,label,choice_0,choice_1\n1,0,-1.0,-2.0\n2,1,nan,-3.0\n",
    "unequal.jsonl": '{"id": 1, "label": 0, "lps": [-1, -2]}\n{"id": 2, "label": 5, "lps": [-1, -2]}\n',
    "words.jsonl": "not json\n",
    "cut.jsonl": '{"id": 1, "correct": true}\n{"id": 2, "corr',
    "list.jsonl": "[1, 2]\n",
    "two.csv": "id,prediction,response,target\n1,a,b,a\n",
    "bytes.csv": b"id,correct\n\xff\xfe,true\n",
    "damaged.parquet": b"PAR1 and then nothing",
    "bomb.eval": b"PK no zip at all",
    "notes.txt": "hello",
}


def test_sources_that_cannot_be_imported(transcript: Transcript, world: Path) -> None:
    for name, content in FOREIGN.items():
        (world / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    transcript.refused("import", "gone.csv", "--as", "a")
    transcript.refused("import", "data", "--as", "a")
    transcript.refused("import", "~nobody-of-that-name/a.csv", "--as", "a")
    os.mkfifo(world / "pipe.csv")
    transcript.refused("import", "pipe.csv", "--as", "a")
    for name in FOREIGN:
        transcript.refused("import", name, "--as", "a")
    transcript.refused("import", "unequal.jsonl", "--as", "a", "--map", "logprobs=lps")
    transcript.refused("import", "truth.csv", "--as", "a", "--map", "correct")
    transcript.refused("import", "truth.csv", "--as", "a", "--map", "corect=correct")
    transcript.refused("import", "truth.csv", "--as", "a", "--map", "correct=corect")
    transcript.refused("import", "truth.csv", "--as", "a", "--map", "id=id", "--map", "id=correct")
    transcript.refused("import", "truth.csv", "--as", "a", "--mapping", "gone.toml")
    transcript.refused("compare", "truth.csv", "repeats.csv")
    transcript.matches("imports")
    assert not any(path.is_file() for path in (world / "reports").rglob("*")), "nothing is half-written"


def test_runs_that_cannot_be_judged_again_or_written(transcript: Transcript, stored: Path) -> None:
    (stored / "flat").write_text("a file")
    transcript.refused("rescore", "odl.jsonl")
    transcript.refused("rescore", "old.jsonl", "new.jsonl", "--task", "samsum")
    transcript.refused("rescore", "old.jsonl", "--task", "gsm8k", "--metric", "f1")
    transcript.refused("rescore", "old.jsonl", "--task", "gone.yaml")
    transcript.refused("export", "old.jsonl", "--to", "xlsx")
    transcript.refused("export", "odl.jsonl", "--to", "csv")
    transcript.refused("export", "old.jsonl", "--to", "csv", "--out", "flat")
    transcript.refused("export", "old.jsonl", "--to", "csv", "--tasks", "samsum")
    transcript.refused("slices", "old.jsonl", "new.jsonl", *SCRIPTED, "--by", "length")
    transcript.matches("judged_again_or_written")
