"""Answers of others become ordinary runs, all of them or none; compare takes their files as they are."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regress import cli
from regress.definitions.yaml_files import tasks_folder
from regress.errors import RegressError, UsageError
from regress.identity import item_id
from regress.interop.tables.columns import ROLES
from regress.store.manifest import read_manifest, read_spec
from regress.store.runs import Store, read_instances, read_run
from regress.workflows import imports, stored
from regress.workflows.compare import compare
from regress.workflows.exports import export_runs
from regress.workflows.gate import gate
from regress.workflows.imports import import_runs
from regress.workflows.progress import Advanced, Event, Remark

ITEMS = 60


def table(path: Path, right: Callable[[int], bool], **columns: Callable[[int], Any]) -> Path:
    """A CSV file of answers, right where `right` says so."""
    lines = [",".join(["question", "correct", *columns])]
    lines += [
        ",".join([f"What is {i}?", str(right(i)).lower(), *(str(column(i)) for column in columns.values())])
        for i in range(ITEMS)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def kept(store: Path) -> list[str]:
    """Every file and folder under the store."""
    return sorted(str(path.relative_to(store)) for path in store.rglob("*"))


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGRESS_STORE", raising=False)
    return table(tmp_path / "old.csv", lambda i: i % 2 == 0)


def test_a_table_becomes_a_run_that_says_where_it_comes_from(old: Path) -> None:
    (one,) = import_runs(old, name="mine", task="sums")
    spec, manifest = read_spec(one.path), read_manifest(one.path)
    assert one.path.parent.name == "mine"
    assert spec.origin is not None
    assert (spec.origin.format, spec.origin.name) == ("table", "old.csv")
    assert "model.fingerprint" in spec.origin.unknown
    assert manifest is not None
    run = read_run(one.path)
    assert run.predictions["instance_id"][3].as_py() == item_id("What is 3?")
    instances = read_instances(run)
    assert instances is not None
    assert instances["prompt"][3].as_py() == "What is 3?"
    assert (one.value, one.unreadable) == (0.5, 0)


def test_the_same_bytes_read_in_the_same_way_are_read_once(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = import_runs(old, name="mine", task="sums")

    def nobody(*_: Any, **__: Any) -> None:
        raise AssertionError("read again")

    with monkeypatch.context() as context:
        context.setattr(imports, "draft", nobody)
        assert import_runs(old, name="mine", task="sums")[0].path == first.path
        with pytest.raises(AssertionError):
            import_runs(old, name="other", task="sums")
    old.write_text(old.read_text().replace("true", "false", 1))
    assert import_runs(old, name="mine", task="sums")[0].path != first.path


def test_a_definition_that_was_edited_reads_again(tmp_path: Path) -> None:
    """The bytes are the same, and what judges them is not."""
    table, mine = tmp_path / "said.csv", tmp_path / "mine.yaml"
    table.write_text('question,prediction,answer\nQ,"it is 4, or #### 5","#### 5"\n')
    values = []
    for pattern in ("is ([0-9]+)", "#### ([0-9]+)"):
        mine.write_text(
            f"include: {tasks_folder() / 'gsm8k' / 'gsm8k.yaml'}\nfilter_list:\n  - name: said\n    filter:\n"
            f"      - {{function: regex, regex_pattern: '{pattern}'}}\n      - {{function: take_first}}\n"
        )
        (made,) = import_runs(table, task=str(mine), columns={"target": "answer"}, store=tmp_path / "s")
        values.append(made.value)
    assert values == [0.0, 1.0]


def test_compare_takes_files_and_the_names_they_were_given(old: Path, tmp_path: Path) -> None:
    new = table(tmp_path / "new.csv", lambda i: i % 3 == 0)
    by_file = compare(str(old), str(new), tasks="sums").tasks[0].counts
    import_runs(old, name="before", task="sums")
    import_runs(new, name="after", task="sums")
    by_name = compare("before", "after", tasks="sums").tasks[0].counts
    assert by_file == by_name
    assert by_file is not None
    assert (by_file.negative_flips, by_file.positive_flips) == (20, 10)


def test_what_was_guessed_is_said_where_a_file_is_compared(old: Path) -> None:
    told: list[Event] = []
    compare(str(old), str(old), progress=told.append)
    assert any(isinstance(one, Remark) and "question" in one.text for one in told)


def test_the_gate_judges_what_was_imported(old: Path, tmp_path: Path) -> None:
    new = table(tmp_path / "new.csv", lambda i: i % 2 == 0 and i > 20)
    policy = {"preset": "none", "default": {"max_accuracy_drop": 0.02, "minimum_n": 10}}
    assert gate(str(old), str(new), policy=policy).outcome == "fail"
    assert gate(str(old), str(old), policy=policy).outcome == "undecided"


def test_a_model_and_an_import_of_one_name_are_not_confused(world: Path, command: Any) -> None:
    table(world / "answers.csv", lambda i: True)
    given = ("--tasks", "piqa", "--engine", "scripted", "--data", "data")
    assert command("import", "answers.csv", "--as", "old.jsonl", "--task", "piqa").code == 0
    assert command("evaluate", "old.jsonl", *given).code == 0
    outcome = command("compare", "old.jsonl", "new.jsonl", *given)
    assert outcome.code == 2
    assert "name of imported or rescored runs" in outcome.err


def test_an_import_takes_no_name_of_a_model_that_was_evaluated_here(world: Path, command: Any) -> None:
    given = ("--tasks", "piqa", "--engine", "scripted", "--data", "data")
    assert command("evaluate", "old.jsonl", *given).code == 0
    evaluated = kept(world / "reports/runs")
    answers = table(world / "old.jsonl.csv", lambda i: True)  # as its name says, of that model
    refused = command("import", answers.name, "--as", "old.jsonl", "--task", "piqa")
    assert (refused.code, kept(world / "reports/runs")) == (2, evaluated)
    assert "old.jsonl is a model that was evaluated here" in refused.err
    (unnamed,) = import_runs(answers, task="piqa")
    assert unnamed.spec.model.name == "old.jsonl-imported"
    assert import_runs(answers, task="piqa")[0].path == unnamed.path


def test_a_name_that_stands_for_two_runs_of_a_task_is_said_at_once(old: Path, tmp_path: Path) -> None:
    (first,) = import_runs(old, name="mine", task="sums")
    (other,) = import_runs(old, name="yours", task="sums")
    assert not any("runs of sums" in text for one in (first, other) for text in one.remarks)
    new = table(tmp_path / "new.csv", lambda i: i % 3 == 0)
    (second,) = import_runs(new, name="mine", task="sums")
    assert "mine has 2 runs of sums now" in second.remarks[-1]
    assert f"regress runs rm mine/{first.path.name})" in second.remarks[-1]


def test_texts_that_the_tasks_extractor_does_not_fit_are_said(old: Path, tmp_path: Path) -> None:
    bare = table(tmp_path / "bare.csv", lambda i: True, output=lambda i: i, target=lambda i: f"so #### {i}")
    columns = {"correct": "", "prediction": "output"}
    (unread,) = import_runs(bare, task="gsm8k", columns=columns)
    assert unread.unreadable == ITEMS
    assert "Nothing could be read by exact_match/strict-match" in unread.remarks[-1]
    (read,) = import_runs(
        bare, name="b", task="gsm8k", columns=columns, metric="exact_match/flexible-extract"
    )
    assert (read.unreadable, read.value) == (0, 1.0)
    assert not any("could be read" in text for text in read.remarks)


def test_help_names_every_role(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.run(["import", "--help"])
    told = capsys.readouterr().out.partition("Roles of columns:")[2].partition("Dots reach")[0]
    assert set(re.findall(r"[a-z_]+", told)) >= {*ROLES}


def test_a_log_of_several_tasks_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    """The second task's file is damaged: nothing of the first is kept."""
    folder, store = tmp_path / "log", tmp_path / "runs"
    folder.mkdir()
    row = {"doc_id": 0, "doc": {"q": "a"}, "target": "1", "arguments": [["a"]], "resps": [["1"]]}
    row |= {"filtered_resps": ["1"], "exact_match": 1.0}
    stamp = "2025-01-01T00-00-00.000000"
    (folder / f"samples_a_{stamp}.jsonl").write_text(json.dumps(row) + "\n")
    (folder / f"samples_b_{stamp}.jsonl").write_text(json.dumps({**row, "exact_match": None}) + "\n")
    with pytest.raises(RegressError, match="samples_b"):
        import_runs(folder, name="m", store=store)
    assert kept(store) == []


def test_an_interruption_leaves_nothing(old: Path, tmp_path: Path) -> None:
    store = tmp_path / "runs"

    def interrupt(event: Event) -> None:
        if isinstance(event, Advanced):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_runs(old, name="mine", store=store, progress=interrupt)
    assert kept(store) == []


def test_several_models_need_several_names(tmp_path: Path) -> None:
    for model in ("a", "b"):
        folder = tmp_path / "log" / model
        folder.mkdir(parents=True)
        row = {"doc_id": 0, "doc": {"q": model}, "target": "1", "arguments": [["a"]], "resps": [["1"]]}
        row |= {"filtered_resps": ["1"], "exact_match": 1.0}
        (folder / "samples_t_2025-01-01T00-00-00.000000.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(UsageError, match=r"--as|Name one"):
        import_runs(tmp_path / "log", name="mine", store=tmp_path / "runs")


def test_hashes_in_place_of_texts(old: Path, tmp_path: Path) -> None:
    path = table(tmp_path / "private.csv", lambda i: True, prediction=lambda i: f"secret {i}")
    (one,) = import_runs(path, name="mine", text=False)
    assert not read_spec(one.path).text
    stored = b"".join(file.read_bytes() for file in Path("reports/runs").rglob("*.parquet"))
    assert b"secret" not in stored
    assert b"What is" not in stored


# ── any bytes ────────────────────────────────────────────────────────────────────────────────────

ENDINGS = (
    "a.csv",
    "a.tsv",
    "a.jsonl",
    "a.parquet",
    "a.json",
    "a.eval",
    "samples_a_2025.jsonl",
    "a_samples.jsonl",
)
WHOLE = (
    b'{"id": 1, "correct": true, "prediction": "4", "target": "4"}\n{"id": 2, "correct": false}\n',
    b"id,question,target,prediction\n1,Q,4,4\n2,R,5,\n",
    b'{"doc_id": 0, "doc": {"q": "a"}, "target": "1", "arguments": [["a"]], "resps": [["1"]], '
    b'"filtered_resps": ["1"], "acc": 1.0}\n',
    b'{"version": 2, "status": "success", "eval": {"task": "t", "model": "m"}, "samples": []}',
    b'{"schema_version": "0.3.0", "evaluation_id": "e", "evaluation_results": []}',
)


def mutated(whole: bytes, seed: int) -> bytes:
    """`whole` with a few bytes changed, cut or doubled."""
    rng, content = random.Random(seed), bytearray(whole)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(content) or 1)
        match rng.randrange(3):
            case 0 if content:
                content[place] = rng.randrange(256)
            case 1:
                content = content[:place] + content[place + rng.randrange(9) :]
            case _:
                content = content[:place] + content[max(0, place - 9) : place] + content[place:]
    return bytes(content)


def contents() -> st.SearchStrategy[bytes]:
    changed = st.builds(mutated, st.sampled_from(WHOLE), st.integers(0, 10**6))
    return st.one_of(st.binary(max_size=200), changed, st.sampled_from(WHOLE))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(ENDINGS), content=contents())
def test_any_bytes_give_a_run_or_a_clear_error(name: str, content: bytes, tmp_path: Path) -> None:
    store = Store(tmp_path / "fuzzed")
    path = tmp_path / name
    path.write_bytes(content)
    before = kept(store.root)
    try:
        found = import_runs(path, name="m", store=store.root)
    except RegressError:
        assert kept(store.root) == before, "nothing is half-written"
    else:
        assert all(read_run(one.path).predictions.num_rows for one in found)


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.glob("*/.import-*")), "what an import needed on the way is gone"


def test_a_model_is_asked_what_the_answers_of_others_are_to(world: Path, command: Any) -> None:
    """Its other tasks are left alone, and items come from where they come for that model alone."""
    given = ("--engine", "scripted", "--data", "data")
    assert command("evaluate", "new.jsonl", "--tasks", "piqa,gsm8k", *given).code == 0
    assert command("evaluate", "old.jsonl", "--tasks", "piqa", *given).code == 0
    (exported,) = export_runs("old.jsonl", formats=["parquet"], out=world / "out")
    import_runs(exported, name="theirs")
    for old in (str(exported), "theirs"):
        compared = command("compare", old, "new.jsonl", *given, "--json")
        assert compared.code == 0, compared.err
        assert [row["task"]["name"] for row in json.loads(compared.out)["tasks"]] == ["piqa"]


def test_what_others_recorded_does_not_send_a_demo_model_to_the_hub(tmp_path: Path, monkeypatch: Any) -> None:
    """The demo's items are asked of a demo model, whatever it is compared with."""
    monkeypatch.chdir(tmp_path)
    asked: list[Any] = []

    def known(name: str, settings: Any, *_: Any) -> None:
        asked.append(settings.data)
        raise UsageError("enough")

    monkeypatch.setattr(stored, "by_signature", known)
    answers = table(tmp_path / "answers.csv", lambda i: True)
    import_runs(answers, name="theirs", task="piqa")
    for old in (str(answers), "theirs"):
        with pytest.raises(UsageError, match="enough"):
            compare(old, "demo-v1", tasks="piqa")
    assert asked == ["demo", "demo"]
