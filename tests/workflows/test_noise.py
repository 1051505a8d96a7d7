"""`regress.noise`: the same model again under changes that should not matter, stored and never repeated."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import regress
from regress.definitions.yaml_files import tasks_folder
from regress.demo.pair import items_folder
from regress.engines.limits import batch_size
from regress.engines.scripted import open_table
from regress.errors import NotComparable, UnknownName, UsageError
from regress.store.runs import Store, read_run
from regress.types import EngineSpec, Generation, Logprob, Notice, Text
from regress.workflows import evaluate as evaluation
from regress.workflows import noise as workflow
from regress.workflows import padding as padding_workflow
from regress.workflows.floors import noise_floors
from regress.workflows.padding import spread
from regress.workflows.progress import Advanced, Finished


class Batched:
    """Like a model under lm-eval: it is loaded, has a batch size, a seed, a device and a weight type.

    `quirk(batch_size, seed, response)` may change an answer. With `bug`, padding costs the shorter
    questions of a batch likelihood.
    """

    chat = None
    loaded: set[int] = set()  # noqa: RUF012 - how many hold a model at once
    most_loaded = 0

    def __init__(
        self, name: str, settings: Any, *, quirk: Any, bug: bool, hidden: bool, samples: str
    ) -> None:
        self._table, self._settings = open_table(name), settings
        self._quirk, self._bug, self._samples = quirk, bug, samples
        changes: dict[str, Any] = {"dtype": settings.dtype or "bfloat16"}
        self.model = dataclasses.replace(
            self._table.model, **changes, **({"fingerprint": None} if hidden else {})
        )
        self.asked: list[str] = []

    def spec(self, task: Any) -> EngineSpec:
        seed = {"seed": self._settings.seed} if task.name == self._samples else {}
        return EngineSpec(name="batched", version="1", batch_size=self._settings.batch_size, settings=seed)

    def recorded(self) -> Mapping[str, Any]:
        return {"device": self._settings.device or "cpu", "gpu": None}

    def load(self) -> None:
        pass

    def answer(self, requests: Sequence[Sequence[Any]]) -> list[list[Any]]:
        Batched.loaded.add(id(self))
        Batched.most_loaded = max(Batched.most_loaded, len(Batched.loaded))
        self.asked += [_prompt(group[0]) for group in requests]
        answers = [list(map(self._quirked, group)) for group in self._table.answer(requests)]
        return self._padded(requests, answers) if self._bug else answers

    def _quirked(self, response: Any) -> Any:
        return self._quirk(self._settings, response) if self._quirk else response

    def _padded(self, requests: Any, answers: list[list[Any]]) -> list[list[Any]]:
        flat = [(place, request) for place, group in enumerate(requests) for request in group]
        size, out = batch_size(self._settings), iter([one for group in answers for one in group])
        told: list[list[Any]] = [[] for _ in requests]
        for first in range(0, len(flat), size):
            batch = flat[first : first + size]
            longest = max(len(_prompt(request)) for _, request in batch)
            for place, request in batch:
                response = next(out)
                if isinstance(response, Logprob):
                    pads = longest - len(_prompt(request))
                    response = dataclasses.replace(response, value=response.value - 0.125 * pads)
                told[place].append(response)
        return told

    def state(self) -> dict[str, Any]:
        return {}

    def resume(self, state: Any) -> None:
        pass

    def close(self) -> None:
        Batched.loaded.discard(id(self))


def _prompt(request: Any) -> str:
    if isinstance(request, Generation):
        return request.prompt
    return str(request.context + request.continuation)


@pytest.fixture
def batched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Batched]]:
    """Put `Batched` engines in place of lm-eval's; gives those that were opened."""

    def put(
        quirk: Any = None, *, bug: bool = False, hidden: bool = False, samples: str = ""
    ) -> list[Batched]:
        opened: list[Batched] = []
        Batched.loaded, Batched.most_loaded = set(), 0

        def opening(name: str, settings: Any, aliases: Any) -> Batched:
            opened.append(Batched(name, settings, quirk=quirk, bug=bug, hidden=hidden, samples=samples))
            return opened[-1]

        for module in (evaluation, workflow, padding_workflow):
            monkeypatch.setattr(module, "open_engine", opening)
        for module in (evaluation, workflow):
            monkeypatch.setattr(module, "check_engine", lambda *_: None)
        return opened

    return put


@pytest.fixture
def how(ask) -> dict[str, Any]:
    """How everything is asked here: of engines that choose a weight type."""
    return {**ask, "engine": "hf", "tasks": "piqa"}


def kept() -> dict[tuple[Any, ...], Any]:
    """The stored runs, by task, kind and number."""
    runs = [read_run(run.path) for run in Store("runs").runs()]
    return {(run.spec.task.name, run.spec.variation, run.spec.replica): run for run in runs}


# ── which reruns there are ───────────────────────────────────────────────────────────────────────


def test_by_default_two_reruns_one_other_batch_size_and_one_other_order(here, model, how, batched):
    batched()
    found = regress.noise(model("mine.jsonl", piqa={0, 1}), **how)
    assert set(kept()) == {
        ("piqa", None, 0),
        ("piqa", "rerun", 1),
        ("piqa", "rerun", 2),
        ("piqa", "batch", 1),
        ("piqa", "order", 1),
    }
    (task,) = found.tasks
    assert {path for moved in task.kinds.values() for path in moved.paths} == {
        run.path for (_, kind, _), run in kept().items() if kind
    }
    assert {kind: moved.runs for kind, moved in task.kinds.items()} == {"rerun": 3, "batch": 2, "order": 2}
    assert {kind: rows.correct.shape for kind, rows in task.floor.reruns.items()} == {
        "rerun": (3, 8),
        "batch": (2, 8),
        "order": (2, 8),
    }
    assert task.notices == ()


def test_what_is_stored_is_not_run_again_and_more_reruns_add_only_what_is_missing(
    here, model, how, batched, watched
):
    batched()
    name = model("mine.jsonl", piqa={0, 1})
    (path,) = regress.evaluate(name, **how)
    first = regress.noise(name, progress=watched, **how)
    assert (name, "piqa") in watched.reused  # the run itself
    watched.clear()
    assert regress.noise(name, progress=watched, **how).document() == first.document()
    assert watched.of(Advanced) == []
    regress.noise(name, kinds="rerun", reruns=3, progress=watched, **how)
    assert {event.model for event in watched.of(Finished)} == {"mine.jsonl (rerun 3)"}
    assert first.tasks[0].path == str(path)


def test_batch_sizes_are_double_half_triple(here, model, how, batched):
    batched()
    regress.noise(model("mine.jsonl"), kinds=["batch"], reruns=3, batch_size=4, **how)
    sizes = {number: run.spec.engine.batch_size for (_, _, number), run in kept().items()}
    assert sizes == {0: 4, 1: 8, 2: 2, 3: 12}


@pytest.mark.parametrize("chunk_size", [3, 128])
def test_in_another_order_instances_have_other_neighbours_and_rows_their_old_places(
    here, model, how, batched, chunk_size
):
    """Also where one chunk could hold all: an engine may sort what it is asked together."""
    opened = batched()
    name = model("mine.jsonl", piqa={0, 3, 4})
    regress.evaluate(name, **{**how, "chunk_size": chunk_size})
    regress.noise(name, kinds="order", reruns=2, **{**how, "chunk_size": chunk_size})
    runs = kept()
    base = runs["piqa", None, 0].predictions
    for number in (1, 2):
        assert runs["piqa", "order", number].predictions.equals(base)
    straight, shuffled = [one.asked for one in opened if one.asked and one.model.dtype == "bfloat16"]
    first, second = shuffled[:8], shuffled[8:]
    assert sorted(first) == sorted(second) == sorted(straight)
    half = chunk_size if chunk_size < 8 else 4
    assert len({frozenset(asked[:half]) for asked in (straight, first, second)}) == 3


def test_where_answers_are_sampled_they_are_with_other_seeds_of_the_same_items(here, model, how, batched):
    """The seed also draws the sample of items, which must stay."""
    batched(samples="gsm8k")
    how["tasks"] = "piqa,gsm8k"
    found = regress.noise(model("mine.jsonl"), sample=3, seed=7, **how)
    runs = kept()
    seeds = {key[1:]: run.spec.engine.settings["seed"] for key, run in runs.items() if key[0] == "gsm8k"}
    assert seeds == {
        (None, 0): 7,
        ("rerun", 1): 7,
        ("rerun", 2): 7,
        ("batch", 1): 7,
        ("order", 1): 7,
        ("seed", 1): 8,
        ("seed", 2): 9,
    }
    assert len({run.spec.ids for key, run in runs.items() if key[0] == "gsm8k"}) == 1
    assert ["seed" in task.kinds for task in found.tasks] == [False, True]
    assert found.tasks[0].notices == ()  # nobody asked for it


# ── what would change nothing ────────────────────────────────────────────────────────────────────


def test_another_seed_of_greedy_answers_is_refused_before_anything_runs(here, model, how, batched):
    batched()
    with pytest.raises(UsageError, match=r"another seed would change nothing: no answer to piqa is sampled"):
        regress.noise(model("mine.jsonl"), kinds="rerun,seed", **how)
    assert kept() == {}


def test_where_some_answers_are_sampled_the_others_are_said(here, model, how, batched):
    batched(samples="gsm8k")
    found = regress.noise(model("mine.jsonl"), kinds="seed", **{**how, "tasks": "piqa,gsm8k"})
    piqa, gsm8k = found.tasks
    assert Notice(code="changes-nothing", data={"kind": "seed"}) in piqa.notices
    assert Notice(code="few-reruns", data={"runs": 1, "minimum": 3}) in piqa.notices
    assert (piqa.kinds, gsm8k.kinds["seed"].runs) == ({}, 3)
    assert [notice.code for notice in gsm8k.notices] == ["padding-no-questions"]  # the table has no values


def test_an_engine_without_batches_is_run_again_all_the_same_and_that_is_said(model, ask):
    found = regress.noise(model("mine.jsonl", piqa={1}), tasks="piqa", **ask)
    (task,) = found.tasks
    assert set(task.kinds) == {"rerun", "order"}
    assert [notice.code for notice in task.notices] == ["changes-nothing", "padding-no-dtype"]
    with pytest.raises(UsageError, match="another batch size would change nothing: engine scripted has none"):
        regress.noise("mine.jsonl", tasks="piqa", kinds="batch", **ask)


def test_other_hardware_must_be_other_hardware(here, model, how, batched):
    batched()
    name = model("mine.jsonl", piqa={1})
    with pytest.raises(UsageError, match="no run of piqa yet"):
        regress.noise(name, kinds="hardware", **how)
    regress.evaluate(name, **how)
    with pytest.raises(UsageError, match="was made on cpu, and its rerun would be too"):
        regress.noise(name, kinds="hardware", **how)
    found = regress.noise(name, kinds="hardware", device="cuda", **how)
    assert found.tasks[0].kinds["hardware"].runs == 2
    assert kept()["piqa", "hardware", 1].manifest.recorded["device"] == "cuda"
    again = regress.noise(name, kinds="hardware", **how).tasks[0]  # it is stored, so nothing would be run
    assert (again.kinds["hardware"].runs, len(again.notices)) == (2, 1)
    assert again.notices[0].code == "few-reruns"
    with pytest.raises(UsageError, match="made on cpu"):
        regress.noise(name, kinds="hardware", reruns=2, **how)


def test_a_rerun_that_changed_the_device_too_is_said(model, how, batched):
    """The device is not keyed: a run from elsewhere counts, and its reruns are made where one is."""
    batched()
    name = model("mine.jsonl", piqa={1})
    regress.evaluate(name, device="cuda", **how)
    (task,) = regress.noise(name, kinds="rerun", **how).tasks
    (notice,) = task.notices
    assert notice == Notice(code="rerun-elsewhere", data={"kind": "rerun", "run": "cuda", "rerun": "cpu"})


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"kinds": "rerun,bach"}, UnknownName, "unknown kind of rerun 'bach'; did you mean 'batch'"),
        ({"kinds": ""}, UsageError, "no kind of rerun was given"),
        ({"reruns": 0}, UsageError, "reruns is 0"),
        ({"btach_size": 3}, UnknownName, "unknown setting 'btach_size'"),
    ],
)
def test_a_slip_is_refused_before_anything_runs(here, model, ask, asked, error, said):
    with pytest.raises(error, match=said):
        regress.noise(model("mine.jsonl"), **{**ask, "tasks": "piqa", **asked})
    assert kept() == {}


# ── what reruns move ─────────────────────────────────────────────────────────────────────────────


def worse_in_large_batches(settings: Any, response: Any) -> Any:
    """At 16 in a batch, the model no longer sees that -1.0 is better: it takes the choice at -9."""
    large = settings.batch_size == 16 and isinstance(response, Logprob)
    return dataclasses.replace(response, value=-20.0) if large and response.value == -1.0 else response


def test_flips_and_the_floor_are_counted_by_kind(model, how, batched):
    batched(worse_in_large_batches)
    (task,) = regress.noise(model("mine.jsonl", piqa={0, 1}), **how).tasks
    same, batch = task.kinds["rerun"], task.kinds["batch"]
    # of 8 items two were right and six wrong, each by the choice that is now disliked
    assert (same.flips, same.nfr, same.identical, same.epsilon) == (0, 0, 1, 0)
    assert (batch.flips, batch.nfr, batch.identical) == (1, 0.5, 0)
    assert batch.epsilon == 19
    assert batch.capped
    json.dumps(task.kinds["order"].flips)


def other_words_by_seed(settings: Any, response: Any) -> Any:
    if isinstance(response, Text) and settings.seed % 2:
        return dataclasses.replace(response, text=" Ann greets")
    return response


def test_scores_are_said_to_move_by_how_much(model, how, batched):
    batched(other_words_by_seed, samples="samsum")
    name = model("mine.jsonl", samsum=range(4))
    (task,) = regress.noise(name, kinds="seed", reruns=1, seed=4, **{**how, "tasks": "samsum"}).tasks
    moved = task.kinds["seed"]
    rouge = read_run(moved.paths[0]).predictions["score"].to_pylist()
    assert (moved.moved, moved.moved_tau, moved.nfr, moved.identical) == (1, 1, 0.5, 0)
    assert moved.moved_95 == pytest.approx(1 - min(rouge))
    assert moved.flips != moved.flips  # not defined where nothing is right or wrong
    assert (
        regress.noise(name, kinds="rerun", seed=4, **{**how, "tasks": "samsum"}).document()["tasks"][0][
            "kinds"
        ]["rerun"]["flips"]
        is None
    )


# ── the padding check ────────────────────────────────────────────────────────────────────────────


def test_a_sound_engine_passes_in_float32_and_the_reruns_remember_it(here, model, how, batched):
    opened = batched()
    (task,) = regress.noise(model("mine.jsonl", piqa={1}), **how).tasks
    assert (task.floor.padding.n, task.floor.padding.largest, task.floor.padding.sound) == (16, 0, True)
    recorded = {key[1:]: run.manifest.recorded.get("padding") for key, run in kept().items()}
    assert recorded.pop((None, 0)) is None
    assert all(check["largest"] == 0 for check in recorded.values())
    checked = [one for one in opened if one.model.dtype == "float32"]
    assert [one._settings.batch_size for one in checked] == [1, 8]
    assert Batched.most_loaded == 1


def test_an_engine_that_pads_wrongly_is_found_and_named_as_the_culprit(
    here, model, how, batched, write_data, command
):
    """The last items are longer, so that the others are padded beside them."""
    write_data(here / "data", piqa=12)
    opened = batched(bug=True)
    name = model("mine.jsonl", n={"piqa": 12}, piqa={1})
    (task,) = regress.noise(name, **how).tasks
    assert not task.floor.padding.sound
    assert task.floor.padding.largest >= 0.125
    assert noise_floors({"piqa": task.path})["piqa"].padding == task.floor.padding
    before = len(opened)
    again = regress.noise(name, **how)
    assert again.document()["tasks"][0]["padding"]["sound"] is False
    assert [one for one in opened[before:] if one.asked] == []  # nothing was asked again
    asked = ("--data", "data", "--tasks", "piqa", "--store", "runs", "--chunk-size", "3")
    assert "THE ENGINE, NOT THE MODEL, IS AT FAULT" in command("noise", name, *asked).out


def test_a_written_answer_is_checked_by_its_reference(model, how, batched):
    opened = batched()
    name = model("mine.jsonl", gsm8k={1})
    (here := Path(name)).write_text(here.read_text() + '{"match": "", "logprob": -3.0}\n')
    (task,) = regress.noise(name, kinds="rerun", **{**how, "tasks": "gsm8k"}).tasks
    checked = [one.asked for one in opened if one.model.dtype == "float32"]
    assert all(asked[0].endswith("#### 1001") or "####" in asked[0][-9:] for asked in checked)
    assert [notice.code for notice in task.notices] == ["padding-no-questions"]  # the table has no values


def test_where_float32_cannot_be_run_the_reruns_are_made_all_the_same(model, how, batched, monkeypatch):
    def too_large(*_: Any) -> Any:
        raise UsageError("mine needs 60 GiB")

    batched()
    monkeypatch.setattr(padding_workflow, "open_engine", too_large)
    (task,) = regress.noise(model("mine.jsonl"), **how).tasks
    assert task.notices == (Notice(code="padding-failed", data={"why": "mine needs 60 GiB"}),)
    assert task.floor.padding is None
    assert len(task.kinds) == 3


def test_the_instances_of_the_check_are_of_all_lengths():
    assert spread(range(1000), range(1000, 0, -1), most=3) == [999, 500, 0]
    assert sorted(spread(range(7), [3] * 7)) == list(range(7))


# ── going on ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["rerun", "order", "batch"])
def test_an_interrupted_rerun_goes_on_and_ends_equal(here, model, how, batched, watched, kind):
    batched()
    name = model("mine.jsonl", piqa={0, 2})
    regress.noise(name, kinds=kind, reruns=1, **{**how, "store": "whole"})

    def interrupt(event: Any) -> None:
        if isinstance(event, Advanced) and event.done == 6 and kind in event.model:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        regress.noise(name, kinds=kind, reruns=1, progress=interrupt, **how)
    assert Batched.loaded == set()
    regress.noise(name, kinds=kind, reruns=1, progress=watched, **how)
    assert watched.begun == [(f"mine.jsonl ({kind} 1)", "piqa", 6)]
    for path in sorted(here.glob("whole/mine.jsonl/*/predictions.parquet")):
        assert (here / "runs" / path.relative_to(here / "whole")).read_bytes() == path.read_bytes()


# ── what the rest of regress makes of it ─────────────────────────────────────────────────────────


def test_a_model_whose_weights_are_hidden_is_run_again_as_it_was_called(here, model, how, batched, watched):
    """The run itself is taken as stored, or each call would ask for another."""
    batched(hidden=True)
    name = model("mine.jsonl", piqa={1})
    regress.noise(name, kinds="rerun", **how)
    found = regress.noise(name, kinds="rerun", progress=watched, **how)
    assert watched.of(Advanced) == []
    assert found.tasks[0].kinds["rerun"].runs == 3
    assert set(kept()) == {("piqa", None, 0), ("piqa", "rerun", 1), ("piqa", "rerun", 2)}


def test_whoever_looks_for_a_run_does_not_find_its_reruns(here, model, ask, watched):
    """By key, by folder, by name: the reruns are there, and are not meant."""
    old, new = model("old.jsonl", piqa={0, 1}), model("new.jsonl", piqa={1, 2})
    (path,) = regress.evaluate(old, tasks="piqa", **ask)
    regress.noise(old, tasks="piqa", **ask)
    assert regress.evaluate(old, tasks="piqa", progress=watched, **ask) == [path]
    regress.evaluate(new, tasks="piqa", **ask)
    by_folder = regress.compare("runs/old.jsonl", "runs/new.jsonl", **ask)
    (here / "old.jsonl").unlink()
    by_name = regress.compare("old.jsonl", new, tasks="piqa", **ask)
    for comparison in (by_folder, by_name):
        assert Path(comparison.tasks[0].old_path) == Path(path)


def test_a_rerun_is_not_passed_off_as_its_run(model, how, batched, monkeypatch):
    """It is not signed, as the run itself is; but it says how it was asked."""
    batched()
    monkeypatch.setattr(evaluation, "signature", lambda *_: "signed")
    regress.noise(model("mine.jsonl"), kinds="rerun", reruns=1, **how)
    recorded = {kind: run.manifest.recorded for (_, kind, _), run in kept().items()}
    assert {kind: each.get("signature") for kind, each in recorded.items()} == {None: "signed", "rerun": None}
    assert recorded["rerun"]["asked"] == recorded[None]["asked"]


def test_a_rerun_named_by_path_is_compared_with_its_run(here, model, ask):
    found = regress.noise(model("mine.jsonl", piqa={1}), tasks="piqa", **ask)
    rerun = found.tasks[0].kinds["rerun"].paths[0]
    comparison = regress.compare(found.tasks[0].path, rerun, **ask)
    counts = comparison.tasks[0].counts
    assert counts.negative_flips == counts.positive_flips == 0
    told = [*comparison.warnings, *comparison.tasks[0].warnings]
    differing = [notice.data["field"] for notice in told if notice.code == "setting-differs"]
    assert differing == ["variation", "replica"]


def test_a_rerun_that_does_not_fit_is_an_error_of_noise_too(model, ask):
    found = regress.noise(model("mine.jsonl"), tasks="piqa", **ask)
    (Path(found.tasks[0].kinds["order"].paths[0]) / "predictions.parquet").write_bytes(b"")
    with pytest.raises(NotComparable, match="cannot be used beside its run"):
        regress.noise("mine.jsonl", tasks="piqa", **ask)


# ── the command line ─────────────────────────────────────────────────────────────────────────────

ASK = ("--engine", "scripted", "--data", "data", "--tasks", "piqa,samsum", "--store", "runs")


def test_the_command_prints_a_table_or_json(model, command):
    name = model("mine.jsonl", piqa={1}, samsum={1})
    shown = command("noise", name, *ASK)
    assert shown.code == 0, shown.err
    assert "mine.jsonl against itself" in shown.out
    document = json.loads(command("noise", name, "--kinds", "order", "--reruns", "2", "--json", *ASK).out)
    assert [task["task"] for task in document["tasks"]] == ["piqa", "samsum"]
    assert {task["kinds"]["order"]["runs"] for task in document["tasks"]} == {3}
    assert document["tasks"][0]["kinds"]["order"]["moved"] is None


def test_reruns_are_listed_as_what_they_are(model, command):
    command("noise", model("mine.jsonl"), *ASK)
    listed = command("runs", "--store", "runs").out
    for mark in ("piqa (rerun 1)", "piqa (rerun 2)", "samsum (order 1)"):
        assert mark in listed


def test_a_slip_on_the_command_line_is_two(model, command):
    outcome = command("noise", model("mine.jsonl"), "--kinds", "order,rerum", *ASK)
    assert outcome.code == 2
    assert "did you mean 'rerun'" in outcome.err


# ── a real engine ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.models
def test_the_built_in_model_is_the_same_again_and_its_engine_pads_soundly(tmp_path):
    store = tmp_path / "runs"
    found = regress.noise("demo-v1", tasks="piqa,gsm8k", limit=12, store=store, reruns=1)
    for task in found.tasks:
        assert set(task.kinds) == {"rerun", "order", "batch"}
        assert (task.kinds["rerun"].flips, task.kinds["rerun"].identical) == (0, 1)
        assert task.floor.padding.sound
        assert 0 < task.floor.padding.largest < 1e-3


@pytest.mark.models
def test_another_seed_samples_other_answers_to_the_same_items(tmp_path):
    """Through lm-eval's own `hf`; the same seed again gives the same answers."""
    definition = tmp_path / "sampled.yaml"
    definition.write_text(
        f"include: {tasks_folder() / 'gsm8k' / 'gsm8k.yaml'}\n"
        "task: sampled\n"
        "generation_kwargs: {do_sample: true, temperature: 1.5, until: ['Question:'], max_gen_toks: 24}\n"
    )
    items = items_folder() / "gsm8k"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sampled").symlink_to(items)
    asked = {"tasks": str(definition), "data": tmp_path / "data", "limit": 4, "store": tmp_path / "runs"}
    (task,) = regress.noise("demo-v1", kinds="rerun,seed", reruns=1, **asked).tasks
    assert task.kinds["rerun"].identical == 1
    assert task.kinds["seed"].identical < 1
