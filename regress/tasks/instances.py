"""lm-eval's items as `Instance`s: ids, choices, right answers, clusters and tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from regress.definitions import strata
from regress.errors import DataError
from regress.identity import ID_FIELDS, item_id, numbered, source_json
from regress.schema import target_text
from regress.tasks.items import own_ids
from regress.tasks.rendering import Rendered
from regress.types import Instance


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What is right about one item."""

    choices: tuple[str, ...] | None
    """The choices; null unless some are compared."""
    golds: tuple[int, ...]
    """Indices of the right ones."""
    targets: tuple[str, ...]
    """Reference answers as text."""


def answers(task: Any, item: Mapping[str, Any]) -> Answers:
    """What is right about an item, as lm-eval's `process_results` reads it."""
    target = task.doc_to_target(item)
    match task.OUTPUT_TYPE:
        case "multiple_choice":
            choices = tuple(str(choice) for choice in task.doc_to_choice(item))
            golds = _golds(task.doc_to_text(item) if task.multiple_input else target, choices)
            return Answers(choices=choices, golds=golds, targets=tuple(choices[gold] for gold in golds))
        case "loglikelihood_rolling":
            return Answers(choices=None, golds=(), targets=())
        case "generate_until" if task.config.doc_to_choice is not None and isinstance(target, int):
            return Answers(choices=None, golds=(), targets=(str(task.doc_to_choice(item)[target]),))
        case _:
            several = target if isinstance(target, list) else [target]
            return Answers(choices=None, golds=(), targets=tuple(str(one) for one in several))


def _golds(gold: Any, choices: Sequence[str]) -> tuple[int, ...]:
    several = gold if isinstance(gold, list) else [gold]
    indices = [choices.index(one) if isinstance(one, str) and one in choices else one for one in several]
    return tuple(int(i) for i in indices if isinstance(i, int) and 0 <= i < len(choices))


def ids_of(task: Any, items: Iterable[Mapping[str, Any]]) -> list[str] | None:
    """The data set's own ids, of the field that `metadata` declares if it does; null if it has none.

    Raises:
        DataError: If the field that is declared to identify the items does not.
    """
    declared = (task.config.metadata or {}).get("id")
    names = [declared] if declared else ID_FIELDS
    return own_ids([{name: item[name] for name in names if name in item} for item in items], declared)


def instance_of(task: Any, index: int, id_: str | None, rendered: Rendered) -> Instance:
    """The item at `index`, identified by `id_` or, if that is null, by what it says.

    Raises:
        TaskError: If `metadata` declares clusters or tags in a way that cannot be read.
    """
    item, metadata = rendered.item, task.config.metadata or {}
    known = answers(task, item)
    return Instance(
        id=_hashed_id(task, item, known) if id_ is None else id_,
        index=index,
        prompt=prompt_text(task, item, rendered.context),
        target=target_text(known.targets),
        choices=known.choices,
        golds=known.golds,
        cluster=strata.cluster(metadata, item),
        tags=strata.tags(metadata, item),
        source=source_json(item),
    )


def told_apart(instances: Sequence[Instance]) -> list[Instance]:
    """The same, with ids made unique."""
    unique = numbered([one.id for one in instances])
    return [
        one if one.id == id_ else replace(one, id=id_) for one, id_ in zip(instances, unique, strict=True)
    ]


def refuse_hidden(task: Any, instances: Sequence[Instance]) -> None:
    """Refuse items of which none has a right choice.

    Raises:
        DataError: If it is so.
    """
    if task.OUTPUT_TYPE == "multiple_choice" and not any(one.golds for one in instances):
        raise DataError(
            f"no item of the task {task.config.task!r} has a right choice (first: "
            f"{task.doc_to_target(task.task_docs[0])!r})",
            do="Are the labels of this split hidden, or is their field missing?",
        )


def prompt_text(task: Any, item: Mapping[str, Any], context: str | list[str]) -> str:
    """`Instance.prompt`: the context; the text itself where only its likelihood is asked."""
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return str(task.doc_to_target(item))
    return context if isinstance(context, str) else "\n".join(context)


def _hashed_id(task: Any, item: Mapping[str, Any], known: Answers) -> str:
    if task.OUTPUT_TYPE == "loglikelihood_rolling" or getattr(task, "multiple_input", 0):
        question = task.doc_to_target(item)  # the text itself; what all choices continue with
    else:
        question = task.doc_to_text(item)
    return item_id(str(question), known.choices or ())
