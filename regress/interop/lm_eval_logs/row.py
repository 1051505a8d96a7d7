"""One row of lm-eval's samples, in any of the forms that were written since 0.4.0, as plain values.

A row is one item, read by one filter. Numbers and truth values are themselves or text, arguments are lists
or `gen_args_0: {arg_0: …}`; up to 0.4.5 neither the filter nor the metrics are named, and what is not a
known field is a metric.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from regress.definitions.templates import literal
from regress.errors import DataError
from regress.identity import ID_FIELDS
from regress.interop.fields import Fields

FIELDS = frozenset(
    ["doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"]
    + [f"{part}_hash" for part in ("doc", "prompt", "target")]
)
"""What a row holds beside its metrics."""


@dataclass(frozen=True)
class Row:
    """One row.

    Everything raises a `DataError` that names row and field, if the field cannot be read.
    """

    fields: Fields
    """The row, and where it stands."""

    @cached_property
    def item(self) -> Mapping[str, Any]:
        """What is asked about, as the data set has it."""
        item = self.fields.mapping("doc")
        if not item:
            raise self.fields.refusal("doc", self.fields.value("doc"), "the item, as an object")
        return item

    @property
    def position(self) -> int:
        """The item's position in the data set."""
        told = self.fields.value("doc_id")
        if isinstance(told, str) and told.isdecimal() and len(told) < 10:
            return int(told)
        number = self.fields.count("doc_id")
        if number is None:
            raise self.fields.refusal("doc_id", None, "the item's number")
        return number

    @property
    def own(self) -> dict[str, str]:
        """What may be the data set's own id."""
        found = {name: self.item.get(name) for name in ID_FIELDS}
        usable = {
            name: str(value)
            for name, value in found.items()
            if isinstance(value, (str, int)) and not isinstance(value, bool)
        }
        return {name: value for name, value in usable.items() if value.strip()}

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, which may be there or not."""
        named = self.fields.row.get("metrics")
        if isinstance(named, list) and all(isinstance(one, str) for one in named):
            return named
        return [name for name in self.fields.row if name not in FIELDS]

    # ── what was asked ───────────────────────────────────────────────────────────────────────────

    @cached_property
    def requests(self) -> list[list[Any]]:
        """For each request context and continuation, or prompt and settings, or the text alone."""
        given = _ordered(self.fields.value("arguments"), "gen_args_")
        asked = [_ordered(one, "arg_") for one in given] if isinstance(given, list) else []
        if not asked or not all(isinstance(one, list) and one for one in asked):
            raise self.fields.refusal("arguments", self.fields.value("arguments"), "a list of what was asked")
        return asked

    @cached_property
    def conditional(self) -> int:
        """How many requests are about the question: half, if each choice was asked without it as well."""
        half = len(self.requests) // 2
        contexts = [one[0] for one in self.requests]
        twice = len(contexts) % 2 == 0 and all(one == "" for one in contexts[half:])
        return half if twice and any(one != "" for one in contexts[:half]) else len(contexts)

    @property
    def contexts(self) -> list[Any]:
        """What stands before each choice; no text where messages were sent to a chat model."""
        return [one[0] for one in self.requests[: self.conditional]]

    @property
    def continuations(self) -> list[str]:
        """What was scored after each context."""
        asked = self.requests[: self.conditional]
        if not all(len(one) > 1 and isinstance(one[1], str) for one in asked):
            raise self.fields.refusal("arguments", asked, "contexts, each with what follows it")
        return [one[1] for one in asked]

    @property
    def prompt(self) -> str | None:
        """The prompt; of choices that stand in the prompt all of them, a line each."""
        contexts = self.contexts
        if not all(isinstance(one, str) for one in contexts):
            return None
        return contexts[0] if len(set(contexts)) == 1 else "\n".join(contexts)

    # ── what was answered and what is right ──────────────────────────────────────────────────────

    @property
    def sums(self) -> list[float]:
        """The log-likelihood that each request was answered with."""
        answers = self.fields.listed("resps")
        if len(answers) != len(self.requests):
            raise DataError(
                f"{self.fields.where} has {len(answers)} resps to {len(self.requests)} arguments",
                allowed="as many of both",
            )
        return [*self._sums(answers)]

    def _sums(self, answers: Sequence[Any]) -> Iterator[float]:
        for one in answers:
            try:
                yield float(_first(one))
            except (TypeError, ValueError, OverflowError):
                allowed = "a log-likelihood, and whether it is greedy"
                raise self.fields.refusal("resps", one, allowed) from None

    @property
    def output(self) -> str:
        """The text that was written; of several the first."""
        written = _first(self.fields.value("resps"))
        if not isinstance(written, str):
            raise self.fields.refusal("resps", self.fields.value("resps"), "the text that was written")
        return written

    @property
    def read(self) -> str:
        """What the filter read; empty where it read nothing."""
        given = self.fields.value("filtered_resps")
        if not isinstance(given, list):
            raise self.fields.refusal("filtered_resps", given, "a list of what was read")
        read: Any = given[:1]
        while isinstance(read, list) and len(read) == 1:
            read = read[0]
        # null was written as itself up to 0.4.2, since then as text
        nothing = read is None or read == [] or (read == "None" and "None" not in self.output)
        return "" if nothing else str(read)

    @property
    def targets(self) -> list[Any]:
        """The reference answers, or the index of the right choice; since 0.4.4 everything is text."""
        target = self.fields.value("target")
        if isinstance(target, str) and target.startswith("["):
            told = literal(target)
            target = told if isinstance(told, list) else target
        return target if isinstance(target, list) else [] if target is None else [target]


def numeric(value: Any) -> Any:
    """Truth values that are written as text, as numbers; so in lists.

    >>> numeric(["True", "0.5"])
    [1.0, '0.5']
    """
    if isinstance(value, list):
        return [numeric(one) for one in value]
    return {"True": 1.0, "False": 0.0}.get(value, value) if isinstance(value, str) else value


def gold(target: Any, choices: Sequence[str], *, texts_first: bool) -> int | None:
    """The index of the choice that a target means; null if it means none.

    A target that is both an index and a choice is the index, unless the definition says otherwise.

    >>> gold("1", ["a", "b"], texts_first=False), gold("b", ["a", "b"], texts_first=False)
    (1, 1)
    >>> gold("1", ["0", "2", "1"], texts_first=True)
    2
    """
    text = str(target)
    by_text = choices.index(text) if isinstance(target, str) and text in choices else None
    number = int(text) if text.isdecimal() and len(text) < 10 else -1
    by_number = number if 0 <= number < len(choices) else None
    return by_text if by_number is None or (texts_first and by_text is not None) else by_number


def _ordered(value: Any, name: str) -> Any:
    """A list; from `{name}0`, `{name}1`, …, too, in whatever order they stand."""
    if not isinstance(value, Mapping):
        return value
    return [value.get(f"{name}{number}") for number in range(len(value))]


def _first(value: Any) -> Any:
    """Of several answers the first, and of that the first part."""
    while isinstance(value, list) and value:
        value = value[0]
    return value
