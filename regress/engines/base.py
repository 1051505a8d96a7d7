"""The seam: what every engine is.

An engine answers requests, says what it is, and can be put away. Everything that can change an
answer is in its spec; what a real model does, the scripted engine does from a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from regress.types import EngineSpec, ModelSpec, Request, Response, TaskSpec

Chat = Callable[..., str]
"""Messages (`[{"role": …, "content": …}]`) to one prompt; takes `add_generation_prompt`."""


class Engine(Protocol):
    """Runs one model.

    Nothing is loaded before the first `answer`: describing an engine is cheap, so that a finished
    run can be found without its weights.
    """

    @property
    def model(self) -> ModelSpec:
        """The model that this engine runs."""
        ...

    @property
    def chat(self) -> Chat | None:
        """Renders messages as one prompt; null where no chat template is applied."""
        ...

    def spec(self, task: TaskSpec) -> EngineSpec:
        """Everything about this engine that can change an answer to `task`."""
        ...

    def recorded(self) -> Mapping[str, Any]:
        """What is worth remembering but changes no answer: device, other versions."""
        ...

    def load(self) -> None:
        """Load the model now rather than at the first answer; nothing where it is loaded, or there is none.

        Raises:
            EngineError: If the engine cannot be built.
            ModelError: If the checkpoint cannot be loaded.
        """
        ...

    def answer(self, requests: Sequence[Sequence[Request]]) -> list[list[Response]]:
        """Answer every request of every instance, in the order given.

        The answers depend on these requests and on `state` alone, not on what was answered before.

        Raises:
            EngineError: If the engine cannot be built or fails as a whole; a single request that
                has no answer gets a response with `error`.
        """
        ...

    def state(self) -> Mapping[str, Any]:
        """What the engine had to change about itself while answering, such as limits for lack of memory.

        Empty where nothing was; JSON values otherwise.
        """
        ...

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on as an engine would that has just told `state`; from the start if it is empty."""
        ...

    def close(self) -> None:
        """Free the model's memory."""
        ...
