"""Class I: updates that provably change nothing: whatever the harness finds changed is its own doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from regress.changes import Fact
from regress.demo.pair import model_folder
from regress.workflows.selftest.alone import largest_change
from regress.workflows.selftest.bench import OLD, Bench, compared, named
from regress.workflows.selftest.facts import above, at_least, below, equal
from regress.workflows.selftest.oracle import nothing_differs, nothing_flipped

Facts = Callable[[Bench], Iterator[Fact]]

NOTHING = 1e-9
"""Nats a token: less is rounding."""
NEARLY_ALL = 0.99
"""Share of positions that rounding must leave certified."""
CONTEXT, ROUNDED = 1024, 1e-3
"""Longest text in tokens that the demo models are for; the most that rounding changes a logit of theirs."""


def again(bench: Bench) -> Iterator[Fact]:
    """The same checkpoint asked twice: every bit; one question at a time: every answer."""
    first, second = bench.answers(OLD), bench.answers(OLD, time=2)
    yield from nothing_flipped(compared(first, second), case="again")
    yield from nothing_differs(compared(first, second), case="again")
    alone = bench.answers(OLD, batch_size=1)
    yield from nothing_flipped(compared(first, alone), case="one at a time")


def same(*recipes: tuple[str, ...]) -> Facts:
    """Recipes that keep the function up to rounding."""

    def facts(bench: Bench) -> Iterator[Fact]:
        for steps in recipes:
            case, update = named(*steps), bench.update(*steps)
            yield equal("claim", update.claim, "same", case=case)
            yield at_least("certified positions", update.check.certified, NEARLY_ALL, case=case, unit="share")
            yield below("KLD", bench.kld(update.path), NOTHING, case=case, unit="nats")
            yield from nothing_flipped(bench.compared(update.path), case=case)

    return facts


def identical(*recipes: tuple[str, ...]) -> Facts:
    """Recipes that keep every bit."""

    def facts(bench: Bench) -> Iterator[Fact]:
        for steps in recipes:
            case, update = named(*steps), bench.update(*steps)
            yield equal("claim", update.claim, "identical", case=case)
            yield equal("logits the same bit for bit", update.check.identical, True, case=case)
            yield equal("KLD", bench.kld(update.path), 0.0, case=case, unit="nats")
            yield from nothing_flipped(bench.compared(update.path), case=case)
            yield from nothing_differs(bench.compared(update.path), case=case)

    return facts


def stored(*recipes: tuple[str, ...]) -> Facts:
    """Models that compute, loaded from disk, what the same tensors do that never were there."""

    def facts(bench: Bench) -> Iterator[Fact]:
        for steps in recipes:
            check, case = bench.update(*steps).check, named(*steps)
            yield equal("the same bits from disk", bool(check.round_trip), True, case=case)
            yield equal("written alike with a cache", check.generation, True, case=case)

    return facts


def beside_itself(bench: Bench) -> Iterator[Fact]:
    """A model that answers together with itself, by the mean and by the product of probabilities."""
    for by in ("mean", "product"):
        step = f"ensemble:others=[{OLD}],by={by}"
        yield from nothing_flipped(bench.compared(bench.made(step)), case=step)


def kernels(bench: Bench) -> Iterator[Fact]:
    """Attention computed another way, by another engine; and the harness's own engine beside lm-eval's."""
    runs = {
        way: bench.answers(OLD, engine="hf", engine_args={"attn_implementation": way})
        for way in ("eager", "sdpa")
    }
    yield from nothing_flipped(compared(runs["eager"], runs["sdpa"]), case="eager, then sdpa")
    yield from nothing_flipped(compared(bench.answers(OLD), runs["sdpa"]), case="engine local, then hf")


def reach(bench: Bench) -> Iterator[Fact]:
    """A limited look back, or other frequencies for long texts: the same inside, another function beyond."""
    window = 64
    steps = ("port:to=mistral", f"extend:window={window}")
    case, model = named(*steps), bench.made(*steps)
    yield below("KLD of texts inside", bench.kld(model, window=window), NOTHING, case=case, unit="nats")
    yield above("KLD of longer texts", bench.kld(model, window=4 * window), NOTHING, case=case, unit="nats")
    yield from same(("extend:rope=dynamic,factor=2",))(bench)
    case, model = "extend:rope=dynamic,factor=2", bench.made("extend:rope=dynamic,factor=2")
    old = model_folder(OLD)
    inside, beyond = (largest_change(old, Path(model), length) for length in (CONTEXT, CONTEXT + 64))
    yield below("largest change of a logit inside", inside, ROUNDED, case=case)
    yield above("largest change of a logit beyond", beyond, ROUNDED, case=case)
