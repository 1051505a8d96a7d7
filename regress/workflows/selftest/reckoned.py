"""Class II: updates whose effect follows by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple

import numpy as np

from regress.changes import Fact
from regress.errors import ClaimViolated
from regress.frames import ComparedRuns
from regress.metrics.flips import Bools
from regress.types import Footprint, Pairs, QuadrantCounts, TaskComparison
from regress.workflows.selftest.alone import Chooser
from regress.workflows.selftest.bench import EARLIER, OLD, Bench, named
from regress.workflows.selftest.bugs import BUGS
from regress.workflows.selftest.facts import above, at_least, equal
from regress.workflows.selftest.material import CHOICES, ITEMS, PRONOUNS, TASK, WRITTEN, pronouns
from regress.workflows.selftest.oracle import all_there, nothing_differs, nothing_flipped, other_answers
from regress.workflows.selftest.unchanged import NOTHING

_ONLY = (str(TASK),)
_MUTED = "She"
"""The answer that is taken away: the demo models often give it."""


def louder(bench: Bench) -> Iterator[Fact]:
    """The final norm's gain doubled: what is likeliest stays so, and its probability grows."""
    update = bench.update("edit:gain=2")
    yield equal("claim", update.claim, "argmax")
    yield above("KLD", bench.kld(update.path), 1e-3, unit="nats")
    compared = bench.compared(update.path)
    for task in ("pronouns", *WRITTEN):
        pairs = compared.pairs[task]
        yield equal("instances paired", pairs.n, ITEMS[task], case=task)
        yield equal("answers that changed", int(other_answers(pairs).sum()), 0, case=task)
        yield equal("texts that changed", _other(pairs, "output"), 0, case=task)
    moved = _other(compared.pairs["pronouns"], "choice_logprobs")
    yield equal("choices of other probability", moved, ITEMS["pronouns"], case="pronouns")


def swapped(bench: Bench) -> Iterator[Fact]:
    """Two answer tokens exchange their logits: who said one says the other, and the flip table follows."""
    chooser = Chooser(OLD)
    old = _plainly(chooser)
    one, other = "He", "She"
    exchanged = {one: other, other: one}
    tokens = "+".join(str(chooser.token(answer)) for answer in (one, other))
    compared = bench.compared(bench.made(f"edit:swap={tokens}"), tasks=_ONLY)
    yield from _as_reckoned(compared, old, [exchanged.get(answer, answer) for answer in old])


def muted(bench: Bench) -> Iterator[Fact]:
    """An answer token's logit becomes the mean of the others': who said it says the likeliest of these."""
    chooser = Chooser(OLD)
    old = _plainly(chooser)
    others = tuple(answer for answer in PRONOUNS if answer != _MUTED)
    instead = chooser.chosen([item["scene"] for item in pronouns()], others)
    new = [there if was == _MUTED else was for was, there in zip(old, instead, strict=True)]
    among = "+".join(str(chooser.token(answer)) for answer in others)
    compared = bench.compared(bench.made(f"edit:mute={chooser.token(_MUTED)},among={among}"), tasks=_ONLY)
    yield at_least(f"answers {_MUTED} before", old.count(_MUTED), 1)
    yield from _as_reckoned(compared, old, new)


def _plainly(chooser: Chooser) -> list[str]:
    return chooser.chosen([item["scene"] for item in pronouns()], PRONOUNS)


def _as_reckoned(compared: ComparedRuns, old: Sequence[str], new: Sequence[str]) -> Iterator[Fact]:
    """Both sides' answers, item by item, and the flip table with its rates."""
    yield all_there(compared)
    (row,), (pairs,) = compared.tasks, compared.pairs.values()
    for side, table, known in (("old", pairs.old, old), ("new", pairs.new, new)):
        found = dict(zip(table["index"].to_pylist(), table["output"].to_pylist(), strict=True))
        wrong = sum(found.get(place) != answer for place, answer in enumerate(known))
        yield equal(f"{side} answers other than reckoned", wrong, 0)
    table = reckoned(old, new, [PRONOUNS[item["label"]] for item in pronouns()])
    yield equal("flip table", () if row.counts is None else astuple(row.counts), astuple(table))
    yield above("instances in its emptiest cell", min(astuple(table)), 0)
    for name, count in (("nfr", table.negative_flips), ("pfr", table.positive_flips)):
        yield equal(name.upper(), row.estimates[name].value, count / table.n, unit="share")


def together(bench: Bench) -> Iterator[Fact]:
    """Old and new answer together: where both agree nothing changes; what changes, new changes too."""
    new = bench.compared(EARLIER)
    for by in ("mean", "product"):
        step = f"ensemble:others=[{EARLIER}],by={by}"
        both = bench.compared(bench.made(step))
        yield all_there(both, case=step)
        for task in ("pronouns", *CHOICES):
            yield from _no_more(both.pairs[task], new.pairs[task], f"{step}, {task}")
        changed = sum(int(other_answers(pairs).sum()) for pairs in both.pairs.values())
        yield above("answers that changed", changed, 0, case=step)


def _no_more(both: Pairs, new: Pairs, case: str) -> Iterator[Fact]:
    """What an ensemble changes and loses is among what its new member does."""
    for what, own, members in (
        ("changed", other_answers(both), other_answers(new)),
        ("lost", _lost(both), _lost(new)),
    ):
        yield equal(f"answers {what} by none but both", int((own & ~members).sum()), 0, case=case)


def _lost(pairs: Pairs) -> Bools:
    old, new = pairs.old_correct, pairs.new_correct
    return np.ones(pairs.n, dtype=np.bool_) if old is None or new is None else old & ~new


def silenced(bench: Bench) -> Iterator[Fact]:
    """A layer that adds nothing computes what the model without it does."""
    silent, dropped = (bench.made(step) for step in ("edit:silence=[2]", "drop:layers=[2]"))
    yield above("KLD to the old model", bench.kld(dropped), NOTHING, unit="nats")
    yield from _alike(bench, silent, dropped, "")


def shared(bench: Bench) -> Iterator[Fact]:
    """Layers that share weights compute what copies do, and take up what the old model did."""
    places = "layers:map=[0,1,1,2,3,3]"
    copied, tied = bench.made(places), bench.made(f"{places},tied=true")
    yield above("KLD to the old model", bench.kld(copied), NOTHING, unit="nats")
    yield from _alike(bench, copied, tied, "")
    old, once, twice = (_taken_up(bench, model) for model in (OLD, tied, copied))
    yield equal("parameters, as of the old model", once.parameters or 0, old.parameters or -1)
    yield equal("bytes, as of the old model", _memory(once), _memory(old))
    yield above("bytes saved by sharing", _memory(twice) - _memory(once), 0)


def _taken_up(bench: Bench, model: str) -> Footprint:
    """What the runs of a model record of its size; nothing known where they do not."""
    price = bench.compared(model).price
    return (price.new if price else None) or Footprint()


def _memory(footprint: Footprint) -> int:
    return sum(footprint.memory_bytes.values())


def undone(bench: Bench) -> Iterator[Fact]:
    """Rounded twice is rounded once; what is undone is as before."""
    once, twice = bench.made("quantize:bits=4"), bench.made("quantize:bits=4", "quantize:bits=4")
    yield from _alike(bench, once, twice, "quantize twice")
    for steps in (("activate:to=gelu", "activate:to=silu"), ("insert:layers=[2]", "drop:layers=[2]")):
        yield from _alike(bench, OLD, bench.made(*steps), named(*steps))


def _alike(bench: Bench, one: str, other: str, case: str) -> Iterator[Fact]:
    """Two models, bit for bit."""
    compared = bench.compared(other, old=one)
    yield equal("KLD", bench.kld(other, old=one), 0.0, case=case, unit="nats")
    yield from nothing_flipped(compared, case=case)
    yield from nothing_differs(compared, case=case)


def refused(bench: Bench) -> Iterator[Fact]:
    """A recipe with a bug makes nothing; the same without it does."""
    for bug, step in BUGS.items():
        bench.update(step.right)
        try:
            bench.update(step)
        except ClaimViolated:
            noticed = True
        else:
            noticed = False
        yield equal("refused", noticed, True, case=bug)


def reckoned(old: Sequence[str], new: Sequence[str], golds: Sequence[str]) -> QuadrantCounts:
    """The flip table, counted plainly.

    >>> astuple(reckoned("AABBC", "ABACD", "AABAE"))
    (1, 2, 0, 0, 2)
    """
    cells = Counter(
        (was == gold, now == gold, was == now) for was, now, gold in zip(old, new, golds, strict=True)
    )
    return QuadrantCounts(
        both_right=cells[True, True, True],
        negative_flips=cells[True, False, False],
        positive_flips=cells[False, True, False],
        both_wrong_same=cells[False, False, True],
        both_wrong_different=cells[False, False, False],
    )


def identities(bench: Bench) -> Iterator[Fact]:
    """A pair with flips both ways: counts sum to n, Δ is PFR − NFR, and both exchange with the sides."""
    forth = bench.compared(OLD, old=EARLIER)
    back = {row.task.name: row for row in bench.compared(EARLIER).tasks}
    yield all_there(forth)
    for row in forth.tasks:
        name, there, mirrored = row.task.name, _values(row), _values(back[row.task.name])
        for one, other in (("nfr", "pfr"), ("pfr", "nfr"), ("old", "new"), ("new", "old")):
            what = f"{_SHOWN[one]} is {_SHOWN[other]} the other way round"
            yield equal(what, there[one], mirrored[other], case=name, unit="share")
        yield equal("Δ changes its sign", there["delta"], -mirrored["delta"], case=name, unit="share")
        if row.counts is not None:
            yield equal("counts sum to n", row.counts.n, ITEMS[name], case=name)
            lost_and_won = (row.counts.positive_flips - row.counts.negative_flips) / row.n
            yield equal(
                "Δ is PFR − NFR", there["delta"], there["pfr"] - there["nfr"], case=name, unit="share"
            )
            yield equal("Δ as counted", there["delta"], lost_and_won, case=name, unit="share")
    flips = [row.counts.negative_flips + row.counts.positive_flips for row in forth.tasks if row.counts]
    yield above("flips in all", sum(flips), 0)


_SHOWN = {"nfr": "NFR", "pfr": "PFR", "old": "old", "new": "new"}


def _values(row: TaskComparison) -> Mapping[str, float]:
    return {name: one.value for name, one in row.estimates.items()}


def _other(pairs: Pairs, column: str) -> int:
    """Pairs that differ in a column."""
    sides = (side[column].to_pylist() for side in (pairs.old, pairs.new))
    return sum(one != other for one, other in zip(*sides, strict=True))
