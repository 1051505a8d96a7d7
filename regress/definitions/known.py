"""What a task definition says about asking and judging, read as data: without lm-eval, items or code.

Enough to judge stored outputs again, and to give an item the id that it has where regress asks it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from regress.definitions import strata, templates
from regress.definitions.headline import Headline, Metric, headline, scorer
from regress.definitions.yaml_files import read, tasks_folder
from regress.errors import TaskError
from regress.types import Kind, Scale

KINDS: Mapping[str, Kind] = {
    "multiple_choice": "choice",
    "generate_until": "generation",
    "loglikelihood": "likelihood",
    "loglikelihood_rolling": "likelihood",
}
"""By lm-eval's name of how a task asks."""

_AGGREGATIONS = {
    **dict.fromkeys(("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"), "mean"),
    **dict.fromkeys(("rouge1", "rouge2", "rougeL"), "mean"),
    "perplexity": "perplexity",
    "word_perplexity": "weighted_perplexity",
    "byte_perplexity": "weighted_perplexity",
    "bits_per_byte": "bits_per_byte",
    "brier_score": "brier_score",
}
"""How lm-eval takes its own metrics together where a definition does not say it."""

_DESCENDING = frozenset({"perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "brier_score"})
_FUNCTION = re.compile(r"\s*(?:@.*\n\s*)*(?:def |<function )(?:[\w.<>]+\.)?(\w+)")
_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")


@dataclass(frozen=True, kw_only=True)
class Known:
    """A task as its definition describes it."""

    name: str
    """What it is called."""
    version: str
    """Version the definition gives itself; empty if none."""
    kind: Kind
    """How it is asked."""
    scale: Scale
    """How it is judged."""
    metric: str
    """Headline metric, as a key of `Prediction.scores`."""
    higher_is_better: bool
    """Direction of the headline metric."""
    scorer: Mapping[str, Any]
    """How outputs are judged, as data; `{"kind": "lm-eval"}` where only the task's own code can."""
    generation: Mapping[str, Any]
    """Generation settings; empty unless the task generates."""
    num_fewshot: int | None
    """Worked examples; null if the definition leaves it open."""
    config: Mapping[str, Any]
    """The definition itself."""

    def question(self, item: templates.Item) -> str | None:
        """What is asked about an item, without worked examples; null where only code can say.

        Raises:
            TaskError: If the item lacks a field that the definition reads.
        """
        return self._rendered("doc_to_text", item)

    def choices(self, item: templates.Item) -> tuple[str, ...] | None:
        """The choices of an item; null where there are none or only code can say.

        Raises:
            TaskError: If the item lacks a field that the definition reads.
        """
        declared = self.config.get("doc_to_choice")
        if isinstance(declared, Mapping):
            declared = list(declared.values())
        data = isinstance(declared, list) or (isinstance(declared, str) and _is_data(declared))
        return templates.choices(declared, item) if data and declared is not None else None

    def target(self, item: templates.Item) -> str | None:
        """The reference answer of an item (for choices the index); null where only code can say.

        Raises:
            TaskError: If the item lacks a field that the definition reads.
        """
        return self._rendered("doc_to_target", item)

    def cluster(self, item: templates.Item) -> str | None:
        """The cluster of an item, by `metadata: cluster`; null where there is none.

        Raises:
            TaskError: If it is declared in a way that cannot be read.
        """
        return strata.cluster(self.config.get("metadata") or {}, item)

    def tags(self, item: templates.Item) -> dict[str, str]:
        """The fixed strata of an item, by `metadata: tags`: a list of fields, or name to field.

        Raises:
            TaskError: If they are declared in a way that cannot be read.
        """
        return strata.tags(self.config.get("metadata") or {}, item)

    def _rendered(self, part: str, item: templates.Item) -> str | None:
        template = self.config.get(part)
        return templates.render(template, item) if isinstance(template, str) and _is_data(template) else None


def _is_data(template: str) -> bool:
    """Whether it is a template, not the source of a function as lm-eval's result files hold it."""
    return not template.lstrip().startswith(("def ", "<function", "functools.partial", "lambda "))


def known(config: Mapping[str, Any], *, metric: str | None = None) -> Known:
    """What a definition says; of lm-eval's result files, an entry of `configs`.

    Args:
        config: The definition, includes merged, defaults left out or written out.
        metric: The metric that decides, instead of the definition's first.

    Raises:
        UnknownName: If the metric asked for is not one of the task's.
        TaskError: If it does not define a task whose items have a value each.
    """
    name, output_type = config.get("task"), config.get("output_type", "generate_until")
    if not isinstance(name, str) or output_type not in KINDS:
        raise TaskError(f"the definition of {name!r} asks by {output_type!r}", allowed=", ".join(KINDS))
    metrics, metadata = metrics_of(config), config.get("metadata") or {}
    filters = config.get("filter_list")
    decides: Headline = headline(
        name,
        metrics,
        [one["name"] for one in filters] if filters else ["none"],
        asked=metric,
        metadata=metadata,
    )
    coded = "class" in config or callable(config.get("process_results")) or _code(config, "process_results")
    generates = output_type == "generate_until"
    return Known(
        name=name,
        version=str(metadata.get("version", config.get("version", ""))),
        kind=KINDS[output_type],
        scale=decides.scale,
        metric=decides.key,
        higher_is_better=decides.metric.higher_is_better,
        scorer={"kind": "lm-eval"} if coded else scorer(output_type, metrics, filters, metadata=metadata),
        generation=effective_generation(config.get("generation_kwargs"), {}) if generates else {},
        num_fewshot=config.get("num_fewshot"),
        config=config,
    )


def _code(config: Mapping[str, Any], part: str) -> bool:
    return config.get(part) is not None


def metrics_of(config: Mapping[str, Any]) -> list[Metric]:
    """The metrics of a definition, in its order; `acc` where it names none."""
    declared = config.get("metric_list") or [{"metric": "acc"}]
    return [_metric(dict(one)) for one in declared]


def _metric(declared: dict[str, Any]) -> Metric:
    named = declared.pop("metric")
    # a function: as YAML names it (`Code`), or as lm-eval wrote it into its results, which is its source
    source = _FUNCTION.match(named) if isinstance(named, str) else None
    name = source[1] if source else str(getattr(named, "name", named)).rpartition(".")[2]
    aggregation = declared.pop("aggregation", None)
    higher = declared.pop("higher_is_better", name not in _DESCENDING)
    return Metric(
        name=name,
        aggregation=aggregation if isinstance(aggregation, str) else _AGGREGATIONS.get(name),
        higher_is_better=higher is not False,
        builtin=isinstance(named, str)
        and source is None
        and name in _AGGREGATIONS
        and not name.startswith("rouge"),
        options=declared,
    )


def effective_generation(asked: Mapping[str, Any] | None, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Generation settings with `until` as a list and the length under its one name, 256 by default.

    >>> effective_generation({"until": "\\n", "max_new_tokens": 9}, {"do_sample": False})
    {'until': ['\\n'], 'do_sample': False, 'max_gen_toks': 9}
    """
    settings = {**(asked or {})}
    for source in (asked or {}, overrides):
        lengths = [source[name] for name in _LENGTHS if source.get(name) is not None]
        settings.update({name: value for name, value in source.items() if name not in _LENGTHS})
        if lengths:
            settings["max_gen_toks"] = int(lengths[0])
    for other in _LENGTHS[1:]:
        settings.pop(other, None)
    length = settings.pop("max_gen_toks", 256)
    until = settings.get("until") or []
    settings["until"] = [until] if isinstance(until, str) else list(until)
    return {**settings, "max_gen_toks": length}


@cache
def _shipped() -> Mapping[str, Path]:
    found = {}
    for path in sorted(tasks_folder().glob("*/*.yaml")):
        config = read(path).config
        if isinstance(config.get("task"), str):
            found[config["task"]] = path
    return found


def shipped(task: str, *, metric: str | None = None) -> Known | None:
    """A task that comes with regress; null if there is none of that name."""
    path = _shipped().get(task)
    return known(read(path).config, metric=metric) if path else None


def named(task: str, *, metric: str | None = None) -> Known | None:
    """A task by the path of its YAML, or by the name of one that comes with regress; null if there is none.

    Raises:
        TaskError: If the YAML is missing, or defines no task.
        UnknownName: If the metric asked for is not one of the task's.
    """
    if task.endswith((".yaml", ".yml")):
        return known(read(Path(task).expanduser()).config, metric=metric)
    return shipped(task, metric=metric)


def mistaken(task: str) -> str | None:
    """A task that comes with regress whose name `task` nearly is; null if it is none of ours, or one.

    >>> mistaken("piqqa"), mistaken("piqa"), mistaken("my_questions")
    ('piqa', None, None)
    """
    near = difflib.get_close_matches(task, _shipped(), n=1, cutoff=0.8)
    return near[0] if near and task not in _shipped() else None
