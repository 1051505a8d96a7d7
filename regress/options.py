"""Options that several commands share: what is asked, how models run, and where runs lie."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from regress.errors import UnknownName, UsageError

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


class Parser(argparse.ArgumentParser):
    """Refuses as the rest of regress does: one sentence, the nearest name, and no page of usage."""

    def __init__(self, **arguments: Any) -> None:
        # an abbreviation would mean something else as soon as another option begins alike
        super().__init__(**{"allow_abbrev": False, **arguments})

    def error(self, message: str) -> NoReturn:
        """Called by argparse with what it cannot parse."""
        raise UsageError(message.removeprefix("argument "), do=f"`{self.prog} --help` says more.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Only commands have choices; argparse would list them and name none."""
        if action.choices is not None and value not in action.choices:
            raise UnknownName("command", value, action.choices, do=f"`{self.prog} --help` says more.")

    def refuse(self, word: str) -> NoReturn:
        """Say why `word` was left over."""
        option, known = word.partition("=")[0], list(self._option_string_actions)
        if not word.startswith("-"):
            raise UsageError(f"{word!r} is one argument too many", do=f"`{self.prog} --help` says more.")
        if option in known:
            raise UsageError(f"{option} stands before the command", do="Options come after it.")
        raise UnknownName("option", option, known, do=f"`{self.prog} --help` lists them.")


def whole(text: str) -> int:
    """A whole number, for argparse."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def one_of(*names: str) -> Callable[[str], str]:
    """One of these words, for argparse."""

    def checked(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(names)}")
        return text

    return checked


def assignment(shape: str) -> Callable[[str], tuple[str, str]]:
    """Two words with an equals sign between, for argparse; `shape` names them: `column=value`."""

    def checked(text: str) -> tuple[str, str]:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise argparse.ArgumentTypeError(f"{text!r} is not {shape}")
        return name, value

    return checked


def names(text: str) -> list[str]:
    """Several names with commas between, for argparse."""
    return [name for name in map(str.strip, text.split(",")) if name]


def _engine_args(text: str) -> dict[str, Any]:
    """`k=v,…`, or a JSON object where values hold commas."""
    if text.startswith("{"):
        try:
            return dict(json.loads(text))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not a JSON object ({error})") from None
    pairs = [piece.partition("=") for piece in text.split(",") if piece]
    if any(not sign for _, sign, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not k=v,k=v nor a JSON object")
    return {name.strip(): _value(value) for name, _, value in pairs}


def _value(text: str) -> Any:
    words: dict[str, Any] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for number in (int, float):
        try:
            value = number(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return text


_TYPES: dict[str, dict[str, Any]] = {
    "engine": {},
    "engine_args": {"type": _engine_args},
    "dtype": {},
    "device": {},
    "batch_size": {"type": whole},
    "max_gen_toks": {"type": whole},
    "num_fewshot": {"type": whole},
    "chat_template": {},
    "system": {},
}


def add_store(parser: argparse.ArgumentParser, **options: Any) -> None:
    """Where runs lie."""
    parser.add_argument(
        "--store",
        metavar="DIR",
        **options,
        help="folder of runs (default: $REGRESS_STORE, else reports/runs)",
    )


def add_sides(parser: argparse.ArgumentParser) -> None:
    """OLD and NEW."""
    for side in ("old", "new"):
        parser.add_argument(
            side,
            metavar=side.upper(),
            help=f"the {side} model, the path of stored runs, or a file of others' answers",
        )


def add_sided(parser: argparse.ArgumentParser, sided: Sequence[str] = SIDED) -> None:
    """`--old-NAME X` and `--new-NAME X`, for what may differ between the two sides."""
    group = parser.add_argument_group("where the two sides differ (a quantised copy, another prompt)")
    for name in sided:
        for side in ("old", "new"):
            option = f"--{side}-{dashed(name)}"
            group.add_argument(option, metavar="X", help=argparse.SUPPRESS, **_TYPES[name])
    group.description = f"--old-NAME X and --new-NAME X; NAME: {', '.join(map(dashed, sided))}"


def add_questions(parser: argparse.ArgumentParser) -> None:
    """What is asked: tasks, items, shots."""
    group = parser.add_argument_group("what is asked")
    group.add_argument(
        "--tasks",
        metavar="T,…",
        type=names,
        help="task names, groups, YAML paths (default: gsm8k,samsum,piqa,hellaswag)",
    )
    group.add_argument(
        "--data",
        metavar="WHERE",
        help="hub, demo, or a folder of <task>/<split>.jsonl (default: demo for demo models only, else hub)",
    )
    group.add_argument("--limit", metavar="N", type=whole, help="only the first N items, as lm-eval does")
    group.add_argument("--sample", metavar="N", type=whole, help="N items drawn by --seed")
    group.add_argument(
        "--seed", metavar="N", type=whole, help="seed of --sample and of sampled generation (1234)"
    )
    group.add_argument("--num-fewshot", metavar="N", type=whole, help="worked examples (default: the task's)")
    group.add_argument(
        "--fewshot",
        metavar="HOW",
        type=one_of("fixed", "lm-eval"),
        help="fixed (the same first examples for every item) or lm-eval (its sampler) (default: the task's)",
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


def add_loading(parser: argparse.ArgumentParser) -> Any:
    """How models are loaded; returns the group, for what else there is to how they run."""
    group = parser.add_argument_group("how models run")
    group.add_argument(
        "--engine", metavar="NAME", help="local (default), hf, vllm, local-completions, …, or scripted"
    )
    group.add_argument("--engine-args", metavar="K=V,…", type=_engine_args, help="further arguments for it")
    group.add_argument("--dtype", metavar="T", help="float32, bfloat16, float16 (default: the checkpoint's)")
    group.add_argument(
        "--device", metavar="D", help="cpu, cuda, cuda:1, mps (default: a GPU if there is one)"
    )
    group.add_argument(
        "--trust-remote-code",
        action="store_true",
        default=None,
        help="run Python that comes with a checkpoint",
    )
    group.add_argument(
        "--allow-bin", action="store_true", default=None, help="read .bin weights, with weights_only=True"
    )
    return group


def add_engine(parser: argparse.ArgumentParser) -> None:
    """How models run, and where their runs are stored."""
    group = add_loading(parser)
    group.add_argument(
        "--batch-size",
        metavar="N",
        type=whole,
        help="requests that run together (64; 8 for others than local)",
    )
    group.add_argument(
        "--max-gen-toks", metavar="N", type=whole, help="longest generated answer (default: the task's)"
    )
    group.add_argument(
        "--chat-template", metavar="NAME", help="none (default), auto, or one of the tokenizer's templates"
    )
    group.add_argument("--system", metavar="TEXT", help="system instruction before each prompt")
    group.add_argument("--chunk-size", metavar="N", type=whole, help="instances a stored part holds (128)")
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
    """Fields of `regress.config.Settings` as given; null where an option was not, or is not the command's."""
    return {name: getattr(options, name, None) for name in _SETTINGS}


def add_compared(parser: argparse.ArgumentParser) -> Any:
    """What comparing takes (read by `compared`); returns the group of options about output."""
    add_questions(parser)
    add_engine(parser)
    add_sided(parser)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--resampling-seed",
        metavar="N",
        type=whole,
        default=1234,
        help="seed of bootstrap and permutation: same seed, same digits (1234)",
    )
    return output


def add_allow(parser: Any) -> None:
    """Refusals to override; not for the gate, whose policy says which."""
    parser.add_argument(
        "--allow",
        metavar="WHAT",
        action="append",
        default=[],
        type=one_of("prompts", "task", "scorer"),
        help="prompts, task, scorer: compare although these differ: a comparison of settings, not of models",
    )


def compared(options: argparse.Namespace) -> dict[str, Any]:
    """What comparing takes, as given: settings, those of either side, where runs lie, and the seed."""
    return {
        **settings(options),
        "store": options.store,
        "resampling_seed": options.resampling_seed,
        "old_settings": side_settings(options, "old"),
        "new_settings": side_settings(options, "new"),
    }


def side_settings(options: argparse.Namespace, side: str) -> dict[str, Any]:
    """What was given for one side only (`--old-dtype …`)."""
    given = {name: getattr(options, f"{side}_{name}", None) for name in SIDED}
    return {name: value for name, value in given.items() if value is not None}


def dashed(name: str) -> str:
    """An option's name as it is typed."""
    return name.replace("_", "-")
