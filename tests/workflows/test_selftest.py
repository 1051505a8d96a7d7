"""The self test finds what is known, and says so when something is broken: each kind of oracle can fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from regress.changes import Fact, OracleResult
from regress.errors import DataError, MissingExtra, UnknownName, UpdateError
from regress.types import Logprob
from regress.workflows.progress import Advanced, Started
from regress.workflows.selftest import run
from regress.workflows.selftest.facts import above, at_least, below, equal, rising
from regress.workflows.selftest.material import ITEMS
from regress.workflows.selftest.oracle import Oracle
from regress.workflows.selftest.registry import ORACLES
from regress.workflows.selftest.run import selftest

pytestmark = pytest.mark.models

SLOW = pytest.mark.slow
Break = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few items: what is known does not depend on how many there are, but for the gate."""
    for task, number in {"pronouns": 60, "piqa": 8, "hellaswag": 4, "gsm8k": 2, "samsum": 2}.items():
        monkeypatch.setitem(ITEMS, task, number)  # type: ignore[arg-type]


def wrong(result: OracleResult) -> set[str]:
    return {fact.what for fact in result.facts if not fact.holds}


# ── what is known is found ───────────────────────────────────────────────────────────────────────


def test_an_oracle_of_each_kind_finds_what_is_known(few: None, here: Path, watched: Any) -> None:
    """Nothing changes, what changes follows by hand, and what is true of any comparison."""
    found = selftest(only=["I-3", "II-2", "II-9"], progress=watched)
    assert [(one.number, one.stopped, wrong(one)) for one in found.results] == [
        ("I-3", None, set()),
        ("II-2", None, set()),
        ("II-9", None, set()),
    ]
    assert found.ok
    assert watched.of(Started)[0].total == 3
    assert [event.done for event in watched.of(Advanced)] == [1, 2, 3]


KINDS = ("I", "II", "III", "G")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_all_oracles_find_what_is_known(kind: str, command: Callable[..., Any], here: Path) -> None:
    """Kind by kind, as the whole takes minutes."""
    numbers = [oracle.number for oracle in ORACLES if oracle.number.partition("-")[0] == kind]
    outcome = command("selftest", "--json", "--only", ",".join(numbers))
    document = json.loads(outcome.out)
    otherwise = [
        (oracle["number"], oracle["stopped"], fact)
        for oracle in document["oracles"]
        for fact in oracle["facts"] or [None]
        if oracle["stopped"] or not fact["holds"]
    ]
    assert otherwise == []
    assert [oracle["number"] for oracle in document["oracles"]] == numbers
    assert (outcome.code, document["ok"]) == (0, True)


# ── what is broken is noticed ────────────────────────────────────────────────────────────────────


def noisy_engine(size: float) -> Break:
    """Every log-probability is off by a little, otherwise each time."""

    def broken(monkeypatch: pytest.MonkeyPatch) -> None:
        import numpy as np

        from regress.engines.harness import HarnessEngine

        answer, rng = HarnessEngine.answer, np.random.default_rng(0)

        def off(one: Any) -> Any:
            return replace(one, value=one.value + rng.normal(0, size)) if isinstance(one, Logprob) else one

        def answered(self: Any, requests: Any) -> Any:
            return [[off(one) for one in group] for group in answer(self, requests)]

        monkeypatch.setattr(HarnessEngine, "answer", answered)

    return broken


def item_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    from regress.tasks import sources

    read = sources.read_items
    monkeypatch.setattr(sources, "read_items", lambda file: read(file)[:-1])


def misaligned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new side's answers stand one row further down."""
    import pyarrow as pa

    from regress import pairing

    align = pairing._align

    def shifted(old: Any, new: Any) -> Any:
        before, after = align(old, new)
        for column in ("output", "answer", "correct", "score"):
            values = after[column].combine_chunks()
            moved = pa.concat_arrays([values.slice(1), values.slice(0, 1)])
            after = after.set_column(after.column_names.index(column), after.field(column), moved)
        return before, after

    monkeypatch.setattr(pairing, "_align", shifted)


def rates_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    from regress.metrics import flips

    monkeypatch.setattr(flips, "nfr", flips.pfr)


def swap_that_swaps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from regress.updates.claims import OTHER
    from regress.updates.steps.edit import Edit

    monkeypatch.setattr(Edit, "_swap", lambda self, draft: (draft, OTHER))


def gain_that_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    from regress.updates.claims import ARGMAX
    from regress.updates.steps.edit import Edit

    monkeypatch.setattr(Edit, "_gain", lambda self, draft: (draft, ARGMAX))


def levels_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    from regress.updates.steps import quantize

    monkeypatch.setattr(quantize, "_symmetric", lambda rows, bits: rows)


def blind_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    from regress.updates import verifier
    from regress.workflows.selftest import reckoned

    monkeypatch.setattr(verifier, "_violated", lambda *_, **__: None)
    monkeypatch.setattr(reckoned, "BUGS", dict(list(reckoned.BUGS.items())[:1]))


@pytest.mark.parametrize(
    ("broken", "number", "otherwise"),
    [
        pytest.param(noisy_engine(3.0), "I-1", "answers that changed", id="noise that flips answers"),
        pytest.param(noisy_engine(1e-9), "I-1", "answers with any other bit", id="a ninth digit"),
        pytest.param(item_lost, "II-2", "instances paired", id="an item that is lost"),
        pytest.param(
            misaligned, "I-3", "answers that changed", id="rows that do not belong together", marks=SLOW
        ),
        pytest.param(
            misaligned, "II-2", "new answers other than reckoned", id="the same, by hand", marks=SLOW
        ),
        pytest.param(rates_exchanged, "II-2", "NFR", id="a wrong rate, by hand"),
        pytest.param(rates_exchanged, "II-9", "NFR is PFR the other way round", id="a wrong rate"),
        pytest.param(swap_that_swaps_nothing, "II-2", "flip table", id="an update that does nothing"),
        pytest.param(gain_that_is_ignored, "II-1", "KLD", id="another that does nothing", marks=SLOW),
        pytest.param(blind_verifier, "II-8", "refused", id="a verifier that lets all pass"),
        pytest.param(levels_forgotten, "III-1", "KLD", id="a harm that does not grow", marks=SLOW),
    ],
)
def test_what_is_broken_is_noticed(
    broken: Break, number: str, otherwise: str, few: None, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    found = selftest(only=[number])
    (result,) = found.results
    assert result.stopped is None
    assert otherwise in wrong(result)
    assert not found.ok


@pytest.mark.parametrize(("outcome", "number"), [("fail", "G-1"), ("pass", "G-2")])
def test_a_gate_that_always_says_the_same_is_noticed(
    outcome: Any, number: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regress.workflows import gate

    judge = gate.judge
    monkeypatch.setattr(gate, "judge", lambda *given, **more: replace(judge(*given, **more), outcome=outcome))
    (result,) = selftest(only=[number]).results
    assert {"verdict", "exit code"} <= wrong(result)


# ── how it is carried out ────────────────────────────────────────────────────────────────────────


def oracles(monkeypatch: pytest.MonkeyPatch, **facts: Callable[[Any], Iterator[Fact]]) -> None:
    """Oracles that need no model, in place of the real ones; the first is quick."""
    made = [
        Oracle(number=number, name=f"what {number} does", facts=each, quick=not place)
        for place, (number, each) in enumerate(facts.items())
    ]
    monkeypatch.setattr(run, "ORACLES", tuple(made))


def right(bench: Any) -> Iterator[Fact]:
    yield equal("lost answers", 0, 0)


def otherwise(bench: Any) -> Iterator[Fact]:
    yield equal("lost answers", 0, 0)
    yield equal("won answers", 2, 3)


def stopping(bench: Any) -> Iterator[Fact]:
    yield equal("lost answers", 0, 0)
    raise DataError("the items are gone")


def test_an_oracle_that_breaks_off_is_not_as_known_and_others_go_on(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracles(monkeypatch, A=stopping, B=right)
    stopped, fine = selftest().results
    assert (stopped.stopped, len(stopped.facts), stopped.ok) == ("the items are gone.", 1, False)
    assert fine.ok


def test_what_cannot_be_run_at_all_is_no_finding(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(bench: Any) -> Iterator[Fact]:
        raise MissingExtra("a self test", "models", "torch")
        yield

    oracles(monkeypatch, A=missing)
    with pytest.raises(MissingExtra):
        selftest()


def test_the_configuration_here_is_not_in_force(
    few: None, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "regress.toml").write_text('[aliases]\ndemo-v2 = "nowhere"\n[defaults]\nlimit = 1\n')
    monkeypatch.setenv("REGRESS_STORE", str(here / "mine"))
    assert selftest(only=["II-2"]).ok
    assert Path.cwd() == here
    assert not (here / "mine").exists()


def test_quick_and_only_choose(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oracles(monkeypatch, A=right, B=right, C=right)
    assert [one.number for one in selftest(quick=True).results] == ["A"]
    assert [one.number for one in selftest(only=["C", "B"]).results] == ["B", "C"]
    with pytest.raises(UnknownName, match="unknown oracle 'D'"):
        selftest(only=["D"])


def test_models_and_runs_are_kept_where_asked_and_else_deleted(
    here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    oracles(monkeypatch, A=right)
    assert selftest().kept is None
    assert list(temporary.iterdir()) == []
    assert selftest(keep="kept").kept == "kept"
    assert (here / "kept" / "items" / "piqa" / "validation.jsonl").is_file()
    with pytest.raises(UpdateError, match="kept is not empty"):
        selftest(keep="kept")


@pytest.mark.parametrize(("facts", "code"), [(right, 0), (otherwise, 70), (stopping, 70)])
def test_the_exit_code_is_0_or_that_of_a_bug(
    facts: Any, code: int, here: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., Any]
) -> None:
    oracles(monkeypatch, A=facts)
    assert command("selftest").code == code
    outcome = command("selftest", "--json")
    assert (outcome.code, json.loads(outcome.out)["ok"]) == (code, code == 0)


def test_an_oracle_without_facts_shows_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oracles(monkeypatch, A=lambda bench: iter(()))
    assert not selftest().ok


def test_every_oracle_has_a_number_of_its_own_and_some_are_quick() -> None:
    numbers = [oracle.number for oracle in ORACLES]
    assert len(set(numbers)) == len(numbers)
    assert {number.partition("-")[0] for number in numbers} == set(KINDS)
    quick = {oracle.number.partition("-")[0] for oracle in ORACLES if oracle.quick}
    assert quick == {"I", "II", "G"}


# ── facts ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fact",
    [
        equal("n", float("nan"), float("nan")),
        equal("n", 1e-9, 0.0),
        equal("n", (1, 2), (2, 1)),
        below("n", float("nan"), 1.0),
        below("n", 1.0, 1.0),
        above("n", float("nan"), 0.0),
        at_least("n", float("nan"), 0.0),
        rising("n", {"a": 1.0, "b": float("nan")}),
        rising("n", {"a": 1.0}),
        rising("n", {"a": 2.0, "b": 1.0}),
    ],
)
def test_what_is_undefined_or_otherwise_does_not_hold(fact: Fact) -> None:
    assert not fact.holds
