"""What the rest of the house knows of a task: it asks, and it judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from regress.types import Instance, Prediction, Request, Response, TaskSpec


class ChatTemplate(Protocol):
    """Renders messages (`role`, `content`) to the text a chat model sees.

    `LM.apply_chat_template` of lm-eval's engines is one.
    """

    def __call__(self, messages: list[dict[str, Any]], /, add_generation_prompt: bool = ...) -> str:
        """The rendered text; the generation prompt is left out where an answer is already begun."""
        ...


class Task(Protocol):
    """One benchmark: its items, what is asked about each, and how answers are judged.

    `requests(i)` is the same whenever it is called, whatever was asked before; `score(i, responses)`
    takes the responses in the order of those requests.
    """

    @property
    def spec(self) -> TaskSpec:
        """What is asked and how it is judged."""
        ...

    @property
    def instances(self) -> Sequence[Instance]:
        """All items of the full data set, in its order."""
        ...

    def requests(
        self, index: int, *, chat: ChatTemplate | None = None, system: str | None = None
    ) -> list[Request]:
        """What to ask the model about the item at `index`."""
        ...

    def score(self, index: int, responses: Sequence[Response]) -> Prediction:
        """The judged answer to the item at `index`."""
        ...


@dataclass(frozen=True)
class TaskSet:
    """The tasks that were asked for, groups expanded."""

    tasks: tuple[Task, ...]
    """Every task once, in the order asked for."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the tasks under each group and tag that was asked for, nested groups included."""


@dataclass(frozen=True)
class TaskListing:
    """One line of `regress tasks`."""

    name: str
    """What to type."""
    kind: Literal["task", "group", "tag"]
    """Whether it stands for one task or several."""
    description: str
    """One sentence; empty where the definition has none."""
    ours: bool
    """Defined here, not by the installed lm-eval."""
    path: str | None
    """The YAML that defines it; null for a tag."""
