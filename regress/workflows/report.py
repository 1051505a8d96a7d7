"""`regress report`: what an update did as a page that people open, and what the gate would say of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from regress.comparison.rows import SEED
from regress.config import Config, load_config
from regress.errors import RegressError
from regress.frames import ComparedRuns
from regress.policy.judge import judge
from regress.verdicts import Policy
from regress.views.html.page import Judgement
from regress.workflows.compare import compare
from regress.workflows.gate import cases
from regress.workflows.policies import policy_of
from regress.workflows.progress import Progress, Working, silent
from regress.workflows.reports import FILES, write_page, write_reports


def report(
    old: str,
    new: str,
    *,
    policy: str | Path | Policy | Mapping[str, Any] | None = None,
    tasks: Sequence[str] | str | None = None,
    allow: Collection[str] = (),
    store: str | Path | None = None,
    out: str | Path = "reports",
    formats: Collection[str] = ("html",),
    page_text: bool = True,
    with_text: bool = False,
    resampling_seed: int = SEED,
    progress: Progress = silent,
    **asked: Any,
) -> list[Path]:
    """Write reports of an update; runs that are not stored yet are evaluated first, as `compare` does.

    Args:
        old: A model's name, the path of stored runs, or answers that others recorded.
        new: The same for the new model.
        policy: What the verdict on the page is made by; as `gate` has it.
        tasks: Task names, groups or YAML paths.
        allow: Refusals to override: `prompts`, `task`, `scorer`.
        store: Folder of runs.
        out: The folder in which `<old>..<new>` is made.
        formats: Which of `html`, `md`, `json` and `csv`.
        page_text: Whether the page carries prompts, targets and outputs.
        with_text: Whether report.md and comparison.json do, which travel further.
        resampling_seed: Seed of bootstraps: same seed, same digits.
        progress: Called with what happens.
        **asked: What else `compare` takes.

    Returns:
        The files written.

    Raises:
        NotComparable: If the runs answer different questions.
        RegressError: If a run cannot be made or read, or there is no policy of that name.
    """
    config = load_config(store=store)
    held, assumed = policy_of(policy, config)
    compared = compare(
        old,
        new,
        tasks=tasks,
        allow=allow,
        store=store,
        resampling_seed=resampling_seed,
        progress=progress,
        **asked,
    )
    written = []
    if "html" in formats:
        progress(Working(text="writing the page"))
        found = judgement(compared, held, assumed=assumed, named=_named(config, tasks), seed=resampling_seed)
        written.append(write_page(compared, found, root=out, with_text=page_text))
    others = [name for name in formats if name != "html"]
    if others:
        folder = write_reports(compared, root=out, with_text=with_text, formats=others)
        written += [folder / FILES[name] for name in others]
    return written


def judgement(
    compared: ComparedRuns,
    policy: Policy,
    *,
    assumed: bool = False,
    named: Collection[str] = (),
    seed: int = SEED,
) -> Judgement:
    """What the gate would say of runs that were compared already, or why it would say nothing.

    Args:
        compared: The compared runs.
        policy: What they are held to.
        assumed: Whether that policy was used because none was given.
        named: Names of tasks and groups that were asked for.
        seed: Seed of resampling.
    """
    overridden = [difference.field for difference in compared.settings_compared]
    if overridden and not policy.allow:
        return Judgement(refusal=_NOT_MODELS)
    try:
        verdict = judge(cases(compared, policy, named), policy, seed=seed)
    except RegressError as error:  # a policy for other tasks, or one that decides nothing about these
        return Judgement(refusal=str(error))
    return Judgement(verdict=verdict, assumed=assumed)


_NOT_MODELS = "Settings are compared here, not models, and the policy does not allow that."


def _named(config: Config, tasks: Sequence[str] | str | None) -> Collection[str]:
    return config.settings(tasks=tasks).tasks if tasks or "tasks" in config.defaults else ()
