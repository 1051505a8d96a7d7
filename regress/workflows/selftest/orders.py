"""Class III: more of the same does more harm; how much is not known, which is more is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from regress.changes import Fact
from regress.workflows.selftest.bench import Bench
from regress.workflows.selftest.facts import below, rising
from regress.workflows.selftest.oracle import other_answers
from regress.workflows.selftest.unchanged import NOTHING


def bits(bench: Bench) -> Iterator[Fact]:
    """Weights of fewer and fewer bits."""
    yield _rising(bench, {f"int{bits}": f"quantize:bits={bits}" for bits in (8, 6, 5, 4, 3, 2)})


def sparsity(bench: Bench) -> Iterator[Fact]:
    """More and more of the smallest weights set to 0."""
    yield _rising(bench, {f"{share} %": f"prune:sparsity={share / 100:g}" for share in (10, 20, 30, 50)})


def maps(bench: Bench) -> Iterator[Fact]:
    """The whole stack twice does less harm than every layer twice in a row."""
    yield _rising(
        bench,
        {
            "identity": "layers:map=[0,1,2,3]",
            "stacked": "layers:map=[0,1,2,3,0,1,2,3]",
            "doubled": "layers:map=[0,0,1,1,2,2,3,3]",
        },
    )


def formats(bench: Bench) -> Iterator[Fact]:
    """bfloat16 rounds a scale of √½, and not one of ½: of a bfloat16 model, four times as wide is exact."""
    old = bench.made("cast:dtype=bfloat16", dtype="bfloat16")
    wide = {
        name: bench.kld(bench.made(f"grow:hidden={by}", old=old, dtype=dtype), old=old)
        for name, by, dtype in (
            ("twice, float32", "2x", "float32"),
            ("four times, bfloat16", "4x", "bfloat16"),
            ("twice, bfloat16", "2x", "bfloat16"),
        )
    }
    *exact, rounded = wide
    for name in exact:
        yield below("KLD", wide[name], NOTHING, case=name, unit="nats")
        yield rising("KLD", {name: wide[name], rounded: wide[rounded]}, unit="nats")


def noise(bench: Bench) -> Iterator[Fact]:
    """Louder and louder noise on all weights, in divergence and in answers."""
    made = {f"{share} %": bench.made(f"edit:noise={share / 100:g}") for share in (1, 3, 10)}
    yield rising("KLD", {name: bench.kld(model) for name, model in made.items()}, unit="nats")
    changed = {
        name: float(sum(other_answers(pairs).sum() for pairs in bench.compared(model).pairs.values()))
        for name, model in made.items()
    }
    yield rising("answers that changed", changed)


def _rising(bench: Bench, steps: Mapping[str, str]) -> Fact:
    return rising("KLD", {name: bench.kld(bench.made(step)) for name, step in steps.items()}, unit="nats")
