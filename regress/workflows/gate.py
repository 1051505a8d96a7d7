"""`regress gate`: may the new model go out?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from regress.comparison.rows import SEED
from regress.comparison.table import columns_of
from regress.config import Settings, load_config
from regress.definitions.yaml_files import tasks_folder
from regress.errors import UsageError
from regress.frames import ComparedRuns
from regress.policy.case import Case, case, pooled
from regress.policy.judge import judge, require_tasks
from regress.types import TaskComparison
from regress.verdicts import Outcome, Policy, Verdict
from regress.views.gate.beneath import WORST
from regress.workflows.compare import compare
from regress.workflows.policies import policy_of
from regress.workflows.progress import Progress, Working, silent


@dataclass(frozen=True, kw_only=True)
class Gated:
    """A verdict with what it rests on."""

    verdict: Verdict
    """What came of every rule."""
    comparison: ComparedRuns
    """What was judged."""
    assumed: bool
    """Whether the policy was assumed because none was named."""

    @property
    def outcome(self) -> Outcome:
        """`pass`, `fail`, `undecided` or `not gateable`."""
        return self.verdict.outcome

    def to_frame(self) -> pd.DataFrame:
        """One row a rule: task, slice, outcome, code, numbers and p-values, as `RuleResult` has them."""
        rows = [vars(result) for result in self.verdict.results]
        return pd.DataFrame(rows).drop(columns=["data", "warnings"])

    @property
    def exit_code(self) -> int:
        """What `regress gate` exits with."""
        return self.verdict.exit_code


def gate(
    old: str,
    new: str,
    *,
    policy: str | Path | Policy | Mapping[str, Any] | None = None,
    tasks: Sequence[str] | str | None = None,
    store: str | Path | None = None,
    resampling_seed: int = SEED,
    progress: Progress = silent,
    **asked: Any,
) -> Gated:
    """Hold an update to a policy; runs that are not stored yet are evaluated first, as `compare` does.

    A group of tasks that is asked for by name, or named in the policy, is judged as one, over all its
    items; its members only if they are named too.

    Args:
        old: A model's name, the path of stored runs, or answers that others recorded.
        new: The same for the new model.
        policy: A preset, a TOML file, a table as such a file holds it or a `Policy`; else what the
            configuration says, else `balanced`.
        tasks: Task names, groups or YAML paths.
        store: Folder of runs.
        resampling_seed: Seed of bootstraps: same seed, same digits.
        progress: Called with what happens.
        **asked: What else `compare` takes.

    Raises:
        NotComparable: If the runs answer different questions.
        RegressError: If there is no policy of that name, or it means nothing for these tasks.
    """
    config = load_config(store=store)
    held, assumed = policy_of(policy, config)
    named = config.settings(tasks=tasks).tasks if tasks or "tasks" in config.defaults else ()
    _require_possible(held, config.settings(tasks=tasks, **_items(asked)), named)
    compared = compare(
        old,
        new,
        tasks=tasks,
        store=store,
        allow=held.allow,
        resampling_seed=resampling_seed,
        progress=progress,
        **{"worst": WORST, **asked},
    )
    progress(Working(text="judging"))
    verdict = judge(cases(compared, held, named), held, seed=resampling_seed)
    return Gated(verdict=verdict, comparison=compared, assumed=assumed)


def _items(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asked[name] for name in ("limit", "sample") if name in asked}


def _require_possible(policy: Policy, settings: Settings, named: Collection[str]) -> None:
    """Refuse before any model runs what no answer could make pass.

    Raises:
        UsageError: If fewer items are asked than the policy needs.
        UnknownName: If the policy names a task that is not asked.
    """
    asked = settings.limit or settings.sample
    terms = [policy.tasks.get(name, policy.default) for name in named] or [policy.default]
    least = min(one.minimum_n for one in terms)
    if asked is not None and asked < least:
        raise UsageError(
            f"{asked} items of each task are asked, and policy {policy.name} judges no fewer than {least}",
            do="Ask more items, or set minimum_n in the policy.",
        )
    ours = {folder.name for folder in tasks_folder().iterdir() if folder.is_dir()}
    if named and set(named) <= ours:  # what a group holds is known once it is loaded
        require_tasks(policy, named)


def cases(compared: ComparedRuns, policy: Policy, named: Collection[str] = ()) -> list[Case]:
    """What the gate judges: groups that somebody named, and every task that is in none of them or named.

    Args:
        compared: The compared runs.
        policy: What they are held to.
        named: Names of tasks and groups that were asked for.
    """
    columns = columns_of(compared.pairs, compared.instances, compared.floors)
    single = {
        name: case(name, pairs, columns[name], compared.instances.get(name))
        for name, pairs in compared.pairs.items()
    }
    wanted = {*named, *policy.tasks, *(task for part in policy.slices for task in part.tasks)}
    groups = [row for row in compared.tasks if row.members and row.task.name in wanted]
    within = {member for row in groups for member in row.members} - wanted
    judged = [one for name, one in single.items() if name not in within]
    return judged + [
        pooled(row.task.name, [single[one] for one in row.members], _missing(row)) for row in groups
    ]


def _missing(row: TaskComparison) -> list[str]:
    """Tasks of a group that were not compared."""
    return [name for one in row.warnings if one.code == "pool-partial" for name in one.data["missing"]]
