"""lm-eval's prompts, the same whenever they are rendered: in any order, for any subset, again later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from regress.errors import TaskError
from regress.tasks.task import ChatTemplate


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

    def in_order(self) -> Iterator[tuple[Any, list[Any]]]:
        """Every item's context and lm-eval requests, drawn as one rank over the full set draws them."""
        for index in range(len(self.items)):
            context = self.context(index)
            yield context, self.requests(index, context)

    def context(
        self, index: int, *, chat: ChatTemplate | None = None, system: str | None = None
    ) -> str | list[str]:
        """What comes before the answer; one text a choice for tasks that ask by context."""
        item = self.items[index]
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
            doc=self.items[index],
            ctx=context,
            metadata=(task.config.task, index, task.config.repeats),
            apply_chat_template=chat is not None,
            chat_template=chat,
        )
        return made if isinstance(made, list) else [made]
