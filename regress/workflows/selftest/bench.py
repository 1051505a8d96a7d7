"""Where oracles work: a folder with items, models and runs, each made once and remembered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regress.changes import Update
from regress.config import load_config
from regress.frames import ComparedRuns
from regress.tasks.task import TaskSet
from regress.updates.planning import Step
from regress.updates.recipe import shown
from regress.workflows import evaluate as evaluation
from regress.workflows.compare import compare
from regress.workflows.divergence import divergence
from regress.workflows.gate import Gated, gate
from regress.workflows.progress import Progress, Working, silent
from regress.workflows.selftest.material import TASKS, TEXT, lay_out
from regress.workflows.update import apply

OLD, EARLIER = "demo-v2", "demo-v1"
"""The model that is updated, and the one before it."""
WINDOW = 256
"""Tokens that divergence is measured over at a time."""


class Bench:
    """A folder in which models are made, asked and compared; it must be the current one, and empty.

    Args:
        progress: Called with what begins.
    """

    def __init__(self, progress: Progress = silent) -> None:
        self._progress = progress
        self._updates: dict[tuple[Any, ...], Update] = {}
        self._runs: dict[tuple[Any, ...], Path] = {}
        self._tasks: dict[Sequence[str], TaskSet] = {}
        Path("regress.toml").write_text("", encoding="utf-8")  # the user's configuration is not in force here
        lay_out(Path("items"))

    def update(self, *steps: str | Step, old: str = OLD, dtype: str | None = None) -> Update:
        """The update of `old` by these steps, made and checked.

        Raises:
            ClaimViolated: If the new model is not what the steps promise.
        """
        key = (old, dtype, steps)
        if key not in self._updates:
            self._progress(Working(text=f"making {named(*steps)}"))
            self._updates[key] = apply(old, steps, f"models/{len(self._updates) + 1:02d}", dtype=dtype)
        return self._updates[key]

    def made(self, *steps: str | Step, old: str = OLD, dtype: str | None = None) -> str:
        """Where the model lies that these steps make of `old`."""
        return self.update(*steps, old=old, dtype=dtype).path

    def answers(self, model: str, *, tasks: Sequence[str] = TASKS, time: int = 1, **settings: Any) -> Path:
        """Folder of a model's answers, asked afresh the second `time`; `settings` as `evaluate` has them."""
        key = (model, tuple(tasks), time, repr(sorted(settings.items())))
        if key not in self._runs:
            self._progress(Working(text=f"asking {model}"))
            config = load_config(store=f"runs/{len(self._runs) + 1:02d}")
            asked = config.settings(tasks=list(tasks), data="items", **settings)
            if tuple(tasks) not in self._tasks:
                self._tasks[tuple(tasks)] = evaluation.load(asked)
            built = self._tasks[tuple(tasks)]
            first, *_ = evaluation.evaluate_tasks(model, asked, config, built, silent)
            self._runs[key] = first.parent
        return self._runs[key]

    def compared(self, new: str, *, old: str = OLD, tasks: Sequence[str] = TASKS) -> ComparedRuns:
        """What the harness finds of an update."""
        return compared(self.answers(old, tasks=tasks), self.answers(new, tasks=tasks))

    def gated(self, new: str, *, old: str = OLD, tasks: Sequence[str], policy: str) -> Gated:
        """The gate's verdict on an update."""
        runs = [str(self.answers(model)) for model in (old, new)]
        return gate(runs[0], runs[1], tasks=list(tasks), policy=policy)

    def kld(self, new: str, *, old: str = OLD, window: int = WINDOW) -> float:
        """Mean KLD(old ‖ new) over a text, in nats a token, of what both compute in float32."""
        (row,) = divergence(old, new, text=TEXT, window=window, dtype="float32").rows
        return row.kld.value


def compared(old: Path, new: Path) -> ComparedRuns:
    """What the harness finds of two models' stored answers."""
    return compare(str(old), str(new))


def named(*steps: str | Step) -> str:
    """Steps as they are typed."""
    return " ".join(step if isinstance(step, str) else shown(step) for step in steps)
