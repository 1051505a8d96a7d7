"""A recipe's plan, and what was measured of the model it made, in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from regress.changes import Check, Size, TensorLine, Update, UpdatePlan, Vocabulary
from regress.views.inventory import size
from regress.views.listing import table, wrap
from regress.views.numbers import about, count, percent, plural
from regress.views.untrusted import visible

CLAIMS = {
    "identical": "every logit stays as it is, bit for bit",
    "same": "the same function, up to rounding",
    "near": "the same function but for the number format",
    "argmax": "the same greedy choice everywhere, with other probabilities",
    "other": "another function",
}
"""What each claim means."""


def planned(plan: UpdatePlan, *, width: int) -> str:
    """What a recipe is about to make: steps, sizes, and every tensor that is new or of another shape."""
    parts = [
        table(
            ["", "parameters", "stored as", "size"],
            [_size("before", plan.before), _size("after", plan.after)],
            width=width,
        ),
        _steps(plan, width),
        _claimed(plan.claim, plan.conditions, width),
    ]
    if plan.tensors:
        parts.append(
            table(
                ["tensor", "each", "before", "after"], [_tensor(line) for line in plan.tensors], width=width
            )
        )
    if plan.unchanged:
        parts.append(f"{count(plan.unchanged)} tensors keep name and shape.")
    parts += [_wrapped(note, width) for note in plan.notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def made(update: Update, *, width: int) -> str:
    """What was made, and what was measured of it."""
    plan = update.plan
    sizes = (
        f"{count(plan.before.parameters)} → {count(plan.after.parameters)} parameters, "
        f"{size(plan.before.bytes)} → {size(plan.after.bytes)} ({plan.after.dtype})"
    )
    parts = [
        _wrapped(f"{plan.old} → {update.path}", width),
        _steps(plan, width),
        _wrapped(sizes, width),
        _claimed(plan.claim, plan.conditions, width),
        checked(update.check, width=width),
        *(_wrapped(note, width) for note in plan.notes),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def checked(check: Check, *, width: int) -> str:
    """Whether a claim holds, and the numbers behind it."""
    if not check.holds:
        verdict = f"VIOLATED: the claim is {check.claim}, and {check.violated}."
    elif check.claim == "other":
        verdict = "It loads whole and its logits are numbers; nothing else was promised."
    else:
        verdict = f"HOLDS: {check.claim}."
    rows = [
        ["largest change of a logit", _error(check.max_error, check.spread)],
        ["the same, all in float64", _error(check.max_error_float64, check.spread)],
        ["mean divergence", f"{about(check.kld)} nats a token"],
        ["same greedy choice", f"{percent(check.same_top)} %"],
        ["certified: cannot have flipped", f"{percent(check.certified)} %"],
        ["written on with a cache", "the same" if check.generation else "another text"],
        ["as stored and as in memory", _round_trip(check.round_trip)],
    ]
    shown = [row for row in rows if row[1]]
    longest = plural(check.length, "token")
    measured = f"Measured at {plural(check.positions, 'position')} of texts of up to {longest}."
    parts = [_wrapped(verdict, width), table(["", ""], shown, width=width).lstrip("\n")]
    return "\n".join([*parts, _wrapped(measured, width)]) + "\n"


def listed(vocabulary: Vocabulary, *, width: int) -> str:
    """Every verb with what it takes, and the families that structural ones know."""
    parts: list[str] = []
    for verb in vocabulary.verbs:
        lines = wrap(f"{verb.name}: {verb.meaning}", width)
        for argument in verb.arguments:
            default = "" if argument.default in ("none", "needed") else f"; {argument.default} if not given"
            said = f"{argument.name}: {argument.meaning.rstrip('.')} ({argument.kind}{default})"
            lines += ["  " + line for line in wrap(said, width - 2)]
        parts.append("\n".join(lines))
    claims = "\n".join(line for name, means in CLAIMS.items() for line in wrap(f"  {name}: {means}", width))
    families = _wrapped(
        f"Families: {', '.join(vocabulary.families)}. Others take the steps that need no structure.", width
    )
    return "\n\n".join([*parts, f"Claims:\n{claims}", families]) + "\n"


def _error(value: float | None, spread: float) -> str:
    if value is None:
        return ""
    if not value:
        return "0, bit for bit"
    return f"{about(value)}, {about(value / spread)} of their standard deviation" if spread else about(value)


def _round_trip(same: bool | None) -> str:
    return "" if same is None else "the same" if same else "NOT the same"


def _size(name: str, one: Size) -> list[str]:
    return [name, count(one.parameters), one.dtype, size(one.bytes)]


def _steps(plan: UpdatePlan, width: int) -> str:
    rows = [[line.step, line.claim, count(line.parameters)] for line in plan.steps]
    return table(["step", "claim", "parameters"], rows, width=width) if rows else "No steps: a copy."


def _claimed(claim: str, conditions: Sequence[str], width: int) -> str:
    text = f"Claim: {claim}: {CLAIMS[claim]}"
    if conditions:
        text += "; for " + "; ".join(conditions)
    return _wrapped(text + ".", width)


def _tensor(line: TensorLine) -> list[str]:
    return [line.name, f"×{line.count}", _shape(line.old), _shape(line.new)]


def _shape(shape: tuple[int, ...] | None) -> str:
    return "–" if shape is None else "[" + ", ".join(map(str, shape)) + "]"


def _wrapped(text: str, width: int) -> str:
    return "\n".join(wrap(visible(text), width))
