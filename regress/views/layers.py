"""Layer maps as a table with bars, as JSON, and as a picture.

As JSON, schema `regress.layers/1`: every field of `regress.changes.LayerMaps` beside `schema`; what is
undefined is null, and fields may be added without a new version.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from regress.changes import LayerMaps, MappedLayers
from regress.errors import MissingExtra
from regress.identity import plain, strict
from regress.views.listing import table, wrap
from regress.views.numbers import count, plural, score
from regress.views.untrusted import tail

SCHEMA = "regress.layers/1"
BAR = 16
"""Cells of the longest bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_NAME = 40


def render(found: LayerMaps, *, width: int | None = 80, where: str | None = None) -> str:
    """The maps as a table, that of the lowest perplexity first, under the model as it is.

    Args:
        found: What was measured.
        width: Cells of a line; null to break none.
        where: The folder of the picture and the numbers; null if none were written.
    """
    most = max((each.surprisal - found.base.surprisal for each in found.maps), default=0.0)
    rows = [_row(each, found.base, most) for each in (found.base, *found.maps)]
    lines = [
        f"layer maps of {tail(found.model, _NAME)}, nothing trained",
        "",
        table(["map", "what it does", "PPL", "nats", ""], rows, width=width, spared=("map",)),
        "",
        *_wrapped(_legend(found), width),
    ]
    if where:
        lines += _wrapped(f"Written to {where}.", width)
    return "\n".join(lines) + "\n"


def to_json(found: LayerMaps) -> str:
    """Everything that was measured, as JSON text."""
    document = strict({"schema": SCHEMA, **plain(found)})
    return json.dumps(document, sort_keys=True, indent=2, allow_nan=False) + "\n"


def picture(found: LayerMaps) -> bytes | None:
    """The heatmap with its bars as a PNG file; null where matplotlib is not installed."""
    from regress.plots.layer_maps import layer_maps

    try:
        drawn = layer_maps(found)
    except MissingExtra:
        return None
    from regress.plots.picture import png

    return png(drawn)


def shown(layers: Sequence[int]) -> str:
    """A map as it is typed, neighbours that follow each other as a range.

    >>> shown((0, 1, 2, 3, 0, 0, 1)), shown((2,)), shown((0, 1, 1, 2))
    ('0-3,0,0,1', '2', '0,1,1,2')
    """
    runs: list[list[int]] = []
    for layer in layers:
        if runs and runs[-1][-1] + 1 == layer:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def _row(one: MappedLayers, base: MappedLayers, most: float) -> list[str]:
    more = one.surprisal - base.surprisal
    cost = "–" if one is base else score(more, signed=True)
    return [shown(one.layers), one.name, score(one.perplexity), cost, _bar(more, most)]


def _bar(value: float, most: float) -> str:
    """A bar in eighths of a cell.

    >>> _bar(1.0, 2.0), _bar(0.0, 2.0), _bar(0.01, 2.0)
    ('████████', '', '▏')
    """
    if not value > 0 or not most > 0:
        return ""
    eighths = max(1, round(8 * BAR * value / most))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _legend(found: LayerMaps) -> str:
    return (
        f"PPL: perplexity over {plural(found.tokens, 'token')} ({tail(found.text, _NAME)}), at most "
        f"{count(found.window)} shown at a time. Nats and bars: how much more a token costs than with the "
        f"model as it is. All maps share its {count(found.parameters)} parameters; what they cost more is "
        "time and key-value cache."
    )


def _wrapped(text: str, width: int | None) -> list[str]:
    return wrap(text, width) if width else [text]
