"""All of an evaluation but the model: requests built and hashed, answers judged, predictions stored."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .figure import Figure
from .measure import HERE, Spent, python
from .synthetic import hellaswag_items

HELLASWAG = 10_042


def requests(*, tiny: bool) -> list[Figure]:
    """CPU of building, judging and storing HellaSwag's requests, and what lm-eval takes for its own."""
    rows = 20 if tiny else HELLASWAG
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hellaswag_items(folder, rows)
        pairs = [(_side("ours", folder), _side("theirs", folder)) for _ in range(1 if tiny else 3)]
    ours, theirs = zip(*pairs, strict=True)
    our, their = _parts(ours), _parts(theirs)
    totals = [(sum(one.told.values()), sum(other.told.values())) for one, other in pairs]
    named = f"building, judging and storing {rows} requests of HellaSwag"
    value, other = (statistics.median(side) for side in zip(*totals, strict=True))
    return [
        Figure(
            name=f"{named}, CPU",
            value=value,
            unit="s",
            target=2.0,
            samples=[one for one, _ in totals],
            details=our,
        ),
        Figure(
            name=f"{named}, lm-eval / ours",
            value=other / value,
            unit="x",
            samples=totals,
            details={"ours": our, "lm-eval": their},
        ),
    ]


def _side(name: str, folder: Path) -> Spent:
    """One run of one side, in a process of its own and with a store of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        return python(str(HERE / f"bookkeeping_{name}.py"), str(folder / "data"), cwd=own)


def _parts(spent: Sequence[Spent]) -> dict[str, float]:
    """The median of each part."""
    return {part: statistics.median(one.told[part] for one in spent) for part in spent[0].told}
