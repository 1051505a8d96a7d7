"""`regress gate`: may the new model go out?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.comparison.rows import SEED
from regress.comparison.table import columns_of
from regress.config import load_config
from regress.frames import ComparedRuns
from regress.policy.case import Case, case, pooled
from regress.policy.judge import judge
from regress.verdicts import Outcome, Policy, Verdict
from regress.workflows.compare import compare
from regress.workflows.policies import policy_of
from regress.workflows.progress import Progress, silent


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

    @property
    def exit_code(self) -> int:
        """What `regress gate` exits with."""
        return self.verdict.exit_code


def gate(
    old: str,
    new: str,
    *,
    policy: str | Path | Policy | None = None,
    tasks: Sequence[str] | str | None = None,
    store: str | Path | None = None,
    resampling_seed: int = SEED,
    progress: Progress = silent,
    **asked: Any,
) -> Gated:
    """Hold an update to a policy; runs that are not stored yet are evaluated first, as `compare` does.

    Groups of tasks that were asked for by name are judged as one, over all their items; their members
    only where the policy names them.

    Args:
        old: A model's name, or the path of a stored run or of a model's runs.
        new: The same for the new model.
        policy: A preset, a TOML file or a `Policy`; else what the configuration says, else `balanced`.
        tasks: Task names, groups or YAML paths.
        store: Folder of runs.
        resampling_seed: Seed of bootstraps: same seed, same digits.
        progress: Called with what happens.
        **asked: What else `compare` takes.

    Raises:
        NotComparable: If the runs answer different questions.
        RegressError: If there is no policy of that name, or it means nothing for these tasks.
    """
    held, assumed = (policy, False) if isinstance(policy, Policy) else policy_of(policy, load_config())
    compared = compare(
        old,
        new,
        tasks=tasks,
        store=store,
        allow=held.allow,
        resampling_seed=resampling_seed,
        progress=progress,
        **asked,
    )
    verdict = judge(cases(compared, held), held, seed=resampling_seed)
    return Gated(verdict=verdict, comparison=compared, assumed=assumed)


def cases(compared: ComparedRuns, policy: Policy) -> list[Case]:
    """What the gate judges: every row that is no member of a pooled one, and those that are named."""
    columns = columns_of(compared.pairs, compared.instances, compared.floors)
    single = {
        name: case(name, pairs, columns[name], compared.instances.get(name))
        for name, pairs in compared.pairs.items()
    }
    groups = {row.task.name: row.members for row in compared.tasks if row.members}
    within = {member for members in groups.values() for member in members}
    judged = [one for name, one in single.items() if name not in within or name in policy.tasks]
    return judged + [pooled(name, [single[one] for one in members]) for name, members in groups.items()]
