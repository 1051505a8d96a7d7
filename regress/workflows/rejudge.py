"""Stored outputs judged again, row by row: by a scorer that is data, or by the task's own code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from regress.config import Settings
from regress.definitions.known import Known
from regress.errors import MissingExtra, StoreError, TaskError
from regress.schema import storable, targets_of
from regress.scoring.score import Judgement, score
from regress.store.runs import read_instances
from regress.types import Logprob, Prediction, Response, Run, TaskSpec, Text

_NOT_STORED = ("acc_mutual_info", "exact_match")
"""Metrics of choices that rest on more than the log-likelihoods that are kept."""

_DATA = "Judge it by the data that it was asked from (regress evaluate --data)."

_ITEM = ["instance_id", "choices", "golds", "target"]
_READ = ["instance_id", "output", "choice_logprobs", "scores"]


def by_data(run: Run, definition: Known) -> Iterator[Judgement]:
    """Judge a run's rows by a scorer that is data; needs nothing but what is stored.

    Raises:
        StoreError: If outputs, targets or log-likelihoods are not there.
        TaskError: If judging needs more than one output of an instance.
    """
    _require_texts(run)
    instances = read_instances(run)
    if instances is None:
        raise StoreError(f"the instances that {run.path} answers are missing", do="They hold the targets.")
    steps = [step["function"] for one in definition.scorer.get("filters", ()) for step in one["filter"]]
    if "majority_vote" in steps:
        raise TaskError(
            f"{definition.name} takes a vote over several outputs, of which only the first is stored"
        )
    items = {row["instance_id"]: row for row in instances.select(_ITEM).to_pylist()}
    for row in run.predictions.select(_READ).to_pylist():
        yield _judgement(row, items.get(row["instance_id"], {}), definition)


def _require_texts(run: Run) -> None:
    if not run.spec.text:
        raise StoreError(f"{run.path} holds hashes instead of texts", do="It cannot be judged again.")


def _judgement(row: Mapping[str, Any], item: Mapping[str, Any], definition: Known) -> Judgement:
    where, scorer = f"{definition.name} {row['instance_id']}", definition.scorer
    if scorer["kind"] == "text":
        targets = targets_of(item.get("target"))
        if row["output"] is None or not targets:
            missing = "output" if row["output"] is None else "target"
            raise StoreError(f"{where} has no {missing}", do="It cannot be judged again.")
        return score(scorer, definition.metric, outputs=[row["output"]], targets=targets)
    if row["choice_logprobs"] is None or item.get("choices") is None:
        missing = "choices" if row["choice_logprobs"] else "log-likelihoods"
        raise StoreError(f"{where} has no {missing}", do="It cannot be judged again.")
    judged = score(
        {**scorer, "metrics": [name for name in scorer["metrics"] if name not in _NOT_STORED]},
        definition.metric,
        logprobs=row["choice_logprobs"],
        choices=item["choices"],
        golds=item["golds"] or (),
    )
    recorded = {name: value for name, value in row["scores"] or () if name in _NOT_STORED}
    return replace(judged, scores={**judged.scores, **recorded})


def by_lm_eval(
    run: Run, task: str, metric: str | None, permitted: Mapping[str, bool]
) -> tuple[TaskSpec, Iterator[Prediction]]:
    """Judge a run's rows by the task's own code, which needs lm-eval and the task's items.

    Args:
        run: The run.
        task: A task by name, or the path of its YAML.
        metric: The metric that decides; null for the definition's.
        permitted: `trust_task_code` and `allow_unsafe_code` (`regress.config.Settings`).

    Returns:
        The task as it judges now, and the judged rows.

    Raises:
        MissingExtra: If lm-eval is not installed.
        TaskError: If the items are not those of the run, or only likelihoods were asked.
    """
    asked = run.manifest.recorded.get("asked") or {}
    given: dict[str, Any] = {"tasks": (task,), "metric": metric, **permitted}
    given |= {name: asked[name] for name in ("data", "num_fewshot", "fewshot") if asked.get(name) is not None}
    _require_texts(run)
    try:
        from regress.workflows.evaluate import load

        found = load(Settings(**given)).tasks
    except (MissingExtra, ModuleNotFoundError):
        raise MissingExtra(f"judging {task} again", "models", "lm-eval") from None
    if len(found) != 1:
        raise TaskError(f"{task} stands for {len(found)} tasks", allowed="one task")
    judging = found[0]
    targets = _targets(run)

    def judged() -> Iterator[Prediction]:
        for row in run.predictions.to_pylist():
            id_, index = row["instance_id"], row["index"]
            known = index < len(judging.instances)
            if not known or judging.instances[index].id != id_:
                raise TaskError(f"instance {id_} of {run.path} is not item {index} of {task}", do=_DATA)
            target = storable(judging.instances[index].target or "")
            if targets.get(id_, target) != target:
                raise TaskError(
                    f"item {index} of {task} has another reference answer than {run.path}", do=_DATA
                )
            yield judging.score(index, _responses(row, judging.spec))

    return judging.spec, judged()


def _targets(run: Run) -> dict[str, str]:
    """By instance, the reference answer that a run was judged against, where it is stored."""
    instances = read_instances(run)
    rows = [] if instances is None else instances.select(["instance_id", "target"]).to_pylist()
    return {row["instance_id"]: row["target"] for row in rows if row["target"] is not None}


def _responses(row: Mapping[str, Any], task: TaskSpec) -> list[Response]:
    """What the engine answered, as far as it is stored."""
    if task.kind == "generation" and row["output"] is not None:
        return [Text(text=row["output"], finish=row["finish"])]
    if task.kind == "choice" and row["choice_logprobs"] is not None:
        return [Logprob(value=value) for value in row["choice_logprobs"]]
    raise TaskError(
        f"of {row['instance_id']}, the run of {task.name} keeps nothing that could be judged again",
        do="Evaluate the model again.",
    )
