"""lm-eval's prompts, the same whenever they are rendered: in any order, for any subset, again later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from datasets import Dataset

from regress.errors import TaskError
from regress.tasks.task import ChatTemplate

_BLOCK = 1_000
"""Rows that are read at a time."""
_READ = ("doc_to_text", "doc_to_target", "doc_to_choice")
"""What lm-eval's tasks read of an item, each a method and a field of the configuration."""


class Rendered(NamedTuple):
    """One item, and what lm-eval makes of it."""

    item: Any
    """The row of the data set."""
    context: str | list[str]
    """What comes before the answer; one text a choice for tasks that ask by context."""
    asked: list[Any]
    """lm-eval's requests."""


def rows(items: Any) -> Iterator[dict[str, Any]]:
    """Every item of a data set, or of any other sequence, in order.

    `datasets` takes 30 us to read a row, and hardly longer to read a block of them.
    """
    if not isinstance(items, Dataset) or items.format["type"] is not None:
        yield from map(dict, items)
        return
    for block in items.iter(_BLOCK):
        yield from (dict(zip(block, row, strict=True)) for row in zip(*block.values(), strict=True))


def once(read: Callable[..., Any]) -> Callable[..., Any]:
    """`read`, a method of lm-eval's that reads an item, not done again for the item that it read last.

    lm-eval renders the choices of an item for its context, which shows none, and again for its requests;
    we ask for them once more. That would be most of the time that building requests takes.
    """
    last: tuple[Any, Any] = (None, None)

    def remembering(item: Any, template: Any = None) -> Any:
        nonlocal last
        if template is not None:  # that of the worked examples
            return read(item, template)
        known, value = last
        if known is not item:
            value = read(item)
            last = item, value
        return value

    return remembering


class RecordedShots:
    """Stands in for lm-eval's sampler: draws each item's worked examples once, in order.

    lm-eval's own sampler draws from one random stream, so that what it gives depends on what was
    asked before.

    Args:
        sampler: lm-eval's.
        fixed: Give every item the same first examples, never the item itself.
    """

    def __init__(self, sampler: Any, *, fixed: bool) -> None:
        self._sampler, self._fixed = sampler, fixed
        self._drawn: dict[int, list[Any]] = {}
        self._index, self._item = 0, None

    def turn_to(self, index: int, item: Any) -> None:
        """From now on, examples are those of this item."""
        self._index, self._item = index, item

    def sample(self, n: int, eval_doc: Any = None, **kwargs: Any) -> list[Any]:
        """The `n` examples of the current item; called by lm-eval."""
        if self._index not in self._drawn:
            self._drawn[self._index] = (
                self._first(n) if self._fixed else list(self._sampler.sample(n, eval_doc=eval_doc, **kwargs))
            )
        return self._drawn[self._index]

    def set_rnd(self, rnd: int | None) -> RecordedShots:
        """Start the random stream; called by lm-eval."""
        self._sampler.set_rnd(rnd)
        return self

    def _first(self, n: int) -> list[Any]:
        first = list(islice((shot for shot in self._sampler.df if shot != self._item), n))
        if len(first) < n:
            raise TaskError(f"{n} worked examples were asked for and there are {len(first)}")
        return first


class Renderer:
    """What lm-eval would ask about each item of a task.

    Args:
        task: lm-eval's task, configured and with its items.
        fixed: See `RecordedShots`.
        seed: Seed of lm-eval's sampler.
    """

    def __init__(self, task: Any, *, fixed: bool, seed: int) -> None:
        self.task = task
        self.items: Sequence[dict[str, Any]] = task.task_docs
        self._shots: RecordedShots | None = None
        if task.config.num_fewshot:
            self._shots = task.sampler = RecordedShots(task.sampler, fixed=fixed)
            task.set_fewshot_seed(seed)
        # a template says the same again, and leaves the item as it is; code may do neither
        self._by_template = task.python is None and not any(
            callable(getattr(task.config, name)) for name in (*_READ, "process_results")
        )
        self._at_hand: tuple[int, Any] = (-1, None)
        if self._by_template:
            for name in _READ:
                setattr(task, name, once(getattr(task, name)))

    def in_order(self) -> Iterator[Rendered]:
        """Every item's context and lm-eval requests, drawn as one rank over the full set draws them."""
        for index, item in enumerate(rows(self.items)):
            self._at_hand = index, item
            context = self.context(index)
            yield Rendered(item, context, self.requests(index, context))

    def item(self, index: int) -> Any:
        """The item at `index`; for a task that runs code another copy each time."""
        at, item = self._at_hand
        if at != index or not self._by_template:
            item = self.items[index]
            self._at_hand = index, item
        return item

    def context(
        self, index: int, *, chat: ChatTemplate | None = None, system: str | None = None
    ) -> str | list[str]:
        """What comes before the answer; one text a choice for tasks that ask by context."""
        item = self.item(index)
        if self._shots is not None:
            self._shots.turn_to(index, item)
        context: str | list[str] = self.task.fewshot_context(
            item,
            num_fewshot=self.task.config.num_fewshot,
            system_instruction=system,
            apply_chat_template=chat is not None,
            fewshot_as_multiturn=chat is not None,
            chat_template=chat,
            gen_prefix=self.task.doc_to_prefix(item),
        )
        return context

    def requests(
        self, index: int, context: str | list[str], *, chat: ChatTemplate | None = None
    ) -> list[Any]:
        """lm-eval's requests about an item, in its order."""
        task = self.task
        made = task.construct_requests(
            doc=self.item(index),
            ctx=context,
            metadata=(task.config.task, index, task.config.repeats),
            apply_chat_template=chat is not None,
            chat_template=chat,
        )
        return made if isinstance(made, list) else [made]
