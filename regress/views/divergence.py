"""How far two models lie apart, token by token, in words and numbers; and what that does not say.

As JSON, schema `regress.divergence/1`; what is undefined is null, rates and probabilities lie in [0, 1], and
fields may be added without a new version.

    schema              "regress.divergence/1"
    old, new            the models: every field of `regress.types.ModelSpec`
    window, stride      tokens shown at a time, and from one window of a text to the next
    vocabulary          tokens that both models have
    rows                one object a text or task: {source, tokens, unit, units, repeated, estimates,
                        quantiles, outside, band, notices}
      estimates         kld (mean, nats a token), same_top, delta_p, delta_p_rms, old_perplexity,
                        new_perplexity, ratio: as in comparison.json
      quantiles         kld and delta_p, by fraction of the tokens
      outside           {old, new}: mean probability given to tokens that the other model does not have
      band              what kind of update leaves a mean divergence like this (`regress.metrics.divergence`)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from regress.findings import DivergenceRow, ModelDivergence
from regress.identity import plain
from regress.metrics.divergence import QUANTILES, Band, band
from regress.types import Estimate, Notice
from regress.views import markdown
from regress.views.export import estimate_object, representable
from regress.views.listing import table, wrap
from regress.views.numbers import (
    about,
    change_of_probability,
    chosen,
    count,
    near_one,
    percent,
    plural,
    score,
    worded,
)
from regress.views.settings import NAME, name
from regress.views.untrusted import tail

SCHEMA = "regress.divergence/1"

VOLUME = (
    "Divergence measures how much changed, not in which direction: it does not say whether answers got "
    "worse, and no rule of the gate uses it."
)
SCALE = (
    "Mean KLD that known updates left, in nats: below 1e−9 the same function, 1e−7 to 1e−4 another number "
    "format, 1e−4 to 1e−2 light compression, above 1e−2 other behaviour."
)
_BANDS: dict[Band | None, str] = {
    "same function": "the same function",
    "nearly the same": "between the same function and another number format",
    "number format": "diverges like another number format",
    "light compression": "diverges like light compression",
    "behavioural": "behaves otherwise",
    None: "undefined",
}
_HEADERS = ("text", "tokens", "KLD", "same top %", "Δp %", "RMS Δp %", "PPL ratio")
_PERPLEXITIES = ("PPL old", "PPL new")
_NARROW = (0.0, 0.01, 0.05, 0.5, 0.95, 0.99, 1.0)
_WIDE = 140


def render(found: ModelDivergence, *, width: int | None = 80, title: bool = True) -> str:
    """The divergence as text: a table of means, their intervals, a table of quantiles, what to know.

    Args:
        found: What was measured.
        width: Cells of a line; null to break none.
        title: Whether to say which models it is about.
    """
    wide = width is None or width >= _WIDE
    headers = [*_HEADERS, *(_PERPLEXITIES if wide else ())]
    means = table(headers, [_cells(row, wide) for row in found.rows], width=width)
    shown = QUANTILES if wide else _NARROW
    tails = table(
        ["quantiles", *map(_quantile, shown)],
        [line for row in found.rows for line in _tails(row, shown, several=len(found.rows) > 1)],
        width=width,
    )
    sections = [
        [f"divergence of {tail(found.old.name, NAME)} → {tail(found.new.name, NAME)}"] if title else [],
        [means],
        _wrapped(map(explained, found.rows), width),
        [tails],
        _wrapped((VOLUME, SCALE, _legend(found)), width),
        _wrapped(_notes(found), width),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def section(found: ModelDivergence) -> list[list[str]]:
    """The divergence as paragraphs of Markdown, for report.md."""
    headers = [*_HEADERS, *_PERPLEXITIES]
    rows = [_cells(row, True) for row in found.rows]
    return [
        ["## Divergence"],
        markdown.table(headers, rows, right=headers[1:]),
        [f"- {markdown.escape(explained(row))}" for row in found.rows],
        *([markdown.escape(text)] for text in (VOLUME, SCALE, _legend(found), *_notes(found))),
    ]


def document(found: ModelDivergence) -> dict[str, Any]:
    """The divergence as the object that JSON holds."""
    whole: dict[str, Any] = representable(
        {
            "schema": SCHEMA,
            "old": plain(found.old),
            "new": plain(found.new),
            "window": found.window,
            "stride": found.stride,
            "vocabulary": found.vocabulary,
            "rows": [_row(row) for row in found.rows],
        }
    )
    return whole


def to_json(found: ModelDivergence) -> str:
    """`document` as text: keys sorted, two spaces, ASCII, a line end at the end."""
    return json.dumps(document(found), sort_keys=True, indent=2, allow_nan=False) + "\n"


_ESTIMATES = ("kld", "same_top", "delta_p", "delta_p_rms", "old_perplexity", "new_perplexity", "ratio")


def _row(row: DivergenceRow) -> dict[str, Any]:
    quantiles = {"kld": row.kld_quantiles, "delta_p": row.delta_p_quantiles}
    return {
        **{field: getattr(row, field) for field in ("source", "tokens", "unit", "units", "repeated")},
        "estimates": {each: estimate_object(getattr(row, each)) for each in _ESTIMATES},
        "quantiles": {what: {str(q): value for q, value in told.items()} for what, told in quantiles.items()},
        "outside": {"old": row.old_outside, "new": row.new_outside},
        "band": band(row.kld.value),
        "notices": [
            {"code": each.code, "data": plain(each.data), "sentence": sentence(each)} for each in row.warnings
        ],
    }


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def _cells(row: DivergenceRow, wide: bool) -> list[str]:
    cells = [
        name(row.source),
        count(row.tokens),
        about(row.kld.value),
        percent(row.same_top.value),
        change_of_probability(row.delta_p.value),
        change_of_probability(row.delta_p_rms.value).removeprefix("+"),
        near_one(row.ratio.value),
    ]
    return [*cells, score(row.old_perplexity.value), score(row.new_perplexity.value)] if wide else cells


def _tails(row: DivergenceRow, shown: tuple[float, ...], *, several: bool) -> Iterator[list[str]]:
    of = f"{name(row.source)} " if several else ""
    yield [f"{of}KLD", *(about(row.kld_quantiles[q]) for q in shown)]
    yield [f"{of}Δp %", *(change_of_probability(row.delta_p_quantiles[q]) for q in shown)]


def _quantile(fraction: float) -> str:
    return {0.0: "least", 0.5: "median", 1.0: "most"}.get(fraction, f"{chosen(fraction)} %")


# ── sentences ────────────────────────────────────────────────────────────────────────────────────


def explained(row: DivergenceRow) -> str:
    """One row in words: what kind of change it looks like, and how sure its numbers are."""
    like = _BANDS[band(row.kld.value)] if row.kld.value else "no difference at all"
    intervals = [
        f"{label} {shown(estimate.low)} to {shown(estimate.high)}{unit}"
        for label, estimate, shown, unit in _intervals(row)
        if estimate.confidence is not None
    ]
    sure = f"; 95 %: {', '.join(intervals)}" if intervals else ""
    perplexities = f"{score(row.old_perplexity.value)} → {score(row.new_perplexity.value)}"
    return f"{name(row.source)}: {like}; perplexity {perplexities}{sure}."


def _intervals(row: DivergenceRow) -> tuple[tuple[str, Estimate, Callable[[float], str], str], ...]:
    return (
        ("KLD", row.kld, about, ""),
        ("same top", row.same_top, percent, " %"),
        ("Δp", row.delta_p, change_of_probability, " %"),
        ("ratio", row.ratio, near_one, ""),
    )


def _legend(found: ModelDivergence) -> str:
    return (
        f"KLD(old ‖ new) is the mean over tokens, each measured once, over the {count(found.vocabulary)} "
        "tokens that both models have. Same top: both rank the same token first. Δp: change of the "
        "probability of the token that did come; even tails are noise, a heavier lower tail is damage. "
        f"Shown were at most {plural(found.window, 'token')} at a time."
    )


def _notes(found: ModelDivergence) -> Iterator[str]:
    sampled = ", ".join(f"{name(row.source)} {plural(row.units, row.unit)}" for row in found.rows)
    yield f"Intervals take tokens of one unit as sampled together: {sampled}."
    repeated = [row for row in found.rows if row.repeated]
    if repeated:
        saved = ", ".join(f"{name(row.source)} {plural(row.repeated, 'token')}" for row in repeated)
        yield f"Where prompts begin alike, that is measured once; left out were: {saved}."
    for row in found.rows:
        for side, mass in (("old", row.old_outside), ("new", row.new_outside)):
            if mass:
                yield (
                    f"{name(row.source)}: the {side} model gives {worded(percent(mass))} % of its "
                    "probability to tokens that the other does not have; that is left out, and the rest "
                    "taken as a whole."
                )
        yield from (f"{name(row.source)}: {sentence(each)}" for each in row.warnings)


def sentence(notice: Notice) -> str:
    """A warning in words.

    >>> sentence(Notice(code="few-units", data={"units": 3, "minimum": 10, "unit": "window"}))
    'only 3 windows; with fewer than 10 the intervals are rough.'
    """
    told = _SENTENCES.get(notice.code)
    return told(notice.data) if told else f"notice {name(notice.code)}."


_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "few-units": lambda data: (
        f"only {plural(data['units'], data['unit'])}; with fewer than {count(data['minimum'])} the intervals "
        "are rough."
    ),
    "no-chat-template": lambda _: (
        "prompts are read as the task renders them, without the chat template that they were asked in."
    ),
}


def _wrapped(sentences: Any, width: int | None) -> list[str]:
    return [line for text in sentences for line in (wrap(text, width) if width else [text])]
