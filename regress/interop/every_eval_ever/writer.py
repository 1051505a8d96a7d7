"""A run in the format of Every Eval Ever 0.3.0: a results file and a file of samples beside it.

The results file holds one aggregate result, the headline metric. What the format has no field for (ids of
prompts, log-probabilities, margins, other metrics, finish) stands as JSON text in each row's
`metadata.regress`, the run's spec in `source_metadata.additional_details.regress`: read back by
`regress.interop.every_eval_ever.reader`, nothing is lost but lone nan and infinities, which JSON cannot say.
What the format requires and regress does not know is empty, `unknown` or `other`; an answer that is
missing scores 0 and is not correct, as the format requires numbers, and says so in `error`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa

from regress.errors import StoreError
from regress.identity import file_hash, run_fingerprint, strict
from regress.interop.every_eval_ever.rows import OURS
from regress.interop.exports.writer import joined, json_text
from regress.schema import storable
from regress.types import Run, Scale

VERSION = "0.3.0"
"""The version of both schemas."""

_FIELDS = ("output", "prompt", "choices", "target")
"""Columns that have a field of their own; they stand in `metadata.regress` only where they are null."""

_RANGE: Mapping[Scale, Mapping[str, Any]] = {
    "binary": {"score_type": "binary"},
    "bounded": {"score_type": "continuous", "min_score": 0, "max_score": 1},
    "unbounded": {"score_type": "continuous", "min_score": "-Infinity", "max_score": "Infinity"},
}


def write_run(run: Run, instances: pa.Table | None, folder: Path) -> tuple[Path, Path]:
    """Write a run to `folder`, under names that follow from its spec; returns results and samples.

    Both files are replaced once they are whole; the folder is made if it is not there.

    Raises:
        StoreError: If a file cannot be written.
    """
    name = _name(run)
    results, samples = folder / f"{name}.json", folder / f"{name}_samples.jsonl"
    unfinished = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in (samples, results)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(unfinished[samples], "wb") as file:
            for row in _rows(run, instances):
                file.write(json_text(row).encode() + b"\n")
        document = _results(run, samples.name, checksum=file_hash(unfinished[samples]))
        unfinished[results].write_text(json_text(document) + "\n", encoding="utf-8")
        for path, temporary in unfinished.items():
            temporary.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write into {folder}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            for temporary in unfinished.values():
                temporary.unlink(missing_ok=True)
    return results, samples


def _name(run: Run) -> str:
    """A version 4 UUID, as the format wants a file named, that is the same for the same run."""
    digest = bytes.fromhex(run_fingerprint(run.spec))
    return str(uuid.UUID(bytes=digest[:16], version=4))


def _evaluation_id(run: Run) -> str:
    return f"{run.spec.task.name}/{run.spec.model.source}/{_timestamp(run)}"


def _timestamp(run: Run) -> str:
    """Seconds since 1970, as text; empty if the run does not say when it was finished."""
    try:
        return str(int(datetime.fromisoformat(run.manifest.finished).timestamp()))
    except ValueError:
        return ""


# ── samples ──────────────────────────────────────────────────────────────────────────────────────


def _rows(run: Run, instances: pa.Table | None) -> Iterator[dict[str, Any]]:
    for batch in joined(run.predictions, instances):
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            yield _row(run, row)


def _row(run: Run, row: dict[str, Any]) -> dict[str, Any]:
    raw, reference = row["prompt"] or "", [] if row["target"] is None else [row["target"]]
    kept = {name: value for name, value in row.items() if name not in _FIELDS or value is None}
    return {
        "schema_version": VERSION,
        "evaluation_id": _evaluation_id(run),
        "model_id": storable(run.spec.model.source),
        "evaluation_name": run.spec.task.name,
        "evaluation_result_id": run.spec.task.metric,
        "sample_id": row["instance_id"],
        "sample_hash": hashlib.sha256((raw + "".join(reference)).encode()).hexdigest(),
        "interaction_type": "single_turn",
        "input": {"raw": raw, "reference": reference, "choices": row["choices"]},
        "output": {"raw": [row["output"] or ""]},
        "answer_attribution": _attribution(row["answer"]),
        "evaluation": {"score": _number(row["score"]), "is_correct": bool(row["correct"])},
        "token_usage": _usage(row["prompt_tokens"], row["output_tokens"]),
        "error": row["error"] if row["status"] == "error" else None,
        "metadata": {OURS: json_text(kept)},
    }


def _attribution(answer: str | None) -> list[dict[str, Any]]:
    """How the answer was read; nothing where none could be."""
    if answer is None:
        return []
    read = {"source": "output.raw", "extracted_value": answer, "extraction_method": "custom"}
    return [{"turn_idx": 0, **read, "is_terminal": True}]


def _usage(shown: int | None, written: int | None) -> dict[str, int] | None:
    if shown is None or written is None:
        return None
    return {"input_tokens": shown, "output_tokens": written, "total_tokens": shown + written}


def _number(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else 0.0


# ── results ──────────────────────────────────────────────────────────────────────────────────────


def _results(run: Run, samples: str, *, checksum: str) -> dict[str, Any]:
    return {
        "schema_version": VERSION,
        "evaluation_id": _evaluation_id(run),
        "retrieved_timestamp": _timestamp(run),
        "source_metadata": {
            "source_name": "regress",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
            # ASCII: a model's folder may have a name that is no UTF-8
            "additional_details": {OURS: json.dumps(strict(run.spec), allow_nan=False)},
        },
        "eval_library": {"name": "regress", "version": importlib.metadata.version("regress-harness")},
        "model_info": _model_info(run),
        "evaluation_results": [_result(run)],
        "detailed_evaluation_results": {
            "format": "jsonl",
            "file_path": _canonical(run, samples),
            "hash_algorithm": "sha256",
            "checksum": checksum,
            "total_rows": run.predictions.num_rows,
        },
    }


def _canonical(run: Run, name: str) -> str:
    """Where the format's own collection would keep the samples: task, developer, model."""
    parts = [part for part in PurePath(storable(run.spec.model.source)).parts if part.strip("/.")]
    developer = parts[-2] if len(parts) > 1 else "unknown"
    task = run.spec.task.name.replace("/", "_")
    return f"data/{task}/{developer}/{parts[-1] if parts else 'unknown'}/{name}"


def _model_info(run: Run) -> dict[str, Any]:
    model, engine = run.spec.model, run.spec.engine
    told = {name: getattr(model, name) for name in ("revision", "dtype", "quantization", "fingerprint")}
    # weights that could be hashed were at hand; whether they are open to others nobody knows
    deployment = "unknown" if model.fingerprint is None else "self_deployed"
    return {
        "name": storable(model.name),
        "id": storable(model.source),
        "inference_engine": {"name": engine.name, "version": engine.version},
        "additional_details": {
            "deployment_type": deployment,
            "model_availability": "unknown",
            **{name: value for name, value in told.items() if value is not None},
        },
    }


def _result(run: Run) -> dict[str, Any]:
    task = run.spec.task
    scores = [_number(score) for score in run.predictions["score"].to_pylist()]
    return {
        "evaluation_result_id": task.metric,
        "evaluation_name": task.name,
        "source_data": _source_data(run),
        "metric_config": {
            "metric_name": task.metric,
            "lower_is_better": not task.higher_is_better,
            **_RANGE[task.scale],
        },
        "score_details": {
            "score": math.fsum(scores) / len(scores) if scores else 0.0,
            "uncertainty": {"num_samples": len(scores)},
        },
        "generation_config": {
            "additional_details": {name: json_text([value])[1:-1] for name, value in task.generation.items()}
            | ({} if task.num_fewshot is None else {"num_fewshot": str(task.num_fewshot)})
        },
    }


def _source_data(run: Run) -> dict[str, Any]:
    kind, _, rest = run.spec.task.data.partition(":")
    named = {"dataset_name": run.spec.task.name}
    if kind == "hub" and rest:
        return {**named, "source_type": "hf_dataset", "hf_repo": rest.partition("@")[0]}
    return {**named, "source_type": "other"}
