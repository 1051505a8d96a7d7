"""Prompts without what every instance of a task shares."""

from __future__ import annotations

from regress.types import TaskSpec


def question(task: TaskSpec, prompt: str) -> str:
    """The prompt without its worked examples, which blank lines set apart.

    >>> shots = TaskSpec(name="t", version="1", kind="choice", scale="binary", metric="acc", num_fewshot=1)
    >>> question(shots, "Q: 1+1? A: 2\\n\\nQ: 2+2? A:")
    'Q: 2+2? A:'
    """
    return prompt.rstrip().rpartition("\n\n")[2] if task.num_fewshot else prompt
