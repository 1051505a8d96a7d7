"""Memory of `evaluate` is the data set and one chunk, however many instances there are."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pytest

from regress.config import load_config
from regress.workflows.evaluate import evaluate_tasks, load
from regress.workflows.progress import Advanced

CHUNK = 32


@dataclass
class Need:
    """What `evaluate` needed beyond the loaded tasks, in bytes."""

    text: int
    """Characters of all prompts, choices, targets and source items."""
    python: int = 0
    """Most that Python objects took."""
    arrow: int = 0
    """Most that Arrow held after a chunk."""


@pytest.fixture
def needed(here, write_data, model) -> Callable[[int], Need]:
    """Answer so many instances with a scripted model."""

    def measured(n: int) -> Need:
        write_data(here / f"data{n}", piqa=n)
        (here / "mine.jsonl").write_text('{"match": "", "logprob": -1.0}\n')
        config = load_config(store=f"runs{n}")
        settings = config.settings(tasks="piqa", engine="scripted", data=f"data{n}", chunk_size=CHUNK)
        tasks = load(settings)
        (task,) = tasks.tasks
        need = Need(text=sum(len(f"{i.prompt}{i.choices}{i.target}{i.source}") for i in task.instances))
        held = pa.total_allocated_bytes()

        def watch(event):
            if isinstance(event, Advanced):
                need.arrow = max(need.arrow, pa.total_allocated_bytes() - held)

        tracemalloc.start()
        try:
            evaluate_tasks("mine.jsonl", settings, config, tasks, watch)
            need.python = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        return need

    return measured


@pytest.mark.parametrize(("few", "many"), [(300, 1200), pytest.param(2_000, 10_000, marks=pytest.mark.slow)])
def test_memory_grows_by_no_more_than_the_data_set(needed, few, many):
    """A prediction kept for every instance would show: it takes several times the text of its item."""
    needed(CHUNK)  # what is made once, and imports
    small, large = needed(few), needed(many)
    assert large.python - small.python < large.text - small.text
    assert large.arrow - small.arrow <= 2**16
