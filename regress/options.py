"""Options that several commands share: what is asked, how models run, and where runs lie."""

from __future__ import annotations

import argparse
import json
from typing import Any

# options that may differ between the two sides of a comparison
SIDED = (
    "engine",
    "engine_args",
    "dtype",
    "device",
    "batch_size",
    "max_gen_toks",
    "num_fewshot",
    "chat_template",
    "system",
)


def _engine_args(text: str) -> dict[str, Any]:
    """`k=v,…`, or a JSON object where values hold commas."""
    if text.startswith("{"):
        try:
            return dict(json.loads(text))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"not a JSON object ({error})") from None
    pairs = [piece.partition("=") for piece in text.split(",") if piece]
    if any(not sign for _, sign, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not k=v,k=v")
    return {name.strip(): _value(value) for name, _, value in pairs}


def _value(text: str) -> Any:
    words: dict[str, Any] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


_TYPES: dict[str, dict[str, Any]] = {
    "engine": {},
    "engine_args": {"type": _engine_args},
    "dtype": {},
    "device": {},
    "batch_size": {"type": int},
    "max_gen_toks": {"type": int},
    "num_fewshot": {"type": int},
    "chat_template": {},
    "system": {},
}


def add_store(parser: argparse.ArgumentParser) -> None:
    """Where runs lie."""
    parser.add_argument(
        "--store", metavar="DIR", help="folder of runs (default: $REGRESS_STORE, else reports/runs)"
    )


def add_sided(parser: argparse.ArgumentParser) -> None:
    """`--old-NAME X` and `--new-NAME X`, for what may differ between the two sides."""
    group = parser.add_argument_group("where the two sides differ (a quantised copy, another prompt)")
    for name in SIDED:
        for side in ("old", "new"):
            option = f"--{side}-{dashed(name)}"
            group.add_argument(option, metavar="X", help=argparse.SUPPRESS, **_TYPES[name])
    group.description = f"--old-NAME X and --new-NAME X; NAME: {', '.join(map(dashed, SIDED))}"


def add_questions(parser: argparse.ArgumentParser) -> None:
    """What is asked: tasks, items, shots."""
    group = parser.add_argument_group("what is asked")
    group.add_argument(
        "--tasks", metavar="T,…", help="task names, groups, YAML paths (default: gsm8k,samsum,piqa,hellaswag)"
    )
    group.add_argument(
        "--data",
        metavar="WHERE",
        help="hub, demo, or a folder of <task>/<split>.jsonl (default: demo for demo models only, else hub)",
    )
    group.add_argument("--limit", metavar="N", type=int, help="only the first N items, as lm-eval does")
    group.add_argument("--sample", metavar="N", type=int, help="N items drawn by --seed")
    group.add_argument(
        "--seed", metavar="N", type=int, help="seed of --sample and of sampled generation (1234)"
    )
    group.add_argument("--num-fewshot", metavar="N", type=int, help="worked examples (default: the task's)")
    group.add_argument(
        "--fewshot",
        choices=["fixed", "lm-eval"],
        help="the same first examples for every item, or lm-eval's sampler (default: the task's)",
    )
    group.add_argument("--metric", metavar="NAME", help="headline metric (default: the task's)")
    group.add_argument(
        "--trust-task-code",
        action="store_true",
        default=None,
        help="run Python that a task YAML given by path names",
    )
    group.add_argument(
        "--allow-unsafe-code",
        action="store_true",
        default=None,
        help="run tasks that execute what a model wrote",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """How models run."""
    group = parser.add_argument_group("how models run")
    group.add_argument(
        "--engine", metavar="NAME", help="hf (default), vllm, local-completions, …, or scripted"
    )
    group.add_argument("--engine-args", metavar="K=V,…", type=_engine_args, help="further arguments for it")
    group.add_argument("--dtype", metavar="T", help="float32, bfloat16, float16 (default: the checkpoint's)")
    group.add_argument(
        "--device", metavar="D", help="cpu, cuda, cuda:1, mps (default: a GPU if there is one)"
    )
    group.add_argument("--batch-size", metavar="N", type=int, help="requests that run together (8)")
    group.add_argument(
        "--max-gen-toks", metavar="N", type=int, help="longest generated answer (default: the task's)"
    )
    group.add_argument(
        "--chat-template", metavar="NAME", help="none (default), auto, or one of the tokenizer's templates"
    )
    group.add_argument("--system", metavar="TEXT", help="system instruction before each prompt")
    group.add_argument(
        "--trust-remote-code",
        action="store_true",
        default=None,
        help="run Python that comes with a checkpoint",
    )
    group.add_argument(
        "--allow-bin", action="store_true", default=None, help="read .bin weights, with weights_only=True"
    )
    group.add_argument("--chunk-size", metavar="N", type=int, help="instances a stored part holds (128)")
    group.add_argument(
        "--no-text",
        dest="text",
        action="store_false",
        default=None,
        help="store hashes instead of prompts and outputs",
    )
    add_store(parser)


_SETTINGS = (
    *("tasks", "data", "limit", "sample", "seed", "num_fewshot", "fewshot", "metric"),
    *("trust_task_code", "allow_unsafe_code", "engine", "engine_args", "dtype", "device", "batch_size"),
    *("max_gen_toks", "chat_template", "system", "trust_remote_code", "allow_bin", "chunk_size", "text"),
)


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Fields of `regress.config.Settings` as given; null where an option was not."""
    return {name: getattr(options, name) for name in _SETTINGS}


def side_settings(options: argparse.Namespace, side: str) -> dict[str, Any]:
    """What was given for one side only (`--old-dtype …`)."""
    given = {name: getattr(options, f"{side}_{name}") for name in SIDED}
    return {name: value for name, value in given.items() if value is not None}


def dashed(name: str) -> str:
    """An option's name as it is typed."""
    return name.replace("_", "-")
