"""What the results file of Every Eval Ever tells of model, engine and task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from regress.errors import DataError
from regress.identity import rebuilt
from regress.interop import lines
from regress.interop.every_eval_ever.rows import OURS, task_and_metric
from regress.interop.fields import Fields
from regress.interop.records import Heading
from regress.types import EngineSpec, ModelSpec, RunSpec, Scale

FORMAT = "every_eval_ever"
"""What the format is called."""

_TOLD_OF_MODEL = ("revision", "dtype", "quantization")
_SHOTS = re.compile("[0-9]{1,4}")


def heading_of_results(
    told: Fields, model_id: str, task: str, headline: str, *, files: Sequence[Path]
) -> Heading:
    """What is told of a run, where `headline` decides; `told` is empty where there is no results file.

    Raises:
        DataError: If a field is not what the format says.
    """
    result = _result(told, task, headline)
    producer = " ".join(filter(None, (told.text("eval_library.name"), told.text("eval_library.version"))))
    model, engine = _model(told, model_id), _engine(told, result)
    shots = result.value("generation_config.additional_details.num_fewshot")
    return Heading(
        format=FORMAT,
        files=tuple(files),
        task=task,
        model=model,
        engine=engine,
        producer=producer,
        scale=_scale(result),
        metric=headline,
        higher_is_better=not result.truth("metric_config.lower_is_better"),
        num_fewshot=int(shots) if isinstance(shots, str) and _SHOTS.fullmatch(shots) else None,
        unknown=_unknown(model, engine, shots),
    )


def _result(told: Fields, task: str, headline: str) -> Fields:
    """The aggregate result that the headline's rows belong to; an empty one where there is none."""
    results = [Fields(told.where, one) for one in told.listed("evaluation_results") if isinstance(one, dict)]
    for result in results:
        if result.text("evaluation_name") and task_and_metric(result) == (task, headline):
            return result
    # older converters named results and rows differently
    return results[0] if len(results) == 1 else Fields(told.where, {})


def _scale(result: Fields) -> Scale | None:
    """Right or wrong where the format says so; a continuous aggregate may well be a mean of those."""
    return "binary" if result.text("metric_config.score_type") == "binary" else None


def _model(told: Fields, model_id: str) -> ModelSpec:
    identity = told.text("model_info.id") or model_id or "unknown"
    details = told.mapping("model_info.additional_details")
    given = {name: str(details[name]) if details.get(name) else None for name in _TOLD_OF_MODEL}
    return ModelSpec(
        name=told.text("model_info.name") or identity,
        source=identity,
        revision=given["revision"],
        dtype=given["dtype"],
        quantization=given["quantization"],
    )


def _engine(told: Fields, result: Fields) -> EngineSpec:
    known = told.text("model_info.inference_engine.name") or told.text("model_info.inference_platform")
    settings = result.mapping("generation_config.generation_args")
    return EngineSpec(
        name=known or "unknown",
        version=told.text("model_info.inference_engine.version") or "",
        batch_size=None,
        settings={name: value for name, value in settings.items() if value is not None},
    )


def _unknown(model: ModelSpec, engine: EngineSpec, shots: object) -> tuple[str, ...]:
    unknown = ["model.fingerprint", "model.tokenizer", "model.chat_template", "engine.batch_size"]
    unknown += [] if model.dtype else ["model.dtype"]
    unknown += ["engine.name"] if engine.name == "unknown" else []
    unknown += [] if shots else ["task.num_fewshot"]
    return (*unknown, "task.version", "choice_logprobs")


def spec_of_results(told: Fields) -> RunSpec | None:
    """The spec that regress put into what it wrote itself."""
    text = told.mapping("source_metadata.additional_details").get(OURS)
    if not isinstance(text, str):
        return None
    where = f"{told.where}, source_metadata.additional_details.{OURS}"
    try:
        return rebuilt(RunSpec, lines.parse(where, text.encode("utf-8", "surrogatepass")))
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} is damaged ({error})", do="Export the run again.") from None
