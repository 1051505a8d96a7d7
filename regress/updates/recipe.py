"""Recipes as people write them: `grow:mlp=1.5x,heads=+2`, or `[[step]]` tables in TOML.

A verb's arguments are the fields of its class; their annotations say how a word is read.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import re
import tomllib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from regress.errors import UnknownName, UpdateError, UsageError
from regress.updates.planning import Step
from regress.updates.steps.sizes import SIZES

VERBS: Mapping[str, str] = {
    "grow": "Grow",
    "insert": "Insert",
    "moe": "Moe",
    "port": "Port",
    "reparam": "Reparam",
    "adapt": "Adapt",
    "extend": "Extend",
    "cast": "Cast",
    "layers": "Layers",
    "drop": "Drop",
    "activate": "Activate",
    "norm": "Norm",
    "position": "Position",
    "quantize": "Quantize",
    "prune": "Prune",
    "merge": "Merge",
    "load_partial": "LoadPartial",
    "ensemble": "Ensemble",
    "edit": "Edit",
}
"""The class of each verb, in the module of the verb's name."""


def step_class(verb: str) -> type[Step]:
    """The class of a verb.

    Raises:
        UnknownName: If there is no such verb.
    """
    if verb not in VERBS:
        raise UnknownName("verb", verb, VERBS, do="`regress update --list` says what each takes.")
    return cast("type[Step]", getattr(importlib.import_module(f"regress.updates.steps.{verb}"), VERBS[verb]))


def parse(words: Sequence[str]) -> list[Step]:
    """Steps from `verb:key=value,…` words and paths of TOML recipes, in order.

    Raises:
        UsageError: If a word, a key or a value cannot be read.
        UnknownName: If a verb or key is not known.
    """
    steps: list[Step] = []
    for word in words:
        steps += read_toml(Path(word)) if word.endswith(".toml") else [_step(word)]
    return steps


def read_toml(path: Path) -> list[Step]:
    """The steps of a recipe: `[[step]]` tables with `verb` and its arguments.

    Raises:
        UpdateError: If the file cannot be read, is not TOML, or holds anything else.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UpdateError(f"there is no recipe {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UpdateError(f"{path} is not TOML ({error})") from None
    tables = document.get("step")
    whole = isinstance(tables, list) and tables and all(isinstance(table, dict) for table in tables)
    if set(document) - {"step"} or not whole:
        raise UpdateError(f"{path} holds no [[step]] tables, or something beside them", allowed="[[step]]")
    steps = []
    for number, table in enumerate(document["step"], start=1):
        given = dict(table)
        verb = given.pop("verb", None)
        if not isinstance(verb, str):
            raise UpdateError(f"step {number} of {path} names no verb", allowed='verb = "grow"')
        steps.append(make(verb, given))
    return steps


def _step(word: str) -> Step:
    verb, _, rest = word.partition(":")
    given: dict[str, Any] = {}
    for piece in _split(rest):
        key, sign, value = piece.partition("=")
        if not sign:
            raise UsageError(f"{piece!r} in {word!r} is not key=value")
        if key in given:
            raise UsageError(f"{key} is given twice in {word!r}")
        given[key] = value
    return make(verb, given)


def _split(text: str) -> list[str]:
    """Pieces between commas, where no bracket is open."""
    return [piece for piece in re.split(r",(?![^\[]*\])", text) if piece]


def make(verb: str, given: Mapping[str, Any]) -> Step:
    """A step from its verb and arguments, as text or as values.

    Raises:
        UnknownName: If the verb or an argument is not known.
        UsageError: If a value cannot be what the argument asks for.
    """
    cls = step_class(verb)
    hints = get_type_hints(cls)
    fields = {field.name: hints[field.name] for field in _fields(cls)}
    for key in given:
        if key not in fields:
            raise UnknownName("argument", key, fields, where=f"{verb}:")
    needed = [field.name for field in _fields(cls) if field.default is dataclasses.MISSING]
    if missing := [name for name in needed if name not in given]:
        raise UsageError(
            f"{verb} needs {missing[0]}", do="`regress update --list` says what each verb takes."
        )
    return cls(**{key: _typed(verb, key, value, fields[key]) for key, value in given.items()})


def arguments(verb: str) -> dict[str, tuple[str, str]]:
    """What a verb takes: what is read and the default, in words, by name."""
    cls = step_class(verb)
    hints = get_type_hints(cls)
    return {field.name: (_readable(hints[field.name]), _default(field)) for field in _fields(cls)}


def _readable(kind: Any) -> str:
    kinds = [each for each in _alternatives(kind) if each is not type(None)]
    return SIZES if kinds == [int, str] else " or ".join(map(_named, kinds))


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _fields(cls: Any) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(cls) if field.init and not field.name.startswith("_")]


def _default(field: dataclasses.Field[Any]) -> str:
    return "needed" if field.default is dataclasses.MISSING else written(field.default)


def _typed(verb: str, key: str, value: Any, kind: Any) -> Any:
    """`value` as `kind`; the first alternative of a union that takes it."""
    for each in _alternatives(kind):
        found = _as(value, each)
        if found is not _NOT:
            return found
    raise UsageError(f"{verb}:{key}={written(value)} cannot be read", allowed=_readable(kind))


_NOT = object()
_WORDS: Mapping[str, bool] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
LONGEST_RANGE = 1000
"""Numbers that `0-4` may stand for; no model has so many layers."""
_RANGE = re.compile(r"(\d+)-(\d+)")


def _as(value: Any, kind: Any) -> Any:
    """`value` read as one type; `_NOT` where it is none."""
    text = value.strip() if isinstance(value, str) else value
    if kind is type(None):
        return None if value is None or text == "none" else _NOT
    if get_origin(kind) is Literal:
        return next((each for each in get_args(kind) if written(each) == written(text)), _NOT)
    if get_origin(kind) is tuple:
        return _several(text, get_args(kind)[0])
    if kind is str:
        return text if isinstance(text, str) else _NOT
    if kind is bool:
        return text if isinstance(text, bool) else _WORDS.get(str(text).lower(), _NOT)
    if kind in (int, float) and not isinstance(text, bool):
        try:
            return _whole(text) if kind is int else _finite(text)
        except (TypeError, ValueError):
            return _NOT
    return _NOT


def _whole(value: Any) -> int:
    """A whole number; "+2" is a size, not the number 2."""
    if isinstance(value, float) or (isinstance(value, str) and not re.fullmatch(r"-?\d+", value)):
        raise ValueError
    return int(value)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _several(value: Any, kind: Any) -> Any:
    """`[0,1,2]`, `0+1+2`, a range `0-4`, one value, or a list."""
    if isinstance(value, str):
        between = "[,+]" if kind is int else ","  # a path may have a plus
        pieces: list[Any] = [piece.strip() for piece in re.split(between, value.strip("[]")) if piece.strip()]
        if kind is int:
            pieces = [number for piece in pieces for number in _counted(piece)]
    else:
        pieces = list(value) if isinstance(value, list | tuple) else [value]
    found = tuple(_as(piece, kind) for piece in pieces)
    return _NOT if _NOT in found or not found else found


def _counted(piece: str) -> list[Any]:
    ends = _RANGE.fullmatch(piece)
    if ends is None:
        return [piece]
    if int(ends[2]) - int(ends[1]) >= LONGEST_RANGE:
        raise UsageError(f"{piece} is a range of too many numbers", allowed=f"at most {LONGEST_RANGE}")
    return list(range(int(ends[1]), int(ends[2]) + 1))


_SEVERAL: Mapping[Any, str] = {
    int: "whole numbers, as [0,1,2] or 0-4",
    float: "numbers, as [0.5,0.5]",
    str: "words, as [this,that]",
}


def _named(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(map(written, get_args(kind)))
    if get_origin(kind) is tuple:
        return _SEVERAL[get_args(kind)[0]]
    return {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}.get(kind, "none")


def written(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, tuple | list):
        return f"[{','.join(map(written, value))}]"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def shown(step: Step) -> str:
    """A step as it is typed: its first argument, and what differs from the defaults."""
    said = [
        f"{field.name}={written(getattr(step, field.name))}"
        for number, field in enumerate(_fields(type(step)))
        if getattr(step, field.name) != (None if number == 0 else field.default)
    ]
    return f"{step.verb}:{','.join(said)}" if said else step.verb


def given(step: Step) -> dict[str, Any]:
    """All arguments of a step, defaults too; what JSON cannot say (in a step of one's own) by its kind."""
    return {field.name: _sayable(getattr(step, field.name)) for field in _fields(type(step))}


def _sayable(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_sayable(each) for each in value]
    return value if value is None or isinstance(value, str | int | float) else type(value).__name__
